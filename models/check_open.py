#!/usr/bin/env python3
"""Compare the orders that a plan chooses where batch, height and width are known with those where they are not.

    check_open.py [--clast PROGRAM] [DIR] [NAME...]      (default: build/zoo, the convolutional networks that hold no extents themselves)

Clast counts unknown heights and widths as 224, so the networks should take pictures of that size.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import onnx

NAMES = ("resnet18", "resnet50", "mobilenet_v3_large", "squeezenet1_1", "efficientnet_b0", "densenet121", "res2net50_26w_4s",
         "regnet_y_400mf", "convnext_tiny", "inception_v3", "deeplabv3_resnet50_257")
OBJECTIVES = ("time", "bytes", "count")


def orders(clast, path, objective):
    """Values in the order in which they are computed, with their orders; not shapes, which are constants in one of the two."""
    run = subprocess.run([clast, "inspect", path, "--layout", "--json", "--objective", objective], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return [f"{s['op']} {s['output']}: {s['order']}" for s in json.loads(run.stdout)["steps"] if s["value"]["dtype"] != "int64"]


def opened(model, batch):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        extents = value.type.tensor_type.shape.dim
        if len(extents) == 4:
            extents[2].dim_param = "h"
            extents[3].dim_param = "w"
            if batch:
                extents[0].dim_param = "n"
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    return copy


def compare(clast, folder, scratch):
    model = onnx.load(os.path.join(folder, "model.onnx"))
    failed = 0
    for batch in (False, True):
        path = os.path.join(scratch, "open.onnx")
        onnx.save(opened(model, batch), path)
        for objective in OBJECTIVES:
            known = orders(clast, os.path.join(folder, "model.onnx"), objective)
            unknown = orders(clast, path, objective)
            if known == unknown:
                continue
            failed += 1
            first = next((pair for pair in zip(known, unknown) if pair[0] != pair[1]), ("another number of steps", ""))
            print(f"  by {objective}{' with an unknown batch' if batch else ''}: {first[0]}  |  {first[1]}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clast", default="build/release/clast")
    parser.add_argument("dir", nargs="?", default="build/zoo")
    parser.add_argument("name", nargs="*")
    a = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in a.name or NAMES:
            wrong = compare(a.clast, os.path.join(a.dir, name), scratch)
            failed += wrong > 0
            print(f"{name}: {'differs' if wrong else 'same orders'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
