#!/usr/bin/env python3
"""Compare Clast with ONNX Runtime, or builds of Clast with each other, by CPU time on a machine that does other work too.

    bench/peers/paired.py MODEL... [--lib build/release/libclast.so]... [--zoo build/zoo] [--seconds 5] [--no-peer]

All contenders run in one process and on one thread, in turn, and are timed by the clock of that thread, which stops
while others have the CPU: what is left of a disturbance are caches that were emptied. A line gives the minimum of each
in milliseconds, the ratios of the first contender's minimum to those of the others (above 1 the other is faster),
the medians of the ratios taken round by round, and the largest error relative to the largest expected element. Run it
with a Python that has numpy, onnx and onnxruntime: build/peers/venv/bin/python.
"""

import argparse
import ctypes as C
import os
import statistics
import time

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DTYPES = {np.dtype(name): number for name, number in (
    ("f4", 1), ("u1", 2), ("i1", 3), ("i4", 6), ("i8", 7), ("bool", 9), ("f8", 11))}


# The first fields of include/clast/clast.h's structs, each of which begins with the size that its caller knows.
class Diag(C.Structure):
    _fields_ = [("status", C.c_int), ("node", C.c_char * 128), ("value", C.c_char * 128), ("message", C.c_char * 2048)]


class InputShape(C.Structure):
    _fields_ = [("name", C.c_char_p), ("rank", C.c_size_t), ("dims", C.c_void_p)]


class ModelOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("allocator", C.c_void_p), ("log", C.c_void_p), ("limits", C.c_size_t * 7),
                ("progress", C.c_void_p), ("progress_context", C.c_void_p), ("shape_count", C.c_size_t),
                ("shapes", C.POINTER(InputShape))]


class SessionOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("threads", C.c_size_t)]


class Clast:
    def __init__(self, path, model, inputs):
        # Several builds at a time: each binds to its own symbols.
        self.library = C.CDLL(os.path.abspath(path), mode=os.RTLD_LOCAL | os.RTLD_NOW | os.RTLD_DEEPBIND)
        self.diag = Diag()
        self.inputs = inputs  # the tensors lend their memory
        dims = [(C.c_int64 * max(1, x.ndim))(*x.shape) for x in inputs.values()]
        shapes = (InputShape * len(inputs))(*[InputShape(name.encode(), x.ndim, C.cast(d, C.c_void_p))
                                              for (name, x), d in zip(inputs.items(), dims)])
        options = ModelOptions(struct_size=C.sizeof(ModelOptions), shape_count=len(inputs), shapes=shapes)
        handle, plan, self.session = C.c_void_p(), C.c_void_p(), C.c_void_p()
        self.call("clast_model_load", model.encode(), C.byref(options), C.byref(handle))
        self.call("clast_plan_create", handle, None, C.byref(plan))
        one_thread = SessionOptions(struct_size=C.sizeof(SessionOptions), threads=1)
        self.call("clast_session_create", plan, C.byref(one_thread), C.byref(self.session))
        self.tensors = (C.c_void_p * len(inputs))()
        for i, (x, d) in enumerate(zip(inputs.values(), dims)):
            tensor = C.c_void_p()
            self.call("clast_tensor_wrap", DTYPES[x.dtype], C.c_size_t(x.ndim), d, None, C.c_void_p(x.ctypes.data),
                      C.byref(tensor))
            self.tensors[i] = tensor
        self.library.clast_model_output_count.restype = C.c_size_t
        self.outputs = (C.c_void_p * self.library.clast_model_output_count(handle))()

    def call(self, name, *args):
        if getattr(self.library, name)(*args, C.byref(self.diag)):
            raise RuntimeError(f"{name}: {self.diag.message.decode()} {self.diag.node.decode()}")

    def run(self):
        for i in range(len(self.outputs)):
            self.outputs[i] = None
        self.call("clast_session_run", self.session, C.c_size_t(len(self.inputs)), self.tensors,
                  C.c_size_t(len(self.outputs)), self.outputs)

    def first_output(self, like):
        result = np.empty(like.size, like.dtype)
        if self.library.clast_tensor_read(C.c_void_p(self.outputs[0]), C.c_void_p(result.ctypes.data),
                                          C.c_size_t(result.nbytes)):
            raise RuntimeError("the first output has another size or type than the reference")
        return result.reshape(like.shape)


class OnnxRuntime:
    def __init__(self, model, inputs):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = inputs

    def run(self):
        self.answer = self.session.run(None, self.inputs)

    def first_output(self, like):
        return np.asarray(self.answer[0])


def load(folder):
    path = os.path.join(folder, "model.onnx")
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in constants]

    def data(kind, index):
        return numpy_helper.to_array(onnx.load_tensor(os.path.join(folder, "test_data_set_0", f"{kind}_{index}.pb")))

    return path, {name: np.array(data("input", i), order="C") for i, name in enumerate(names)}, data("output", 0)


def compare(folder, args):
    model, inputs, wanted = load(folder)
    contenders = [] if args.no_peer else [("onnxruntime", OnnxRuntime(model, inputs))]
    contenders += [(path, Clast(path, model, inputs)) for path in args.lib]
    errors = []
    for _, contender in contenders:
        contender.run()
        error = np.abs(contender.first_output(wanted).astype("f8") - wanted).max() / max(1e-30, np.abs(wanted).max())
        errors.append(float(error))
    times = [[] for _ in contenders]
    until = time.monotonic() + args.seconds * len(contenders)
    while time.monotonic() < until or len(times[0]) < 5:
        for (_, contender), taken in zip(contenders, times):
            start = time.thread_time()
            contender.run()
            taken.append(time.thread_time() - start)
    least = [min(taken) for taken in times]
    print(f"{os.path.basename(folder.rstrip('/')):24}",
          "ms " + " ".join(f"{1e3 * t:.3f}" for t in least),
          "ratio " + " ".join(f"{least[0] / t:.3f}" for t in least[1:]),
          "paired " + " ".join(f"{statistics.median(a / b for a, b in zip(times[0], t)):.3f}" for t in times[1:]),
          "error " + " ".join(f"{error:.1e}" for error in errors), f"{len(times[0])} rounds", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--lib", action="append")
    parser.add_argument("--zoo", default=os.path.join(ROOT, "build", "zoo"))
    parser.add_argument("--seconds", type=float, default=5, help="for each contender")
    parser.add_argument("--no-peer", action="store_true", help="leave ONNX Runtime out")
    args = parser.parse_args()
    args.lib = args.lib or [os.path.join(ROOT, "build", "release", "libclast.so")]
    for name in args.models:
        in_zoo = os.path.join(args.zoo, name)
        compare(in_zoo if os.path.isdir(in_zoo) else name, args)


if __name__ == "__main__":
    main()
