"""The recipes and architectures of published checkpoints, for tests/test_recipes.c: from timm's pretrained_cfg and
torchvision's weights.

    python3 make_recipe_fixtures.py [FILE]         (default: tests/fixtures/recipes.txt)

A line is "NAME ARCH SIZE CROP INTERPOLATION MEAN CROP_MODE RESIZE", of timm's checkpoint names, of the authors' files
that timm's configurations point to, and of torchvision's files; MEAN is that of the first channel, RESIZE 0 where it
follows from CROP. Needs timm==1.0.31, torchvision==0.29.2.
"""
import os
import re
import sys

import timm
import torchvision
from timm.models import _registry

FILE = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../fixtures/recipes.txt")
FAMILIES = re.compile(r"(resnet\d+d?|wide_resnet\d+_2|resnext\d+_\d+x\d+d|resnet[0-9x]+_clip|convnext(v2)?_[a-z]+"
                      r"|vit_[a-z0-9]+_patch\d+_(224|384|(clip|clip_quickgelu|siglip)_\d+|(reg4_)?dinov2|dinov3(_qkvb)?)"
                      r"|deit3?_\w+|swin_[a-z]+_patch4\w+|swinv2_[a-z]+_window\w+)$")
OTHERS = re.compile(r"untrained|\.clip_|eupe|r384|sat493m|medium|xxlarge|zepto|sam_in1k|in1k_res|betwixt|xsmall")  # not in the tables
ARCH = {"swin_t": "swin_tiny_patch4_window7_224", "swin_s": "swin_small_patch4_window7_224",
        "swin_b": "swin_base_patch4_window7_224", "swin_v2_t": "swinv2_tiny_window8_256",
        "swin_v2_s": "swinv2_small_window8_256", "swin_v2_b": "swinv2_base_window8_256",
        "vit_b_16": "vit_base_patch16_224", "vit_b_32": "vit_base_patch32_224", "vit_l_16": "vit_large_patch16_224",
        "vit_l_32": "vit_large_patch32_224", "vit_h_14": "vit_huge_patch14_224"}
AUTHORS = re.compile(r"fbaipublicfiles\.com/(dino|dinov2|mae|deit|convnext)/|SwinTransformer/storage")


def timm_lines():
    for arch in timm.list_models():
        for name in _registry._model_with_tags.get(arch, []) if FAMILIES.match(arch) else []:
            config = timm.get_pretrained_cfg(name) if "." in name and not OTHERS.search(name) else None
            if config is None or not config.has_weights:
                continue
            recipe = (f"{config.input_size[1]} {config.crop_pct:g} {config.interpolation} {config.mean[0]:g} "
                      f"{config.crop_mode} 0")
            yield f"{name} {arch} {recipe}"
            if config.url and AUTHORS.search(config.url):
                yield f"{os.path.basename(config.url)} {arch} {recipe}"


def torchvision_lines():
    for arch in torchvision.models.list_models(torchvision.models):
        if not re.match(r"resnet|wide_resnet|resnext|convnext|swin|vit", arch):
            continue
        for weights in torchvision.models.get_model_weights(arch):
            t = weights.transforms()
            if t.crop_size[0] > 224 and arch.startswith("vit"):
                continue  # SWAG's, at sizes for which timm has no architecture
            yield (f"{os.path.basename(weights.url)} {ARCH.get(arch, arch)} {t.crop_size[0]} "
                   f"{t.crop_size[0] / t.resize_size[0]:.6g} {t.interpolation.value} {t.mean[0]:g} center "
                   f"{t.resize_size[0]}")


if __name__ == "__main__":
    lines = sorted(set(timm_lines()) | set(torchvision_lines()))
    with open(FILE, "w") as f:
        f.write("".join(line + "\n" for line in lines))
    print(f"{len(lines)} checkpoints")
