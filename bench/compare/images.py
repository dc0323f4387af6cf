"""Photos to tensors against Pillow and torchvision: decode, Resize(256, bicubic), CenterCrop(224), ToTensor, Normalize, on
one thread, photo by photo.

    ~/peers/bin/pip install -r bench/compare/requirements.txt
    ~/peers/bin/python bench/compare/images.py [--rounds 5] [--count 200] [--slice 20] [--png] DATA...

DATA is a folder or a tar; --png times the same photos as PNG (Pillow's default compression), too. Both sides have the files in memory and
make several passes over a slice of photos, of which each photo's median counts; slices alternate between the two, so that
a slow minute of the machine is a slow minute of both. Ours is `backbones bench --images`, which takes its times inside the
process, in the function that `features` calls. Times are CPU time of the one thread. The tensors of all photos are compared bit by bit before anything is timed.
"""
import argparse
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "reference"))

import PIL
import torch
import torchvision
import torchvision.transforms as T
from PIL import Image, features
from pixels_peer import BINARY, Recipe, open_rgb, pictures_in, run_pixels, tensor_sha256

RECIPE = Recipe(224, 0.875, "bicubic", "center")
TRANSFORM = T.Compose([T.Resize(256, T.InterpolationMode.BICUBIC), T.CenterCrop(224), T.ToTensor(),
                       T.Normalize(RECIPE.mean, RECIPE.std)])


def as_png(data):
    out = io.BytesIO()
    open_rgb(data)[0].save(out, "PNG")
    return out.getvalue()


def evenly(items, count):
    return [items[i * len(items) // count] for i in range(count)] if count < len(items) else items


def write_slices(photos, size, folder):
    """[(folder, [bytes])]: the files of each slice, named in their order."""
    slices = []
    for first in range(0, len(photos), size):
        part = photos[first:first + size]
        path = os.path.join(folder, f"slice-{first:05}")
        os.mkdir(path)
        for i, data in enumerate(part):
            with open(os.path.join(path, f"{i:05}.jpg"), "wb") as file:  # content tells the format
                file.write(data)
        slices.append((path, part))
    return slices


def check_equal(binary, slices):
    """(photos whose tensors are equal in all bits, photos that this Pillow resizes otherwise: see images/resize.h)"""
    equal = other = 0
    for path, part in slices:
        for row, data in zip(run_pixels(binary, [path], RECIPE.flags()).values(), part):
            image = open_rgb(data)[0]
            if row.get("input_sha256") == tensor_sha256(TRANSFORM(image)):
                equal += 1
            elif row.get("input_sha256") == tensor_sha256(RECIPE.tensor(image, columns_first=True)):
                other += 1
            else:
                sys.exit(f"{row['path']}: the tensors differ: nothing to time")
    return equal, other


def ours(binary, path, seconds):
    """[(ms to decode, ms in all)] of each photo"""
    command = [binary, "bench", "--images", path, "--seconds", str(seconds), "--json"]
    photos = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["images"]["photos"]
    return [(photo["ms"]["decode"], photo["ms"]["total"]) for photo in photos]


def theirs(part, seconds):
    decode, total = [[] for _ in part], [[] for _ in part]
    begin, passes = time.thread_time(), 0
    while passes < 3 or time.thread_time() - begin < seconds:
        for i, data in enumerate(part):
            a = time.thread_time()
            image = Image.open(io.BytesIO(data)).convert("RGB")
            b = time.thread_time()
            TRANSFORM(image)
            c = time.thread_time()
            decode[i].append(b - a)
            total[i].append(c - a)
        passes += 1
    return [(statistics.median(d) * 1e3, statistics.median(t) * 1e3) for d, t in zip(decode, total)]


def deciles(values):
    cuts = statistics.quantiles(values, n=10) if len(values) > 1 else values * 9
    return f"{statistics.median(values):.2f} ({cuts[0]:.2f}..{cuts[8]:.2f})"


def compare(name, photos, a):
    with tempfile.TemporaryDirectory() as folder:
        slices = write_slices(photos, a.slice, folder)
        equal, other = check_equal(a.binary, slices)
        note = f", {other} equal once this Pillow filters columns first" * (other > 0)
        print(f"\n{name}: {len(photos)} photos, {sum(map(len, photos)) / len(photos) / 1e3:.1f} kB each; tensors: {equal} equal in all bits{note}")
        slice_ratios, rounds = ([], []), [([], []) for _ in photos]
        for r in range(a.rounds):
            for s, (path, part) in enumerate(slices):
                if (r + s) % 2:
                    peer, own = theirs(part, a.seconds), ours(a.binary, path, a.seconds)
                else:
                    own, peer = ours(a.binary, path, a.seconds), theirs(part, a.seconds)
                for k in range(2):
                    slice_ratios[k].append(sum(t[k] for t in peer) / sum(t[k] for t in own))
                for i, times in enumerate(zip(own, peer)):
                    for side in range(2):
                        rounds[s * a.slice + i][side].append(times[side])
    for k, what in enumerate(("decode", "total")):
        own, peer = ([statistics.median(t[k] for t in photo[side]) for photo in rounds] for side in range(2))
        print(f"  {what:6} backbones {statistics.mean(own):.3f} ms, Pillow{' + torchvision' * k} {statistics.mean(peer):.3f} ms a photo; "
              f"ratio by slice {deciles(slice_ratios[k])}, by photo {deciles([p / o for o, p in zip(own, peer)])}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=200, help="photos of each DATA, evenly over it")
    parser.add_argument("--slice", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.3, help="for a slice; three passes at least")
    parser.add_argument("--png", action="store_true")
    parser.add_argument("data", nargs="+")
    a = parser.parse_args()
    torch.set_num_threads(1)
    gc.disable()
    print(f"Pillow {PIL.__version__} (libjpeg-turbo {features.version('libjpeg_turbo')}, zlib {features.version('zlib')}), "
          f"torchvision {torchvision.__version__}, {a.rounds} rounds; median (10 %..90 %)")
    for path in a.data:
        photos = [data for _, data in evenly(list(pictures_in(path)), a.count)]
        compare(os.path.basename(path), photos, a)
        if a.png:
            compare(os.path.basename(path) + " as PNG", [as_png(data) for data in photos], a)


if __name__ == "__main__":
    main()
