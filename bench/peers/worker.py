"""One engine with one model at one thread count, in its own process, running rounds on request.

    worker.py ENGINE SPEC.json

Reads one JSON command a line on stdin, answers one JSON line each on the original stdout (what the engines print goes
to stderr). Started by peers.py, which keeps it stopped (SIGSTOP) while another engine is measured.
"""

import glob
import json
import os
import sys
import time

import numpy as np


def memory(field):
    """A field of /proc/self/status in bytes: VmRSS, or VmHWM, its highest value."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def forget_peak():
    """Let VmHWM start again from here (the value is this process's own, unlike ru_maxrss)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


class OnnxRuntime:
    def __init__(self):
        import onnxruntime
        self.engine = onnxruntime
        self.version = onnxruntime.__version__

    def load(self, spec):
        options = self.engine.SessionOptions()
        options.intra_op_num_threads = spec["threads"]
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = self.engine.InferenceSession(spec["file"], options, providers=["CPUExecutionProvider"])
        self.feeds = dict(zip(spec["input_names"], spec["inputs"]))

    def run(self):
        return self.session.run(None, self.feeds)


class OpenVino:
    def __init__(self):
        import openvino
        self.engine = openvino
        self.version = openvino.__version__.split("-")[0]

    def load(self, spec):
        core = self.engine.Core()
        model = core.read_model(spec["file"])
        if any(value.get_partial_shape().is_dynamic for value in model.inputs):
            shapes = {name: list(x.shape) for name, x in zip(spec["input_names"], spec["inputs"])}
            model.reshape({value: shapes[value.get_any_name()] for value in model.inputs})
        compiled = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": spec["threads"], "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
        self.request = compiled.create_infer_request()
        self.feeds = dict(zip(spec["input_names"], spec["inputs"]))
        self.outputs = compiled.outputs

    def run(self):
        result = self.request.infer(self.feeds, share_inputs=True)
        return [result[value] for value in self.outputs]


class Mnn:
    def __init__(self):
        import MNN
        self.engine = MNN
        self.version = MNN.version() if hasattr(MNN, "version") else ""

    def load(self, spec):
        engine = self.engine
        self.interpreter = engine.Interpreter(spec["file"])
        self.session = self.interpreter.createSession(
            {"backend": "CPU", "numThread": spec["threads"], "precision": "high"})
        targets = self.interpreter.getSessionInputAll(self.session)
        self.pairs = []
        for name, x in zip(spec["input_names"], spec["inputs"]):
            self.interpreter.resizeTensor(targets[name], tuple(x.shape))
        self.interpreter.resizeSession(self.session)
        for name, x in zip(spec["input_names"], spec["inputs"]):
            host = engine.Tensor(tuple(x.shape), engine.Halide_Type_Float, x, engine.Tensor_DimensionType_Caffe)
            self.pairs.append((targets[name], host))
        self.names = spec["output_names"]

    def run(self):
        for target, host in self.pairs:
            target.copyFrom(host)
        self.interpreter.runSession(self.session)
        outputs = self.interpreter.getSessionOutputAll(self.session)
        results = []
        for name in self.names:
            source = outputs[name]
            host = self.engine.Tensor(source.getShape(), self.engine.Halide_Type_Float,
                                      np.empty(source.getShape(), np.float32), self.engine.Tensor_DimensionType_Caffe)
            source.copyToHostTensor(host)
            results.append(np.array(host.getNumpyData()))  # a copy: the memory goes with `host`
        return results


class Ncnn:
    def __init__(self):
        import ncnn
        self.engine = ncnn
        self.version = ncnn.__version__

    def load(self, spec):
        self.net = self.engine.Net()
        option = self.net.opt
        option.num_threads = spec["threads"]
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(option, name, False)
        self.threads = spec["threads"]
        if self.net.load_param(spec["file"]) or self.net.load_model(spec["file"].replace(".param", ".bin")):
            raise RuntimeError("ncnn could not load its own converted model")
        self.names = list(self.net.output_names())
        if not self.names or not self.net.input_names():
            raise RuntimeError("the converted model is empty")
        # ncnn has no batch axis.
        self.inputs = [(name, self.engine.Mat(np.ascontiguousarray(x[0])))
                       for name, x in zip(self.net.input_names(), spec["inputs"])]

    def run(self):
        extractor = self.net.create_extractor()
        for name, mat in self.inputs:
            extractor.input(name, mat)
        results = []
        for name in self.names:
            status, mat = extractor.extract(name)
            if status:
                raise RuntimeError(f"ncnn: extracting {name} failed with {status}")
            results.append(np.array(mat))
        return results


class LiteRt:
    def __init__(self):
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
        self.interpreter_class = Interpreter
        self.version = getattr(ai_edge_litert, "__version__", "")

    def load(self, spec):
        self.interpreter = self.interpreter_class(model_path=spec["file"], num_threads=spec["threads"])
        details = self.interpreter.get_input_details()
        if len(details) != 1 or len(spec["inputs"]) != 1:
            raise RuntimeError("several inputs")
        x = spec["inputs"][0]
        if x.ndim == 4 and tuple(details[0]["shape"]) != x.shape:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))  # onnx2tf makes inputs channels-last
        if tuple(details[0]["shape"]) != x.shape:
            self.interpreter.resize_tensor_input(details[0]["index"], x.shape)
        self.interpreter.allocate_tensors()
        self.input = (details[0]["index"], x)
        self.outputs = [detail["index"] for detail in self.interpreter.get_output_details()]

    def run(self):
        self.interpreter.set_tensor(*self.input)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self.outputs]


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "mnn": Mnn, "ncnn": Ncnn, "litert": LiteRt}


