#!/usr/bin/env python3
"""Write the networks that Clast is tested on as ONNX backend test folders. See models/README.md.

    zoo.py --list
    zoo.py [--out DIR] [--force] [NAME...]      (default: build/zoo, every network; finished ones are skipped)
"""

import argparse
import os
import sys
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


def torchvision_classifier(name, **options):
    def make():
        import torchvision
        extra = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
        return getattr(torchvision.models, name)(weights=None, **extra)

    def recipe(folder):
        import torch_zoo
        torch_zoo.classifier(make, **options)(folder)
    return recipe


def timm_classifier(name, **options):
    def make():
        import timm
        return timm.create_model(name, pretrained=False)

    def recipe(folder):
        import torch_zoo
        torch_zoo.classifier(make, **options)(folder)
    return recipe


RECIPES = {
    "resnet18": torchvision_classifier("resnet18"),
    "mobilenet_v2": torchvision_classifier("mobilenet_v2"),
    "squeezenet1_1": torchvision_classifier("squeezenet1_1"),
    "mobilenet_v3_large": torchvision_classifier("mobilenet_v3_large"),
    "resnet50": torchvision_classifier("resnet50"),
    "shufflenet_v2_x1_0": torchvision_classifier("shufflenet_v2_x1_0"),
    "densenet121": torchvision_classifier("densenet121"),
    "inception_v3": torchvision_classifier("inception_v3", size=299),
    "efficientnet_b0": torchvision_classifier("efficientnet_b0", seed=2),
    "regnet_y_400mf": torchvision_classifier("regnet_y_400mf"),
    "convnext_tiny": torchvision_classifier("convnext_tiny", opset=17),
    "swin_t": torchvision_classifier("swin_t", opset=16),
    "res2net50_26w_4s": timm_classifier("res2net50_26w_4s"),
    "vit_tiny_patch16_224": timm_classifier("vit_tiny_patch16_224", opset=17),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=os.path.join(HERE, "..", "build", "zoo"))
    parser.add_argument("--force", action="store_true", help="make finished ones again")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    if args.list:
        print("\n".join(RECIPES))
        return 0
    unknown = [name for name in args.names if name not in RECIPES]
    if unknown:
        print(f"zoo.py: no such network: {', '.join(unknown)} (--list shows them)", file=sys.stderr)
        return 2
    os.makedirs(args.out, exist_ok=True)
    failed = []
    for name in args.names or RECIPES:
        folder = os.path.join(args.out, name)
        if os.path.exists(os.path.join(folder, "tol")) and not args.force:
            continue
        start = time.monotonic()
        try:
            RECIPES[name](folder)
            print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        except Exception as error:  # one network that cannot be made must not stop the others
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    if failed:
        print(f"zoo.py: not made: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
