"""Expected features of the demo's trained backbones, computed by torch and timm; written to tests/fixtures/models/.

Each fixture is raw float32: the pooled features, then the logits (of CLIP: the projected features), of the picture of
seeded noise of make_model_fixtures.py, in double, from the file's own 16-bit tensors. With --program, also compares the
features that the program extracts from drawings with those of torch in float32, and prints the worst error.

Usage: python tests/reference/make_demo_fixtures.py [--program build/backbones]

Made with Python 3.11, torch 2.15.0, timm 1.0.31, numpy 2.4.6, pillow 13.0.0, safetensors 0.8.0, scikit-learn 1.9.1.
"""
import argparse
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from seeded import seeded
from train_demo import FAMILIES, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES, SIZE, SEED = 10, 64, 1


def load(family):
    """The stored network of a family, its name in the tree and its file."""
    name = FAMILIES[family].get("arch", family)
    path = ROOT / f"evaluate/demo/{name}-demo.safetensors"
    model = FAMILIES[family]["make"](CLASSES)
    tensors = {n: t.float() for n, t in load_file(path).items()}
    missing, unexpected = getattr(model, "network", model).load_state_dict(tensors, strict=False)
    missing = [n for n in missing if not n.endswith(("num_batches_tracked", "relative_position_index", "attn_mask"))]
    assert not missing and not unexpected, (missing, unexpected)
    return model.eval(), name, path


@torch.no_grad()
def expect(model):
    """Features and head's outputs of the seeded picture, in double."""
    image = seeded("input", (SIZE * SIZE * 3,), SEED).reshape(1, SIZE, SIZE, 3) * np.float32(10)
    x = torch.from_numpy(image).permute(0, 3, 1, 2).double()
    model = model.double()
    outputs = [model.features(x)[0], getattr(model, "network", model)(x)[0]]
    model.float()
    return torch.cat(outputs).float().numpy()


def compare(model, path, program, photos, scratch):
    """The program's features of drawings, against torch's."""
    subprocess.run([program, "features", "--weights", path, "--data", photos, "--out", scratch, "--quiet"], check=True)
    ours = np.load(scratch / "features.npy")
    images = [np.asarray(Image.open(photos / line).convert("RGB")) for line in (scratch / "paths.txt").read_text().split()]
    theirs = run(model.features, np.stack(images))
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    return f"{len(ours)} drawings: worst error {error:.1e} of the largest feature, {np.abs(theirs).max():.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        if arguments.program:
            subprocess.run([arguments.program, "demo-data", scratch / "photos", "--quiet"], check=True)
        for family in FAMILIES:
            model, name, path = load(family)
            values = expect(model)
            values.tofile(ROOT / f"tests/fixtures/models/{name}-demo.f32")
            print(f"{name}: {len(values)} numbers, largest {np.abs(values).max():.4f}")
            if arguments.program:
                print(" ", compare(model, path, arguments.program, scratch / "photos/test", scratch / name))


if __name__ == "__main__":
    main()
