#!/usr/bin/env python3
"""Write large synthetic graphs: for how loading and planning grow with the number of nodes.

    generate.py chain|resnet|densenet|swin NODES OUT.onnx [--dynamic] [--own-weights]

chain      Conv, Relu, Add with the value in front, again and again; 16 channels, 8x8. Exactly NODES nodes.
resnet     residual blocks of two convolutions; after every eighth, a strided or an enlarging one with a projection
densenet   blocks of eight layers, each fed with the concatenation of all before it, then a transition
swin       windowed attention, every second block shifted by slices, then a multi-layer perceptron

The last three stop at the first block that reaches NODES. Weights are shared by all nodes of a kind, so that a file of 100,000
nodes stays near 10 MB, unless --own-weights is given. They are chosen so that values stay finite at any depth: convolutions have
negative weights and a positive bias, which ends in a fixed point instead of growing.
"""

import argparse
import sys
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    def __init__(self, own_weights, seed=1):
        self.nodes, self.constants, self.known = [], [], {}
        self.own_weights = own_weights
        self.rng = np.random.default_rng(seed)

    def node(self, kind, inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}", **attributes))
        return output

    def split(self, x, axis, count):
        outputs = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node("Split", [x], outputs, name=f"n{len(self.nodes)}", axis=axis))
        return outputs

    def constant(self, key, make, shared=True):
        """The name of an initializer; one a key, or one a call with --own-weights."""
        if key in self.known and (shared or not self.own_weights):
            return self.known[key]
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(make()), name))
        self.known[key] = name
        return name

    def integers(self, *values):
        return self.constant(values, lambda: np.array(values, np.int64))

    def weight(self, role, shape, make):
        return self.constant((role, shape), lambda: make(shape).astype(np.float32), shared=False)

    def conv(self, x, inputs, outputs, kernel, stride=1):
        shape = (outputs, inputs, kernel, kernel)
        fan_in = inputs * kernel * kernel
        w = self.weight("conv", shape, lambda s: -self.rng.uniform(0.2, 1.0, s) / fan_in)
        b = self.weight("bias", (outputs,), lambda s: self.rng.uniform(0.1, 1.0, s))
        return self.node("Conv", [x, w, b], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)

    def dense(self, x, inputs, outputs):
        w = self.weight("dense", (inputs, outputs), lambda s: self.rng.normal(0, inputs ** -0.5, s))
        b = self.weight("bias", (outputs,), lambda s: self.rng.uniform(0.1, 1.0, s))
        return self.node("Add", [self.node("MatMul", [x, w]), b])

    def norm(self, x, channels):
        scale = self.weight("scale", (channels,), lambda s: self.rng.uniform(0.6, 1.4, s))
        bias = self.weight("shift", (channels,), lambda s: self.rng.normal(0, 0.3, s))
        return self.node("LayerNormalization", [x, scale, bias], axis=-1, epsilon=1e-5)


def chain(b, count):
    x = skip = "x"
    while len(b.nodes) < count:
        step = len(b.nodes) % 3
        if step == 0:
            skip, x = x, b.conv(x, 16, 16, 3)
        elif step == 1:
            x = b.node("Relu", [x])
        else:
            x = b.node("Add", [x, skip])
    return x, (16, 8, 8)


