"""TIFF files of every variant and Pillow's answers, to tests/fixtures/tiff/.

Needs Pillow 12.3 with libtiff 4.7. Written byte by byte here: Pillow itself writes few variants.
Usage: python tests/reference/make_tiff_fixtures.py
"""
import os
import random
import struct
import zlib

from pillow_answers import write_tables

RAW, LZW, DEFLATE, OLD_DEFLATE, PACK_BITS = 1, 5, 8, 32946, 32773
GRAY_INVERTED, GRAY, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
BYTE, SHORT, LONG = 1, 3, 4
rng = random.Random(3)
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def pack_bits(data):
    out, at = b"", 0
    while at < len(data):
        run = 1
        while run < 128 and data[at : at + 1] * (run + 1) == data[at : at + run + 1]:
            run += 1
        if run > 1:
            out += bytes([257 - run, data[at]])
        else:
            run = min(3, len(data) - at)
            out += bytes([run - 1]) + data[at : at + run]
        at += run
    return out + b"\x80"


def lzw(data, old=False):
    """Codes of 9 to 12 bits, most significant bit first, that grow one code early; or as libtiff wrote them once."""
    clear, end, early = 256, 257, 0 if old else 1
    codes, table, width, following, first, text = [(clear, 9)], {}, 9, 258, True, b""
    for position in range(len(data) + 1):
        longer = text + data[position : position + 1]
        if position < len(data) and (len(longer) == 1 or longer in table):
            text = longer
            continue
        if text:
            codes.append((table.get(text, text[0]), width))
            # The reader's table is one entry behind.
            following, first = following + (not first), False
            width += following > (1 << width) - 1 - early and width < 12
            table[longer] = 258 + len(table)
        text = data[position : position + 1]
        if len(table) == 4092 - 258:
            codes.append((text[0], width))
            codes.append((clear, width))
            table, width, following, first, text = {}, 9, 258, True, b""
    bits = "".join(format(code, f"0{width}b")[:: -1 if old else 1] for code, width in codes + [(end, width)])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][:: -1 if old else 1], 2) for i in range(0, len(bits), 8))


PACKERS = {RAW: bytes, LZW: lzw, DEFLATE: zlib.compress, OLD_DEFLATE: zlib.compress, PACK_BITS: pack_bits}


def row_bytes(values, bits, order):
    if bits in (16, 32):
        return struct.pack(f"{order}{len(values)}{'H' if bits == 16 else 'I'}", *values)
    text = "".join(format(value, f"0{bits}b") for value in values)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def blocks_of(picture, bits, samples, planar, block, tiled, order, predictor):
    """Rows of strips or tiles, plane by plane."""
    height, width = len(picture), len(picture[0])
    across, down = block
    for plane in range(samples if planar == 2 else 1):
        for top in range(0, height, down):
            for left in range(0, width, across):
                rows = []
                for y in range(top, top + down if tiled else min(top + down, height)):
                    pixels = [
                        picture[y][x] if y < height and x < width else [0] * samples for x in range(left, left + across)
                    ]
                    row = [p[plane] for p in pixels] if planar == 2 else [value for p in pixels for value in p]
                    if predictor == 2:
                        step = 1 if planar == 2 else samples
                        row = row[:step] + [(b - a) % 2**bits for a, b in zip(row, row[step:])]
                    rows.append(row_bytes(row, bits, order))
                yield b"".join(rows)


