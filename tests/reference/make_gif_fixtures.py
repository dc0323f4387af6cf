"""GIF files of every variant and Pillow's answers, to tests/fixtures/gif/.

Needs Pillow 12.3 (9.4 to 12.3 give the same pixels). Written byte by byte here: Pillow itself writes few variants.
Usage: python tests/reference/make_gif_fixtures.py
"""
import os
import random
import struct

from pillow_answers import write_tables

WIDTH, HEIGHT = 13, 11
rng = random.Random(7)


def compress(indices, bits, clear_first=True, end=True, clear_every=0, deferred=True):
    """The LZW stream of the indices. clear_every: a clear code after so many codes. deferred: a full table stays."""
    clear = 1 << bits
    codes, table, width, following, since = [], {}, bits + 1, clear + 2, 0

    def reset():
        nonlocal table, width, following
        codes.append((clear, width))
        table, width, following = {}, bits + 1, clear + 2

    if clear_first:
        reset()
    text = ()
    for position, value in enumerate(indices):
        longer = text + (value,)
        last = position + 1 == len(indices)
        if len(longer) == 1 or longer in table:
            text = longer
            if not last:
                continue
            longer = None
        while text:
            codes.append((table.get(text, text[0]), width))
            since += 1
            if longer:
                if following < 4096:
                    table[longer] = following
                    following += 1
                    width += following - 1 == 1 << width and width < 12
                elif not deferred:
                    reset()
            text = (value,) if longer else ()
            if clear_every and since >= clear_every and text and not last:
                codes.append((text[0], width))
                reset()
                text, since = (), 0
            if not last:
                break
            longer = None
    if end:
        codes.append((clear + 1, width))
    return pack(codes)


