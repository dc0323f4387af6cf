"""WebP files of every variant and Pillow's answers, to tests/fixtures/webp/.

Needs Pillow 12.3.0 from PyPI and numpy: what Pillow's own writer cannot be asked for (partitions, the simple filter,
segments, filters of alpha) comes from the libwebp 1.6.0 in its wheel, through ctypes.
Usage: python tests/reference/make_webp_fixtures.py
"""
import ctypes
import glob
import io
import os
import random
import struct

import numpy as np
import PIL
from PIL import Image
import webp_streams
from pillow_answers import write_tables

# ---- libwebp's encoder ----------------------------------------------------------------------------------------------

ABI = 0x0210
(LIBRARY,) = glob.glob(os.path.join(os.path.dirname(PIL.__file__), "..", "pillow.libs", "libwebp-*.so*"))
libwebp = ctypes.CDLL(LIBRARY)
pointer, number, word = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32
CONFIG = """lossless quality method image_hint target_size target_PSNR segments sns_strength filter_strength
filter_sharpness filter_type autofilter alpha_compression alpha_filtering alpha_quality pass_ show_compressed preprocessing
partitions partition_limit emulate_jpeg_size thread_level low_memory near_lossless exact use_delta_palette use_sharp_yuv qmin
qmax"""


class Config(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float if name in ("quality", "target_PSNR") else number) for name in CONFIG.split()]


class Picture(ctypes.Structure):
    _fields_ = [("use_argb", number), ("colorspace", number), ("width", number), ("height", number), ("yuv", pointer * 3),
                ("strides", number * 2), ("a", pointer), ("a_stride", number), ("pad1", word * 2), ("argb", pointer),
                ("argb_stride", number), ("pad2", word * 3), ("writer", pointer), ("custom_ptr", pointer),
                ("extra_info_type", number), ("extra_info", pointer), ("stats", pointer), ("error_code", number),
                ("progress_hook", pointer), ("user_data", pointer), ("pad3", word * 3), ("pad4", pointer * 2),
                ("pad6", word * 8), ("memory", pointer * 2), ("pad7", pointer * 2)]


class Writer(ctypes.Structure):
    _fields_ = [("mem", pointer), ("size", ctypes.c_size_t), ("max_size", ctypes.c_size_t), ("pad", word)]


def encode(rgba, quality=75, **options):
    """rgba: [height, width, 4]."""
    config, picture, writer = Config(), Picture(), Writer()
    assert libwebp.WebPConfigInitInternal(ctypes.byref(config), 0, ctypes.c_float(quality), ABI)
    for name, value in options.items():
        setattr(config, name, value)
    assert libwebp.WebPValidateConfig(ctypes.byref(config))
    assert libwebp.WebPPictureInitInternal(ctypes.byref(picture), ABI)
    picture.height, picture.width = rgba.shape[:2]
    picture.use_argb = config.lossless
    libwebp.WebPMemoryWriterInit(ctypes.byref(writer))
    picture.writer = ctypes.cast(libwebp.WebPMemoryWrite, pointer)
    picture.custom_ptr = ctypes.addressof(writer)
    assert libwebp.WebPPictureImportRGBA(ctypes.byref(picture), rgba.tobytes(), picture.width * 4)
    assert libwebp.WebPEncode(ctypes.byref(config), ctypes.byref(picture)), picture.error_code
    data = ctypes.string_at(writer.mem, writer.size)
    libwebp.WebPPictureFree(ctypes.byref(picture))
    libwebp.WebPMemoryWriterClear(ctypes.byref(writer))
    return data


# ---- pictures -------------------------------------------------------------------------------------------------------


def photo(width, height, noise=10, seed=1):
    """Smooth shades, edges of every direction, and noise; opaque."""
    noise_source = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    shades = [128 + 70 * np.sin(x / (4 + i)) * np.cos(y / (6 - i)) for i in range(3)]
    edges = [60 * np.sign(np.sin((x + (i + 1) * y) / 9)) for i in range(3)]
    rgb = np.stack(shades, -1) + np.stack(edges, -1) + noise_source.normal(0, noise, (height, width, 3))
    return opaque(np.clip(rgb, 0, 255).astype(np.uint8))


