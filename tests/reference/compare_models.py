"""Compare whole models with their publishers' own code, one row a model; run by hand.

Every row of models_table.py builds the publisher's own network without download, fills every parameter and every running
statistic with seeded random numbers, saves it as its publisher would, runs the publisher's forward pass on photos through
the publisher's own preprocessing, and lets `backbones features` do the same from the saved file.

Needs torch 2.15, torchvision 0.29, timm 1.0.31, transformers 5.24, open_clip_torch 3.3, safetensors 0.8, and Pillow 12
(13 filters some pictures in another order). Usage:
    python tests/reference/compare_models.py [--photos FOLDER_OR_TAR] [--count N] [--only REGEX] [--list] [--keep DIR]
A row passes when the worst error is at most 1e-4 of the largest feature and no cosine is below 0.999999; the program exits
with 1 when a row fails. --keep leaves the checkpoints, the photos and the features where they can be looked at.
"""
import argparse
import collections
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import PIL
import PIL.Image
import torch
import transformers

from models_table import ROWS

WORST_ERROR, SMALLEST_COSINE = 1e-4, 0.999999
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
COLUMNS = "{:<58} {:<13} {:<12} {:>5} {:<9} {:>6} {:>9} {:>12} {:<7} {}"

Comparison = collections.namedtuple("Comparison", "kind width error cosine")


# ---- photos ----


