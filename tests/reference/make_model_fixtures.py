"""Expected features of seeded models, computed by the publishers' own code; written to tests/fixtures/models/.

Needs torch 2.15, torchvision 0.29, timm 1.0.31, numpy. Usage: python tests/reference/make_model_fixtures.py [NAME...]
Each fixture is raw float32: the pooled features, then the logits (of CLIP: the projected features) where there is a
head, of one image of seeded noise. Position tables are seeded at their own size and resampled by timm.
"""
import os
import sys

import numpy as np
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

from seeded import seeded

SEED = 1
OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "models")


class CifarBlock(nn.Module):
    """He et al. 2015, section 4.2: basic block, shortcut of option A."""

    def __init__(self, inner, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.pad = (planes - inner) // 2
        self.stride = stride

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        s = self.stride
        return F.relu(y + F.pad(x[:, :, ::s, ::s], (0, 0, 0, 0, self.pad, self.pad)))


class CifarResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inner = 16
        for stage, planes in enumerate((16, 32, 64)):
            layers = []
            for block in range(blocks):
                layers.append(CifarBlock(inner, planes, 2 if stage and not block else 1))
                inner = planes
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


TORCHVISION_MODELS = [
    ("resnet18", torchvision.models.resnet18, 224),
    ("resnet34", torchvision.models.resnet34, 64),
    ("resnet50", torchvision.models.resnet50, 96),
    ("resnet101", torchvision.models.resnet101, 64),
    ("resnet152", torchvision.models.resnet152, 64),
    ("wide_resnet50_2", torchvision.models.wide_resnet50_2, 64),
    ("resnext50_32x4d", torchvision.models.resnext50_32x4d, 65),
    ("resnext101_32x8d", torchvision.models.resnext101_32x8d, 64),
    ("resnet20_cifar", lambda: CifarResNet(3), 32),
    ("resnet56_cifar", lambda: CifarResNet(9), 31),
]

TIMM_MODELS = [
    ("resnet18d", 96),
    ("resnet26d", 65),
    ("resnet50_clip", 64),
    ("convnext_atto", 64),
    ("convnext_tiny", 96),
    ("convnextv2_atto", 64),
    ("vit_tiny_patch16_224", 224),
    ("vit_tiny_patch16_224", 96),
    ("deit_tiny_distilled_patch16_224", 96),
    ("deit3_small_patch16_224", 64),
    ("vit_small_patch14_dinov2", 56),
    ("vit_small_patch14_reg4_dinov2", 56),
    ("vit_small_patch16_dinov3", 64),
    ("vit_small_plus_patch16_dinov3", 64),
    ("vit_base_patch32_clip_quickgelu_224", 224),
    ("vit_base_patch16_siglip_224", 64),
    ("swin_tiny_patch4_window7_224", 224),
    ("swinv2_tiny_window8_256", 256),
]


def fill(model):
    state = {
        k: torch.from_numpy(seeded(k, tuple(v.shape), SEED)).double() if v.dtype.is_floating_point else v
        for k, v in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model.double().eval()


def torchvision_outputs(make, size, x):
    model = fill(make())
    head = model.fc
    model.fc = nn.Identity()
    features = model(x)
    return features, head(features)


def timm_outputs(name, size, x):
    model = fill(timm.create_model(name, pretrained=False))
    if size != model.pretrained_cfg["input_size"][1] and hasattr(model, "set_input_size"):
        model.set_input_size(img_size=size)
    tokens = model.forward_features(x)
    features = model.forward_head(tokens, pre_logits=True)
    return features, model.forward_head(tokens) if model.num_classes else features[:, :0]


def main():
    os.makedirs(OUT, exist_ok=True)
    torch.set_num_threads(1)
    models = [(name, size, torchvision_outputs, make) for name, make, size in TORCHVISION_MODELS]
    models += [(name, size, timm_outputs, name) for name, size in TIMM_MODELS]
    for name, size, outputs, what in models:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        image = seeded("input", (size * size * 3,), SEED).reshape(1, size, size, 3) * np.float32(10)
        x = torch.from_numpy(image).permute(0, 3, 1, 2).double()
        with torch.no_grad():
            features, logits = outputs(what, size, x)
        both = torch.cat([features[0], logits[0]]).float().numpy()
        both.tofile(os.path.join(OUT, f"{name}-{size}.f32"))
        print(f"{name} {size}: {features.shape[1]} features, largest {features.abs().max():.4f}, {logits.shape[1]} logits")


if __name__ == "__main__":
    main()
