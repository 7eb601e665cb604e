"""Segmentation and detection networks of torchvision: several outputs, several scales, post-processing in the graph."""

import copy
import functools
import io

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import testcase
import torch_zoo


def deeplabv3(size, seed=1):
    def recipe(folder):
        import torchvision
        module = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None)
        module = torch_zoo.TupleOutput(module, ["out"]).eval()
        torch_zoo.randomise(module, seed)
        images = torch.from_numpy(testcase.image_like((2, 3, size, size), seed + 1000))
        torch_zoo.calibrate(module, [images], seed + 2000)
        x = images[:1].contiguous()
        outputs = torch_zoo.reference(module, [x])
        model = torch_zoo.export(module, [x], ["x"], ["y"], 13)
        testcase.write(folder, model, [({"x": x.numpy()}, {"y": outputs[0]})])
    return recipe


class Detector(torch.nn.Module):
    """ssdlite with one picture as a plain tensor, and its detections as a tuple."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        result = self.model([image])
        found = (result[1] if isinstance(result, tuple) else result)[0]
        return found["boxes"], found["scores"], found["labels"]


def _heads(model, image):
    """The raw outputs of the detection heads for one picture."""
    caught = {}
    hook = model.head.register_forward_hook(lambda module, args, out: caught.update(out))
    model([image])
    hook.remove()
    return caught["bbox_regression"], caught["cls_logits"]


@torch.no_grad()
def _spread_scores(model, image, candidates, deviation=1.5):
    """Scale the class logits and lift the background's so that about `candidates` scores pass the threshold.

    Untouched random logits let every anchor pass for every class: 290,000 candidates, as no trained network has.
    """
    layers = [block[-1] for block in model.head.classification_head.module_list]
    columns = model.head.classification_head.num_columns
    _, logits = _heads(model, image)
    scale = deviation / float(logits.std())
    for layer in layers:
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    logits = logits[0].double() * scale
    low, high = -50.0, 50.0
    for _ in range(60):
        lift = 0.5 * (low + high)
        shifted = logits.clone()
        shifted[:, 0] += lift
        passing = int((torch.softmax(shifted, 1)[:, 1:] > model.score_thresh).sum())
        low, high = (lift, high) if passing > candidates else (low, lift)
    for layer in layers:
        layer.bias.view(-1, columns)[:, 0] += lift


def _subgraph_names(node):
    names = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                names += list(inner.input) + _subgraph_names(inner)
            names += [value.name for value in attribute.g.output]
    return names


def _needs(node):
    return [name for name in list(node.input) + _subgraph_names(node) if name]


def _backward(graph, outputs, stop):
    """The nodes that `outputs` depend on, without going past the values in `stop`, in graph order."""
    producer = {name: index for index, node in enumerate(graph.node) for name in node.output}
    wanted, todo = set(), [name for name in outputs if name not in stop]
    while todo:
        index = producer.get(todo.pop())
        if index is None or index in wanted:
            continue
        wanted.add(index)
        todo += [name for name in _needs(graph.node[index]) if name not in stop]
    return [graph.node[index] for index in sorted(wanted)]


def _subset(model, nodes, inputs, outputs, extra=()):
    used = {name for node in nodes for name in _needs(node)}
    graph = onnx.helper.make_graph(list(extra) + nodes, model.graph.name, inputs, outputs,
                                   [t for t in model.graph.initializer if t.name in used])
    part = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(part)
    return part


def _values_by_ort(model, feeds, names):
    """Values inside the graph, computed by ONNX Runtime without optimisation."""
    import onnxruntime
    probe = copy.deepcopy(model)
    known = {value.name for value in probe.graph.output}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, feeds)))


def cut_at_heads(model, feeds, heads):
    """Split a detector's graph: picture -> heads, heads -> detections.

    `heads` maps new names to arrays, the heads' values for `feeds`, by which they are found in the graph. The second part
    asks for the sizes of feature maps, which it then no longer has: their Shape nodes become constants.
    """
    graph = model.graph
    candidates = [node.output[0] for node in graph.node if node.op_type == "Concat"]
    values = _values_by_ort(model, feeds, candidates)
    cut = {}
    for new, want in heads.items():
        match = [name for name, value in values.items() if value.shape == want.shape and value.dtype == want.dtype
                 and np.max(np.abs(value - want)) < 1e-3 * np.max(np.abs(want))]
        if len(match) != 1:
            raise ValueError(f"{len(match)} values of the graph look like the head {new}")
        cut[new] = match[0]

    info = {new: onnx.helper.make_tensor_value_info(cut[new], onnx.TensorProto.FLOAT, want.shape)
            for new, want in heads.items()}
    first = _subset(model, _backward(graph, cut.values(), set()), list(graph.input), list(info.values()))

    outputs = [value.name for value in graph.output]
    nodes = _backward(graph, outputs, set(cut.values()))
    from_picture = {value.name for value in graph.input}
    shapes = []
    for node in nodes:
        if any(name in from_picture for name in _needs(node)):
            if node.op_type == "Shape":
                shapes.append(node.output[0])
            else:
                from_picture.update(node.output)
    constants = [onnx.helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
                 for name, value in _values_by_ort(model, feeds, shapes).items()]
    second = _subset(model, _backward(graph, outputs, set(cut.values()) | set(shapes)), list(info.values()),
                     list(graph.output), constants)
    return first, second, cut


def _detections(part, feeds):
    import onnxruntime
    session = onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in part.graph.output]
    return dict(zip(names, session.run(names, feeds)))


def _steady(part, feeds, exact, trials=6):
    """Whether the choice of detections survives what float32 does to the heads (2e-6 of their largest)."""
    rng = np.random.default_rng(5)
    for _ in range(trials):
        noisy = {name: value + np.float32(2e-6 * np.max(np.abs(value)))
                 * rng.uniform(-1, 1, value.shape).astype(np.float32) for name, value in feeds.items()}
        found = _detections(part, noisy)
        if not np.array_equal(found["labels"], exact["labels"]):
            return False
        if np.max(np.abs(found["boxes"] - exact["boxes"])) > 0.05:
            return False
    return True


@functools.lru_cache(maxsize=None)
def ssdlite320_parts(seeds=(8, *range(1, 8), *range(9, 60)), candidates=300):
    """The whole detector, its heads alone, its post-processing alone: {name: (model, data sets, tolerance)}.

    The first seed is one that is known to give steady detections; the others are tried where a library differs.
    """
    import torchvision
    size = 320
    for seed in seeds:
        model = torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
        torch_zoo.randomise(model, seed)
        pictures = [torch.from_numpy(0.5 + 0.2 * testcase.image_like((1, 3, size, size), s)[0])
                    for s in range(seed + 1000, seed + 1008)]
        torch_zoo.calibrate(model, [pictures], seed + 2000)
        image = pictures[0]
        _spread_scores(model, image, candidates)
        with torch.no_grad():
            double = copy.deepcopy(model).double()
            boxes, logits = (head.float().numpy() for head in _heads(double, image.double()))
            found = Detector(double)(image.double())
        exact = {"boxes": found[0].float().numpy(), "scores": found[1].float().numpy(), "labels": found[2].numpy()}
        buffer = io.BytesIO()
        with torch.no_grad():
            torch.onnx.export(Detector(model), (image,), buffer, opset_version=13, input_names=["image"],
                              output_names=["boxes", "scores", "labels"],
                              training=torch.onnx.TrainingMode.PRESERVE)
        whole = onnx.load_from_string(buffer.getvalue())
        feeds = {"image": image.numpy()}
        heads, post, cut = cut_at_heads(whole, feeds, {"bbox_regression": boxes, "cls_logits": logits})
        head_values = {cut["bbox_regression"]: boxes, cut["cls_logits"]: logits}
        count = len(exact["labels"])
        if count < 30 or len(set(exact["labels"])) < 5 or not _steady(post, head_values, exact):
            continue
        print(f"  seed {seed}: {count} detections of {len(set(exact['labels']))} classes", flush=True)
        tolerance = (1e-5, 1e-4)  # boxes are in pixels up to 320, scores below 1; labels are integers
        return {
            "ssdlite320_mobilenet_v3_large": (whole, [(feeds, exact)], None),
            "ssdlite320_heads": (heads, [(feeds, head_values)], None),
            "ssdlite320_post": (post, [(head_values, exact)], tolerance),
        }
    raise ValueError("no seed gives detections that survive rounding")


def ssdlite320(name):
    def recipe(folder):
        model, data_sets, tolerance = ssdlite320_parts()[name]
        testcase.write(folder, model, data_sets, tolerance)
    return recipe
