"""Networks that packages of PyPI carry: PP-OCRv4 (trained), silero-vad (trained), ONNX's "light" networks."""

import importlib.util
import os

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import exact
import testcase


def package_file(package, *parts):
    """A file inside an installed package, without importing it (its dependencies may be missing)."""
    return os.path.join(os.path.dirname(importlib.util.find_spec(package).origin), *parts)


def text_image(height, width, lines, seed):
    """An 8-bit H,W,3 picture of random words: dark on light, each with its own colours and size."""
    from PIL import Image, ImageDraw, ImageFont
    rng = np.random.default_rng(seed)
    font = ImageFont.load_default()
    image = Image.new("RGB", (width, height), tuple(int(v) for v in rng.integers(190, 256, 3)))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    for line in range(lines):
        word = "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(5, 11)))
        x0, y0, x1, y1 = font.getbbox(word)
        # Drawn small and enlarged, since the built-in font has one size.
        mask = Image.new("L", (x1 + 4, y1 + 4), 0)
        ImageDraw.Draw(mask).text((2, 2), word, fill=255, font=font)
        band = height / lines
        scale = min(0.8 * band / mask.height, 0.9 * width / mask.width)
        mask = mask.resize((int(mask.width * scale), int(mask.height * scale)), Image.BICUBIC)
        left = int(rng.integers(0, max(1, width - mask.width)))
        colour = tuple(int(v) for v in rng.integers(0, 110, 3))
        image.paste(colour, (left, int(band * line + 0.1 * band)), mask)
    return np.clip(np.asarray(image, np.float64) + rng.normal(0, 8, (height, width, 3)), 0, 255)


def to_nchw(images, mean, deviation):
    x = np.stack([(image / 255.0 - mean) / deviation for image in images])
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)).astype(np.float32)


IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
HALF = (0.5, 0.5)


def ppocr(file, batches, statistics):
    """`batches` is a list of (seeds of the pictures, height, width, lines of text a picture)."""
    def recipe(folder):
        path = package_file("rapidocr_onnxruntime", "models", file)
        model = onnx.load(path)
        name = testcase.graph_input_names(model)[0]
        data_sets = []
        for seeds, height, width, lines in batches:
            images = [text_image(height, width, lines, seed) for seed in seeds]
            feeds = {name: to_nchw(images, *statistics)}
            data_sets.append((feeds, exact.run(model, feeds)))
        testcase.write(folder, path, data_sets)
    return recipe


def silero(file, rate=16000, chunk=576, batch=1, sequence=False):
    """Two chunks of a chirp with noise, the second with the state that the first left."""
    def recipe(folder):
        path = package_file("silero_vad", "data", file)
        model = onnx.load(path)
        names = testcase.graph_input_names(model)
        rng = np.random.default_rng(7)
        t = np.arange(2 * chunk) / rate
        voice = np.sin(2 * np.pi * 140 * t * (1 + t)) * (1 + 0.5 * np.sin(2 * np.pi * 4 * t))
        sound = 0.4 * voice + 0.1 * np.sign(voice) + 0.02 * rng.normal(size=(batch, 2 * chunk))
        data_sets = []
        state = {name: np.zeros((1, 1, 128) if sequence else (2, batch, 128), np.float32)
                 for name in names if name in ("state", "h", "c")}
        for part in range(2):
            feeds = dict(state)
            feeds[names[0]] = sound[:, part * chunk:(part + 1) * chunk].astype(np.float32)
            if "sr" in names:
                feeds["sr"] = np.array(rate, np.int64)
            outputs = exact.run(model, feeds)
            data_sets.append((feeds, outputs))
            state = {name: outputs[{"state": "stateN", "h": "hn", "c": "cn"}[name]] for name in state}
        testcase.write(folder, path, data_sets)
    return recipe


def _light_path(name):
    return package_file("onnx", "backend", "test", "data", "light", f"light_{name}.onnx")


