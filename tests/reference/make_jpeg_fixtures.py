"""Small JPEGs of every kind that the decoder knows, and Pillow's pixels of each as a hash; to tests/fixtures/jpeg/.

Needs Pillow 13.0, numpy. Usage: python tests/reference/make_jpeg_fixtures.py
hashes.tsv: file, width, height, FNV-1a (64 bits) of the RGB bytes of Image.open(file).convert("RGB").
"""
import io
import os

import numpy as np
from PIL import Image

OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "jpeg")


def picture(width, height, channels):
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 60 * np.sin(x / (3 + i)) + 60 * np.cos(y / (5 - i)) + 8 * ((x * y) % (5 + i)) for i in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def main():
    os.makedirs(OUT, exist_ok=True)
    files = {}
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        for width, height in ((37, 29), (2, 3), (16, 16)):
            for progressive in (False, True):
                buffer = io.BytesIO()
                Image.fromarray(picture(width, height, 3)).save(
                    buffer, "JPEG", quality=85, subsampling=subsampling, progressive=progressive, optimize=progressive)
                files[f"{name}-{width}x{height}{'-progressive' if progressive else ''}.jpg"] = buffer.getvalue()
    for name, image, options in (
        ("gray.jpg", Image.fromarray(picture(33, 19, 1)[..., 0]), {}),
        ("gray-progressive.jpg", Image.fromarray(picture(33, 19, 1)[..., 0]), {"progressive": True}),
        ("cmyk.jpg", Image.fromarray(picture(25, 18, 4), "CMYK"), {}),
        ("restart.jpg", Image.fromarray(picture(50, 34, 3)), {"restart_marker_blocks": 2}),
        ("restart-rows.jpg", Image.fromarray(picture(50, 34, 3)), {"restart_marker_rows": 1, "subsampling": 2}),
        ("rgb.jpg", Image.fromarray(picture(31, 21, 3)), {"keep_rgb": True}),
        ("quality100.jpg", Image.fromarray(picture(24, 24, 3)), {"quality": 100, "subsampling": 0}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        files[name] = buffer.getvalue()
    with open(os.path.join(OUT, "hashes.tsv"), "w") as table:
        for name in sorted(files):
            with open(os.path.join(OUT, name), "wb") as f:
                f.write(files[name])
            rgb = Image.open(io.BytesIO(files[name])).convert("RGB")
            table.write(f"{name}\t{rgb.width}\t{rgb.height}\t{fnv(rgb.tobytes()):016x}\n")
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


if __name__ == "__main__":
    main()
