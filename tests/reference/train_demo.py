#!/usr/bin/env python3
"""Train the demo's tiny backbones on drawings and write them as safetensors: evaluate/demo/FAMILY-demo.safetensors.

    make && python3 tests/reference/train_demo.py --program build/backbones [FAMILY...]

One of each family, by timm's modules, with fewer and narrower blocks than any published member (the ResNet is a CIFAR one:
He et al. 2016, section 4.2, 8 layers, option A). The CLIP-ViT learns to lie near an embedding of its picture's class,
by the cosine with a learnt scale, as CLIP learns from texts; the embeddings are written beside it, for zero-shot
classification. The drawings come from other seeds than the demo's default, 0. Drawing takes some minutes, training five to ten
each; another machine or version gives other bits and about the same accuracy.

Also prints what the demo is to show: the linear probe (scikit-learn) on the features of the trained and of a random network
over the demo's own set, 60 pictures of a class.

Made with Python 3.11, torch 2.15.0, timm 1.0.31, numpy 2.4.6, pillow 13.0.0, safetensors 0.8.0, scikit-learn 1.9.1.
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
from timm.layers import QuickGELU
from timm.models.convnext import ConvNeXt
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
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


class Timm(nn.Module):
    """A timm network: features are pooled, without the head."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def features(self, x):
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)

    def forward(self, x):
        return self.network(x)


class Clip(nn.Module):
    """An image tower and an embedding of each class: logits are the scaled cosines."""

    def __init__(self, classes):
        super().__init__()
        self.network = VisionTransformer(
            img_size=64, patch_size=8, embed_dim=64, depth=4, num_heads=4, mlp_ratio=3, num_classes=32, pre_norm=True,
            act_layer=QuickGELU, norm_layer=nn.LayerNorm,
        )
        self.network.head = nn.Linear(64, 32, bias=False)
        self.embeddings = nn.Parameter(torch.randn(classes, 32) / 32**0.5)
        self.scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def features(self, x):
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)

    def forward(self, x):
        images, classes = F.normalize(self.network(x)), F.normalize(self.embeddings)
        return self.scale.exp().clamp(max=100) * images @ classes.T


# The network, what its tensors do not tell (backbones.config), and how it is trained.
FAMILIES = {
    "resnet": dict(
        make=ResNet8, arch="resnet8_cifar", optimizer="sgd", epochs=5,
    ),
    "convnext": dict(
        make=lambda n: Timm(ConvNeXt(num_classes=n, depths=(1, 1, 2, 1), dims=(16, 32, 64, 80), ls_init_value=0.2)),
        optimizer="adamw", epochs=16,
    ),
    "vit": dict(
        make=lambda n: Timm(
            VisionTransformer(img_size=64, patch_size=8, embed_dim=64, depth=4, num_heads=4, mlp_ratio=3, num_classes=n)
        ),
        config={"heads": 4}, optimizer="adamw", epochs=20,
    ),
    "swin": dict(
        make=lambda n: Timm(
            SwinTransformer(img_size=64, patch_size=4, embed_dim=12, depths=(2, 2, 2, 1), num_heads=(1, 2, 4, 8),
                            window_size=2, mlp_ratio=2, num_classes=n)
        ),
        optimizer="adamw", epochs=12,
    ),
    "clip": dict(
        make=Clip, config={"heads": 4, "activation": "quick_gelu", "norm_epsilon": 1e-5}, optimizer="adamw", epochs=20,
    ),
}


def draw(program, folder, seed, per_class):
    """Returns {"train": (images [n, 64, 64, 3] uint8, labels [n]), "test": ...} and the class names."""
    if not pathlib.Path(folder, "train").exists():
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


def make_optimizer(model, name, steps):
    if name == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    else:
        decayed = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=2e-3)
    most = 0.1 if name == "sgd" else 2e-3
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=most, total_steps=steps, pct_start=0.2)


def train(model, images, labels, epochs, name, batch=64):
    random = np.random.default_rng(TORCH_SEED)
    steps = len(images) // batch
    optimizer, schedule = make_optimizer(model, name, epochs * steps)
    started = time.time()
    for epoch in range(epochs):
        model.train()
        order, total, correct = random.permutation(len(images)), 0.0, 0
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            x, y = to_input(augment(images[chosen], random)), torch.from_numpy(labels[chosen])
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "sgd"):
                logits = model(x).float()
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1 if name == "adamw" else 1e9)
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