def opaque(rgb):
    return np.concatenate([rgb, np.full(rgb.shape[:2] + (1,), 255, np.uint8)], -1)


def with_alpha(rgba, levels=256):
    height, width = rgba.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    alpha = (x * 255 // width + 40 * (y % 5 == 0)) % 256 // (256 // levels) * (255 // max(1, levels - 1))
    return np.concatenate([rgba[..., :3], alpha.astype(np.uint8)[..., None]], -1)


def few_colours(width, height, count):
    palette = np.random.RandomState(count).randint(0, 256, (count, 3), np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    return opaque(palette[(x * x + 3 * y + x * y // 3) % count])


def two_halves(width, height):
    """Left and right want codes of their own."""
    rgba = photo(width, height, noise=2)
    steps = np.array([1, 60, 120])
    noise = np.random.RandomState(5).randint(0, 256, (height, width // 2, 3)) // steps * steps
    rgba[:, width // 2 :, :3] = noise[:, : width - width // 2]
    return rgba


def by_pillow(rgba, **options):
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "WEBP", **options)
    return buffer.getvalue()


# ---- the container --------------------------------------------------------------------------------------------------


def chunk(tag, data):
    return tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*chunks):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunks(data):
    """{tag: (chunk, its payload)} of a file, without the RIFF."""
    found, at = {}, 12
    while at < len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        end = at + 8 + size + size % 2
        found[data[at : at + 4]] = data[at:end], data[at + 8 : at + 8 + size]
        at = end
    return found


def number_24(value):
    return struct.pack("<I", value)[:3]


def vp8x(flags, width, height):
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + number_24(width - 1) + number_24(height - 1))


def with_bits(data, bits):
    """bits: {offset of a byte: what is set in it}."""
    return bytes(byte | bits.get(i, 0) for i, byte in enumerate(data))


ANIM = chunk(b"ANIM", b"\xff\x80\x40\xff\0\0")


def anmf(x, y, width, height, *inner):
    place = number_24(x // 2) + number_24(y // 2) + number_24(width - 1) + number_24(height - 1)
    return chunk(b"ANMF", place + number_24(100) + b"\0" + b"".join(inner))


LOSSY = encode(photo(21, 18), 60)
LOSSY_CHUNK, LOSSY_DATA = chunks(LOSSY)[b"VP8 "]
LOSSLESS = encode(with_alpha(photo(21, 18, 0), 4), lossless=1, exact=1)
LOSSLESS_CHUNK, LOSSLESS_DATA = chunks(LOSSLESS)[b"VP8L"]
ALPHA = chunks(encode(with_alpha(photo(21, 18)), 60))[b"ALPH"][0]


def good_files():
    for width, height in ((1, 1), (2, 3), (16, 16), (35, 2), (3, 37)):
        yield f"lossy-{width}x{height}", encode(photo(width, height), 50)
    for quality in (0, 30, 100):
        yield f"lossy-quality-{quality}", encode(photo(37, 29), quality, method=4)
    yield "lossy-modes", encode(photo(45, 37, 4, 3), 85, method=6, segments=1, filter_strength=20)
    yield "lossy-segments", encode(two_halves(50, 40), 40, segments=4, sns_strength=100, method=6)
    yield "lossy-simple-filter", encode(photo(37, 40), 20, filter_type=0, filter_strength=100)
    yield "lossy-sharp-filter", encode(photo(37, 40), 30, filter_strength=60, filter_sharpness=6)
    yield "lossy-less-sharp-filter", encode(photo(37, 40), 30, filter_strength=30, filter_sharpness=3)
    yield "lossy-no-filter", encode(photo(37, 40), 30, filter_strength=0)
    for partitions in (1, 2, 3):
        yield f"lossy-partitions-{2 ** partitions}", encode(photo(17, 140), 10, partitions=partitions, method=2)
    mostly_flat = np.full((140, 140, 4), 200, np.uint8)
    mostly_flat[:20, :30] = photo(30, 20)
    yield "lossy-flat", encode(mostly_flat, 10)
    alphas = [(256, {"alpha_filtering": 0}), (256, {"alpha_filtering": 2}), (256, {"alpha_compression": 0})]
    for levels, options in (*alphas, (256, {"alpha_quality": 20}), (2, {})):
        name = "-".join(["alpha", str(levels), *(f"{key[6:]}-{value}" for key, value in options.items())])
        yield name, encode(with_alpha(photo(30, 21), levels), 40, **options)
    for filter_ in (1, 2, 3):
        plane = bytes([filter_ << 2]) + bytes(range(256)) + bytes(21 * 18 - 256)
        yield f"alpha-raw-filter-{filter_}", riff(vp8x(16, 21, 18), chunk(b"ALPH", plane), LOSSY_CHUNK)
    for width, height in ((1, 1), (2, 3), (35, 2), (3, 37)):
        yield f"lossless-{width}x{height}", encode(photo(width, height), lossless=1)
    yield "lossless-photo", encode(photo(31, 23, 2), lossless=1, method=3)
    yield "lossless-noise", encode(photo(12, 12, 60), lossless=1)
    yield "lossless-shades", encode(photo(32, 32, 0), 100, lossless=1, method=6)
    yield "lossless-groups", encode(two_halves(48, 32), 100, lossless=1, method=6)
    for colours in (1, 2, 4, 16, 200):
        yield f"lossless-colours-{colours}", encode(few_colours(25, 17, colours), 100, lossless=1)
    yield "lossless-exact", encode(with_alpha(photo(20, 20, 2), 2), lossless=1, exact=1)
    yield "lossless-transparent", encode(with_alpha(photo(20, 20, 2), 2), lossless=1, exact=0)
    yield "near-lossless", encode(photo(20, 20, 5), lossless=1, near_lossless=20)

    # What no encoder writes, to the absurd; between them they have all deltas of the filter and all predictors.
    for seed in (0, 5, 8, 10):
        stream = webp_streams.vp8(random.Random(seed), 20, 13, room=250)
        yield f"made-lossy-{seed}", webp_streams.riff(b"VP8 ", stream)
    for seed, order in ((1, (0, 1, 2, 3)), (2, (3, 2, 0)), (3, (1, 0, 2)), (4, (0, 3)), (56, (0,)), (242, (0,))):
        stream = webp_streams.vp8l(random.Random(seed), 21, 13, order)
        yield f"made-lossless-{seed}", webp_streams.riff(b"VP8L", stream)

    animation = [Image.fromarray(with_alpha(photo(24, 20, seed=seed), 2)) for seed in (1, 2)]
    for name, options in (("animation-lossy", {"quality": 50}), ("animation-lossless", {"lossless": True})):
        buffer = io.BytesIO()
        animation[0].save(buffer, "WEBP", save_all=True, append_images=animation[1:], duration=40, **options)
        yield name, buffer.getvalue()
    second = anmf(0, 0, 21, 18, LOSSLESS_CHUNK)
    yield "animation-place", riff(vp8x(2, 30, 26), ANIM, anmf(6, 8, 21, 18, LOSSY_CHUNK), second)
    yield "animation-alpha", riff(vp8x(18, 24, 18), ANIM, anmf(2, 0, 21, 18, ALPHA, LOSSY_CHUNK))
    yield "animation-empty-frame", riff(
        vp8x(2, 21, 18), ANIM, anmf(0, 0, 21, 18), anmf(0, 0, 9, 9, LOSSLESS_CHUNK), chunk(b"JUNK", b"odd"))
    metadata = {"exif": b"Exif\0\0II*\0odd", "icc_profile": b"profile", "xmp": b"<x/>"}
    yield "metadata", by_pillow(photo(19, 17), quality=40, **metadata)
    yield "extended", riff(vp8x(0, 21, 18), chunk(b"what", b"odd"), LOSSY_CHUNK, chunk(b"EXIF", b"odd"))
    yield "extended-lossless", riff(vp8x(0, 21, 18), LOSSLESS_CHUNK)
    yield "alpha-not-announced", riff(vp8x(0, 21, 18), chunk(b"ALPH", b"\xff"), LOSSY_CHUNK)
    yield "simple-and-more", riff(LOSSY_CHUNK, chunk(b"what", b"ever"), b"junk")
    yield "junk-behind", LOSSY + b"junk"
    # Scales of the display size, a version that promises simpler filters, and another colour space change nothing.
    yield "version-3", riff(chunk(b"VP8 ", with_bits(LOSSY_DATA, {0: 6, 7: 0x80})))


def damaged_files():
    yield "cut", LOSSY[:-20]
    yield "cut-chunk", riff(chunk(b"VP8 ", LOSSY_DATA[:-60]))
    yield "cut-modes", riff(chunk(b"VP8 ", number_24(0x10 | 12 << 5) + LOSSY_DATA[3:]))
    yield "cut-lossless", riff(chunk(b"VP8L", LOSSLESS_DATA[:-60]))
    yield "not-a-key-frame", riff(chunk(b"VP8 ", with_bits(LOSSY_DATA, {0: 1})))
    yield "hidden", riff(chunk(b"VP8 ", bytes([LOSSY_DATA[0] & ~16]) + LOSSY_DATA[1:]))
    yield "no-start-code", riff(chunk(b"VP8 ", LOSSY_DATA[:3] + b"xyz" + LOSSY_DATA[6:]))
    yield "unknown-version", riff(chunk(b"VP8L", with_bits(LOSSLESS_DATA, {4: 0x80})))
    yield "no-image", riff(vp8x(0, 21, 18), chunk(b"what", b"ever"))
    yield "no-canvas-size", riff(vp8x(0, 22, 18), LOSSY_CHUNK)
    yield "beyond-canvas", riff(vp8x(2, 21, 18), ANIM, anmf(2, 0, 19, 18, LOSSY_CHUNK))
    yield "frame-before-animation", riff(vp8x(2, 21, 18), anmf(0, 0, 21, 18, LOSSY_CHUNK), ANIM)
    yield "image-beside-frames", riff(vp8x(2, 21, 18), ANIM, anmf(0, 0, 21, 18, LOSSY_CHUNK), LOSSY_CHUNK)
    yield "second-frame-cut", riff(vp8x(2, 21, 18), ANIM, anmf(0, 0, 21, 18, LOSSY_CHUNK), anmf(0, 0, 21, 18, ALPHA))
    yield "more-header", riff(chunk(b"VP8X", vp8x(0, 21, 18)[8:] + b"more"), LOSSY_CHUNK)
    yield "two-images", riff(vp8x(0, 21, 18), LOSSY_CHUNK, LOSSY_CHUNK)
    yield "unknown-flags", riff(vp8x(0x40, 21, 18), LOSSY_CHUNK)
    yield "alpha-behind", riff(vp8x(16, 21, 18), LOSSY_CHUNK, ALPHA)
    yield "alpha-cut", riff(vp8x(16, 21, 18), chunk(b"ALPH", bytes(21 * 18)), LOSSY_CHUNK)
    yield "alpha-cut-lossless", riff(vp8x(16, 21, 18), chunk(b"ALPH", ALPHA[8:40]), LOSSY_CHUNK)
    yield "alpha-unknown", riff(vp8x(16, 21, 18), chunk(b"ALPH", b"\x02" + bytes(21 * 18)), LOSSY_CHUNK)
    yield "alpha-of-lossless", riff(vp8x(16, 21, 18), ALPHA, LOSSLESS_CHUNK)
    yield "no-frame-of-chunks", riff(LOSSY_CHUNK, b"junk")


if __name__ == "__main__":
    folder = os.path.join(os.path.dirname(__file__), "..", "fixtures", "webp")
    write_tables(folder, *([(f"{name}.webp", data) for name, data in files()] for files in (good_files, damaged_files)))
