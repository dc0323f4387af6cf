"""Small JPEGs of every kind that the decoder knows, and Pillow's pixels of each as a hash; to tests/fixtures/jpeg/.

Needs Pillow 13.0, numpy, and cjpeg of libjpeg-turbo 2.1 (Debian: libjpeg-turbo-progs) for what Pillow cannot write.
Usage: python tests/reference/make_jpeg_fixtures.py
hashes.tsv: file, width, height, FNV-1a (64 bits) of the RGB bytes of Image.open(file).convert("RGB").
lenient.tsv: file, how many of its bytes are left, and the hash under ImageFile.LOAD_TRUNCATED_IMAGES; or "refused",
also for files of which Pillow makes a picture that is all black.
"""
import io
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageFile

OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "jpeg")
END = b"\xff\xd9"


def picture(width, height, channels):
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 60 * np.sin(x / (3 + i)) + 60 * np.cos(y / (5 - i)) + 8 * ((x * y) % (5 + i)) for i in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def by_pillow(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_cjpeg(width, height, *options, scans=None):
    """scans: the text of a scan script."""
    ppm = io.BytesIO()
    Image.fromarray(picture(width, height, 3)).save(ppm, "PPM")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        if scans:
            script.write(scans)
            script.flush()
            options += ("-scans", script.name)
        command = ["cjpeg", "-quality", "60", *options]
        return subprocess.run(command, input=ppm.getvalue(), capture_output=True, check=True).stdout


def segments(data):
    """(offset, marker, length with the marker) of every segment up to the end; a scan's data belongs to none."""
    at = 2
    while at < len(data) - 3:
        if data[at] == 0xFF and data[at + 1] not in (0x00, 0xFF) and not 0xD0 <= data[at + 1] <= 0xD9:
            length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield at, data[at + 1], length
            at += length
        else:
            at += 1


def without(data, marker):
    for at, found, length in reversed(list(segments(data))):
        if found == marker:
            data = data[:at] + data[at + length :]
    return data


def with_wide_tables(data):
    """The same quantisation tables in 16 bits; that makes a baseline frame an extended one."""
    for at, marker, length in reversed(list(segments(data))):
        if marker == 0xDB:
            tables = data[at + 4 : at + length]
            wide = b"".join(
                bytes([0x10 | tables[i]]) + b"".join(bytes([0, q]) for q in tables[i + 1 : i + 65])
                for i in range(0, len(tables), 65))
            data = data[:at] + b"\xff\xdb" + (2 + len(wide)).to_bytes(2, "big") + wide + data[at + length :]
    return data.replace(b"\xff\xc0\x00", b"\xff\xc1\x00", 1)


def after_scans(data, count):
    """A progressive file that ends after so many scans."""
    starts = [at for at, marker, _ in segments(data) if marker == 0xDA]
    return data[: starts[count]] + END


def with_byte(data, marker, offset, value):
    """The byte at this offset behind the first such marker replaced."""
    at = next(at for at, found, _ in segments(data) if found == marker) + 2 + offset
    return data[:at] + bytes([value]) + data[at + 1 :]


def restarts(data):
    return [at for at in range(len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7]


def pillow_files():
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        for width, height in ((37, 29), (2, 3), (16, 16)):
            for progressive in (False, True):
                yield f"{name}-{width}x{height}{'-progressive' if progressive else ''}.jpg", by_pillow(
                    Image.fromarray(picture(width, height, 3)), quality=85, subsampling=subsampling,
                    progressive=progressive, optimize=progressive)
    gray = Image.fromarray(picture(33, 19, 1)[..., 0])
    yield "gray.jpg", by_pillow(gray)
    yield "gray-2x2.jpg", with_byte(by_pillow(gray), 0xC0, 9, 0x22)
    yield "gray-progressive.jpg", by_pillow(gray, progressive=True)
    cmyk = by_pillow(Image.fromarray(picture(25, 18, 4), "CMYK"))
    yield "cmyk.jpg", cmyk
    yield "ycck.jpg", with_byte(cmyk, 0xEE, 13, 2)
    yield "rgb.jpg", by_pillow(Image.fromarray(picture(31, 21, 3)), keep_rgb=True)
    yield "quality100.jpg", by_pillow(Image.fromarray(picture(24, 24, 3)), quality=100, subsampling=0)
    yield "restart.jpg", by_pillow(Image.fromarray(picture(50, 34, 3)), restart_marker_blocks=2)
    rows = by_pillow(Image.fromarray(picture(50, 70, 3)), restart_marker_rows=1, subsampling=2)
    yield "restart-rows.jpg", rows
    first, second = restarts(rows)[:2]
    yield "restart-lost.jpg", rows[:first] + rows[first + 2 :]
    yield "restart-doubled.jpg", rows[:second] + rows[first : first + 2] + rows[second:]
    yield "interval-lost.jpg", rows[:first] + rows[second:]
    yield "interval-cut.jpg", rows[: (first + second) // 2] + rows[second:]
    plain = by_pillow(Image.fromarray(picture(20, 20, 3)))
    yield "no-tables.jpg", without(plain, 0xC4)
    yield "wide-tables.jpg", with_wide_tables(plain)
    start = next(at for at, marker, _ in segments(plain) if marker == 0xC0)
    yield "junk.jpg", plain[:start] + b"junk\xff\x00" + plain[start:-2] + b"\x00junk" + END + b"more junk"
    yield "early-end.jpg", plain[: len(plain) - 60] + END


def cjpeg_files():
    for name, sample in (("410", "4x2"), ("411", "4x1"), ("440", "1x2"), ("h3", "3x1"), ("mixed", "2x2,1x2,2x1")):
        yield f"{name}-37x29.jpg", by_cjpeg(37, 29, "-sample", sample, "-optimize")
    yield "440-37x29-progressive.jpg", by_cjpeg(37, 29, "-sample", "1x2", "-progressive")
    yield "separate-scans.jpg", by_cjpeg(37, 29, "-sample", "2x2", "-optimize", scans="0;\n1;\n2;\n")
    yield "two-scans.jpg", by_cjpeg(37, 29, "-sample", "2x1", "-optimize", scans="0;\n1 2;\n")
    progressive = by_cjpeg(60, 50, "-sample", "2x2", "-progressive", "-restart", "5B")
    yield "progressive-restart.jpg", progressive
    for scans in (1, 2, 6):
        yield f"progressive-after-{scans}.jpg", after_scans(progressive, scans)
    yield "progressive-cut.jpg", after_scans(progressive, 3)[:-120] + END
    yield "arithmetic.jpg", by_cjpeg(37, 29, "-sample", "2x2", "-arithmetic", "-restart", "2B")
    yield "arithmetic-progressive.jpg", by_cjpeg(37, 29, "-sample", "2x1", "-arithmetic", "-progressive")


def write_lenient(files):
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    with open(os.path.join(OUT, "lenient.tsv"), "w") as table:
        for name in sorted(files):
            if "arithmetic" in name:  # which libjpeg cannot suspend
                continue
            for share in (0.4, 0.7, 0.9, 0.99):
                kept = int(len(files[name]) * share)
                try:
                    rgb = Image.open(io.BytesIO(files[name][:kept])).convert("RGB")
                    colour = "white" if name in ("cmyk.jpg", "ycck.jpg") else "black"
                    empty = Image.new("RGB", rgb.size, colour).tobytes() == rgb.tobytes()
                    answer = "refused" if empty else f"{fnv(rgb.tobytes()):016x}"
                except OSError:
                    answer = "refused"
                table.write(f"{name}\t{kept}\t{answer}\n")
    ImageFile.LOAD_TRUNCATED_IMAGES = False


def main():
    os.makedirs(OUT, exist_ok=True)
    files = dict([*pillow_files(), *cjpeg_files()])
    with open(os.path.join(OUT, "hashes.tsv"), "w") as table:
        for name in sorted(files):
            with open(os.path.join(OUT, name), "wb") as f:
                f.write(files[name])
            rgb = Image.open(io.BytesIO(files[name])).convert("RGB")
            table.write(f"{name}\t{rgb.width}\t{rgb.height}\t{fnv(rgb.tobytes()):016x}\n")
    write_lenient(files)
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


if __name__ == "__main__":
    main()
