"""Evaluate an ONNX graph in double, with PyTorch's double kernels, to get references exact to float32's last bit.

ONNX Runtime has no double convolution on the CPU, and a float32 reference differs from the truth by as much as the
runtime under test may. Only the operators of the packaged networks are here (PP-OCR, silero-vad, ONNX's "light"
networks); an operator that is missing is an error that names it.
"""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
_CAST_TO = {
    onnx.TensorProto.FLOAT: torch.double, onnx.TensorProto.FLOAT16: torch.double,
    onnx.TensorProto.DOUBLE: torch.double, onnx.TensorProto.INT64: torch.int64, onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.BOOL: torch.bool, onnx.TensorProto.UINT8: torch.uint8, onnx.TensorProto.INT8: torch.int8,
}

OPERATORS = {}


def operator(*names):
    def add(function):
        for name in names:
            OPERATORS[name] = function
        return function
    return add


def to_torch(array):
    tensor = torch.from_numpy(np.array(array))
    return tensor.double() if tensor.dtype in _FLOATS else tensor


def ints(tensor):
    return [int(v) for v in tensor.reshape(-1)]


class Node:
    """A node's attributes with defaults, and its opset."""

    def __init__(self, proto, opset, scope):
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        self.opset = opset
        self.scope = scope
        self.kind = proto.op_type
        self.outputs = list(proto.output)

    def get(self, name, default=None):
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value


