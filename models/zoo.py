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


def detection(kind, *args):
    def recipe(folder):
        import detection_zoo
        getattr(detection_zoo, kind)(*args)(folder)
    return recipe


def converter(kind):
    def recipe(folder):
        import converter_zoo
        getattr(converter_zoo, kind)()(folder)
    return recipe


def package(kind, *args, **options):
    def recipe(folder):
        import package_zoo
        statistics = {"ppocr": (getattr(package_zoo, options.pop("statistics", "HALF")),)}.get(kind, ())
        getattr(package_zoo, kind)(*args, *statistics, **options)(folder)
    return recipe


LIGHT = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet",
         "vgg19", "zfnet512"]

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
    "dronet": converter("dronet"),
    "dronet_last": converter("dronet_last"),
    "slice_relu": converter("slice_relu"),
    "deeplabv3_resnet50_257": detection("deeplabv3", 257),
    "deeplabv3_resnet50": detection("deeplabv3", 513),
    "ssdlite320_mobilenet_v3_large": detection("ssdlite320", "ssdlite320_mobilenet_v3_large"),
    "ssdlite320_heads": detection("ssdlite320", "ssdlite320_heads"),
    "ssdlite320_post": detection("ssdlite320", "ssdlite320_post"),
    # (seeds of the pictures, height, width, lines of text a picture). The trained detector multiplies rounding: any
    # float32 evaluation is about 1e-5 off somewhere on its edges. These pictures are among the calmer ones.
    "ppocr_v4_det": package("ppocr", "ch_PP-OCRv4_det_infer.onnx",
                            [([1000], 320, 320, 16), ([1100], 256, 416, 12), ([500, 600], 192, 256, 9)],
                            statistics="IMAGENET"),
    "ppocr_v4_rec": package("ppocr", "ch_PP-OCRv4_rec_infer.onnx",
                            [([0], 48, 320, 1), ([3], 48, 480, 1), ([1, 3, 10], 48, 240, 1)]),
    "ppocr_v2_cls": package("ppocr", "ch_ppocr_mobile_v2.0_cls_infer.onnx",
                            [([0], 48, 192, 1), ([1, 2, 3, 4], 48, 192, 1)]),
    "silero_vad": package("silero", "silero_vad.onnx"),
    "silero_vad_8k": package("silero", "silero_vad.onnx", rate=8000, chunk=288),
    "silero_vad_16k_op15": package("silero", "silero_vad_16k_op15.onnx", batch=3),
    "silero_vad_16k_sequence": package("silero", "silero_vad_16k_sequence.onnx", sequence=True, batch=5),
    "silero_vad_half": package("silero", "silero_vad_half.onnx"),
    "silero_vad_op18_ifless": package("silero", "silero_vad_op18_ifless.onnx"),
}
RECIPES.update({f"light_{name}": package("light", name) for name in LIGHT})
RECIPES.update({f"light_{name}_random": package("light_random", name) for name in LIGHT})


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
