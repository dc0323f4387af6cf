"""BMP and DIB files of every variant and Pillow's answers, to tests/fixtures/bmp/.

Needs Pillow 12.3. Written byte by byte here: Pillow itself writes few variants.
Usage: python tests/reference/make_bmp_fixtures.py
"""
import os
import random
import struct

from pillow_answers import write_tables

WIDTH, HEIGHT = 13, 7
RAW, RLE8, RLE4, BIT_FIELDS = range(4)
rng = random.Random(11)


def header(bits, size=40, compression=RAW, colours=0, height=HEIGHT, masks=()):
    if size == 12:
        return struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    text = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, 0, 2835, 2835, colours, 0)
    fields = struct.pack(f"<{len(masks)}I", *masks)
    return text + (fields if size == 40 else fields.ljust(size - 40, b"\0"))


def palette(count, entry=4):
    return b"".join(rng.randbytes(3) + bytes(entry - 3) for _ in range(count))


def ramp(levels):
    return b"".join(bytes([level] * 3) + b"\0" for level in levels)


def rows(bits):
    return rng.randbytes((WIDTH * bits + 31) // 32 * 4 * HEIGHT)


def bmp(head, colours=b"", pixels=b"", offset=None):
    if offset is None:
        offset = 14 + len(head) + len(colours)
    return b"BM" + struct.pack("<IHHI", 14 + len(head + colours + pixels), 0, 0, offset) + head + colours + pixels


def runs(nibbles):
    """Every kind of run."""
    one = lambda: rng.randrange(256)
    lines = []
    for y in range(HEIGHT):
        if y == 2:
            lines.append(bytes([0, 2, 4, 1]))  # skip to column 4 of the next line
            continue
        if y == 3:
            lines.append(bytes([9, one(), 0, 0]))
        elif y == 4:
            lines.append(bytes([0, 6]) + rng.randbytes(4 if nibbles else 6) + bytes([7, one(), 0, 0]))
        elif y == 5:
            lines.append(bytes([5, one(), 200, one(), 0, 0]))  # a run beyond the line's end is cut
        elif y == 6:
            lines.append(bytes([13, one(), 0, 1]))
        else:
            lines.append(bytes([3, one(), 2, one(), 8, one(), 0, 0]))
    return b"".join(lines)


MASKS_32 = {
    "bgrx": (0xFF0000, 0xFF00, 0xFF, 0),
    "xbgr": (0xFF000000, 0xFF0000, 0xFF00, 0),
    "bgxr": (0xFF000000, 0xFF00, 0xFF, 0),
    "abgr": (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    "rgba": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "bgra": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "bgar": (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
    "none": (0, 0, 0, 0),
}


def good_files():
    for bits in (1, 4, 8):
        yield f"palette-{bits}.bmp", bmp(header(bits), palette(1 << bits), rows(bits))
    for bits in (16, 24, 32):
        yield f"colour-{bits}.bmp", bmp(header(bits), b"", rows(bits))
    yield "top-down.bmp", bmp(header(24, height=-HEIGHT), b"", rows(24))
    for size in (12, 52, 56, 64, 108, 124):
        yield f"header-{size}.bmp", bmp(header(4, size), palette(16, 3 if size == 12 else 4), rows(4))
    yield "core-24.bmp", bmp(header(24, 12), b"", rows(24))
    for name, masks in MASKS_32.items():
        yield f"fields-32-{name}.bmp", bmp(header(32, 56, BIT_FIELDS, masks=masks), b"", rows(32))
    yield "fields-32-three.bmp", bmp(header(32, 40, BIT_FIELDS, masks=MASKS_32["bgrx"][:3]), b"", rows(32))
    yield "fields-24.bmp", bmp(header(24, 40, BIT_FIELDS, masks=MASKS_32["bgrx"][:3]), b"", rows(24))
    yield "fields-565.bmp", bmp(header(16, 40, BIT_FIELDS, masks=(0xF800, 0x7E0, 0x1F)), b"", rows(16))
    yield "fields-555.bmp", bmp(header(16, 108, BIT_FIELDS, masks=(0x7C00, 0x3E0, 0x1F, 0x8000)), b"", rows(16))
    yield "few-colours.bmp", bmp(header(4, colours=5), palette(5), rows(4))
    yield "black-white.bmp", bmp(header(1), ramp([0, 255]), rows(1))
    yield "white-black.bmp", bmp(header(1), ramp([255, 0]), rows(1))
    yield "gray.bmp", bmp(header(8), ramp(range(256)), rows(8))
    yield "two-levels-of-8.bmp", bmp(header(8, colours=2), ramp([0, 255]), rows(8))
    yield "no-offset.bmp", bmp(header(8, colours=20), palette(20), rows(8), offset=0)
    yield "offset-of-palette.bmp", bmp(header(8, colours=20), palette(20), rows(8), offset=54)
    yield "offset-in-palette.bmp", bmp(header(8, colours=20), palette(20), rows(8), offset=100)
    yield "runs-8.bmp", bmp(header(8, 40, RLE8, 30), palette(30), runs(False))
    yield "runs-8-gray.bmp", bmp(header(8, 40, RLE8), ramp(range(256)), runs(False))
    yield "runs-4.bmp", bmp(header(4, 40, RLE4), palette(16), runs(True))
    yield "runs-4-of-8.bmp", bmp(header(8, 40, RLE4, 16), palette(16), runs(True))
    yield "runs-top-down.bmp", bmp(header(8, 40, RLE8, 20, -HEIGHT), palette(20), runs(False))
    yield "odd-runs.bmp", bmp(
        header(4, 40, RLE4), palette(16), b"".join(bytes([0, 5, 1 + y, 0x23, 0x45, 0, 9, y, 0, 0]) for y in range(3 * HEIGHT))
    )
    yield "plain.dib", header(24) + rows(24)
    yield "palette.dib", header(4, 12) + palette(16, 3) + rows(4)


def damaged_files():
    whole = bmp(header(4), palette(16), rows(4))
    yield "cut.bmp", whole[:-20]
    yield "cut-24.bmp", bmp(header(24, height=-HEIGHT), b"", rows(24)[:100])
    yield "cut-palette.bmp", whole[:80]
    yield "cut-header.bmp", whole[:40]
    yield "far-offset.bmp", bmp(header(24), b"", rows(24), offset=10**6)
    yield "short-runs.bmp", bmp(header(8, 40, RLE8, 30), palette(30), runs(False)[:-10])
    yield "runs-of-colours.bmp", bmp(header(24, 40, RLE8), b"", runs(False))
    yield "unknown-header.bmp", bmp(struct.pack("<I", 20) + header(24)[4:], b"", rows(24))
    yield "unknown-depth.bmp", bmp(header(2), palette(4), rows(2))
    yield "unknown-fields.bmp", bmp(header(16, 40, BIT_FIELDS, masks=(0xF00, 0xF0, 0xF)), b"", rows(16))
    yield "jpeg-inside.bmp", bmp(header(24, 40, 4), b"", rows(24))
    yield "many-colours.bmp", bmp(header(8, colours=300), palette(300), rows(8))


write_tables(os.path.join(os.path.dirname(__file__), "..", "fixtures", "bmp"), good_files(), damaged_files())
