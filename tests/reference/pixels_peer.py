"""What `backbones pixels` says of pictures, and the same from Pillow and torchvision: the two sides that
compare_pixels.py, compare_recipes.py and bench/compare/images.py hold against each other."""
import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass

import torchvision.transforms.functional as F
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, "build", "backbones")
# As evaluate/arrange.c lists them.
EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "dib", "tif", "tiff", "ppm", "pgm", "pbm", "pnm")
FILTERS = {name: InterpolationMode(name) for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")}


def run_pixels(binary, paths, flags=()):
    """{path: row} of all pictures, in order. A picture that cannot be read has an "error"."""
    command = [binary, "pixels", "--json", *flags, *paths]
    run = subprocess.run(command, capture_output=True)
    if run.returncode not in (0, 1) or not run.stdout:
        raise RuntimeError(f"{' '.join(command)}: exit {run.returncode}: {run.stderr.decode(errors='replace').strip()}")
    return {row["path"]: row for row in json.loads(run.stdout)["images"]}


def pictures_in(path):
    """(name as `backbones pixels` prints it, bytes) of every picture, found without the program's help."""

    def is_picture(name):
        return name.rpartition(".")[2].lower() in EXTENSIONS and not any(p.startswith(".") for p in name.split("/"))

    if os.path.isdir(path):
        names = [os.path.relpath(os.path.join(f, n), path) for f, _, ns in os.walk(path, followlinks=True) for n in ns]
        for name in sorted(filter(is_picture, names)):
            with open(os.path.join(path, name), "rb") as file:
                yield os.path.join(path, name), file.read()
    elif path.lower().endswith(".tar"):
        with tarfile.open(path) as tar:
            members = {m.name: m for m in tar if m.isfile() and is_picture(m.name)}
            for name in sorted(members):
                yield f"{path}:{name}", tar.extractfile(members[name]).read()
    else:
        with open(path, "rb") as file:
            yield path, file.read()


def open_rgb(data, transpose=False):
    """(RGB picture, format, mode) by Pillow; raises exceptions of many kinds. transpose: as the EXIF orientation says."""
    with Image.open(io.BytesIO(data)) as image:
        return (ImageOps.exif_transpose(image) if transpose else image).convert("RGB"), image.format, image.mode


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tensor_sha256(chw):
    return sha256(chw.permute(1, 2, 0).contiguous().numpy().tobytes())


@dataclass(frozen=True)
class Recipe:
    """torchvision's transforms of a recipe; `crop` is timm's fraction."""

    size: int
    crop: float
    filter: str
    mode: str  # "center", "squash" or "none"
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)

    def __str__(self):
        return f"{self.mode} {self.filter} {self.size}"

    def flags(self):
        """of the program"""
        return ["--input-size", str(self.size), "--crop", str(self.crop), "--interpolation", self.filter,
                "--crop-mode", self.mode, "--mean", ",".join(map(str, self.mean)), "--std", ",".join(map(str, self.std))]

    def takes(self, image):
        return self.mode != "none" or image.size == (self.size, self.size)

    def resize(self, image, columns_first=False):
        """columns_first: the width in one call and the height in another, which gives the bytes of one call by a Pillow
        that filters columns first whatever the shape (see images/resize.h)."""
        if self.mode == "none":
            return image
        side = int(self.size / self.crop)
        size = [side, side] if self.mode == "squash" else [side]
        if not columns_first:
            return F.resize(image, size, FILTERS[self.filter])
        width, height = F.resize(image, size, InterpolationMode.NEAREST).size
        narrow = F.resize(image, [image.height, width], FILTERS[self.filter])
        return F.resize(narrow, [height, width], FILTERS[self.filter])

    def tensor(self, image, columns_first=False):
        """float32 [3, size, size] of a Pillow picture"""
        crop = F.center_crop(self.resize(image, columns_first), [self.size, self.size])
        return F.normalize(F.to_tensor(crop), self.mean, self.std)
