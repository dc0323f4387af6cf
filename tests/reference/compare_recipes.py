"""Compare the publishers' own preprocessing with ours: random configurations as timm, open_clip, transformers and
torchvision write them, read by `backbones pixels --weights`, on noise of many odd sizes.

Needs Pillow (made with 12.3), torchvision (0.29), timm (1.0.31), open_clip_torch (3.3.0), transformers (5.24, whose
PIL-backed processors are meant; the tensor-backed ones are measured).
Usage: python tests/reference/compare_recipes.py [--configs 40] [--pictures 40] [--seed 1] [--only PUBLISHER]

"equal" means all bits of the float tensor. Then come configurations that no recipe of ours can say, which the program has
to refuse. Exit 1 if a picture differs or a configuration is not refused.
"""
import argparse
import collections
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np
import open_clip.transform
import timm.data
import torch
import torchvision
import torchvision.transforms as T
from PIL import Image
from pixels_peer import BINARY, FILTERS, run_pixels, tensor_sha256

STATISTICS = [((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
              ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))]
RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # Pillow's numbers


# ---- what the program reads ----


def put_weights(path, metadata=None):
    """A safetensors file with a single number: recipes come from elsewhere."""
    header = {"__metadata__": metadata or {}, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(4))
    return path


def put_hub(folder, name, config):
    put_weights(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, name), "w") as file:
        json.dump(config, file)
    return folder


# ---- the publishers: random(r) -> (what it is, write(folder) -> --weights, transform(PIL image) -> [3, h, w]) ----


def random_side(r):
    return r.choice([32, 112, 224, 225, 231, r.randint(8, 300)])


def random_timm(r):
    side = random_side(r)
    size = (side, side) if r.random() < 0.7 else (side, random_side(r))
    mean, std = r.choice(STATISTICS)
    config = {"input_size": [3, *size], "interpolation": r.choice(list(FILTERS)), "mean": mean, "std": std,
              "crop_pct": r.choice([0.875, 0.9, 0.95, 1.0, 224 / 256, round(r.uniform(0.4, 1), 3)]),
              "crop_mode": r.choice(["center", "squash"])}
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=config))
    return config, lambda folder: put_hub(folder, "config.json", {"architecture": "resnet50", "pretrained_cfg": config}), \
        transform


def random_open_clip(r):
    side = random_side(r)
    mean, std = r.choice(STATISTICS)
    config = {"size": side if r.random() < 0.5 else [side, side], "mean": mean, "std": std,
              "interpolation": r.choice(["bicubic", "bilinear"]), "resize_mode": r.choice(["shortest", "squash"])}
    transform = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**config), is_train=False)
    model = {"vision_cfg": {"image_size": side, "layers": 12, "width": 768, "patch_size": 32}}
    whole = {"model_cfg": model, "preprocess_cfg": config}
    return config, lambda folder: put_hub(folder, "open_clip_config.json", whole), transform


def random_torchvision(r):
    """Resize and CenterCrop of any two sizes, as a converted file keeps them."""
    size, resize = random_side(r), random_side(r)
    mean, std = r.choice(STATISTICS)
    filter = r.choice(list(FILTERS))
    recipe = {"input": [3, size, size], "crop": min(1.0, max(0.1, size / resize)), "resize": resize,
              "interpolation": filter, "crop_mode": r.choice(["center", "squash"]), "mean": mean, "std": std}
    resized = [resize, resize] if recipe["crop_mode"] == "squash" else resize
    transform = T.Compose([T.Resize(resized, FILTERS[filter]), T.CenterCrop(size), T.ToTensor(), T.Normalize(mean, std)])
    metadata = {"backbones.arch": "resnet50", "backbones.recipe": json.dumps(recipe)}
    return recipe, lambda folder: put_weights(os.path.join(folder, "converted.safetensors"), metadata), transform


def presets():
    """(file name, transform) of torchvision's weights whose families we have."""
    for name in torchvision.models.list_models(torchvision.models):
        if not name.startswith(("resn", "wide_resnet", "convnext", "vit_", "swin_")):
            continue
        for weights in torchvision.models.get_model_weights(name):
            yield os.path.basename(weights.url), weights.transforms()


