"""Pillow's and timm's answers for PNG decoding, resizing and preprocessing; to tests/fixtures/png/ and pixels/.

Needs Pillow 12.3 (13 filters tall pictures in another order), torchvision 0.29, timm 1.0.31, numpy.
Usage: python tests/reference/make_pixel_fixtures.py [FOLDER with PngSuite and other public PNG files]
All answers are FNV-1a (64 bits) hashes of the bytes.
"""
import io
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval

ROOT = os.path.join(os.path.dirname(__file__), "..", "fixtures")


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def picture(width, height):
    """The formula that tests/test_pixels.c uses as well."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (((x * x * 3 + y * 7 * (c + 1) + x * y * (c + 2)) >> 2) & 255).astype(np.uint8)


# ---- PNG files of every colour type, depth and interlace, written here since Pillow writes only some ----------------

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack(samples, depth):
    if depth == 16:
        return samples.astype(">u2").tobytes()
    if depth == 8:
        return samples.astype(np.uint8).tobytes()
    bits = "".join(format(int(v), f"0{depth}b") for v in samples.reshape(-1))
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(lines, bpp):
    """Each line with another of the five filters."""
    out, before = b"", bytes(len(lines[0]))
    for number, line in enumerate(lines):
        kind = number % 5
        left = bytes(bpp) + line[: len(line) - bpp] if len(line) > bpp else bytes(len(line))
        corner = bytes(bpp) + before[: len(line) - bpp] if len(line) > bpp else bytes(len(line))
        predict = [
            lambda i: 0,
            lambda i: left[i],
            lambda i: before[i],
            lambda i: (left[i] + before[i]) // 2,
            lambda i: paeth(left[i], before[i], corner[i]),
        ][kind]
        out += bytes([kind]) + bytes((line[i] - predict(i)) & 255 for i in range(len(line)))
        before = line
    return out


def png(color, depth, interlaced, transparent):
    width, height = 13, 11
    channels = CHANNELS[color]
    rng = np.random.default_rng(color * 100 + depth)
    most = 2**depth if color != 3 else min(2**depth, 12)
    samples = rng.integers(0, most, (height, width, channels))
    bpp = max(1, channels * depth // 8)
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    data = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            data += filtered([pack(line, depth) for line in part], bpp)
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))
    if color == 3:
        body += chunk(b"PLTE", rng.integers(0, 256, 36, dtype=np.uint8).tobytes())
    if transparent:
        value = {0: struct.pack(">H", 1), 2: struct.pack(">HHH", 1, 2, 3), 3: bytes([0, 128, 255])}[color]
        body += chunk(b"tRNS", value)
    half = len(data) // 2
    packed = zlib.compress(data[:half] + data[half:])
    body += chunk(b"IDAT", packed[: len(packed) // 2]) + chunk(b"IDAT", packed[len(packed) // 2 :])
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def write_pngs():
    folder = os.path.join(ROOT, "png")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "hashes.tsv"), "w") as table:
        for color, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
            for depth in depths:
                for interlaced in (0, 1):
                    for transparent in (False, True):
                        if transparent and (color in (4, 6) or interlaced):
                            continue
                        data = png(color, depth, interlaced, transparent)
                        name = f"color{color}-{depth}{'-interlaced' if interlaced else ''}{'-trns' if transparent else ''}.png"
                        with open(os.path.join(folder, name), "wb") as f:
                            f.write(data)
                        rgb = Image.open(io.BytesIO(data)).convert("RGB")
                        table.write(f"{name}\t{rgb.width}\t{rgb.height}\t{fnv(rgb.tobytes()):016x}\n")


def critical_chunks(data):
    """The file without ancillary chunks: Pillow refuses files for their damaged profiles or oversized texts as well."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    out, at = data[:8], 8
    while at < len(data):
        size = 12 + struct.unpack(">I", data[at : at + 4])[0]
        if not data[at + 4] & 32:
            out += data[at : at + size]
        at += size
    return out


def write_public(source):
    """PngSuite and others. A wrong checksum of the image data, which Pillow forgives, refuses xcsn0g01.png."""
    with open(os.path.join(ROOT, "png", "public.tsv"), "w") as table:
        for name in sorted(os.listdir(source)):
            try:
                with open(os.path.join(source, name), "rb") as f:
                    rgb = Image.open(io.BytesIO(critical_chunks(f.read()))).convert("RGB")
                answer = f"{fnv(rgb.tobytes()):016x}"
            except (ValueError, OSError, SyntaxError):
                answer = "refused"
            table.write(f"{name}\t{'refused' if name == 'xcsn0g01.png' else answer}\n")


# ---- resizing and preprocessing -------------------------------------------------------------------------------------

FILTERS = [
    (Image.Resampling.NEAREST, "nearest"),
    (Image.Resampling.BILINEAR, "bilinear"),
    (Image.Resampling.BICUBIC, "bicubic"),
    (Image.Resampling.LANCZOS, "lanczos"),
    (Image.Resampling.BOX, "box"),
    (Image.Resampling.HAMMING, "hamming"),
]
SIZES = [(50, 37), (37, 50), (31, 64), (9, 7)]
TARGETS = [(24, 24), (50, 20), (100, 75), (7, 3), (37, 64)]
RECIPES = [(24, 24, 0.875), (33, 33, 1.0), (48, 48, 0.95), (60, 60, 1.0), (20, 36, 0.9), (45, 17, 1.0)]  # height, width, crop fraction


def main():
    write_pngs()
    if len(sys.argv) > 1:
        write_public(sys.argv[1])
    folder = os.path.join(ROOT, "pixels")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "resize.tsv"), "w") as table:
        for w, h in SIZES:
            for k, (pillow, _) in enumerate(FILTERS):
                for tw, th in TARGETS:
                    out = Image.fromarray(picture(w, h)).resize((tw, th), pillow)
                    table.write(f"{w}\t{h}\t{k}\t{tw}\t{th}\t{fnv(out.tobytes()):016x}\n")
    with open(os.path.join(folder, "preprocess.tsv"), "w") as table:
        for w, h in SIZES:
            for k, (_, name) in enumerate(FILTERS):
                for height, width, crop in RECIPES:
                    view = transforms_imagenet_eval((height, width), crop, interpolation=name)
                    out = view(Image.fromarray(picture(w, h))).permute(1, 2, 0).contiguous().numpy()
                    table.write(f"{w}\t{h}\t{k}\t{height}\t{width}\t{crop}\t{fnv(out.tobytes()):016x}\n")


if __name__ == "__main__":
    main()
