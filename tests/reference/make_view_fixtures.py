"""Augmented views: Pillow's pixels for given parts, and how torchvision draws the parts; to tests/fixtures/pixels/.

Needs Pillow 12.3 (13 filters some pictures in another order), torchvision 0.29, numpy.
    PYTHONPATH=FOLDER_OF_PILLOW make_view_fixtures.py
views.tsv: width height x y w h, target width height, filter, mirrored, FNV-1a (64 bits) of the bytes.
view_draws.tsv: width height, the shares of draws that are the whole picture, then quantiles 0.1 ... 0.9 of area / picture's
area, of ratio, and of (x + w / 2) / width, of 200,000 draws.
"""
import os
import warnings

import numpy as np
import torch
from make_pixel_fixtures import ROOT, fnv, picture
from PIL import Image
from torchvision.transforms import RandomResizedCrop

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}

PARTS = [
    (40, 30, 0, 0, 40, 30, 16, 16, "bicubic", 0),
    (40, 30, 7, 3, 20, 25, 16, 16, "bicubic", 1),
    (40, 30, 39, 29, 1, 1, 8, 8, "bicubic", 1),
    (101, 67, 50, 1, 51, 66, 32, 32, "bilinear", 0),
    (101, 67, 13, 9, 31, 24, 64, 64, "bicubic", 1),
    (101, 67, 13, 9, 31, 24, 24, 31, "lanczos", 0),
    (300, 200, 100, 50, 160, 149, 96, 96, "bicubic", 0),
    (300, 200, 0, 150, 299, 50, 33, 47, "nearest", 1),
    (1, 500, 0, 200, 1, 100, 20, 20, "bicubic", 0),
]

if __name__ == "__main__":
    with open(os.path.join(ROOT, "pixels", "views.tsv"), "w") as file:
        for part in PARTS:
            width, height, x, y, w, h, to_width, to_height, kind, mirrored = part
            image = Image.fromarray(picture(width, height)).crop((x, y, x + w, y + h))
            image = image.resize((to_width, to_height), FILTERS[kind])
            if mirrored:
                image = image.transpose(Image.FLIP_LEFT_RIGHT)
            file.write("\t".join(map(str, part)) + f"\t{fnv(image.tobytes()):016x}\n")
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    with open(os.path.join(ROOT, "pixels", "view_draws.tsv"), "w") as file:
        for width, height in [(500, 375), (333, 500), (64, 64), (1000, 100), (30, 400)]:
            image = torch.empty(3, height, width)
            draws = np.array([RandomResizedCrop.get_params(image, (0.08, 1), (3 / 4, 4 / 3)) for _ in range(200_000)])
            y, x, h, w = draws.T.astype(float)
            whole = ((w == width) & (h == height)).mean()
            columns = [w * h / (width * height), w / h, (x + w / 2) / width]
            quantiles = [np.quantile(c, np.arange(1, 10) / 10) for c in columns]
            file.write(f"{width}\t{height}\t{whole:.4f}\t" + "\t".join(f"{q:.4f}" for c in quantiles for q in c) + "\n")