def random_preset(r):
    file, transform = r.choice(list(presets()))
    name = file.replace(".pth", ".safetensors")
    return {"file": file}, lambda folder: put_weights(os.path.join(folder, name)), transform


def processor_class(name, backend="pil"):
    module = {"CLIP": "clip", "Bit": "bit", "ConvNext": "convnext", "ViT": "vit", "DeiT": "deit", "Beit": "beit",
              "Siglip": "siglip"}[name]
    suffix, file = ("Pil", "image_processing_pil_") if backend == "pil" else ("", "image_processing_")
    loaded = getattr(__import__(f"transformers.models.{module}.{file}{module}", fromlist=["*"]),
                     f"{name}ImageProcessor{suffix}")
    return loaded


def random_processor_config(r):
    kind = r.choice(["CLIP", "Bit", "ConvNext", "ViT", "DeiT", "Beit", "Siglip"])
    side, mean_std = random_side(r), r.choice(STATISTICS)
    config = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
              "image_mean": list(mean_std[0]), "image_std": list(mean_std[1]), "resample": r.choice(list(RESAMPLE.values()))}
    if kind == "ConvNext":
        side = r.choice([side, 384])
        config.update(size={"shortest_edge": side}, crop_pct=r.choice([0.875, 0.95, 1.0, round(r.uniform(0.4, 1), 3)]))
    elif kind in ("CLIP", "Bit"):
        crop = min(side, random_side(r))
        config.update(size={"shortest_edge": side}, do_center_crop=True, crop_size={"height": crop, "width": crop})
    elif kind in ("DeiT", "Beit"):
        crop = min(side, random_side(r))
        config.update(size={"height": side, "width": side}, do_center_crop=True,
                      crop_size={"height": crop, "width": crop})
    else:
        height, width = (side, side) if r.random() < 0.7 else (side, random_side(r))
        config.update(size={"height": height, "width": width})
    return kind, config


def processor_transform(kind, config, backend="pil"):
    processor = processor_class(kind, backend)(**config)
    return lambda image: processor(images=image, return_tensors="pt")["pixel_values"][0]


def random_transformers(r):
    kind, config = random_processor_config(r)
    published = {"image_processor_type": kind + "ImageProcessor", **config}
    return published, lambda folder: put_hub(folder, "preprocessor_config.json", published), \
        processor_transform(kind, config)


PUBLISHERS = {"timm": random_timm, "open_clip": random_open_clip, "torchvision": random_torchvision,
              "torchvision's weights": random_preset, "transformers": random_transformers}


# ---- what no recipe can say ----

TIMM = {"input_size": [3, 224, 224], "crop_pct": 0.9, "interpolation": "bicubic"}
CLIP = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "resample": 3,
        "crop_size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