def _spatial_pads(n, x, kernel, strides, dilations):
    """[begin, end] per spatial axis, from `pads` or `auto_pad`."""
    rank = len(kernel)
    mode = n.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = n.get("pads", [0] * (2 * rank)) if mode == "NOTSET" else [0] * (2 * rank)
        return [(pads[i], pads[i + rank]) for i in range(rank)]
    result = []
    for i in range(rank):
        size = x.shape[2 + i]
        total = max(0, (-(-size // strides[i]) - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - size)
        small = total // 2
        result.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return result


def _pad(x, pads, value=0.0):
    flat = [amount for pair in reversed(pads) for amount in pair]
    return F.pad(x, flat, value=value) if any(flat) else x


@operator("Conv")
def conv(n, x, w, b=None):
    rank = x.dim() - 2
    strides, dilations = n.get("strides", [1] * rank), n.get("dilations", [1] * rank)
    x = _pad(x, _spatial_pads(n, x, list(w.shape[2:]), strides, dilations))
    function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    return function(x, w, b, stride=tuple(strides), dilation=tuple(dilations), groups=n.get("group", 1))


@operator("ConvTranspose")
def conv_transpose(n, x, w, b=None):
    if any(n.get("pads", [0])) or n.get("output_shape") or n.get("output_padding"):
        raise NotImplementedError("ConvTranspose with pads, output_shape or output_padding")
    return F.conv_transpose2d(x, w, b, stride=tuple(n.get("strides", [1, 1])), groups=n.get("group", 1),
                              dilation=tuple(n.get("dilations", [1, 1])))


@operator("MaxPool", "AveragePool")
def pool(n, x):
    kernel = n.get("kernel_shape")
    rank = len(kernel)
    if rank != 2 or n.get("ceil_mode", 0) or any(d != 1 for d in n.get("dilations", [1])):
        raise NotImplementedError("pooling with ceil_mode, dilations or another rank than 2")
    strides = n.get("strides", [1] * rank)
    pads = _spatial_pads(n, x, kernel, strides, [1] * rank)
    if n.kind == "MaxPool":
        return F.max_pool2d(_pad(x, pads, -float("inf")), kernel, strides)
    total = F.avg_pool2d(_pad(x, pads), kernel, strides, divisor_override=1)
    if n.get("count_include_pad", 0):
        return total / (kernel[0] * kernel[1])
    ones = torch.ones_like(x[:1, :1])
    return total / F.avg_pool2d(_pad(ones, pads), kernel, strides, divisor_override=1)


@operator("BatchNormalization")
def batch_normalization(n, x, scale, bias, mean, var):
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, n.get("epsilon", 1e-5))


@operator("LRN")
def lrn(n, x):
    size = n.get("size")
    square = F.pad((x * x).unsqueeze(1), (0, 0, 0, 0, (size - 1) // 2, size // 2))
    total = F.avg_pool3d(square, (size, 1, 1), 1, divisor_override=1).squeeze(1)
    return x / (n.get("bias", 1.0) + n.get("alpha", 1e-4) / size * total) ** n.get("beta", 0.75)


@operator("Resize")
def resize(n, x, roi=None, scales=None, sizes=None):
    if n.get("mode", "nearest") != "nearest" or n.get("coordinate_transformation_mode") != "asymmetric":
        raise NotImplementedError("Resize other than nearest, asymmetric")
    if n.get("nearest_mode") != "floor" or scales is None or scales.numel() == 0:
        raise NotImplementedError("Resize other than with floor and scales")
    for axis, scale in enumerate(scales.tolist()):
        if scale != 1:
            index = (torch.arange(int(x.shape[axis] * scale)).double() / scale).floor().long()
            x = x.index_select(axis, index)
    return x


@operator("Gemm")
def gemm(n, a, b, c=None):
    a = a.T if n.get("transA", 0) else a
    b = b.T if n.get("transB", 0) else b
    y = n.get("alpha", 1.0) * (a @ b)
    return y if c is None else y + n.get("beta", 1.0) * c


@operator("Softmax")
def softmax(n, x):
    if n.opset >= 13:
        return torch.softmax(x, n.get("axis", -1))
    axis = n.get("axis", 1) % max(1, x.dim())
    rows = int(np.prod(x.shape[:axis]))
    return torch.softmax(x.reshape(rows, -1), 1).reshape(x.shape)


@operator("Clip")
def clip(n, x, low=None, high=None):
    low = n.get("min", -np.inf) if low is None else low.item()
    high = n.get("max", np.inf) if high is None else high.item()
    return x.clamp(low, high)


@operator("Reshape")
def reshape(n, x, shape):
    return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(ints(shape))])


@operator("Squeeze")
def squeeze(n, x, axes=None):
    axes = n.get("axes") if axes is None else ints(axes)
    axes = [i for i, s in enumerate(x.shape) if s == 1] if axes is None else [axis % x.dim() for axis in axes]
    return x.reshape([s for i, s in enumerate(x.shape) if i not in axes])


@operator("Unsqueeze")
def unsqueeze(n, x, axes=None):
    axes = n.get("axes") if axes is None else ints(axes)
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Slice")
def slice_(n, x, starts=None, ends=None, axes=None, steps=None):
    starts = n.get("starts") if starts is None else ints(starts)
    ends = n.get("ends") if ends is None else ints(ends)
    axes = n.get("axes", list(range(len(starts)))) if axes is None else ints(axes)
    steps = [1] * len(starts) if steps is None else ints(steps)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        # Python's own rules for clamping are ONNX's, but for an end below -size with a negative step.
        size = x.shape[axis]
        end = None if step < 0 and end < -size else end
        x = x.index_select(axis, torch.arange(size)[torch.tensor(range(size)[start:end:step], dtype=torch.long)])
    return x


@operator("Pad")
def pad(n, x, pads=None, value=None, axes=None):
    pads = n.get("pads") if pads is None else ints(pads)
    if axes is not None or any(p < 0 for p in pads):
        raise NotImplementedError("Pad with axes or negative pads")
    rank = x.dim()
    mode = n.get("mode", "constant")
    for axis in range(rank):
        before, after = pads[axis], pads[axis + rank]
        if not before and not after:
            continue
        index = torch.arange(-before, x.shape[axis] + after)
        if mode == "reflect":
            last = x.shape[axis] - 1
            index = index.abs()
            x = x.index_select(axis, last - (last - index).abs())
        elif mode == "edge":
            x = x.index_select(axis, index.clamp(0, x.shape[axis] - 1))
        else:
            flat = [0, 0] * rank
            flat[2 * (rank - 1 - axis)], flat[2 * (rank - 1 - axis) + 1] = before, after
            x = F.pad(x, flat, value=0.0 if value is None else value.item())
    return x


@operator("LSTM")
def lstm(n, x, w, r, b=None, sequence_lens=None, h=None, c=None, p=None):
    if p is not None or sequence_lens is not None or n.get("direction", "forward") != "forward" or n.get("layout", 0):
        raise NotImplementedError("LSTM with peepholes, lengths, layout 1 or another direction than forward")
    if n.get("activations") or n.get("clip") or n.get("input_forget", 0):
        raise NotImplementedError("LSTM with activations, clip or input_forget")
    hidden = n.get("hidden_size")
    shape = (x.shape[1], hidden)
    h = torch.zeros(shape).double() if h is None else h[0]
    c = torch.zeros(shape).double() if c is None else c[0]
    bias = 0.0 if b is None else b[0, :4 * hidden] + b[0, 4 * hidden:]
    rows = []
    for step in x:
        i, o, f, g = (step @ w[0].T + h @ r[0].T + bias).split(hidden, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        rows.append(h)
    return torch.stack(rows).unsqueeze(1), h.unsqueeze(0), c.unsqueeze(0)


@operator("Split")
def split(n, x, sizes=None):
    axis = n.get("axis", 0)
    sizes = n.get("split") if sizes is None else ints(sizes)
    if sizes is None:
        chunk = -(-x.shape[axis] // len(n.outputs))
        sizes = [min(chunk, x.shape[axis] - i * chunk) for i in range(len(n.outputs))]
    return tuple(x.split(sizes, axis))


@operator("ReduceMean")
def reduce_mean(n, x, axes=None):
    axes = n.get("axes", list(range(x.dim()))) if axes is None else ints(axes)
    return x.mean(axes, keepdim=bool(n.get("keepdims", 1)))


@operator("Constant")
def constant(n):
    for kind in ("value_int", "value_ints", "value_float", "value_floats"):
        if kind in n.attributes:
            value = n.attributes[kind]
            return torch.tensor(value, dtype=torch.int64 if "int" in kind else torch.double)
    return to_torch(numpy_helper.to_array(n.attributes["value"]))


@operator("ConstantOfShape")
def constant_of_shape(n, shape):
    value = to_torch(numpy_helper.to_array(n.attributes["value"])) if "value" in n.attributes else torch.zeros(1).double()
    return value.reshape(()).expand(ints(shape)).clone()


@operator("If")
def if_(n, condition):
    branch = n.attributes["then_branch" if bool(condition) else "else_branch"]
    return run_graph(branch, {}, n.opset, n.scope)


@operator("Gather")
def gather(n, x, index):
    axis = n.get("axis", 0) % x.dim()
    flat = x.index_select(axis, index.reshape(-1).long() % x.shape[axis])
    return flat.reshape(list(x.shape[:axis]) + list(index.shape) + list(x.shape[axis + 1:]))


@operator("Transpose")
def transpose(n, x):
    return x.permute(n.get("perm", list(reversed(range(x.dim())))))


@operator("Div")
def div(n, a, b):
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@operator("GlobalAveragePool")
def global_average_pool(n, x):
    return x.mean(list(range(2, x.dim())), keepdim=True)


OPERATORS.update({
    "Add": lambda n, a, b: a + b,
    "Cast": lambda n, x: x.to(_CAST_TO[n.get("to")]),
    "Concat": lambda n, *xs: torch.cat(xs, n.get("axis")),
    "Dropout": lambda n, x, *_: x,
    "Equal": lambda n, a, b: a == b,
    "Flatten": lambda n, x: x.reshape(int(np.prod(x.shape[:n.get("axis", 1)])), -1),
    "HardSigmoid": lambda n, x: (x * n.get("alpha", 0.2) + n.get("beta", 0.5)).clamp(0, 1),
    "Identity": lambda n, x: x,
    "MatMul": lambda n, a, b: a @ b,
    "Mul": lambda n, a, b: a * b,
    "Not": lambda n, x: ~x,
    "Pow": lambda n, a, b: a ** b,
    "Relu": lambda n, x: x.clamp(min=0),
    "Shape": lambda n, x: torch.tensor(x.shape, dtype=torch.int64),
    "Sigmoid": lambda n, x: torch.sigmoid(x),
    "Size": lambda n, x: torch.tensor(x.numel()),
    "Sqrt": lambda n, x: x.sqrt(),
    "Sub": lambda n, a, b: a - b,
    "Sum": lambda n, *xs: sum(xs[1:], xs[0]),
    "Tanh": lambda n, x: torch.tanh(x),
})


def run_graph(graph, feeds, opset, outer, before=None):
    """Values of the graph's outputs. `outer` holds what a subgraph may capture.

    before(node, values), if given, is called before each node and may change the values it will read.
    """
    values = dict(outer)
    values.update({t.name: to_torch(numpy_helper.to_array(t)) for t in graph.initializer})
    values.update(feeds)
    last_use = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            last_use[name] = index
    nested = any(a.type == onnx.AttributeProto.GRAPH for node in graph.node for a in node.attribute)
    keep = {value.name for value in graph.output}
    for index, proto in enumerate(graph.node):
        if proto.op_type not in OPERATORS:
            raise NotImplementedError(f"exact evaluation of {proto.op_type}")
        if before:
            before(proto, values)
        node = Node(proto, opset, values)
        inputs = [values[name] if name else None for name in proto.input]
        result = OPERATORS[proto.op_type](node, *inputs)
        results = result if isinstance(result, (tuple, list)) else (result,)
        values.update({name: value for name, value in zip(proto.output, results) if name})
        if not nested:
            for name in proto.input:
                if last_use[name] == index and name not in keep:
                    values.pop(name, None)
    return [values[value.name] for value in graph.output]


@torch.no_grad()
def run(model, feeds, before=None):
    """Outputs of `model` for numpy `feeds`, each rounded once to the type that the graph declares for it."""
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    results = run_graph(model.graph, {name: to_torch(value) for name, value in feeds.items()}, opset, {}, before)
    outputs = {}
    for value, result in zip(model.graph.output, results):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        outputs[value.name] = result.numpy().astype(dtype)
    return outputs
