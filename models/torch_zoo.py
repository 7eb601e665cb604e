"""torchvision and timm networks with seeded weights, exported to ONNX, with exact PyTorch references.

No trained weights are used: a network's answer is compared with PyTorch's answer for the same weights, so
these need only be such that nothing hides. Hence the statistics of every normalisation are random, within
a range that keeps activations of order 1 from the first layer to the last.
"""

import contextlib
import copy
import io

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn

import testcase

NORMS_WITH_STATISTICS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _randomise_linear(module, generator):
    """Weights of deviation 1/sqrt(fan in) and small biases: the output's deviation is the input's."""
    fan_in = module.weight[0].numel()
    module.weight.normal_(0, fan_in ** -0.5, generator=generator)
    if module.bias is not None:
        module.bias.normal_(0, 0.1, generator=generator)


def _randomise_conv(module, generator):
    """As for rectified inputs: deviation sqrt(2 / fan in). Where normalisation follows, the factor is moot.

    The small positive mean is that of filters which blur a little. Filters of mean 0 only differentiate, and
    fifty layers of them multiply float32's rounding so much that the worst networks come out 7e-6 of the largest
    output off in any runtime; with it they stay near 1e-6 and still tell images apart.
    """
    fan_in = module.weight[0].numel()
    deviation = (2.0 / fan_in) ** 0.5
    mean = (0.5 if module.groups == module.in_channels else 0.03) * deviation
    module.weight.normal_(mean, deviation, generator=generator)
    if module.bias is not None:
        module.bias.normal_(0, 0.1, generator=generator)


@torch.no_grad()
def randomise(module, seed):
    """Give every parameter a seeded value, so that nothing depends on a library's initialisation."""
    generator = torch.Generator().manual_seed(seed)
    known = set()
    for child in module.modules():
        if isinstance(child, nn.Linear):
            _randomise_linear(child, generator)
        elif isinstance(child, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            _randomise_conv(child, generator)
        elif isinstance(child, (nn.LayerNorm, nn.GroupNorm) + NORMS_WITH_STATISTICS) and child.weight is not None:
            child.weight.uniform_(0.6, 1.4, generator=generator)
            child.bias.normal_(0, 0.3, generator=generator)
        else:
            continue
        known.update(id(parameter) for parameter in child.parameters(recurse=False))
    for name, parameter in module.named_parameters():
        if id(parameter) in known:
            continue
        if "layer_scale" in name or "gamma" in name:
            # Left at their initial 1e-6 these would switch their blocks off.
            parameter.uniform_(0.3, 1.0, generator=generator)
        else:
            # Class tokens, position embeddings, relative position biases, attention's packed projections.
            deviation = parameter.shape[-1] ** -0.5 if "in_proj" in name else 0.4
            parameter.normal_(0, deviation, generator=generator)


@torch.no_grad()
def calibrate(module, inputs, seed):
    """Set BatchNorm's running statistics to what one forward pass sees, times random factors.

    Each layer's statistics are set just before it runs, so that deeper layers see the calibrated ones.
    """
    generator = torch.Generator().manual_seed(seed)

    def before(norm, args):
        x = args[0].double()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        mean, var = x.mean(axes), x.var(axes, unbiased=False)
        # After a global pool there is one value a channel and nearly no variance: take that between channels.
        var = torch.maximum(var, 0.1 * mean.var(unbiased=False) + 1e-4)
        shift = torch.empty(mean.shape, dtype=torch.double).normal_(0, 0.3, generator=generator)
        factor = torch.empty(mean.shape, dtype=torch.double).uniform_(0.6, 1.6, generator=generator)
        norm.running_mean.copy_(mean + shift * var.sqrt())
        norm.running_var.copy_(var * factor)

    hooks = [child.register_forward_pre_hook(before) for child in module.modules()
             if isinstance(child, NORMS_WITH_STATISTICS)]
    module.eval()
    module(*inputs)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def reference(module, inputs):
    """The module's outputs evaluated in double and rounded once."""
    exact = copy.deepcopy(module).double()
    outputs = exact(*[x.double() for x in inputs])
    return [y.float().numpy() for y in outputs]


@contextlib.contextmanager
def _without_idle_dropout():
    """torchvision's Swin calls dropout in training mode with probability 0, which some importers refuse."""
    dropout = F.dropout

    def replacement(x, p=0.5, training=True, inplace=False):
        return dropout(x, p, training, inplace) if training and p > 0 else x

    F.dropout = replacement
    try:
        yield
    finally:
        F.dropout = dropout


@torch.no_grad()
def export(module, inputs, input_names, output_names, opset, dynamic_axes=None):
    buffer = io.BytesIO()
    # PRESERVE keeps BatchNormalization as nodes (EVAL would fold them into the convolutions); the module is
    # in eval mode all the same, so the exported graph is the one for inference.
    with _without_idle_dropout():
        torch.onnx.export(module, tuple(inputs), buffer, opset_version=opset, input_names=input_names,
                          output_names=output_names, dynamic_axes=dynamic_axes,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=True)
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model


class TupleOutput(nn.Module):
    """Turn a module that returns a tensor or a dict of tensors into one that returns a tuple."""

    def __init__(self, module, keys=None):
        super().__init__()
        self.module = module
        self.keys = keys

    def forward(self, *args):
        out = self.module(*args)
        return tuple(out[key] for key in self.keys) if self.keys else (out,)


def classifier(make, size=224, opset=13, seed=1):
    """A recipe for a network that maps one image to one row of logits."""
    def recipe(folder):
        module = TupleOutput(make()).eval()
        randomise(module, seed)
        images = torch.from_numpy(testcase.image_like((8, 3, size, size), seed + 1000))
        calibrate(module, [images], seed + 2000)
        # One that the statistics have seen: squeeze-and-excite makes an unusual picture's activations explode.
        x = images[:1].contiguous()
        outputs = reference(module, [x])
        model = export(module, [x], ["x"], ["y"], opset)
        testcase.write(folder, model, [({"x": x.numpy()}, {"y": outputs[0]})])
    return recipe
