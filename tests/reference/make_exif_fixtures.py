"""Small pictures with an orientation in every place where Pillow looks for one, turned by Pillow; to tests/fixtures/exif/.

Needs Pillow 12.3.
Usage: python tests/reference/make_exif_fixtures.py
"""
import io
import os
import random
import struct
import zlib

from PIL import Image
from pillow_answers import write_turned_table

rng = random.Random(5)
PICTURE = Image.frombytes("RGB", (5, 3), rng.randbytes(45))


def saved(format):
    out = io.BytesIO()
    PICTURE.save(out, format)
    return out.getvalue()


JPEG, PNG = saved("JPEG"), saved("PNG")


def exif(orientation, order="<", kind=3, before=b""):
    value = {3: "H2x", 4: "I"}[kind]
    entries = before + struct.pack(f"{order}HHI{value}", 274, kind, 1, orientation)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries) // 12) + entries + bytes(4)


def segment(data):
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    return JPEG[:20] + b"".join(map(segment, segments)) + JPEG[20:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, after=False):
    at = len(PNG) - 12 if after else 33
    return PNG[:at] + b"".join(chunk(*c) for c in chunks) + PNG[at:]


def profile(data):
    return b"\nexif\n%8d\n" % len(data) + b"\n".join(data.hex()[i : i + 72].encode() for i in range(0, 2 * len(data), 72)) + b"\n"


def files():
    for orientation in range(1, 10):
        yield f"png-{orientation}.png", png((b"eXIf", exif(orientation, "<>"[orientation % 2])))
    yield "jpeg.jpg", jpeg(b"Exif\0\0" + exif(6))
    make = struct.pack(">HHI4s", 271, 2, 4, b"abc\0")
    yield "jpeg-long.jpg", jpeg(b"Exif\0\0" + exif(8, ">", 4, make))
    data = exif(5)
    yield "jpeg-two-segments.jpg", jpeg(b"Exif\0\0" + data[:13], b"Exif\0\0" + data[13:])
    xmp = b'<x:xmpmeta tiff:Orientation="3"/>'
    yield "jpeg-xmp.jpg", jpeg(b"http://ns.adobe.com/xap/1.0/\0" + xmp)
    yield "jpeg-both.jpg", jpeg(b"http://ns.adobe.com/xap/1.0/\0" + xmp, b"Exif\0\0" + exif(2))
    outside = struct.pack("<HHII", 271, 2, 400, 5000)
    yield "jpeg-broken.jpg", jpeg(b"Exif\0\0" + exif(6, before=outside))
    yield "png-late.png", png((b"eXIf", exif(4)), after=True)
    yield "png-profile.png", png((b"tEXt", b"Raw profile type exif\0" + profile(exif(7))))
    yield "png-packed-profile.png", png((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile(exif(6)))))
    element = b"<tiff:Orientation>8</tiff:Orientation>"
    yield "png-xmp.png", png((b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0\0" + element))
    yield "png-packed-xmp.png", png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(element)))


write_turned_table(os.path.join(os.path.dirname(__file__), "..", "fixtures", "exif"), files())