def relative_error(got, wanted):
    """Largest difference of the first output over its largest magnitude; None where shapes cannot be matched."""
    if not wanted:
        return None
    want = wanted[0].astype(np.float64)
    for candidate in got:
        y = np.asarray(candidate, np.float64)
        options = [y]
        if y.ndim == 4:
            options.append(y.transpose(0, 3, 1, 2))
        for option in options:
            squeezed = [s for s in option.shape if s != 1]
            if squeezed == [s for s in want.shape if s != 1]:
                difference = np.abs(option.reshape(want.shape) - want).max() if want.size else 0.0
                return float(difference / max(np.abs(want).max(), 1e-30)) if want.size else 0.0
    return None


def read_arrays(folder, kind):
    paths = glob.glob(os.path.join(folder, f"{kind}_*.npy"))
    return [np.load(path) for path in sorted(paths, key=lambda path: int(path[:-4].rsplit("_", 1)[1]))]


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields):
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    with open(sys.argv[2]) as file:
        spec = json.load(file)
    spec["inputs"] = read_arrays(spec["data"], "input")
    wanted = read_arrays(spec["data"], "output")
    try:
        engine = ENGINES[sys.argv[1]]()
        forget_peak()
        before = memory("VmRSS")
        start = time.perf_counter()
        engine.load(spec)
        loaded = time.perf_counter()
        first = engine.run()
        done = time.perf_counter()
        answer(version=engine.version, load_ms=1e3 * (loaded - start), first_ms=1e3 * (done - loaded),
               peak_bytes=memory("VmHWM") - before, error=relative_error(first, wanted))
        del first
        for line in sys.stdin:
            command = json.loads(line)
            if command["do"] == "run":
                engine.run()  # what the pause left cold is not measured
                times = []
                clock = time.process_time if command.get("cpu") else time.perf_counter
                for _ in range(command["times"]):
                    start = clock()
                    engine.run()
                    times.append(1e3 * (clock() - start))
                answer(times=times)
            elif command["do"] == "quit":
                break
    except Exception as error:  # an engine that fails is a '-' in the table, with its reason
        answer(failed=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
