#!/usr/bin/env python3
"""Train the embedded network and write everything in models/digits: model.onnx, pictures, references, tol.

    models/setup.sh && build/models/venv/bin/python models/digits/train.py [--steps N] [--out DIR]

About a quarter of an hour on one idle core. Ends with the accuracy on digits that were held out.
"""

import argparse
import copy
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(HERE))
warnings.filterwarnings("ignore")

import scenes
import testcase
import torch_zoo
from network import CLASSES, Digits


def train(network, ink, label, steps, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    network.train()
    for step in range(steps):
        chosen = torch.randint(len(label), (batch,), generator=generator)
        picture, mask = scenes.make(ink[chosen], generator)
        logits, marked = network.features(picture)
        loss = F.cross_entropy(logits, label[chosen], label_smoothing=0.05)
        loss = loss + F.binary_cross_entropy_with_logits(marked, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step + 1 == steps:
            right = (logits.argmax(1) == label[chosen]).float().mean()
            print(f"step {step}: loss {float(loss):.3f}, right in the batch {float(right):.3f}", flush=True)
    network.eval()


@torch.no_grad()
def evaluate(network, ink, label, rounds, seed):
    """Accuracy, and intersection over union of the marked pixels, over `rounds` scenes for each digit."""
    generator = torch.Generator().manual_seed(seed)
    right = total = 0
    common = union = 0.0
    for _ in range(rounds):
        for start in range(0, len(label), 150):
            part = slice(start, start + 150)
            picture, mask = scenes.make(ink[part], generator)
            probabilities, marked = network(picture)
            right += int((probabilities.argmax(1) == label[part]).sum())
            total += len(label[part])
            inside = marked > 0.5
            common += float((inside & (mask > 0.5)).sum())
            union += float((inside | (mask > 0.5)).sum())
    return right / total, common / union


@torch.no_grad()
def write_pictures(network, ink, label, folder, seed):
    """One held-out digit of each kind as DIGIT.png, and one more as 7.jpg; returns the PNGs as tensors."""
    os.makedirs(folder, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    pictures = []
    for digit in range(CLASSES):
        for index in torch.nonzero(label == digit).flatten().tolist():
            picture, _ = scenes.make(ink[index:index + 1], generator)
            probabilities, _ = network(picture)
            # A picture in a demonstration has to show the network at work, not one of its mistakes.
            if int(probabilities.argmax()) == digit and float(probabilities.max()) > 0.6:
                break
        pixels = (picture[0] * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(os.path.join(folder, f"{digit}.png"), optimize=True)
        pictures.append(picture)
        if digit == 7:
            Image.fromarray(pixels).save(os.path.join(folder, "7.jpg"), quality=92)
    return pictures


def write_model(network, pictures, folder):
    model = torch_zoo.export(network, [pictures[0]], ["image"], ["probabilities", "mask"], 13)
    data_sets = []
    for picture in pictures:
        probabilities, mask = torch_zoo.reference(network, [picture])
        data_sets.append(({"image": picture.numpy()}, {"probabilities": probabilities, "mask": mask}))
    testcase.write(folder, model, data_sets)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=HERE)
    parser.add_argument("--weights", help="a file to keep the trained weights in, used instead of training if it exists")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    (ink, label), (test_ink, test_label) = scenes.load_digits()
    network = Digits()
    print(f"{sum(p.numel() for p in network.parameters())} parameters, {len(label)} digits to train on, "
          f"{len(test_label)} held out")
    if args.weights and os.path.exists(args.weights):
        network.load_state_dict(torch.load(args.weights))
        network.eval()
    else:
        train(network, ink, label, args.steps, args.batch, args.seed)
        if args.weights:
            torch.save(network.state_dict(), args.weights)
    accuracy, overlap = evaluate(network, test_ink, test_label, rounds=10, seed=99)
    print(f"held-out accuracy {100 * accuracy:.2f} % over {10 * len(test_label)} pictures, mask overlap {overlap:.3f}")

    pictures = write_pictures(network, test_ink, test_label, os.path.join(args.out, "images"), seed=7)
    work = os.path.join(args.out, "case")
    write_model(network, pictures[:3], work)
    for name in sorted(os.listdir(work)):
        target = os.path.join(args.out, name)
        if os.path.isdir(target):
            for file in os.listdir(target):
                os.remove(os.path.join(target, file))
            os.rmdir(target)
        os.replace(os.path.join(work, name), target)
    os.rmdir(work)
    with open(os.path.join(args.out, "labels.txt"), "w") as file:
        file.write("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
