"""Pictures with one handwritten digit somewhere, made from the 8x8 digits that scikit-learn ships."""

import math

import torch
import torch.nn.functional as F

from network import HEIGHT, WIDTH


def load_digits(held_out=0.25, seed=0):
    """(train, test), each (ink N,8,8 in 0..1, label N). Test digits are never trained on."""
    from sklearn.datasets import load_digits as load
    data = load()
    ink = torch.from_numpy(data.images).float() / 16
    label = torch.from_numpy(data.target).long()
    order = torch.randperm(len(label), generator=torch.Generator().manual_seed(seed))
    test = int(len(label) * held_out)
    return (ink[order[test:]], label[order[test:]]), (ink[order[:test]], label[order[:test]])


def _uniform(generator, shape, low, high):
    return torch.rand(shape, generator=generator) * (high - low) + low


def _place(ink, generator):
    """Each digit enlarged to 24..44 pixels, turned and slanted a little, somewhere wholly inside the canvas."""
    count = len(ink)
    size = _uniform(generator, (count,), 24, 44)
    angle = _uniform(generator, (count,), -0.2, 0.2)
    slant = _uniform(generator, (count,), -0.15, 0.15)
    # A digit fills its 8x8 cell from top to bottom but not from side to side.
    x = 0.42 * size + torch.rand(count, generator=generator) * (WIDTH - 0.84 * size)
    y = 0.5 * size + torch.rand(count, generator=generator) * (HEIGHT - size)
    # grid_sample wants the map from the canvas (-1..1 on each axis) to the digit's cell.
    cos, sin = torch.cos(angle), torch.sin(angle)
    xx, xy = WIDTH / size * cos, HEIGHT / size * (sin + slant)
    yx, yy = -WIDTH / size * sin, HEIGHT / size * cos
    cx, cy = 2 * x / WIDTH - 1, 2 * y / HEIGHT - 1
    theta = torch.stack([torch.stack([xx, xy, -(xx * cx + xy * cy)], 1),
                         torch.stack([yx, yy, -(yx * cx + yy * cy)], 1)], 1)
    grid = F.affine_grid(theta, (count, 1, HEIGHT, WIDTH), align_corners=False)
    return F.grid_sample(ink[:, None], grid, mode="bicubic", align_corners=False).clamp(0, 1)


def _colours(count, generator):
    """Background and ink colours that differ by at least 0.35 in brightness."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    background = torch.rand(count, 3, generator=generator)
    ink = torch.rand(count, 3, generator=generator)
    for _ in range(50):
        close = ((background - ink) @ weights).abs() < 0.35
        if not close.any():
            break
        ink[close] = torch.rand(int(close.sum()), 3, generator=generator)
    still = ((background - ink) @ weights).abs() < 0.35
    ink[still] = ((background[still] @ weights < 0.5).float())[:, None].expand(-1, 3)
    return background[:, :, None, None], ink[:, :, None, None]


def _clutter(canvas, generator):
    """Three soft-edged strokes a picture, each thinner or paler than a digit's."""
    count = len(canvas)
    rows = torch.arange(HEIGHT).float()[None, :, None]
    columns = torch.arange(WIDTH).float()[None, None, :]
    for _ in range(3):
        angle = _uniform(generator, (count, 1, 1), 0, math.pi)
        x0, y0 = _uniform(generator, (count, 1, 1), 0, WIDTH), _uniform(generator, (count, 1, 1), 0, HEIGHT)
        along = (columns - x0) * torch.cos(angle) + (rows - y0) * torch.sin(angle)
        across = (rows - y0) * torch.cos(angle) - (columns - x0) * torch.sin(angle)
        length = _uniform(generator, (count, 1, 1), 4, 14)
        width = _uniform(generator, (count, 1, 1), 0.5, 1.3)
        stroke = torch.sigmoid(4 * (width - across.abs())) * torch.sigmoid(2 * (length - along.abs()))
        strength = _uniform(generator, (count, 1, 1), 0.0, 0.7)
        colour = torch.rand(count, 3, 1, 1, generator=generator)
        alpha = (strength * stroke)[:, None]
        canvas = canvas * (1 - alpha) + colour * alpha
    return canvas


def make(ink, generator):
    """(picture N,3,H,W in whole 255ths, ink mask N,1,H,W of 0 and 1) for a batch of 8x8 digits."""
    count = len(ink)
    placed = _place(ink, generator)
    background, colour = _colours(count, generator)
    shade = F.interpolate(_uniform(generator, (count, 1, 3, 4), -0.15, 0.15), (HEIGHT, WIDTH), mode="bicubic",
                          align_corners=False)
    canvas = _clutter(background + shade, generator)
    alpha = (1.4 * placed).clamp(0, 1)
    canvas = canvas * (1 - alpha) + colour * alpha
    noise = _uniform(generator, (count, 1, 1, 1), 0, 0.06)
    canvas = canvas + noise * torch.randn(canvas.shape, generator=generator)
    picture = (canvas.clamp(0, 1) * 255).round() / 255
    return picture, (placed > 0.3).float()
