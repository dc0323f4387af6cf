"""ImageNet-C's corruptions by its own recipe, for those that draw nothing: tests/fixtures/corrupt/expected.bin.

Needs Pillow 12.3, numpy 2.4.6, opencv-python-headless 5.0 or 4.x, scikit-image 0.26 (any version with the same filters).
Usage: python tests/reference/make_corrupt_fixtures.py
The picture is the formula of tests/test_corrupt.c, 20 x 16; five severities of each corruption follow each other, in the
order of enum corruption from defocus blur on. Also writes tests/fixtures/corrupt/quality-N.jpg: Pillow's own encodings.
"""
import io
import os

import cv2
import numpy as np
from PIL import Image
from skimage import color
from skimage.filters import gaussian

OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "corrupt")
WIDTH, HEIGHT = 20, 16


def picture(width, height):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (((x * x * 3 + y * 7 * (c + 1) + x * y * (c + 2)) >> 2) & 255).astype(np.uint8)


def disk(radius, softness):
    reach, taps = (8, (3, 3)) if radius <= 8 else (radius, (5, 5))
    x, y = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    hard = (x**2 + y**2 <= radius**2).astype(np.float32)
    return cv2.GaussianBlur(hard / hard.sum(), ksize=taps, sigmaX=softness)


def defocus(x, severity):
    kernel = disk(*[(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)][severity])
    return np.stack([cv2.filter2D(x[:, :, c], -1, kernel) for c in range(3)], -1)


def blur(x, severity):
    return gaussian(x, sigma=[1, 2, 3, 4, 6][severity], channel_axis=-1)


def brighter(x, severity):
    hsv = color.rgb2hsv(x)
    hsv[:, :, 2] = np.clip(hsv[:, :, 2] + [0.1, 0.2, 0.3, 0.4, 0.5][severity], 0, 1)
    return color.hsv2rgb(hsv)


def contrast(x, severity):
    mean = x.mean(axis=(0, 1), keepdims=True)
    return (x - mean) * [0.4, 0.3, 0.2, 0.1, 0.05][severity] + mean


def pixelate(x, severity):
    scale = [0.6, 0.5, 0.4, 0.3, 0.25][severity]
    small = Image.fromarray(x).resize((int(WIDTH * scale), int(HEIGHT * scale)), Image.Resampling.BOX)
    return np.array(small.resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def jpeg(x, severity):
    file = io.BytesIO()
    Image.fromarray(x).save(file, "JPEG", quality=[25, 18, 15, 10, 7][severity])
    return np.array(Image.open(file))


def main():
    os.makedirs(OUT, exist_ok=True)
    x = picture(WIDTH, HEIGHT)
    with open(os.path.join(OUT, "expected.bin"), "wb") as f:
        for corruption in (defocus, blur, brighter, contrast):
            for severity in range(5):
                f.write((np.clip(corruption(x / 255.0, severity), 0, 1) * 255).astype(np.uint8).tobytes())
        for corruption in (pixelate, jpeg):
            for severity in range(5):
                f.write(corruption(x, severity).tobytes())
    for quality in (1, 30, 75, 95):
        Image.fromarray(picture(37, 29)).save(os.path.join(OUT, f"quality-{quality}.jpg"), "JPEG", quality=quality)


if __name__ == "__main__":
    main()
