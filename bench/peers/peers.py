#!/usr/bin/env python3
"""Time Clast and other engines on the same ONNX files, interleaved, in float32, and print one table.

    bench/peers/setup.sh                                       installs the engines into build/peers
    bench/peers/peers.py [MODEL...] [--zoo build/zoo] [--threads 1,2] [--rounds 10] [--engines a,b] [--json FILE]
    bench/peers/peers.py --show FILE...                        prints the table of earlier runs together

A MODEL is a folder of the zoo by name (default: the list of models below) or a path to a folder or an ONNX file. A
cell is the minimum and, in brackets, the median in milliseconds; `-` an engine that cannot convert or run the model
(--why says why); `!` an answer more than 1e-3 off. `ratio` is the fastest peer's minimum over Clast's: above 1
Clast is faster.

Every engine has a process of its own per model and thread count, which is stopped while another one is measured; each
round lets every engine run for about --slice seconds, so that a disturbance of the machine hits all of them.
"""

import argparse
import glob
import hashlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

MODELS = ["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "squeezenet1_1", "efficientnet_b0",
          "shufflenet_v2_x1_0", "res2net50_26w_4s", "densenet121", "regnet_y_400mf", "deeplabv3_resnet50_257",
          "ssdlite320_mobilenet_v3_large", "ppocr_v4_det", "vit_tiny_patch16_224", "convnext_tiny", "swin_t"]
PEERS = ["onnxruntime", "openvino", "mnn", "ncnn", "litert"]
CLAST = "clast"
RUN_LIMIT_S = 400
WRONG = 1e-3           # of the largest output: an engine this far off is not compared
TOL_OF_LARGEST = 1e-5  # what the zoo's `tol` files hold, of the largest output


class Unable(Exception):
    """An engine cannot do this model; the message says why."""


def note(text):
    print(text, file=sys.stderr, flush=True)


def tail(text, lines=3):
    return " | ".join(line for line in text.strip().splitlines()[-lines:] if line)[:400]


# ---- a model: its file, its test data as .npy, its converted forms -------------------------------------------------

PREPARE = r"""
import json, os, sys
import numpy as np, onnx
from onnx import numpy_helper
model_path, data, out = sys.argv[1:4]
model = onnx.load(model_path, load_external_data=False)
constants = {t.name for t in model.graph.initializer}
inputs = [v for v in model.graph.input if v.name not in constants]
rng = np.random.default_rng(0)
def read(kind, index):
    with open(os.path.join(data, f"{kind}_{index}.pb"), "rb") as file:
        return numpy_helper.to_array(onnx.load_tensor_from_string(file.read()))
shapes = {}
for index, value in enumerate(inputs):
    if data:
        x = read("input", index)
    else:
        tensor = value.type.tensor_type
        shape = [d.dim_value or 1 for d in tensor.shape.dim]
        x = rng.normal(size=shape).astype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    np.save(os.path.join(out, f"input_{index}.npy"), np.array(x, order="C"))
    shapes[value.name] = list(x.shape)
for index, value in enumerate(model.graph.output):
    if data:
        np.save(os.path.join(out, f"output_{index}.npy"), read("output", index))
dynamic = any(not d.HasField("dim_value") for v in inputs for d in v.type.tensor_type.shape.dim)
with open(os.path.join(out, "meta.json"), "w") as file:
    json.dump({"input_names": [v.name for v in inputs], "output_names": [v.name for v in model.graph.output],
               "shapes": shapes, "dynamic": dynamic}, file)
"""