def light(name):
    """As the package has it: every weight one value, the reference output beside it, the input made as there."""
    def recipe(folder):
        from onnx.backend.test.runner import Runner
        model = onnx.load(_light_path(name))
        inputs = testcase.graph_input_names(model)
        feeds = {}
        for value in model.graph.input:
            if value.name in inputs:
                feeds[value.name] = Runner.generate_dummy_data(value, seed=0, name=f"light_{name}", random=False)
        outputs = {}
        for index, output in enumerate(testcase.graph_output_names(model)):
            with open(_light_path(name).replace(".onnx", f"_output_{index}.pb"), "rb") as file:
                outputs[output] = numpy_helper.to_array(onnx.load_tensor_from_string(file.read()))
        testcase.write(folder, model, [(feeds, outputs)])
    return recipe


def _weight_roles(graph):
    """name of a value -> (operator, input index) of the first node that takes it as a weight."""
    roles = {}
    views = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Unsqueeze"}
    for node in graph.node:
        for index, name in enumerate(node.input):
            roles.setdefault(views.get(name, name), (node.op_type, index))
    return roles


def _random_weight(rng, shape, role):
    kind, index = role
    if kind == "BatchNormalization" or kind == "Mul":
        return rng.uniform(0.6, 1.4, shape) if index == 1 else rng.normal(0, 0.3, shape)
    if kind == "Conv" and index == 1:
        deviation = (2.0 / np.prod(shape[1:])) ** 0.5
        return rng.normal((0.5 if shape[1] == 1 else 0.03) * deviation, deviation, shape)
    if kind == "Gemm" and index == 1:
        return rng.normal(0, max(shape) ** -0.5, shape)
    return rng.normal(0, 0.1, shape)


def _calibrate(graph, weights, rng):
    """A hook for exact.run that sets what depends on the data: BatchNormalization's statistics, so that activations
    stay of order 1, and the last layer's scale, so that the Softmax behind it does not saturate."""
    last = [node for node in graph.node if node.op_type in ("Conv", "Gemm")][-1]

    views = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Reshape"}

    def change(values, name, value):
        weights[name] = value.numpy().astype(np.float32)
        values[name] = torch.from_numpy(weights[name]).double()

    def before(node, values):
        if node.op_type == "BatchNormalization":
            x = values[node.input[0]]
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False) + 1e-4
            change(values, node.input[3], mean + 0.3 * var.sqrt() * torch.from_numpy(rng.normal(size=len(mean))))
            change(values, node.input[4], var * torch.from_numpy(rng.uniform(0.6, 1.6, len(var))))
        elif node is last:
            scale = 1.0 / values[node.input[0]].std()
            for name in node.input[1:]:
                root = name if name in weights else views[name]
                change(values, root, torch.from_numpy(weights[root]).double() * scale)
    return before


def light_random(name, seed=11):
    """The same graph with seeded random weights as initializers (there each is a ConstantOfShape)."""
    def recipe(folder):
        model = onnx.load(_light_path(name))
        graph = model.graph
        rng = np.random.default_rng(seed)
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        roles = _weight_roles(graph)
        inputs = [v for v in graph.input if v.name not in constants]
        nodes = []
        for node in graph.node:
            if node.op_type == "ConstantOfShape":
                shape = [int(s) for s in constants[node.input[0]]]
                constants[node.output[0]] = _random_weight(rng, shape, roles[node.output[0]]).astype(np.float32)
            else:
                nodes.append(node)
        used = {name for node in nodes for name in node.input}
        constants = {name: value for name, value in constants.items() if name in used}

        def fill():
            del graph.initializer[:]
            graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())

        del graph.node[:], graph.input[:]
        graph.node.extend(nodes)
        graph.input.extend(inputs)
        fill()
        feeds = {inputs[0].name: testcase.image_like((1, 3, 224, 224), seed)}
        exact.run(model, feeds, before=_calibrate(graph, constants, rng))
        fill()
        model.ir_version = 4  # from 4 on an initializer need not be an input too
        onnx.checker.check_model(model)
        testcase.write(folder, model, [(feeds, exact.run(model, feeds))])
    return recipe
