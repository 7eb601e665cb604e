"""The embedded network: which digit is on a 64x48 picture, and where.

Small, but made of what real networks are made of: strided and residual convolutions, depthwise separable blocks with
squeeze-and-excite, concatenated skips, a transposed convolution, a bilinear upsampling, two heads.
"""

import torch
import torch.nn.functional as F
from torch import nn

HEIGHT, WIDTH, CLASSES = 48, 64, 10


def conv_norm(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                         nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = conv_norm(channels, channels, 3)
        self.second = conv_norm(channels, channels, 3)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.down = nn.Conv2d(channels, squeezed, 1)
        self.up = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.up(F.relu(self.down(scale))))


class Separable(nn.Module):
    """Expand, depthwise convolution, squeeze-and-excite, project; a skip where the shapes allow it."""

    def __init__(self, inputs, outputs, stride, expansion=2):
        super().__init__()
        middle = inputs * expansion
        self.expand = conv_norm(inputs, middle, 1)
        self.depthwise = conv_norm(middle, middle, 5, stride, groups=middle)
        self.excite = SqueezeExcite(middle, middle // 4)
        self.project = conv_norm(middle, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.hardswish(self.expand(x))
        y = self.excite(F.hardswish(self.depthwise(y)))
        y = self.project(y)
        return x + y if self.skip else y


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 16, 3, 2)
        self.block1 = Residual(16)
        self.down = conv_norm(16, 32, 3, 2)
        self.block2 = Separable(32, 32, 1)
        self.block3 = Separable(32, 48, 2)
        self.block4 = Separable(48, 48, 1)
        self.top = conv_norm(48, 96, 1)
        self.classes = nn.Linear(2 * 96, CLASSES)
        self.merge1 = conv_norm(96 + 32, 24, 3)
        self.enlarge = nn.ConvTranspose2d(24, 16, 2, 2)
        self.merge2 = conv_norm(16 + 16, 16, 3)
        self.mark = nn.Conv2d(16, 1, 3, padding=1)

    def features(self, x):
        """Logits of the classes, and of each pixel being ink."""
        half = self.block1(F.relu(self.stem(x)))
        quarter = self.block2(F.relu(self.down(half)))
        top = F.hardswish(self.top(self.block4(self.block3(quarter))))
        pooled = torch.cat([F.adaptive_avg_pool2d(top, 1), F.adaptive_max_pool2d(top, 1)], 1)
        logits = self.classes(torch.flatten(pooled, 1))

        y = F.interpolate(top, scale_factor=2.0, mode="bilinear", align_corners=False)
        y = F.relu(self.merge1(torch.cat([y, quarter], 1)))
        y = F.relu(self.enlarge(y))
        y = F.relu(self.merge2(torch.cat([y, half], 1)))
        y = F.interpolate(self.mark(y), scale_factor=2.0, mode="bilinear", align_corners=False)
        return logits, y

    def forward(self, x):
        logits, ink = self.features(x)
        return torch.softmax(logits, 1), torch.sigmoid(ink)
