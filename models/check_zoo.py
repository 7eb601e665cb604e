#!/usr/bin/env python3
"""Run the folders that zoo.py wrote through ONNX Runtime and compare, as a check of the references themselves.

    check_zoo.py [DIR] [NAME...]        (default: build/zoo, every folder)

ONNX Runtime computes in float32 with its own fusions, so where it stays within the folder's tolerance the
tolerance is one that a float32 runtime can meet.
"""

import argparse
import collections
import glob
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import testcase


def load_tensors(folder, kind, names):
    tensors = {}
    for index, name in enumerate(names):
        with open(os.path.join(folder, f"{kind}_{index}.pb"), "rb") as file:
            tensors[name] = numpy_helper.to_array(onnx.load_tensor_from_string(file.read()))
    return tensors


def check(folder):
    model = onnx.load(os.path.join(folder, "model.onnx"))
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    with open(os.path.join(folder, "tol")) as file:
        rtol, atol = map(float, file.read().split())
    outputs = testcase.graph_output_names(model)
    good = True
    for data in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        feeds = load_tensors(data, "input", testcase.graph_input_names(model))
        expected = load_tensors(data, "output", outputs)
        for name, got in zip(outputs, session.run(outputs, feeds)):
            want = expected[name]
            if want.shape != got.shape or want.dtype != got.dtype:
                print(f"  {os.path.basename(data)} {name}: {got.dtype}{list(got.shape)}"
                      f" instead of {want.dtype}{list(want.shape)}")
                good = False
                continue
            error = np.abs(want.astype(np.float64) - got.astype(np.float64))
            within = bool(np.all(error <= atol + rtol * np.abs(want))) if want.size else True
            good &= within
            scale = float(np.max(np.abs(want))) if want.size else 0.0
            deviation = float(np.std(want.astype(np.float64))) if want.size else 0.0
            print(f"  {os.path.basename(data)} {name} {list(want.shape)}: largest {scale:.3g} deviation {deviation:.3g}"
                  f" error/largest {error.max() / scale if want.size and scale else 0.0:.1e}"
                  f"{'' if within else ' TOO LARGE'}")
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    print(f"  {len(model.graph.node)} nodes of {len(kinds)} kinds, opset {model.opset_import[0].version}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("dir", nargs="?", default=os.path.join(here, "..", "build", "zoo"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    names = args.names or sorted(name for name in os.listdir(args.dir)
                                 if os.path.exists(os.path.join(args.dir, name, "tol")))
    bad = []
    for name in names:
        print(name, flush=True)
        if not check(os.path.join(args.dir, name)):
            bad.append(name)
    print(f"{len(names) - len(bad)} passed, {len(bad)} failed" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