VISION = {"vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}}


def refusals():
    """(publisher, the rule, file, config)"""
    for change, rule in [({"crop_mode": "border"}, "the longest side to the input's, a border of the mean"),
                         ({"interpolation": "random"}, "bilinear or bicubic by chance")]:
        yield "timm", rule, "config.json", {"architecture": "resnet50", "pretrained_cfg": {**TIMM, **change}}
    for change, rule in [({"resize_mode": "longest"}, "the longest side to the input's, a border of fill_color"),
                         ({"size": [224, 256]}, "inputs that are not square: always bicubic, whatever interpolation says"),
                         ({"interpolation": "random"}, "by chance in training, bicubic afterwards")]:
        yield "open_clip", rule, "open_clip_config.json", {"model_cfg": VISION, "preprocess_cfg": change}
    for change, rule in [({"size": {"shortest_edge": 224, "longest_edge": 400}}, "a bound of the longest side"),
                         ({"crop_size": {"height": 256, "width": 256}}, "a crop larger than the resized picture: black is "
                          "put around with the odd row above, torchvision's is below"),
                         ({"do_center_crop": False}, "pictures of no fixed size"),
                         ({"do_rescale": False}, "pixels in [0, 255]"),
                         ({"rescale_factor": 1 / 127.5}, "pixels in [0, 2]"),
                         ({"do_resize": False, "do_center_crop": True}, "a crop without a resize"),
                         ({"image_processor_type": "Siglip2ImageProcessor"}, "patches of pictures of any shape")]:
        yield "transformers", rule, "preprocessor_config.json", {**CLIP, **change}


def check_refusals(binary, picture, only):
    """The number of configurations that the program takes all the same."""
    taken = 0
    for publisher, rule, name, config in refusals():
        if only and only != publisher:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([binary, "pixels", picture, "--weights", put_hub(folder, name, config)],
                                 capture_output=True, text=True)
            message = run.stderr.strip().replace(folder + "/", "")
        if run.returncode == 1 and message:
            print(f"{publisher}, {rule}: refused: {message}")
        else:
            taken += 1
            print(f"{publisher}, {rule}: NOT REFUSED")
    return taken


# ---- comparing ----


def put_pictures(folder, count, r):
    """{path: Pillow image} of noise in sizes from 1 to 700, few of them round, at most forty times as long as wide."""
    pictures, noise = {}, np.random.default_rng(r.randint(0, 1 << 30))
    while len(pictures) < count:
        width, height = (int(round(2 ** r.uniform(0, 9.45))) for _ in range(2))
        if max(width, height) > 40 * min(width, height):
            continue
        pixels = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
        path = os.path.join(folder, f"{len(pictures):03}-{width}x{height}.ppm")
        with open(path, "wb") as file:
            file.write(b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())
        pictures[path] = Image.fromarray(pixels)
    return pictures


def compare(publisher, a, pictures, r):
    """The number of pictures that differ."""
    counts, failed = collections.Counter(), 0
    for _ in range(a.configs):
        config, write, transform = PUBLISHERS[publisher](r)
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows = run_pixels(a.binary, list(pictures), ["--weights", write(folder)])
            except RuntimeError as error:
                print(f"{publisher} {config}: NOT READ: {error}")
                failed += 1
                continue
        for path, image in pictures.items():
            row, tensor = rows[path], transform(image)
            verdict = "DIFFERENT"
            if "error" in row:
                verdict = "REFUSED: " + row["error"]
            elif row["input_sha256"] == tensor_sha256(tensor):
                verdict = "equal"
            counts[verdict] += 1
            if verdict != "equal":
                failed += 1
                print(f"{publisher} {config}: {os.path.basename(path)}: {verdict}")
    print(f"{publisher}: {a.configs} configurations x {len(pictures)} pictures: "
          + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))
    sys.stdout.flush()
    return failed


def measure_tensor_backends(a, pictures, r):
    """transformers' default processors resize tensors, with other sums than Pillow, and DINOv3's, which has no PIL-backed
    one, even tensors of floats: by how much do they differ from the PIL-backed one that does the same steps?"""
    from transformers.models.dinov3_vit.image_processing_dinov3_vit import DINOv3ViTImageProcessor

    worst, sums = collections.Counter(), collections.defaultdict(list)
    for _ in range(a.configs):
        kind, config = random_processor_config(r)
        if config["resample"] not in (2, 3):  # the others are not antialiased there
            continue
        ours, theirs = processor_transform(kind, config), {"default": processor_class(kind, "tensor")(**config)}
        if kind == "ViT":
            theirs["DINOv3's"] = DINOv3ViTImageProcessor(**config)
        std = torch.tensor(config["image_std"])[:, None, None]
        for image in list(pictures.values())[::4]:
            for name, processor in theirs.items():
                tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
                difference = (ours(image) - tensor).mul(std).abs() * 255
                worst[name] = max(worst[name], float(difference.max()))
                sums[name].append(float(difference.mean()))
    for name, means in sums.items():
        print(f"transformers' {name} tensor-backed processors against the PIL-backed ones, bilinear and bicubic: up to "
              f"{worst[name]:.1f} of 255, {sum(means) / len(means):.3f} on average")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(PUBLISHERS))
    a = parser.parse_args()
    torch.set_num_threads(1)
    r, failed = random.Random(a.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        pictures = put_pictures(folder, a.pictures, r)
        for publisher in [a.only] if a.only else PUBLISHERS:
            failed += compare(publisher, a, pictures, r)
        if a.only in (None, "transformers"):
            measure_tensor_backends(a, pictures, r)
        failed += check_refusals(a.binary, next(iter(pictures)), a.only)
    print(f"{failed} unexplained")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