def extract_photos(source, folder, count):
    """`count` photos whose sides differ, upright and wide ones, spread over the archive."""
    if os.path.isdir(source):
        source = os.path.join(source, "imagenet-samples.tar")
    chosen = {"wide": [], "upright": []}
    with tarfile.open(source) as archive:
        members = [m for m in archive.getmembers() if m.name.lower().endswith((".jpg", ".jpeg"))]
        for member in members[:: max(1, len(members) // (8 * count))]:
            with PIL.Image.open(archive.extractfile(member)) as image:
                (width, height), mode = image.size, image.mode
            if mode == "RGB" and width * 8 < height * 7 and len(chosen["upright"]) < count // 2:
                chosen["upright"].append(member)
            elif mode == "RGB" and height * 8 < width * 7 and len(chosen["wide"]) < count - count // 2:
                chosen["wide"].append(member)
        members = [m for pair in zip(chosen["wide"], chosen["upright"]) for m in pair]
        if len(members) < count:
            raise SystemExit(f"{source}: only {len(members)} photos of the wanted shapes")
        for i, member in enumerate(members):
            with open(os.path.join(folder, f"{i:02}.jpg"), "wb") as file:
                file.write(archive.extractfile(member).read())
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


# ---- the publisher's side ----


def publisher_outputs(case, photos):
    images = []
    for path in photos:
        with PIL.Image.open(path) as image:
            images.append(case.transform(image.convert("RGB")))
    results = collections.defaultdict(list)
    model = case.model.eval()
    with torch.inference_mode():
        for image in images:
            for kind, values in case.run(model, image[None]).items():
                results[kind].append(values[0].flatten().double().numpy())
    return {kind: np.stack(rows) for kind, rows in results.items()}


# ---- our side ----


def backbones(*arguments):
    run = subprocess.run([os.path.join(ROOT, "build", "backbones"), *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip().splitlines()[-1] if run.stderr.strip() else f"exit {run.returncode}")
    return run.stdout


def is_same_recipe(found, wanted):
    """Whether the recipe that `inspect` prints prepares pictures as the publisher's transform does."""
    mode = "squash" if wanted.mode == "resize-crop" else wanted.mode
    if found["input"][1:] != [wanted.size, wanted.size] or found["crop_mode"] != mode:
        return False
    if found["interpolation"] != wanted.filter:
        return False
    if wanted.mode != "squash":
        resize = found.get("resize") or int(wanted.size / found["crop"])
        if resize != wanted.resize:
            return False
    return np.allclose(found["mean"], wanted.mean, atol=1e-6) and np.allclose(found["std"], wanted.std, atol=1e-6)


def crop_fraction(size, resize):
    """A fraction f with int(size / f) == resize: size / resize itself may round to the wrong side."""
    for numerator in (0, 1e-9, -1e-9):
        if int(size / (size / resize + numerator)) == resize:
            return size / resize + numerator
    raise ValueError((size, resize))


def recipe_flags(recipe):
    flags = ["--input-size", str(recipe.size), "--interpolation", recipe.filter, "--crop-mode", recipe.mode]
    if recipe.mode == "center":
        flags += ["--crop", repr(crop_fraction(recipe.size, recipe.resize))]
    else:
        flags += ["--crop", "1"]
    flags += ["--mean", ",".join(repr(float(m)) for m in recipe.mean)]
    return flags + ["--std", ",".join(repr(float(s)) for s in recipe.std)]


def our_features(weights, kind, flags, photos, out):
    shutil.rmtree(out, ignore_errors=True)
    backbones("features", "--weights", weights, "--data", photos, "--out", out, "--features", kind, "--threads", "2",
              "--batch", "3", "--strict", "--quiet", *flags)
    rows = np.load(os.path.join(out, "features.npy"))
    with open(os.path.join(out, "paths.txt")) as file:
        paths = [line.rstrip("\n") for line in file]
    order = sorted(range(len(paths)), key=lambda i: os.path.basename(paths[i]))
    return rows[order].astype(np.float64).reshape(len(order), -1)


# ---- a row ----


def compare(kind, ours, theirs):
    if ours.shape != theirs.shape:
        raise RuntimeError(f"{kind}: {ours.shape[1]} values instead of {theirs.shape[1]}")
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosine = ((ours * theirs).sum(1) / norms).min()
    return Comparison(kind, ours.shape[1], np.abs(ours - theirs).max() / np.abs(theirs).max(), cosine)


def distinct(rows):
    """Whether photos give features that differ: equal ones would agree whatever the network does."""
    centred = rows - rows.mean(0)
    return np.abs(centred).max() > 1e-3 * np.abs(rows).max()


def run_row(row, photos, folder, converted):
    case = row.build(row)
    photos = photos[: row.photos]
    theirs = publisher_outputs(case, photos)
    weights = case.save(folder)
    recipe, flags = case.recipe, list(case.flags)
    del case
    gc.collect()
    if not all(np.isfinite(v).all() and distinct(v) for v in theirs.values()):
        raise RuntimeError("the publisher's features are the same for all photos or not finite: a bad oracle")
    # The recipe that the checkpoint brings counts; flags only where there is none that says the same.
    arch = flags[:2] if "--arch" in flags else []
    said = json.loads(backbones("inspect", weights, "--json", *arch))
    if "--input-size" in flags:
        said["input"][1:] = [recipe.size, recipe.size]
    own_recipe = is_same_recipe(said, recipe)
    if not own_recipe:
        flags = arch + recipe_flags(recipe)
    picked = os.path.join(folder, "photos")
    os.makedirs(picked)
    for path in photos:
        os.link(path, os.path.join(picked, os.path.basename(path)))
    results = []
    for kind, expected in theirs.items():
        ours = our_features(weights, kind, flags, picked, os.path.join(folder, "features"))
        results.append(compare(kind, ours, expected))
    if converted:
        kind, expected = next(iter(theirs.items()))
        path = os.path.join(folder, "converted.safetensors")
        backbones("convert", weights, "-o", path, *arch)
        flags = flags[2:] if arch else flags  # a converted file says it itself
        ours = our_features(path, kind, flags, picked, os.path.join(folder, "features"))
        results.append(compare("converted", ours, expected)._replace(kind="converted"))
    return results, recipe.size, "own" if own_recipe else "flags"


def passes(c):
    return c.error <= WORST_ERROR and c.cosine >= SMALLEST_COSINE


def report(row, photos, keep, converted):
    """Print a row; True when it passed."""
    begin = time.time()
    folder = os.path.join(keep, row.name) if keep else tempfile.mkdtemp(prefix="compare-models-")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        results, size, recipe = run_row(row, photos, folder, converted)
    except Exception as e:
        if not isinstance(e, RuntimeError):
            traceback.print_exc()
        print(COLUMNS.format(row.name, row.scheme, row.container, "", "", "", "", "", "", "FAIL"), flush=True)
        print(f"    {e}", flush=True)
        return False
    finally:
        gc.collect()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    for i, c in enumerate(results):
        names = (row.name, row.scheme, row.container, size) if i == 0 else ("", "", "", "")
        figures = (c.kind, c.width, f"{c.error:.1e}", f"{c.cosine:.9f}", recipe if i == 0 else "")
        seconds = f"  {time.time() - begin:.0f} s" if i == 0 and sys.stdout.isatty() else ""
        print(COLUMNS.format(*names, *figures, "ok" if passes(c) else "FAIL") + seconds, flush=True)
    return all(passes(c) for c in results)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default=os.path.join(ROOT, "..", "shared", "data"), help="a tar of JPEG photos")
    parser.add_argument("--only", default="", help="rows whose name, scheme or container match this pattern")
    parser.add_argument("--count", type=int, default=6, help="at most so many photos a row (even)")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--keep", help="leave every row's files under this folder")
    parser.add_argument("--converted", action="store_true", help="convert each checkpoint, and compare the result too")
    options = parser.parse_args()
    rows = [r for r in ROWS if re.search(options.only, f"{r.name} {r.scheme} {r.container}")]
    if options.list:
        for row in rows:
            print(f"{row.name:<58} {row.scheme:<13} {row.container}")
        print(f"{len(rows)} models")
        return 0
    if not PIL.__version__.startswith("12."):
        print(f"Pillow {PIL.__version__} is not the pixel oracle: use 12", file=sys.stderr)
    torch.set_num_threads(2)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="compare-photos-", dir=options.keep)
    passed = 0
    try:
        photos = extract_photos(options.photos, scratch, options.count)
        print(COLUMNS.format("model", "names", "container", "input", "features", "width", "error", "cosine", "recipe", ""))
        for row in rows:
            passed += report(row, photos, options.keep, options.converted)
    finally:
        shutil.rmtree(scratch)
    print(f"{len(rows)} models: {passed} pass, {len(rows) - passed} fail")
    return passed < len(rows)


if __name__ == "__main__":
    sys.exit(main())