def tiff(photometric=RGB, bits=8, samples=3, extra=(), compression=RAW, planar=1, order="<", fill=1, predictor=1, width=9,
         height=7, rows=3, tile=None, big=False, tags={}, without=(), runs=False, version=None, pack=None, appended=b""):
    block = tile or (width, rows)
    high = 300 if bits > 8 and samples == 1 else 2**bits - 1
    picture = [[[rng.randint(0, high) if not runs else (x // 3 + y) % (high + 1) for _ in range(samples)] for x in range(width)]
               for y in range(height)]
    packed = [(pack or PACKERS[compression])(data) for data in
              blocks_of(picture, bits, samples, planar, block, tile, order, predictor)]
    if fill == 2:
        packed = [data.translate(REVERSED) for data in packed]
    start = 16 if big else 8
    offsets = [start + sum(map(len, packed[:i])) for i in range(len(packed))]
    fields = {256: (LONG, width), 257: (SHORT, height), 258: (SHORT, *[bits] * samples), 259: (SHORT, compression),
              262: (SHORT, photometric), 266: (SHORT, fill), 277: (SHORT, samples), 284: (SHORT, planar),
              317: (SHORT, predictor)}
    if tile:
        fields |= {322: (SHORT, tile[0]), 323: (SHORT, tile[1]), 324: (LONG, *offsets), 325: (LONG, *map(len, packed))}
    else:
        fields |= {278: (SHORT, rows), 273: (LONG, *offsets), 279: (LONG, *map(len, packed))}
    if extra:
        fields[338] = (SHORT, *extra)
    if photometric == PALETTE:
        fields[320] = (SHORT, *[rng.randrange(65536) for _ in range(3 << bits)])
    fields |= tags
    for tag in without:
        del fields[tag]
    word, count = ("Q", "Q") if big else ("I", "H")
    size = struct.calcsize(word)
    directory = start + sum(map(len, packed))
    values_at = directory + struct.calcsize(count) + len(fields) * (4 + 2 * size) + size
    entries, values = b"", b""
    for tag, (kind, *numbers) in sorted(fields.items()):
        data = struct.pack(f"{order}{len(numbers)}{ {BYTE: 'B', SHORT: 'H', LONG: 'I'}[kind]}", *numbers)
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(numbers))
        if len(data) <= size:
            entries += data.ljust(size, b"\0")
        else:
            entries += struct.pack(f"{order}{word}", values_at + len(values))
            values += data
    head = (b"II" if order == "<" else b"MM") + (version or struct.pack(f"{order}H", 43 if big else 42))
    head += struct.pack(f"{order}HHQ", 8, 0, directory) if big else struct.pack(f"{order}I", directory)
    return (head + b"".join(packed) + struct.pack(f"{order}{count}", len(fields)) + entries + bytes(size) + values + appended)


def good_files():
    for bits in (1, 2, 4, 8):
        yield f"gray-{bits}.tif", tiff(GRAY, bits, 1)
        yield f"gray-{bits}-inverted.tif", tiff(GRAY_INVERTED, bits, 1, order=">", compression=LZW)
        yield f"palette-{bits}.tif", tiff(PALETTE, bits, 1, compression=PACK_BITS if bits < 8 else RAW)
        yield f"gray-{bits}-reversed.tif", tiff(GRAY, bits, 1, fill=2, compression=RAW if bits != 2 else PACK_BITS)
    yield "gray-12.tif", tiff(GRAY, 12, 1)
    yield "gray-16.tif", tiff(GRAY, 16, 1, compression=DEFLATE, predictor=2)
    yield "gray-16-big-endian.tif", tiff(GRAY, 16, 1, order=">", compression=LZW, predictor=2)
    yield "gray-16-inverted.tif", tiff(GRAY_INVERTED, 16, 1)
    yield "gray-16-reversed.tif", tiff(GRAY, 16, 1, fill=2)
    yield "gray-16-signed.tif", tiff(GRAY, 16, 1, tags={339: (SHORT, 2)})
    yield "gray-16-signed-big-endian.tif", tiff(GRAY, 16, 1, tags={339: (SHORT, 2)}, order=">", compression=DEFLATE)
    yield "gray-32.tif", tiff(GRAY, 32, 1, compression=DEFLATE, predictor=2)
    yield "gray-alpha.tif", tiff(GRAY, 8, 2, (2,))
    yield "palette-alpha.tif", tiff(PALETTE, 8, 2, (2,), compression=LZW)
    for compression, name in ((RAW, "raw"), (LZW, "lzw"), (DEFLATE, "deflate"), (OLD_DEFLATE, "old-deflate"), (PACK_BITS, "packbits")):
        yield f"rgb-{name}.tif", tiff(compression=compression)
        yield f"rgb-{name}-tiles.tif", tiff(compression=compression, tile=(16, 16), width=18, order=">", runs=True)
        yield f"rgb-{name}-planes.tif", tiff(compression=compression, planar=2)
    yield "rgb-predictor.tif", tiff(compression=LZW, predictor=2)
    yield "rgb-predictor-tiles.tif", tiff(compression=DEFLATE, predictor=2, tile=(16, 16), width=18, planar=2, runs=True)
    yield "rgb-old-lzw.tif", tiff(compression=LZW, pack=lambda data: lzw(data, True))
    yield "lzw-full-table.tif", tiff(GRAY, 8, 1, compression=LZW, width=66, height=60, rows=60)
    yield "rgb-16.tif", tiff(bits=16)
    yield "rgb-16-big-endian.tif", tiff(bits=16, order=">", compression=DEFLATE, predictor=2)
    yield "rgb-16-planes.tif", tiff(bits=16, planar=2, compression=LZW)
    yield "rgb-reversed.tif", tiff(fill=2)
    for extra in ((0,), (1,), (2,), (999,), (0, 0), (1, 0), (2, 0)):
        yield f"rgb-extra-{'-'.join(map(str, extra))}.tif", tiff(samples=3 + len(extra), extra=extra)
    yield "rgba-unexplained.tif", tiff(samples=4)
    yield "rgba-unexplained-planes.tif", tiff(samples=4, planar=2, compression=PACK_BITS)
    yield "rgba-16-premultiplied.tif", tiff(bits=16, samples=4, extra=(1,), order=">")
    yield "rgba-planes-premultiplied.tif", tiff(samples=4, extra=(1,), planar=2, compression=LZW)
    yield "rgbx-planes.tif", tiff(samples=4, extra=(0,), planar=2, compression=LZW)
    yield "cmyk.tif", tiff(CMYK, samples=4)
    yield "cmyk-planes.tif", tiff(CMYK, samples=4, planar=2, compression=DEFLATE)
    yield "cmyk-16.tif", tiff(CMYK, 16, 4, order=">", compression=PACK_BITS)
    yield "cmykx.tif", tiff(CMYK, samples=5, extra=(0,))
    yield "big.tif", tiff(GRAY, 8, 1, big=True)
    yield "big-lzw.tif", tiff(GRAY, 8, 1, big=True, compression=LZW)
    for orientation in range(2, 9):
        yield f"turned-{orientation}.tif", tiff(GRAY, 8, 1, tags={274: (SHORT, orientation)})
    yield "turned-xmp.tif", tiff(GRAY, 8, 1, tags={700: (BYTE, *b'<x tiff:Orientation="6"/>')})
    yield "defaults.tif", tiff(GRAY_INVERTED, 1, 1, rows=7, without=(258, 259, 262, 266, 277, 278, 284, 317))
    yield "one-depth.tif", tiff(tags={258: (SHORT, 8)})
    yield "no-sizes.tif", tiff(GRAY, 8, 1, compression=LZW, rows=7, without=(279,))
    yield "odd-version.tif", tiff(GRAY, 8, 1, version=b"\0*")
    yield "few-strips.tif", tiff(PALETTE, 8, 1, tags={273: (LONG, 8, 35)})
    yield "many-strips.tif", tiff(GRAY, 8, 1, tags={273: (LONG, 8, 35, 62, 20)})


def damaged_files():
    far = {273: (LONG, 8, 35, 100000)}
    yield "far-strip.tif", tiff(PALETTE, 8, 1, tags=far)
    yield "far-strip-cmyk.tif", tiff(CMYK, 8, 4, tags=far)
    yield "far-strip-planes.tif", tiff(planar=2, tags={273: (LONG, *range(8, 150, 20), 100000)})
    yield "far-packed-strip.tif", tiff(GRAY, 8, 1, compression=DEFLATE, tags=far)
    yield "cut.tif", tiff()[:-30]
    yield "short-lzw.tif", tiff(compression=LZW, pack=lambda data: lzw(data[:-1]))
    yield "short-packbits.tif", tiff(compression=PACK_BITS, pack=lambda data: pack_bits(data[:-1]))
    yield "short-deflate.tif", tiff(compression=DEFLATE, pack=lambda data: zlib.compress(data[:-1]))
    yield "broken-deflate.tif", tiff(compression=DEFLATE, pack=lambda data: zlib.compress(data)[:-1] + b"?")
    yield "broken-lzw.tif", tiff(compression=LZW, pack=lambda data: b"\x80\xff\xff\xff")
    yield "no-width.tif", tiff(without=(256,))
    yield "no-strips.tif", tiff(without=(273,))
    yield "no-palette.tif", tiff(PALETTE, 8, 1, without=(320,))
    yield "mask.tif", tiff(4, 1, 1)
    yield "three-bits.tif", tiff(GRAY, 3, 1)
    yield "unknown-compression.tif", tiff(tags={259: (SHORT, 12345)})
    yield "unknown-predictor.tif", tiff(compression=LZW, tags={317: (SHORT, 4)})


write_tables(os.path.join(os.path.dirname(__file__), "..", "fixtures", "tiff"), good_files(), damaged_files())