def metadata(family, names, arguments, epochs, accuracy, pictures):
    recipe = {"input": [3, 64, 64], "crop": 1.0, "resize": 0, "interpolation": "bilinear", "crop_mode": "none"}
    about = FAMILIES[family]
    texts = {
        "backbones.recipe": json.dumps({**recipe, "mean": MEAN, "std": STD}),
        "backbones.class_names": json.dumps(names),
        "training": f"tests/reference/train_demo.py --per-class {arguments.per_class} --epochs {epochs} {family}",
        "training_data": f"backbones demo-data --seed {TRAIN_SEED} --per-class {arguments.per_class}, "
        f"{pictures} pictures",
        "seeds": json.dumps({"training": TRAIN_SEED, "held_out": HELD_OUT_SEED, "torch": TORCH_SEED}),
        "accuracy": f"top-1 {accuracy:.4f} on {HELD_OUT_PER_CLASS * len(names)} held-out drawings "
        f"(backbones demo-data --seed {HELD_OUT_SEED} --per-class {HELD_OUT_PER_CLASS}, train/)",
    }
    if "arch" in about:
        texts["backbones.arch"] = about["arch"]
    if "config" in about:
        texts["backbones.config"] = json.dumps(about["config"])
    if family == "clip":  # its head projects, it does not classify
        del texts["backbones.class_names"]
    return texts


def stored_tensors(model):
    """16-bit copies under timm's names, and the model made of these: what is measured is what is stored."""
    network = getattr(model, "network", model)
    skipped = ("num_batches_tracked", "relative_position_index", "attn_mask")
    tensors = {n: t.half().contiguous() for n, t in network.state_dict().items() if not n.endswith(skipped)}
    network.load_state_dict({n: t.float() for n, t in tensors.items()}, strict=False)
    model.eval()
    return tensors


def make(family, arguments, sets, names):
    about = FAMILIES[family]
    demo, (images, labels), held_out = sets
    torch.manual_seed(100)
    print(f"random {family}: probe on the demo's set, C: top-1", probe(about["make"](len(names)), demo), flush=True)
    torch.manual_seed(TORCH_SEED)
    model = about["make"](len(names))
    if family == "swin":  # timm's deviation of 0.02 is too small for so narrow a network: it would learn nothing
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
    model = model.to(memory_format=torch.channels_last)
    epochs = arguments.epochs or about["epochs"]
    train(model, images, labels, epochs, about["optimizer"])
    tensors = stored_tensors(model)
    right = run(model, held_out[0]).argmax(1) == held_out[1]
    print(f"{family}: {right.sum()} of {len(right)} held-out drawings right, {right.mean():.4f}")
    print(f"trained {family}: probe on the demo's set, C: top-1", probe(model, demo), flush=True)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{about.get('arch', family)}-demo.safetensors"
    save_file(tensors, path, metadata(family, names, arguments, epochs, right.mean(), len(images)))
    print(f"{path}: {path.stat().st_size} bytes")
    if family == "clip":
        np.save(out / "clip-demo-classes.npy", model.embeddings.detach().numpy().astype(np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], help="default: all")
    parser.add_argument("--program", default="build/backbones")
    parser.add_argument("--out", default="evaluate/demo")
    parser.add_argument("--per-class", type=int, default=2000)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1, help="of torch; more pay only on idle cores")
    parser.add_argument("--data", help="keep the drawings in this folder")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = pathlib.Path(arguments.data or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    demo, names = draw(arguments.program, folder / "demo", DEMO_SEED, 60)
    drawings, _ = draw(arguments.program, folder / "train", TRAIN_SEED, arguments.per_class)
    images, labels = (np.concatenate([drawings["train"][i], drawings["test"][i]]) for i in range(2))
    held_out, _ = draw(arguments.program, folder / "held-out", HELD_OUT_SEED, HELD_OUT_PER_CLASS)
    for family in arguments.families or FAMILIES:
        make(family, arguments, (demo, (images, labels), held_out["train"]), names)


if __name__ == "__main__":
    main()
