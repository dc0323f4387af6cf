"""Files and Pillow's answers, as tests/decoding.c reads them."""
import os

from PIL import Image, ImageFile, ImageOps


def fnv(data):
    """FNV-1a of 64 bits."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def answer(path, lenient=False, turned=False):
    """Width, height, mode and hash of the RGB bytes; None when Pillow refuses. turned: by the EXIF orientation."""
    ImageFile.LOAD_TRUNCATED_IMAGES = lenient
    try:
        with Image.open(path) as image:
            mode = image.mode
            rgb = (ImageOps.exif_transpose(image) if turned else image).convert("RGB")
            return rgb.width, rgb.height, mode, f"{fnv(rgb.tobytes()):016x}"
    except Exception:
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def write_tables(folder, good, damaged):
    """good, damaged: pairs of a name and a file's bytes. Good files must be read, damaged ones refused, by Pillow."""
    os.makedirs(folder, exist_ok=True)
    for table, files, is_damaged in (("hashes.tsv", good, False), ("damaged.tsv", damaged, True)):
        with open(os.path.join(folder, table), "w") as lines:
            for name, data in files:
                path = os.path.join(folder, name)
                with open(path, "wb") as file:
                    file.write(data)
                strict, lenient = answer(path, False), answer(path, True)
                assert (strict is None) == is_damaged, name
                assert is_damaged or strict == lenient, name
                columns = lenient or (0, 0, "-", "refused")
                lines.write("\t".join([name, *map(str, columns)]) + "\n")


def write_turned_table(folder, files):
    """The same of files as ImageOps.exif_transpose turns them."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "turned.tsv"), "w") as lines:
        for name, data in files:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            lines.write("\t".join([name, *map(str, answer(path, turned=True))]) + "\n")