class Model:
    def __init__(self, where, args):
        self.args = args
        self.path = os.path.abspath(os.path.join(where, "model.onnx") if os.path.isdir(where) else where)
        folder = os.path.dirname(self.path)
        plain = os.path.basename(self.path) == "model.onnx"
        self.name = os.path.basename(folder) if plain else os.path.basename(self.path)[:-len(".onnx")]
        data = os.path.join(folder, "test_data_set_0")
        stamp = os.stat(self.path)
        key = hashlib.sha256(f"{self.path} {stamp.st_size} {stamp.st_mtime_ns}".encode()).hexdigest()[:10]
        self.cache = os.path.join(args.peers, "cache", f"{self.name}-{key}")
        self.meta_path = os.path.join(self.cache, "meta.json")
        if not os.path.exists(self.meta_path):
            os.makedirs(self.cache, exist_ok=True)
            subprocess.run([args.python, "-c", PREPARE, self.path, data if plain and os.path.isdir(data) else "",
                            self.cache], check=True)
        with open(self.meta_path) as file:
            self.meta = json.load(file)

    def shape_text(self, name):
        return "x".join(map(str, self.meta["shapes"][name]))

    def _run_tool(self, command, cwd, log):
        try:
            done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=self.args.convert_limit)
            output, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired:
            output, status = f"no result after {self.args.convert_limit:g} s", 1
        with open(log, "w") as file:
            file.write(output)
        return output, status

    def converted(self, engine):
        """The file that `engine` loads: the ONNX file itself, or its conversion, made once and kept."""
        if engine in ("onnxruntime", "openvino", CLAST):
            return self.path
        folder = os.path.join(self.cache, engine)
        failed = os.path.join(folder, "failed")
        pattern = {"mnn": "model.mnn", "ncnn": "model.ncnn.param", "litert": "*_float32.tflite"}[engine]
        found = glob.glob(os.path.join(folder, pattern))
        if not found and not os.path.exists(failed):
            note(f"{self.name}: converting for {engine}")
            os.makedirs(folder, exist_ok=True)
            output, status = getattr(self, "_convert_" + engine)(folder)
            found = glob.glob(os.path.join(folder, pattern))
            if not found:
                with open(failed, "w") as file:
                    file.write(f"conversion ended with {status}: {tail(output)}")
        if not found:
            with open(failed) as file:
                raise Unable(file.read())
        return found[0]

    def _convert_mnn(self, folder):
        return self._run_tool([self.args.tool("mnnconvert"), "-f", "ONNX", "--modelFile", self.path, "--MNNModel",
                               os.path.join(folder, "model.mnn"), "--bizCode", "x"], folder,
                              os.path.join(folder, "log"))

    def _convert_ncnn(self, folder):
        # The program itself: the script that pip installs for it imports torch.
        program = os.path.join(self.args.site_packages, "pnnx", "pnnx")
        shutil.copy(self.path, os.path.join(folder, "model.onnx"))  # pnnx writes beside its input
        shapes = ",".join(json.dumps(self.meta["shapes"][name]).replace(" ", "") for name in self.meta["input_names"])
        result = self._run_tool([program, "model.onnx", f"inputshape={shapes}", "fp16=0"], folder,
                                os.path.join(folder, "log"))
        for path in glob.glob(os.path.join(folder, "model.onnx")) + glob.glob(os.path.join(folder, "*.pnnx.*")):
            os.remove(path)
        return result

    def _convert_litert(self, folder):
        tool = os.path.join(self.args.peers, "onnx2tf", "bin", "onnx2tf")
        if not os.path.exists(tool):
            return "onnx2tf is not installed", 1
        # onnx2tf wants sample pictures for its own checks, and would download them if they were not there.
        name = os.path.join(folder, "calibration_image_sample_data_20x128x128x3_float32.npy")
        make = "import sys, numpy as np; np.save(sys.argv[1], np.random.default_rng(0).random((20, 128, 128, 3), 'f4'))"
        subprocess.run([self.args.python, "-c", make, name], check=True)
        command = [tool, "-i", self.path, "-o", folder, "-n"]
        if self.meta["dynamic"]:
            command += ["-ois"] + [f"{name}:{','.join(map(str, shape))}"
                                   for name, shape in self.meta["shapes"].items()]
        return self._run_tool(command, folder, os.path.join(folder, "log"))


# ---- engines -------------------------------------------------------------------------------------------------------

