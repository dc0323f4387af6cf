"""Mutated image files to Pillow and to this program: both refuse, or both give the same bytes.

Needs Pillow (12.3; its libjpeg-turbo is 3.1) and a C compiler; `make` first, for build/libbackbones.a.
Usage: python tests/reference/fuzz_against_pillow.py [--seconds 60] [--seed 0] [--keep FOLDER] [--kinds png,jpeg] PATH...

PATH is an image or a folder (searched deeply); files above 200 kB are left out. Mutations: cuts, changed bytes and bits,
bytes taken out, doubled or moved runs, and for PNG chunk by chunk (a changed, lost, doubled or swapped chunk) with the
checksum put right, for JPEG segment by segment. Prints how often each outcome was met by kind of file; a difference that is
not among the documented ones is kept in --keep and makes the exit status 1.

Documented differences
  stricter, PNG   checksums and order of critical chunks, missing rows, unknown critical chunks, a missing palette
  lenient, PNG    damage in ancillary chunks, which are not read
  JPEG without end marker: refused; Pillow takes the few whose last bits happened to be read already
  JPEG with application segments that Pillow's own header reader stumbles over, before libjpeg sees the file
  TIFF directories that contradict themselves: libtiff mends some that we refuse, and the other way round
"""
import argparse
import collections
import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib

from PIL import Image

PROGRAM = r"""
#include <backbones.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  uint32_t size;
  while (fread(&size, sizeof size, 1, stdin) == 1) {
    unsigned char *bytes = malloc(size ? size : 1);
    if (!bytes || (size && fread(bytes, size, 1, stdin) != 1)) return 1;
    struct backbones_image image;
    struct backbones_error e = {""};
    int32_t head[2] = {0, 0};
    if (backbones_image_decode(bytes, size, &image, &e) == BACKBONES_OK) {
      head[0] = image.width;
      head[1] = image.height;
      fwrite(head, sizeof head, 1, stdout);
      fwrite(image.rgb, 3, (size_t)image.width * (size_t)image.height, stdout);
      backbones_image_free(&image);
    } else {
      head[1] = 0;
      while (e.message[head[1]]) head[1]++;
      fwrite(head, sizeof head, 1, stdout);
      fwrite(e.message, 1, (size_t)head[1], stdout);
    }
    fflush(stdout);
    free(bytes);
  }
  return 0;
}
"""
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MOST_PIXELS = 1 << 20


class Decoder:
    """The program's decoder in a process of its own."""

    def __init__(self, folder, build):
        source, binary = os.path.join(folder, "decode.c"), os.path.join(folder, "decode")
        with open(source, "w") as f:
            f.write(PROGRAM)
        library = os.path.join(ROOT, build, "libbackbones.a")
        subprocess.run(["cc", "-I", ROOT, source, library, "-lm", "-lpthread", "-o", binary], check=True)
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, data):
        """((width, height, bytes), None) or (None, message)."""
        self.process.stdin.write(struct.pack("<I", len(data)) + data)
        self.process.stdin.flush()
        head = self.process.stdout.read(8)
        if len(head) < 8:
            raise RuntimeError("the decoder died")
        width, height = struct.unpack("<ii", head)
        if width == 0:
            return None, self.process.stdout.read(height).decode(errors="replace")
        return (width, height, self.process.stdout.read(3 * width * height)), None


def pillow(data):
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None, "too large to compare"
            rgb = image.convert("RGB")
        return (rgb.width, rgb.height, rgb.tobytes()), None
    except Exception as error:  # Pillow raises many kinds
        return None, f"{type(error).__name__}: {error}"


# ---- mutations ------------------------------------------------------------------------------------------------------


def png_chunks(data):
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        if at + 12 + size > len(data):
            break
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def mutate_png(data, rng):
    chunks = png_chunks(data)
    if not chunks:
        return data
    i = rng.randrange(len(chunks))
    kind, body = chunks[i]
    choice = rng.randrange(5)
    if choice == 0 and body:
        changed = bytearray(body)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        chunks[i] = (kind, bytes(changed))
    elif choice == 1 and kind == b"IDAT":  # behind the compression
        try:
            rows = bytearray(zlib.decompress(b"".join(b for k, b in chunks if k == b"IDAT")))
            rows[rng.randrange(len(rows))] = rng.randrange(256)
            chunks = [c for c in chunks if c[0] != b"IDAT"]
            chunks.insert(-1, (b"IDAT", zlib.compress(bytes(rows))))
        except zlib.error:
            pass
    elif choice == 2:
        chunks.insert(i, chunks[i])
    elif choice == 3:
        del chunks[i]
    else:
        j = rng.randrange(len(chunks))
        chunks[i], chunks[j] = chunks[j], chunks[i]
    out = data[:8]
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return out


