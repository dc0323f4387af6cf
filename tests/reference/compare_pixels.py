"""Compare `backbones pixels` with Pillow and torchvision over whole folders and tars: the decoded pixels, format and
mode of every file, and the model's input after every filter, at several sizes, in every crop mode.

Needs Pillow (made with 12.3; with 13 as well, see below) and torchvision (0.29).
Usage: python tests/reference/compare_pixels.py [--sizes 32,224,331] [--filters ...] [--jobs N] [--list] PATH...

PATH is a picture, a folder or a tar. Every check must be equal in all bits; where Pillow refuses a file, the program may
do either. What differs is listed file by file, with its reason where one is known; exit 1 if anything has none.
`--decode-only` leaves out the inputs; `--lenient` and `--exif-orientation` go to the program, and Pillow does the same.
"""
import argparse
import collections
import functools
import multiprocessing
import sys
import warnings

import PIL
import torch
import torchvision
from PIL import ImageFile
from pixels_peer import BINARY, FILTERS, Recipe, open_rgb, pictures_in, run_pixels, sha256, tensor_sha256

CROPS = {32: 1.0, 224: 0.875, 331: 0.95}  # fractions as published recipes have them
MODES = ("center", "squash")

ROWS_FIRST = "this Pillow filters rows first in pictures of this shape; columns first, as before, it gives our bytes"


def recipes_of(sizes, filters):
    recipes = [Recipe(size, CROPS.get(size, 0.875), filter, mode) for mode in MODES for filter in filters for size in sizes]
    return recipes + [Recipe(size, 1.0, "bilinear", "none") for size in sizes]


def check_decoding(row, data, transpose):
    """(picture or None, {check: (verdict, details)}); a verdict in capitals is a failure."""
    try:
        image, format, mode = open_rgb(data, transpose)
    except Exception as error:  # Pillow raises many kinds
        why = f"Pillow: {type(error).__name__}: {error}".partition(" <_io.BytesIO")[0]
        return None, {"pixels": ("both refuse", f"{row['error']} | {why}") if "error" in row else ("only we decode", why)}
    if "error" in row:
        return image, {"pixels": ("ONLY PILLOW DECODES", row["error"])}
    checks = {"pixels": ("equal", ""), "format, mode": ("equal", "")}
    if (row["width"], row["height"]) != image.size:
        checks["pixels"] = "DIFFERENT SIZE", f"{row['width']} x {row['height']}, not {image.width} x {image.height}"
    elif row["rgb_sha256"] != sha256(image.tobytes()):
        checks["pixels"] = "DIFFERENT", ""
    if (row["format"], row["mode"]) != (format, mode):
        checks["format, mode"] = "DIFFERENT", f"{row['format']} {row['mode']}, not {format} {mode}"
    return image, checks


def check_input(row, image, recipe):
    """The same for one recipe; None as verdict: the recipe does not take this picture, and the program says so."""
    if not recipe.takes(image):
        return (None, "") if "without resizing" in row.get("error", "") else ("NOT REFUSED", "")
    try:
        tensor = recipe.tensor(image)
    except Exception as error:
        why = f"torchvision: {type(error).__name__}: {error}"
        return ("both refuse", f"{row['error']} | {why}") if "error" in row else ("only we resize", why)
    if "error" in row:
        return "ONLY TORCHVISION RESIZES", row["error"]
    if row["input_sha256"] == tensor_sha256(tensor):
        return "equal", ""
    if recipe.filter != "nearest" and row["input_sha256"] == tensor_sha256(recipe.tensor(image, columns_first=True)):
        return "explained", ROWS_FIRST
    return "DIFFERENT INPUT", ""


def check_file(recipes, transpose, job):
    """{check: (verdict, details)} of one file; check: "pixels", "format, mode", or a recipe."""
    data, decoded, inputs = job
    image, found = check_decoding(decoded, data, transpose)
    if image is None or "error" in decoded:
        return found
    for recipe, row in zip(recipes, inputs):
        verdict, details = check_input(row, image, recipe)
        if verdict:
            found[recipe] = verdict, details
    return found


def start_worker(lenient):
    torch.set_num_threads(1)
    ImageFile.LOAD_TRUNCATED_IMAGES = lenient
    warnings.simplefilter("ignore")


def compare(path, recipes, a):
    """Print everything about a path; (files with an unexplained difference, {check: Counter of verdicts})."""
    flags = ["--lenient"] * a.lenient + ["--exif-orientation"] * a.exif_orientation
    # Every file is decoded whatever its size: a recipe that takes all.
    decoded = run_pixels(a.binary, [path], flags + ["--input-size", "1"])
    inputs = [run_pixels(a.binary, [path], flags + recipe.flags()) for recipe in recipes]
    pictures = list(pictures_in(path))
    if [name for name, _ in pictures] != list(decoded):
        sys.exit(f"{path}: the program lists other files: {set(decoded) ^ {name for name, _ in pictures}}")
    jobs = ((data, decoded[name], [rows[name] for rows in inputs]) for name, data in pictures)
    counts, failed = collections.defaultdict(collections.Counter), set()
    with multiprocessing.Pool(a.jobs, start_worker, (a.lenient,)) as pool:
        check = functools.partial(check_file, recipes, a.exif_orientation)
        for (name, _), found in zip(pictures, pool.imap(check, jobs, 8)):
            for check, (verdict, details) in found.items():
                counts[check][verdict] += 1
                if verdict.isupper():
                    failed.add(name)
                if verdict.isupper() or verdict == "explained" or (a.list and verdict != "equal"):
                    print(f"  {name}: {check}: {verdict}{': ' * bool(details)}{details}")
    print_counts(path, len(pictures), counts, recipes)
    return len(failed), counts


def text_of(counter):
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counter.items())) or "none of that size"


def print_counts(path, files, counts, recipes):
    print(f"{path}: {files} files")
    for check in ("pixels", "format, mode"):
        print(f"  {check:17} {text_of(counts[check])}")
    for mode, filter in dict.fromkeys((r.mode, r.filter) for r in recipes):
        cells = [f"{r.size}: {text_of(counts[r])}" for r in recipes if (r.mode, r.filter) == (mode, filter)]
        print(f"  {mode:7} {'' if mode == 'none' else filter:9} {'   '.join(cells)}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(CROPS))
    parser.add_argument("--filters", type=lambda text: text.split(","), default=list(FILTERS))
    parser.add_argument("--decode-only", action="store_true")
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--exif-orientation", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print every file that is not equal, not only differences")
    parser.add_argument("paths", nargs="+")
    a = parser.parse_args()
    print(f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}")
    recipes = [] if a.decode_only else recipes_of(a.sizes, a.filters)
    failed, total = 0, collections.Counter()
    for path in a.paths:
        failures, counts = compare(path, recipes, a)
        failed += failures
        for check, counter in counts.items():
            kind = check if isinstance(check, str) else "inputs"
            total.update({(kind, verdict): n for verdict, n in counter.items()})
    for kind in dict.fromkeys(k for k, _ in total):
        print(f"{kind}: " + text_of({verdict: n for (k, verdict), n in total.items() if k == kind}))
    print(f"{failed} files differ without a known reason")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
