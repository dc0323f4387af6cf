"""Compare a decoder's pixels with Pillow's, file by file, over whole folders and tars.

Needs Pillow (made with 13.0.0; its libjpeg-turbo is 3.2.0).
Usage: python tests/reference/compare_pixels.py --decoder COMMAND [--seconds S] [--list] PATH...

PATH is an image, a folder (searched deeply) or a tar. COMMAND is run as `COMMAND FILE` and writes a PPM (P6) to its
standard output, or fails with a message and exit 1. Its bytes must be those of Image.open(FILE).convert("RGB"); where
Pillow refuses a file, the decoder may do either. Exit 1 if a picture differs, only Pillow decodes it, the command
crashes, or it takes longer than S seconds (default 10).
"""
import argparse
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import warnings

from PIL import Image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pbm", ".pnm")


def files_of(path, scratch):
    """Yield (name, path of a file with the bytes)."""
    if os.path.isdir(path):
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                if name.lower().endswith(EXTENSIONS):
                    yield os.path.join(folder, name), os.path.join(folder, name)
    elif path.endswith(".tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and member.name.lower().endswith(EXTENSIONS):
                    with open(scratch, "wb") as copy:
                        copy.write(tar.extractfile(member).read())
                    yield f"{path}:{member.name}", scratch
    else:
        yield path, path


def pillow_pixels(path):
    """(PPM bytes, None) or (None, why Pillow refuses)."""
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        return b"P6\n%d %d\n255\n" % rgb.size + rgb.tobytes(), None
    except Exception as error:  # Pillow raises many kinds
        return None, f"{type(error).__name__}: {error}"


def compare(command, path, seconds):
    """(verdict, details); verdicts in capitals are failures."""
    try:
        run = subprocess.run(command + [path], capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return "TOO SLOW", ""
    message = run.stderr.decode(errors="replace").strip()
    if run.returncode not in (0, 1):
        return "CRASH", f"exit {run.returncode}: {message}"
    expected, why = pillow_pixels(path)
    if run.returncode == 1:
        if not message:
            return "NO MESSAGE", ""
        return ("both refuse", f"{message} | {why}") if expected is None else ("ONLY PILLOW DECODES", message)
    if expected is None:
        return "only the decoder decodes", why
    if run.stdout == expected:
        return "equal", ""
    if len(run.stdout) != len(expected):
        return "DIFFERENT", "size"
    wrong = [abs(a - b) for a, b in zip(run.stdout, expected) if a != b]
    return "DIFFERENT", f"{len(wrong)} of {len(expected)} bytes, by up to {max(wrong)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--decoder", required=True, type=shlex.split)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--list", action="store_true", help="print every file that is not equal, not only failures")
    parser.add_argument("paths", nargs="+")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.paths:
            for name, file in files_of(path, os.path.join(folder, "image")):
                verdict, details = compare(arguments.decoder, file, arguments.seconds)
                counts[verdict] = counts.get(verdict, 0) + 1
                if verdict.isupper() or (arguments.list and verdict != "equal"):
                    print(f"{name}: {verdict} {details}")
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if any(verdict.isupper() for verdict in counts) or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
