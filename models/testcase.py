"""Test folders in the form of ONNX's backend tests, and the inputs that fill them.

    NAME/model.onnx
    NAME/tol                                    rtol and atol of every output
    NAME/test_data_set_0/input_0.pb ...         one TensorProto each, named as in the graph
    NAME/test_data_set_0/output_0.pb ...
"""

import os
import shutil

import numpy as np
import onnx
from onnx import numpy_helper

RELATIVE_TO_LARGEST = 1e-5


def graph_input_names(model):
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name not in constants]


def graph_output_names(model):
    return [value.name for value in model.graph.output]


def default_tolerance(data_sets):
    """(0, 1e-5 of the largest output magnitude): the criterion for whole networks."""
    largest = 0.0
    for _, outputs in data_sets:
        for value in outputs.values():
            if value.dtype.kind == "f" and value.size:
                largest = max(largest, float(np.max(np.abs(value.astype(np.float64)))))
    return 0.0, RELATIVE_TO_LARGEST * largest


def _write_tensors(folder, kind, names, tensors):
    for index, name in enumerate(names):
        # Not ascontiguousarray, which makes a scalar an array of one element.
        proto = numpy_helper.from_array(np.array(tensors[name], order="C"), name)
        with open(os.path.join(folder, f"{kind}_{index}.pb"), "wb") as file:
            file.write(proto.SerializeToString())


def write(folder, model, data_sets, tolerance=None):
    """Write a whole test folder. `data_sets` is a list of (inputs, outputs), each a dict name -> array.

    The folder appears under its name only when it is complete, so that an interrupted run leaves no half one.
    """
    partial = folder.rstrip("/") + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    if isinstance(model, (str, os.PathLike)):
        shutil.copy(model, os.path.join(partial, "model.onnx"))
        model = onnx.load(model, load_external_data=False)
    else:
        onnx.save(model, os.path.join(partial, "model.onnx"))
    for index, (inputs, outputs) in enumerate(data_sets):
        for name, value in outputs.items():
            if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
                raise ValueError(f"{folder}: reference output {name} is not finite")
        data = os.path.join(partial, f"test_data_set_{index}")
        os.makedirs(data)
        _write_tensors(data, "input", graph_input_names(model), inputs)
        _write_tensors(data, "output", graph_output_names(model), outputs)
    rtol, atol = tolerance or default_tolerance(data_sets)
    with open(os.path.join(partial, "tol"), "w") as file:
        file.write(f"{rtol:.6g} {atol:.6g}\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(partial, folder)


def image_like(shape, seed):
    """A float32 N,C,H,W picture-like tensor; each of its planes has mean 0 and deviation 1.

    Smooth gradients, a few rectangles with hard edges, and noise: neighbouring pixels are correlated as
    in photographs, yet no two rows are alike.
    """
    rng = np.random.default_rng(seed)
    batch, channels, height, width = shape
    y = np.linspace(0, 1, height)[:, None]
    x = np.linspace(0, 1, width)[None, :]
    image = np.zeros(shape)
    for n in range(batch):
        for c in range(channels):
            for _ in range(12):
                fy, fx, phase = rng.normal(0, 25), rng.normal(0, 25), rng.uniform(0, 2 * np.pi)
                image[n, c] += rng.uniform(0.3, 1.0) * np.sin(fy * y + fx * x + phase)
        for _ in range(6):
            y0, x0 = rng.integers(0, height), rng.integers(0, width)
            y1 = y0 + 1 + rng.integers(0, max(1, height // 3))
            x1 = x0 + 1 + rng.integers(0, max(1, width // 3))
            image[n, :, y0:y1, x0:x1] += rng.normal(size=(channels, 1, 1))
    image += 0.4 * rng.normal(size=shape)
    axes = (2, 3)
    return ((image - image.mean(axes, keepdims=True)) / image.std(axes, keepdims=True)).astype(np.float32)