def pack(codes):
    stream, size = 0, 0
    for code, width in codes:
        stream |= code << size
        size += width
    return stream.to_bytes((size + 7) // 8, "little")


def sub_blocks(data, most=255):
    return b"".join(bytes([len(data[i : i + most])]) + data[i : i + most] for i in range(0, len(data), most)) + b"\0"


def palette(bits):
    return rng.randbytes(3 << bits)


def gray(bits):
    return bytes(level for level in range(1 << bits) for _ in range(3))


def screen(colours=None, width=WIDTH, height=HEIGHT, background=0, version=b"GIF89a"):
    flags = 128 | (len(colours) // 3).bit_length() - 2 if colours else 0
    return version + struct.pack("<HHBBB", width, height, flags, background, 0) + (colours or b"")


def control(transparent=None, disposal=0):
    return b"!\xf9\x04" + bytes([disposal << 2 | (transparent is not None), 5, 0, transparent or 0]) + b"\0"


def frame(data, bits, x=0, y=0, width=WIDTH, height=HEIGHT, colours=None, interlaced=False, most=255):
    flags = (128 | (len(colours) // 3).bit_length() - 2 if colours else 0) | (64 if interlaced else 0)
    return b"," + struct.pack("<HHHHB", x, y, width, height, flags) + (colours or b"") + bytes([bits]) + sub_blocks(data, most)


def noise(bits, count=WIDTH * HEIGHT):
    return [rng.randrange(1 << bits) for _ in range(count)]


def runs(bits, count=WIDTH * HEIGHT):
    return [(i // 9) % (1 << bits) for i in range(count)]


def good_files():
    for bits in range(1, 9):
        yield f"colours-{1 << bits}.gif", screen(palette(bits)) + frame(compress(noise(bits), max(bits, 2)), max(bits, 2)) + b";"
    p = palette(4)
    data = compress(runs(4), 4)
    yield "87a.gif", screen(p, version=b"GIF87a") + frame(data, 4) + b";"
    yield "interlaced.gif", screen(p) + frame(compress(noise(4), 4), 4, interlaced=True) + b";"
    for height in (1, 2, 3, 5):
        yield f"interlaced-{height}.gif", screen(p, height=height) + frame(
            compress(noise(4, WIDTH * height), 4), 4, height=height, interlaced=True
        ) + b";"
    yield "local-palette.gif", screen(p) + frame(data, 4, colours=palette(5)) + b";"
    yield "no-palette.gif", screen() + frame(data, 4) + b";"
    yield "gray-palette.gif", screen(gray(4)) + frame(data, 4) + b";"
    yield "gray-local-palette.gif", screen(p) + frame(data, 4, colours=gray(4)) + b";"
    yield "beyond-palette.gif", screen(palette(2)) + frame(data, 4) + b";"
    yield "small-frame.gif", screen(p, 20, 16, 3) + frame(data, 4, 5, 2) + b";"
    yield "small-transparent-frame.gif", screen(p, 20, 16, 3) + control(6, 2) + frame(data, 4, 5, 2) + b";"
    yield "frame-beyond-screen.gif", screen(p, 8, 20) + control(6) + frame(data, 4, 3, 4) + b";"
    yield "no-screen.gif", screen(p, 0, 0) + frame(data, 4) + b";"
    extensions = b"!\xfe\x03abc\x02de\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0!\x01\x02aa\x01b\0\0\0"
    yield "extensions.gif", screen(p) + extensions + control(1, 3) + frame(data, 4) + b";"
    yield "empty-extensions.gif", screen(p) + b"!\xfe\0!\xf9\0\0!\xff\x0bNETSCAPE2.0\0\x02ab\0" + frame(data, 4) + b";"
    yield "no-clear-code.gif", screen(p) + frame(compress(noise(4), 4, clear_first=False), 4) + b";"
    yield "no-end-code.gif", screen(p) + frame(compress(noise(4), 4, end=False), 4)
    yield "clear-codes.gif", screen(p) + frame(compress(noise(4), 4, clear_every=7), 4) + b";"
    yield "too-much-data.gif", screen(p) + frame(compress(noise(4, 200), 4), 4) + b";"
    yield "short-blocks.gif", screen(p) + frame(data, 4, most=3) + b";"
    yield "ended-block-inside.gif", screen(p) + frame(data, 4).replace(data, data[:20] + b"\0" + bytes([len(data) - 20]) + data[20:]).replace(
        bytes([4, len(data)]), bytes([4, 20])
    ) + b";"
    yield "one-bit-codes.gif", screen(p) + frame(pack([(bit, 2) for bit in noise(1)]), 1) + b";"  # Pillow's never grow
    yield "animated.gif", screen(p) + control(2) + frame(data, 4) + control(2, 1) + frame(compress(noise(4), 4), 4) + b";"
    wide = noise(8, 66 * 60)
    yield "full-table.gif", screen(palette(8), 66, 60) + frame(compress(wide, 8), 8, width=66, height=60) + b";"
    steps = runs(2, 150 * 40)
    yield "long-strings.gif", screen(palette(2), 150, 40) + frame(compress(steps, 2, deferred=False), 2, width=150, height=40) + b";"


def damaged_files():
    p = palette(4)
    whole = screen(p, 20, 16) + control(6) + frame(compress(noise(4), 4), 4, 5, 2, interlaced=True) + b";"
    yield "cut.gif", whole[:-30]
    yield "cut-header.gif", whole[:50]
    yield "short.gif", screen(p) + frame(compress(noise(4, 100), 4), 4) + b";"
    yield "bad-code.gif", screen(p) + frame(bytes([0x10, 0xFF, 0xFF, 0xFF]), 4) + b";"
    yield "bad-code-size.gif", screen(p) + frame(b"abc", 13) + b";"
    yield "no-frame.gif", screen(p) + control(1) + b";"
    yield "empty-frame.gif", screen(p) + frame(b"\x10", 4, width=0) + b";"
    yield "short-control.gif", screen(p) + b"!\xf9\x03\x01\0\0\0" + frame(compress(noise(4), 4), 4) + b";"


write_tables(os.path.join(os.path.dirname(__file__), "..", "fixtures", "gif"), good_files(), damaged_files())
