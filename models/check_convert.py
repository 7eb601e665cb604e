#!/usr/bin/env python3
"""Convert models to both orders and compare what was written with its source, by onnx.checker and ONNX Runtime.

    check_convert.py [--clast PROGRAM] [DIR] [NAME...]      (default: build/zoo, every folder)

Outputs may differ by 2e-5 of their largest magnitude: ONNX Runtime fuses and adds in another order.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

VARIANTS = (
    ["--layout", "first"],
    ["--layout", "last"],
    ["--layout", "last", "--strategy", "last"],
    ["--layout", "last", "--strategy", "random:3"],
)
TOLERANCE = 2e-5


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ranks_and_shapes(values):
    return {value.name: [extent if isinstance(extent, int) else -1 for extent in value.shape] for value in values}


def to_shape(array, have, want):
    """The array as the converted model has it: channels moved to the end or from there, told by the declared shapes."""
    rank = array.ndim
    if have == want:
        return array
    for axes in ([0] + list(range(2, rank)) + [1], [0, rank - 1] + list(range(1, rank - 1))):
        moved = [array.shape[axis] for axis in axes]
        if all(w in (-1, m) for w, m in zip(want, moved)):
            return np.transpose(array, axes)
    raise ValueError(f"declared as {have} and {want}")


def load_inputs(session, folder):
    tensors = {}
    for index, value in enumerate(session.get_inputs()):
        with open(os.path.join(folder, f"input_{index}.pb"), "rb") as file:
            tensors[value.name] = numpy_helper.to_array(onnx.load_tensor_from_string(file.read()))
    return tensors


def largest_error(source, converted, inputs):
    before, after = ranks_and_shapes(source.get_inputs()), ranks_and_shapes(converted.get_inputs())
    expected = source.run(None, inputs)
    got = converted.run(None, {name: to_shape(x, before[name], after[name]) for name, x in inputs.items()})
    before, after = ranks_and_shapes(source.get_outputs()), ranks_and_shapes(converted.get_outputs())
    worst = 0.0
    for value, x, y in zip(source.get_outputs(), expected, got):
        x = to_shape(x, before[value.name], after[value.name])
        if x.dtype.kind == "f":
            scale = max(1e-30, np.max(np.abs(x), initial=0))
            worst = max(worst, float(np.max(np.abs(x.astype(np.float64) - y), initial=0) / scale))
        elif not np.array_equal(x, y):
            worst = np.inf
    return worst


def check(clast, folder, options, path):
    model = os.path.join(folder, "model.onnx")
    result = subprocess.run([clast, "convert", model, "-o", path, "--json"] + options, capture_output=True, text=True)
    if result.returncode:
        return False, result.stderr.strip()
    report = json.loads(result.stdout)
    onnx.checker.check_model(path, full_check=True)
    data = sorted(glob.glob(os.path.join(folder, "test_data_set_*")))[0]
    source = open_session(model)
    error = largest_error(source, open_session(path), load_inputs(source, data))
    text = (f"{report['nodes_before']} -> {report['nodes']} nodes, {report['transposes_before']} -> "
            f"{report['transposes']} Transposes, off by {error:.1e}")
    return error <= TOLERANCE and (report["optimal"] or "--strategy" in options), text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clast", default="build/release/clast")
    parser.add_argument("dir", nargs="?", default="build/zoo")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    names = arguments.names or sorted(os.listdir(arguments.dir))
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            for options in VARIANTS:
                try:
                    good, text = check(arguments.clast, os.path.join(arguments.dir, name), options,
                                       os.path.join(scratch, "model.onnx"))
                except Exception as error:  # what the checker or the runtime says
                    good, text = False, str(error)[:300]
                failed += not good
                print(f"{'ok' if good else 'FAILED':6} {name} {' '.join(options)}: {text}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
