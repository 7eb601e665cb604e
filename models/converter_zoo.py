"""Networks on which converters between frameworks are known to go wrong.

dronet        DroNet's ResNet8 as PyTorch exports it: explicit asymmetric padding, BatchNorm in front of the convolutions,
              in-place activations beside a skip, two heads
dronet_last   the same weights as exporters of channels-last frameworks write them: Transposes around every
              operator, convolution weights in HWIO behind a Transpose, SAME_UPPER padding, Flatten in H,W,C order
slice_relu    an activation applied in place to a strided slice: ScatterND between two convolutions
"""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import testcase
import torch_zoo

EPSILON = 1e-3  # Keras's default for BatchNormalization


def _same_pads(size, kernel, stride):
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class SameConv(nn.Conv2d):
    """A convolution padded so that the output has ceil(size / stride) pixels, the odd one at the end."""

    def forward(self, x):
        top, bottom = _same_pads(int(x.shape[2]), self.kernel_size[0], self.stride[0])
        left, right = _same_pads(int(x.shape[3]), self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(x, (left, right, top, bottom)))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs, eps=EPSILON)
        self.conv1 = SameConv(inputs, outputs, 3, 2)
        self.norm2 = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.conv2 = SameConv(outputs, outputs, 3)
        self.skip = SameConv(inputs, outputs, 1, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.conv1(self.relu(self.norm1(x)))
        y = self.conv2(self.relu(self.norm2(y)))
        return self.skip(x) + y


class DroNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = SameConv(1, 32, 5, 2)
        self.blocks = nn.ModuleList([Block(32, 32), Block(32, 64), Block(64, 128)])
        self.steer = nn.Linear(7 * 7 * 128, 1)
        self.collision = nn.Linear(7 * 7 * 128, 1)

    def forward(self, x):
        x = F.max_pool2d(self.conv(x), 3, 2)
        for block in self.blocks:
            x = block(x)
        x = F.relu_(torch.flatten(x, 1))
        return self.steer(x), torch.sigmoid(self.collision(x))


def _dronet(seed=1):
    """(module, picture, exact outputs)"""
    module = DroNet().eval()
    torch_zoo.randomise(module, seed)
    images = torch.from_numpy(testcase.image_like((8, 1, 200, 200), seed + 1000))
    torch_zoo.calibrate(module, [images], seed + 2000)
    x = images[:1].contiguous()
    steer, collision = torch_zoo.reference(module, [x])
    return module, x, {"steer": steer, "collision": collision}


def dronet():
    def recipe(folder):
        module, x, outputs = _dronet()
        model = torch_zoo.export(module, [x], ["x"], ["steer", "collision"], 13)
        testcase.write(folder, model, [({"x": x.numpy()}, outputs)])
    return recipe


class LastWriter:
    """Writes a graph on N,H,W,C values, each operator between Transposes, none cancelled."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def node(self, kind, inputs, output=None, **attributes):
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value):
        name = f"w{len(self.constants)}"
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def wrapped(self, kind, x, *constants, **attributes):
        x = self.node("Transpose", [x], perm=[0, 3, 1, 2])
        y = self.node(kind, [x, *constants], **attributes)
        return self.node("Transpose", [y], perm=[0, 2, 3, 1])

    def conv(self, x, module):
        stored = self.constant(module.weight.detach().numpy().transpose(2, 3, 1, 0))
        weight = self.node("Transpose", [stored], perm=[3, 2, 0, 1])
        return self.wrapped("Conv", x, weight, self.constant(module.bias), auto_pad="SAME_UPPER",
                            kernel_shape=list(module.kernel_size), strides=list(module.stride))

    def norm(self, x, module):
        values = (module.weight, module.bias, module.running_mean, module.running_var)
        return self.wrapped("BatchNormalization", x, *map(self.constant, values), epsilon=module.eps)

    def dense(self, x, module, channels, size, output=None):
        """The weights of a Linear behind a C,H,W flatten, for values flattened as H,W,C."""
        weight = module.weight.detach().numpy().reshape(-1, channels, size, size).transpose(2, 3, 1, 0)
        product = self.node("MatMul", [x, self.constant(weight.reshape(-1, weight.shape[-1]))])
        return self.node("Add", [product, self.constant(module.bias)], output)


def dronet_last():
    def recipe(folder):
        module, x, outputs = _dronet()
        w = LastWriter()
        y = w.conv("x", module.conv)
        y = w.wrapped("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2])
        for block in module.blocks:
            z = w.conv(w.node("Relu", [w.norm(y, block.norm1)]), block.conv1)
            z = w.conv(w.node("Relu", [w.norm(z, block.norm2)]), block.conv2)
            y = w.node("Add", [w.conv(y, block.skip), z])
        y = w.node("Reshape", [y, w.constant(np.array([-1, 7 * 7 * 128], np.int64))])
        y = w.node("Relu", [y])
        w.dense(y, module.steer, 128, 7, "steer")
        w.node("Sigmoid", [w.dense(y, module.collision, 128, 7)], "collision")
        graph = helper.make_graph(
            w.nodes, "dronet_last", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 200, 200, 1])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("steer", "collision")],
            w.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        picture = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1))
        testcase.write(folder, model, [({"x": picture}, outputs)])
    return recipe


class SliceRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        x[:, 1:9, 4:25, 8::2] = torch.relu(x[:, 1:9, 4:25, 8::2])
        return self.second(x)


def slice_relu():
    def recipe(folder):
        module = SliceRelu().eval()
        torch_zoo.randomise(module, 1)
        x = torch.from_numpy(testcase.image_like((1, 3, 32, 40), 2))
        outputs = torch_zoo.reference(torch_zoo.TupleOutput(module), [x])
        model = torch_zoo.export(module, [x], ["x"], ["y"], 13)
        testcase.write(folder, model, [({"x": x.numpy()}, {"y": outputs[0]})])
    return recipe
