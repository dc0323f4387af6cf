"""Files and Pillow's answers, as tests/decoding.c reads them."""
import os

from PIL import Image, ImageFile


def fnv(data):
    """FNV-1a of 64 bits."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def answer(path, lenient):
    """Width, height, mode and hash of the RGB bytes; None when Pillow refuses."""
    ImageFile.LOAD_TRUNCATED_IMAGES = lenient
    try:
        with Image.open(path) as image:
            mode = image.mode
            rgb = image.convert("RGB")
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