def resnet(b, count):
    x, channels, size = "x", 16, 16
    block = 0
    while len(b.nodes) < count:
        stride, outputs = 1, channels
        if block % 8 == 7:
            # Down to 8x8 with twice the channels, then back again by an enlarging block.
            if size == 16:
                stride, outputs, size = 2, 32, 8
            else:
                x = b.node("Resize", [x, "", b.constant("twice", lambda: np.array([1, 1, 2, 2], np.float32))],
                           mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
                outputs, size = 16, 16
        y = b.node("Relu", [b.conv(x, channels, outputs, 3, stride)])
        y = b.conv(y, outputs, outputs, 3)
        if outputs != channels or stride != 1:
            x = b.conv(x, channels, outputs, 1, stride)
        x = b.node("Relu", [b.node("Add", [y, x])])
        channels = outputs
        block += 1
    return x, (channels, size, size)


def densenet(b, count):
    x, growth = "x", 8
    while len(b.nodes) < count:
        features, channels = [x], 16
        for _ in range(8):
            y = b.node("Concat", features, axis=1) if len(features) > 1 else x
            y = b.node("Relu", [b.conv(y, channels, 16, 1)])
            features.append(b.node("Relu", [b.conv(y, 16, growth, 3)]))
            channels += growth
        y = b.node("Concat", features, axis=1)
        x = b.node("Relu", [b.conv(y, channels, 16, 1)])
    return x, (16, 8, 8)


def _roll(b, x, axis, shift, size):
    """As exporters write torch.roll: the two parts sliced and put together the other way round."""
    axes = b.integers(axis)
    tail = b.node("Slice", [x, b.integers(size - shift), b.integers(size), axes])
    head = b.node("Slice", [x, b.integers(0), b.integers(size - shift), axes])
    return b.node("Concat", [tail, head], axis=axis)


def swin(b, count):
    channels, size, window, heads = 16, 8, 4, 2
    parts, area, head = size // window, window * window, channels // heads
    x = b.node("Transpose", ["x"], perm=[0, 2, 3, 1])
    block = 0
    while len(b.nodes) < count:
        shift = window // 2 if block % 2 else 0
        y = b.norm(x, channels)
        if shift:
            y = _roll(b, _roll(b, y, 1, size - shift, size), 2, size - shift, size)
        y = b.node("Reshape", [y, b.integers(-1, parts, window, parts, window, channels)])
        y = b.node("Transpose", [y], perm=[0, 1, 3, 2, 4, 5])
        y = b.node("Reshape", [y, b.integers(-1, area, channels)])
        y = b.dense(y, channels, 3 * channels)
        y = b.node("Reshape", [y, b.integers(-1, area, 3, heads, head)])
        y = b.node("Transpose", [y], perm=[2, 0, 3, 1, 4])
        q, k, v = (b.node("Squeeze", [part, b.integers(0)]) for part in b.split(y, 0, 3))
        q = b.node("Mul", [q, b.constant("scale", lambda: np.array(head ** -0.5, np.float32))])
        scores = b.node("MatMul", [q, b.node("Transpose", [k], perm=[0, 1, 3, 2])])
        bias = b.weight("position", (1, heads, area, area), lambda s: b.rng.normal(0, 0.4, s))
        attention = b.node("Softmax", [b.node("Add", [scores, bias])], axis=-1)
        y = b.node("Transpose", [b.node("MatMul", [attention, v])], perm=[0, 2, 1, 3])
        y = b.node("Reshape", [y, b.integers(-1, area, channels)])
        y = b.dense(y, channels, channels)
        y = b.node("Reshape", [y, b.integers(-1, parts, parts, window, window, channels)])
        y = b.node("Transpose", [y], perm=[0, 1, 3, 2, 4, 5])
        y = b.node("Reshape", [y, b.integers(-1, size, size, channels)])
        if shift:
            y = _roll(b, _roll(b, y, 1, shift, size), 2, shift, size)
        x = b.node("Add", [x, y])
        y = b.dense(b.norm(x, channels), channels, 4 * channels)
        y = b.dense(b.node("Relu", [y]), 4 * channels, channels)
        x = b.node("Add", [x, y])
        block += 1
    return b.node("Transpose", [x], perm=[0, 3, 1, 2]), (channels, size, size)


INPUTS = {"chain": (16, 8, 8), "resnet": (16, 16, 16), "densenet": (16, 8, 8), "swin": (16, 8, 8)}


def make(kind, count, dynamic=False, own_weights=False):
    b = Builder(own_weights)
    output, shape = {"chain": chain, "resnet": resnet, "densenet": densenet, "swin": swin}[kind](b, count)
    batch = "N" if dynamic else 1
    b.nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        b.nodes, kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *INPUTS[kind]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, *shape])], b.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(INPUTS))
    parser.add_argument("nodes", type=int)
    parser.add_argument("out")
    parser.add_argument("--dynamic", action="store_true", help="an unknown batch size N")
    parser.add_argument("--own-weights", action="store_true", help="separate weights for every node")
    args = parser.parse_args()
    if args.nodes < 1:
        parser.error("NODES must be at least 1")
    start = time.monotonic()
    model = make(args.kind, args.nodes, args.dynamic, args.own_weights)
    onnx.save(model, args.out)
    print(f"{args.out}: {len(model.graph.node)} nodes, {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