class Peer:
    """A worker process with the model loaded."""

    def __init__(self, engine, model, threads, args):
        self.cpu = args.cpu
        spec = {"file": model.converted(engine), "data": model.cache, "threads": threads,
                "input_names": model.meta["input_names"], "output_names": model.meta["output_names"]}
        self.spec = tempfile.NamedTemporaryFile("w", suffix=".json", delete=False)
        json.dump(spec, self.spec)
        self.spec.close()
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([args.python, os.path.join(HERE, "worker.py"), engine, self.spec.name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=environment)
        try:
            self.start = self._answer()
        except Unable:
            self.close()
            raise
        self._stop()

    def _stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise Unable(f"process ended with {self.process.returncode}: {tail(self.log.read())}")
        fields = json.loads(line)
        if "failed" in fields:
            raise Unable(fields["failed"])
        return fields

    def round(self, slice_s, expected_ms):
        times = max(1, min(200, int(1e3 * slice_s / expected_ms)))
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(json.dumps({"do": "run", "times": times, "cpu": self.cpu}) + "\n")
        self.process.stdin.flush()
        result = self._answer()["times"]
        self._stop()
        return min(result), statistics.median(result)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.unlink(self.spec.name)
        self.log.close()


class Clast:
    """The clast program: a process a round, which loads the model and times itself."""

    def __init__(self, engine, model, threads, args):
        self.args, self.model, self.threads = args, model, threads
        result = self._bench(args.slice)
        self.start = {"version": "", "load_ms": result["load_ms"], "first_ms": result["first_ms"],
                      "peak_bytes": result.get("peak_bytes", 0), "error": self._error()}

    def _options(self):
        options = ["--threads", str(self.threads)] + self.args.clast_args.split()
        if self.args.cpu:
            options.append("--cpu-time")
        if self.model.meta["dynamic"]:
            for name in self.model.meta["input_names"]:
                options += ["--shape", f"{name}={self.model.shape_text(name)}"]
        # The same data as the peers: post-processing takes longer on noise.
        for index, name in enumerate(self.model.meta["input_names"]):
            options += ["--input", f"{name}={os.path.join(self.model.cache, f'input_{index}.npy')}"]
        return options

    def _call(self, command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                              timeout=RUN_LIMIT_S)
        return done.returncode, done.stdout, done.stderr

    def _bench(self, slice_s):
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            status, _, errors = self._call([self.args.clast, "bench", self.model.path, "--seconds", f"{slice_s:g}",
                                            "--json", report.name] + self._options())
            if status:
                raise Unable(f"clast bench ended with {status}: {tail(errors)}")
            return json.load(report)

    def _error(self):
        """1.0 where `clast verify` finds the answer further off than a peer's may be (WRONG), else None."""
        folder = os.path.dirname(self.model.path)
        try:
            with open(os.path.join(folder, "tol")) as file:
                allowed = float(file.read().split()[1]) / TOL_OF_LARGEST * WRONG
        except (OSError, IndexError, ValueError):
            return None
        status, _, _ = self._call([self.args.clast, "verify", self.model.path, "--ref", folder, "--rtol", "0",
                                   "--atol", f"{allowed:g}", "--threads", str(self.threads)])
        return 1.0 if status == 1 else None

    def round(self, slice_s, expected_ms):
        results = self._bench(slice_s)["results"]
        best = results[0]
        return best["min_ms"], best["median_ms"]

    def close(self):
        pass


def open_engine(engine, model, threads, args):
    return (Clast if engine == CLAST else Peer)(engine, model, threads, args)


# ---- measuring -----------------------------------------------------------------------------------------------------

def measure(model, threads, args):
    """{engine: row} for one model at one thread count, rounds interleaved over all engines that can run it."""
    rows, running = {}, {}
    try:
        for engine in args.engines:
            try:
                starts = []
                for _ in range(args.cold):
                    worker = open_engine(engine, model, threads, args)
                    starts.append(worker.start)
                    running[engine], old = worker, running.get(engine)
                    if old:
                        old.close()
                rows[engine] = {
                    "version": starts[0]["version"],
                    "load_ms": min(s["load_ms"] for s in starts),
                    "first_ms": min(s["first_ms"] for s in starts),
                    "cold_ms": min(s["load_ms"] + s["first_ms"] for s in starts),
                    "peak_bytes": min(s["peak_bytes"] for s in starts), "error": starts[-1]["error"], "rounds": []}
            except (Unable, subprocess.TimeoutExpired, OSError) as error:
                rows[engine] = {"failed": str(error)}
        expected = {engine: max(0.01, rows[engine]["first_ms"]) for engine in running if "rounds" in rows[engine]}
        for _ in range(args.rounds):
            for engine in list(expected):
                try:
                    result = running[engine].round(args.slice, expected[engine])
                    rows[engine]["rounds"].append(result)
                    expected[engine] = result[1]
                except (Unable, subprocess.TimeoutExpired, OSError) as error:
                    rows[engine] = {"failed": str(error)}
                    del expected[engine]
    finally:
        for worker in running.values():
            worker.close()
    for row in rows.values():
        if "rounds" in row:
            row["min_ms"] = min(least for least, _ in row["rounds"])
            row["median_ms"] = statistics.median(middle for _, middle in row["rounds"])
            row["wrong"] = row["error"] is not None and row["error"] > WRONG
    return rows


def ratio(rows):
    """(fastest right peer's minimum, its name, that over Clast's minimum), None where something is missing."""
    peers = [(row["min_ms"], name) for name, row in rows.items()
             if name != CLAST and "min_ms" in row and not row["wrong"]]
    if not peers:
        return None, None, None
    best, name = min(peers)
    own = rows.get(CLAST, {})
    return best, name, best / own["min_ms"] if "min_ms" in own and not own["wrong"] else None


def library_bytes(args):
    """Size on disk of each engine's shared libraries."""
    patterns = {"onnxruntime": ["onnxruntime/**/*.so*"], "openvino": ["openvino/**/*.so*"],
                "mnn": ["_mnncengine*.so", "mnn.libs/*.so*"], "ncnn": ["ncnn/**/*.so*", "ncnn.libs/*.so*"],
                "litert": ["ai_edge_litert/**/*.so*"]}
    sizes = {}
    for engine, globs in patterns.items():
        files = {path for part in globs
                 for path in glob.glob(os.path.join(args.site_packages, part), recursive=True) if not os.path.islink(path)}
        sizes[engine] = sum(os.path.getsize(path) for path in files)
    own = [path for path in glob.glob(os.path.join(os.path.dirname(args.clast), "libclast.so*"))
           if not os.path.islink(path)]
    sizes[CLAST] = os.path.getsize(own[0]) if own else 0
    return sizes


# ---- the table -----------------------------------------------------------------------------------------------------

def cell(row):
    if "min_ms" not in row:
        return "-"
    return f"{row['min_ms']:.4g} ({row['median_ms']:.4g})" + ("!" if row["wrong"] else "")


def print_table(header, lines):
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print(flush=True)


def print_results(results, args, sizes):
    engines = args.engines
    for threads in args.threads:
        print(f"{threads} thread{'s' if threads > 1 else ''}: minimum (median), milliseconds\n")
        lines, ratios = [], []
        for model in results:
            rows = model["threads"].get(str(threads), {})
            rows = {engine: rows.get(engine, {"failed": "not run"}) for engine in engines}
            best, name, quotient = ratio(rows)
            ratios += [quotient] if quotient else []
            lines.append([model["model"]] + [cell(rows[engine]) for engine in engines]
                         + [f"{best:.4g} {name}" if best else "-", f"{quotient:.2f}" if quotient else "-"])
        print_table(["model"] + engines + ["to beat", "ratio"], lines)
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"geometric mean of {len(ratios)} ratios {mean:.3f}, least {min(ratios):.2f}\n")

    threads = str(args.threads[0])
    print(f"Cold start at {threads} thread(s): load + first answer, rise of the peak memory above the loaded library\n")
    lines = []
    for model in results:
        rows = model["threads"].get(threads, {})
        lines.append([model["model"]] + [
            f"{rows[engine]['cold_ms']:.0f} ms, {rows[engine]['peak_bytes'] / 2**20:.0f} MiB"
            if "cold_ms" in rows.get(engine, {}) else "-" for engine in engines])
    print_table(["model"] + engines, lines)
    print_table(["libraries on disk"] + engines,
                [["MB"] + [f"{sizes[engine] / 1e6:.1f}" if sizes.get(engine) else "-" for engine in engines]])
    if args.why:
        for model in results:
            for threads, rows in model["threads"].items():
                for engine, row in rows.items():
                    if "failed" in row:
                        print(f"{model['model']}, {threads} thread(s), {engine}: {row['failed']}")
                    elif row["wrong"]:
                        print(f"{model['model']}, {threads} thread(s), {engine}: answer {row['error']:.1e} off")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--zoo", default=os.path.join(ROOT, "build", "zoo"), help="folder that models/zoo.py filled")
    parser.add_argument("--peers", default=os.path.join(ROOT, "build", "peers"), help="folder that setup.sh filled")
    parser.add_argument("--clast", default=os.path.join(ROOT, "build", "release", "clast"), help="the clast program")
    parser.add_argument("--clast-args", default="", help="more options for clast bench, in one string")
    parser.add_argument("--engines", default=",".join([CLAST] + PEERS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--slice", type=float, default=0.3, metavar="SECONDS", help="time an engine gets in a round")
    parser.add_argument("--convert-limit", type=float, default=1800, metavar="SECONDS", help="time that a conversion may take; "
                        "onnx2tf needs 2 to 12 minutes a model beside other work")
    parser.add_argument("--cold", type=int, default=3, metavar="N", help="processes started for the cold start")
    parser.add_argument("--why", action="store_true", help="say why an engine has no figure")
    parser.add_argument("--cpu", action="store_true", help="processor time of all threads together instead of elapsed time, "
                        "which other work on the machine disturbs less; for one thread")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--show", nargs="+", metavar="FILE", help="print earlier results together; runs nothing")
    args = parser.parse_args()
    if args.show:
        return args
    args.engines = [name for name in args.engines.split(",") if name]
    unknown = [name for name in args.engines if name not in [CLAST] + PEERS]
    if unknown:
        parser.error(f"no such engine: {', '.join(unknown)}")
    args.threads = [int(n) for n in args.threads.split(",")]
    args.peers, args.clast = os.path.abspath(args.peers), os.path.abspath(args.clast)
    args.python = os.path.join(args.peers, "venv", "bin", "python")
    args.tool = lambda name: os.path.join(args.peers, "venv", "bin", name)
    if not os.path.exists(args.python):
        parser.error(f"no engines in {args.peers}: run bench/peers/setup.sh first")
    args.site_packages = glob.glob(os.path.join(args.peers, "venv", "lib", "python3*", "site-packages"))[0]
    if CLAST in args.engines and not os.path.exists(args.clast):
        note(f"{args.clast} does not exist: measuring the peers alone")
        args.engines.remove(CLAST)
    return args


def show(args):
    """The table of files that --json wrote; a model in several of them has the rows of all."""
    merged, sizes, engines = {}, {}, set()
    for path in args.show:
        with open(path) as file:
            run = json.load(file)
        sizes.update(run["library_bytes"])
        engines.update(run["engines"])
        for model in run["results"]:
            threads = merged.setdefault(model["model"], {"model": model["model"], "threads": {}})["threads"]
            for count, rows in model["threads"].items():
                threads.setdefault(count, {}).update(rows)
    args.engines = [engine for engine in [CLAST] + PEERS if engine in engines]
    args.threads = sorted({int(count) for model in merged.values() for count in model["threads"]})
    print_results(list(merged.values()), args, sizes)
    return 0


def main():
    args = parse()
    if args.show:
        return show(args)
    results = []
    for name in args.models or MODELS:
        in_zoo = os.path.join(args.zoo, name)
        where = in_zoo if os.path.isdir(in_zoo) else name
        if not os.path.exists(where):
            note(f"{name}: not in {args.zoo}, skipped (models/zoo.py makes it)")
            continue
        model = Model(where, args)
        entry = {"model": model.name, "threads": {}}
        for threads in args.threads:
            entry["threads"][str(threads)] = rows = measure(model, threads, args)
            note(f"{model.name}, {threads} thread(s): " + ", ".join(f"{e} {cell(rows[e])}" for e in args.engines))
        results.append(entry)
        if args.json:  # after each model, so that an interrupted run keeps what it has
            with open(args.json, "w") as file:
                json.dump({"engines": args.engines, "threads": args.threads, "rounds": args.rounds,
                           "library_bytes": library_bytes(args), "results": results}, file, indent=1)
    print_results(results, args, library_bytes(args))
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