def mutate_jpeg(data, rng):
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        segments.append(data[at : at + size])
        at += size
    if not segments:
        return data
    i = rng.randrange(len(segments))
    choice = rng.randrange(4)
    if choice == 0:
        changed = bytearray(segments[i])
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        segments[i] = bytes(changed)
    elif choice == 1:
        segments.insert(i, segments[i])
    elif choice == 2:
        del segments[i]
    else:
        j = rng.randrange(len(segments))
        segments[i], segments[j] = segments[j], segments[i]
    return data[:2] + b"".join(segments) + data[at:]


def mutate(kind, data, rng):
    choice = rng.randrange(6)
    if choice == 0:
        return data[: rng.randrange(len(data))]
    if choice == 1 and kind == "PNG":
        return mutate_png(data, rng)
    if choice == 1 and kind == "JPEG":
        return mutate_jpeg(data, rng)
    changed = bytearray(data)
    if choice == 2:
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif choice == 3:
        i = rng.randrange(len(data))
        del changed[i : i + rng.randrange(1, 30)]
    elif choice == 4:
        i, n = rng.randrange(len(data)), rng.randrange(1, 40)
        j = rng.randrange(len(data))
        changed[j:j] = changed[i : i + n]
    else:
        for _ in range(rng.choice((1, 1, 2, 5))):
            changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


# ---- comparing ------------------------------------------------------------------------------------------------------


def outcome(kind, ours, ours_why, theirs, theirs_why):
    """The outcome's name; in capitals where it is not documented."""
    if ours is None and theirs is None:
        return "both refuse"
    if ours == theirs:
        return "equal"
    if theirs is None:
        if "too large" in theirs_why:
            return "not compared"
        if kind == "PNG":
            return "only we decode: damage that we do not read"
        if kind == "JPEG" and "UnidentifiedImageError" in theirs_why:
            return "only we decode: Pillow's header reader"
        if kind == "TIFF":
            return "only we decode: directory"
        return "ONLY WE DECODE"
    if ours is None:
        if kind == "JPEG" and "truncated" in ours_why:
            return "only Pillow decodes: no end marker"
        if kind == "PNG":
            return "only Pillow decodes: strictness"
        if kind == "TIFF":
            return "only Pillow decodes: directory"
        return "ONLY PILLOW DECODES"
    return "DIFFERENT"


def read_files(paths, kinds):
    files = []
    for path in paths:
        names = [path]
        if os.path.isdir(path):
            names = [os.path.join(folder, name) for folder, _, some in os.walk(path) for name in some]
        for name in sorted(names):
            if os.path.getsize(name) > 200000:
                continue
            with open(name, "rb") as f:
                data = f.read()
            try:
                with Image.open(io.BytesIO(data)) as image:
                    kind = image.format
            except Exception:
                continue
            if data and (not kinds or kind.lower() in kinds):
                files.append((kind, name, data))
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="build/fuzz-against-pillow")
    parser.add_argument("--kinds", default="")
    parser.add_argument("--build", default="build")
    parser.add_argument("paths", nargs="+")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = random.Random(arguments.seed)
    files = read_files(arguments.paths, [kind for kind in arguments.kinds.lower().split(",") if kind])
    by_kind = collections.defaultdict(list)
    for file in files:
        by_kind[file[0]].append(file)
    counts, end, bad = collections.Counter(), time.time() + arguments.seconds, 0
    os.makedirs(arguments.keep, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(folder, arguments.build)
        while time.time() < end:
            kind, name, data = rng.choice(by_kind[rng.choice(sorted(by_kind))])
            mutant = mutate(kind, data, rng)
            ours, ours_why = decoder(mutant)
            theirs, theirs_why = pillow(mutant)
            found = outcome(kind, ours, ours_why, theirs, theirs_why)
            counts[kind, found] += 1
            if found.isupper():
                bad += 1
                if counts[kind, found] <= 20:
                    kept = os.path.join(arguments.keep, f"{kind}-{found.replace(' ', '-')}-{counts[kind, found]}")
                    with open(kept, "wb") as f:
                        f.write(mutant)
                    print(f"{kept} (from {name}): {ours_why or ''} | {theirs_why or ''}")
    for (kind, found), count in sorted(counts.items()):
        print(f"{kind:6} {count:8} {found}")
    print(f"{sum(counts.values())} files, {bad} undocumented differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
