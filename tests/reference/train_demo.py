#!/usr/bin/env python3
"""Train the demo's tiny ResNet on drawings and write it as safetensors: evaluate/demo/resnet8_cifar-demo.safetensors.

    make && python3 tests/reference/train_demo.py --program build/backbones

The network is a CIFAR ResNet (He et al. 2016, section 4.2) of 8 layers: a 3x3 stem, three stages of one basic block
with 16, 32 and 64 channels, parameter-free shortcuts (their option A), global average pool, linear head. The drawings come
from other seeds than the demo's default, 0. Drawing and training take about ten minutes; another machine or version
gives other bits and the same accuracy.

Also prints what `make demo` is to show: the linear probe (scikit-learn) on the features of the trained and of random
networks over the demo's own set, 60 pictures of a class.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, pillow 13.0.0, safetensors 0.8.0, scikit-learn 1.9.1.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch import nn

DEMO_SEED, TRAIN_SEED, HELD_OUT_SEED, TORCH_SEED = 0, 1001, 1002, 1
HELD_OUT_PER_CLASS = 200
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.missing = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride > 1:  # every second pixel, and zeros for the new channels on both sides
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.missing, self.missing))
        return F.relu(y + x)


class ResNet8(nn.Module):
    """Parameter names are timm's."""

    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.fc = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def features(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))

    def forward(self, x):
        return self.fc(self.features(x))


def draw(program, folder, seed, per_class):
    """Returns {"train": (images [n, 64, 64, 3] uint8, labels [n]), "test": ...} and the class names."""
    subprocess.run([program, "demo-data", folder, "--seed", str(seed), "--per-class", str(per_class)], check=True)
    sets = {}
    for split in ("train", "test"):
        paths = sorted(pathlib.Path(folder, split).glob("*/*"))
        names = sorted({path.parent.name for path in paths})
        images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        sets[split] = images, np.array([names.index(path.parent.name) for path in paths])
    return sets, names


def to_input(images):
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)  # channels last in memory
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def augment(images, random):
    """A mirrored half, and a shift of up to 6 pixels with the border repeated."""
    images = np.where(random.random(len(images))[:, None, None, None] < 0.5, images, images[:, :, ::-1])
    padded = np.pad(images, ((0, 0), (6, 6), (6, 6), (0, 0)), mode="edge")
    size, shifts = images.shape[1], random.integers(0, 13, (len(images), 2))
    return np.stack([p[y : y + size, x : x + size] for p, (y, x) in zip(padded, shifts)])


def train(model, images, labels, epochs, batch=64):
    random = np.random.default_rng(TORCH_SEED)
    steps = len(images) // batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=epochs * steps, pct_start=0.2)
    started = time.time()
    for epoch in range(epochs):
        model.train()
        order, total, correct = random.permutation(len(images)), 0.0, 0
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            x, y = to_input(augment(images[chosen], random)), torch.from_numpy(labels[chosen])
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x).float()
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            correct += (logits.argmax(1) == y).sum().item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / steps:.3f}, accuracy {correct / (steps * batch):.4f}, "
            f"{time.time() - started:.0f} s",
            flush=True,
        )


@torch.no_grad()
def run(function, images):
    return torch.cat([function(to_input(images[i : i + 256])) for i in range(0, len(images), 256)]).numpy()


def probe(model, sets):
    """Top-1 of logistic regression on raw pooled features, for several C."""
    model.eval()
    (train_x, train_y), (test_x, test_y) = sets["train"], sets["test"]
    train_f, test_f = run(model.features, train_x), run(model.features, test_x)
    scores = {}
    for c in (0.1, 1, 10, 100):
        fitted = LogisticRegression(C=c, max_iter=20000).fit(train_f, train_y)
        scores[c] = round(float(fitted.score(test_f, test_y)), 4)
    return scores


def metadata(names, arguments, accuracy, pictures):
    recipe = {"input": [3, 64, 64], "crop": 1.0, "resize": 0, "interpolation": "bilinear", "crop_mode": "none"}
    return {
        "architecture": "resnet8_cifar",
        "backbones.arch": "resnet8_cifar",
        "backbones.recipe": json.dumps({**recipe, "mean": MEAN, "std": STD}),
        "backbones.class_names": json.dumps(names),
        "training": f"tests/reference/train_demo.py --per-class {arguments.per_class} --epochs {arguments.epochs}",
        "training_data": f"backbones demo-data --seed {TRAIN_SEED} --per-class {arguments.per_class}, "
        f"{pictures} pictures",
        "seeds": json.dumps({"training": TRAIN_SEED, "held_out": HELD_OUT_SEED, "torch": TORCH_SEED}),
        "accuracy": f"top-1 {accuracy:.4f} on {HELD_OUT_PER_CLASS * len(names)} held-out drawings "
        f"(backbones demo-data --seed {HELD_OUT_SEED} --per-class {HELD_OUT_PER_CLASS}, train/)",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/backbones")
    parser.add_argument("--out", default="evaluate/demo/resnet8_cifar-demo.safetensors")
    parser.add_argument("--per-class", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch; more pay only on idle cores")
    parser.add_argument("--data", help="keep the drawings in this folder")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = pathlib.Path(arguments.data or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)

    demo, names = draw(arguments.program, folder / "demo", DEMO_SEED, 60)
    for seed in range(3):
        torch.manual_seed(100 + seed)
        print(f"random network {seed}: probe on the demo's set, C: top-1", probe(ResNet8(len(names)), demo), flush=True)
    drawings, _ = draw(arguments.program, folder / "train", TRAIN_SEED, arguments.per_class)
    images, labels = (np.concatenate([drawings["train"][i], drawings["test"][i]]) for i in range(2))
    held_out, _ = draw(arguments.program, folder / "held-out", HELD_OUT_SEED, HELD_OUT_PER_CLASS)

    torch.manual_seed(TORCH_SEED)
    model = ResNet8(len(names)).to(memory_format=torch.channels_last)
    train(model, images, labels, arguments.epochs)
    tensors = {
        name: tensor.half().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    # What is measured is what is stored: 16-bit weights.
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    model.eval()
    right = run(model, held_out["train"][0]).argmax(1) == held_out["train"][1]
    print(f"held-out drawings: {right.sum()} of {len(right)} right, {right.mean():.4f}")
    print("trained network: probe on the demo's set, C: top-1", probe(model, demo))

    out = pathlib.Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out, metadata(names, arguments, right.mean(), len(images)))
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
