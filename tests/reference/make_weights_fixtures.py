#!/usr/bin/env python3
"""Write checkpoints of small and real ResNets as their publishers lay them out, to try `convert` and `inspect` on.

    python3 make_weights_fixtures.py OUT

Needs torch, timm, torchvision, transformers, safetensors (torch==2.15.0, timm==1.0.31,
torchvision==0.29.2, transformers==5.24.0, safetensors==0.8.0). No downloads: all weights are seeded. Below OUT, per architecture:

    timm/            a folder as timm's push_to_hf_hub() lays it out
    transformers/    the same weights as save_pretrained() writes them, with a preprocessor_config.json
    sharded/         the same in several shards with an index
    moco.safetensors the query encoder's names, beside a second encoder and a queue
    folded.safetensors  what convert must write: canonical names, batch norms folded in double

Compare with compare_safetensors.py OUT/ARCH/folded.safetensors CONVERTED.
"""
import json
import pathlib
import sys

import timm
import torch
from safetensors.torch import save_file
from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

ARCHITECTURES = {"resnet18": ("basic", [2, 2, 2, 2]), "resnet50": ("bottleneck", [3, 4, 6, 3])}


def seeded(arch):
    torch.manual_seed(sum(arch.encode()))
    model = timm.create_model(arch, num_classes=10).eval()
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def to_transformers(state):
    """timm's names to transformers', written independently of weights-tools/keys_transformers.c."""
    out = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] == "fc":
            new = f"classifier.1.{parts[1]}"
        elif parts[0] in ("conv1", "bn1"):
            kind = "convolution" if parts[0] == "conv1" else "normalization"
            new = f"resnet.embedder.embedder.{kind}.{parts[1]}"
        else:
            stage, block, module = int(parts[0][5:]) - 1, parts[1], parts[2]
            head = f"resnet.encoder.stages.{stage}.layers.{block}"
            if module == "downsample":
                new = f"{head}.shortcut.{['convolution', 'normalization'][int(parts[3])]}.{parts[4]}"
            else:
                kind = "convolution" if module.startswith("conv") else "normalization"
                new = f"{head}.layer.{int(module[-1]) - 1}.{kind}.{parts[3]}"
        out[new] = tensor
    return out


def fold(state):
    out = {k: v for k, v in state.items() if k.startswith("fc.")}
    for name in [k[: -len(".running_mean")] for k in state if k.endswith(".running_mean")]:
        conv = name.replace(".bn", ".conv").replace("bn1", "conv1").replace("downsample.1", "downsample.0")
        get = lambda key: state[f"{name}.{key}"].double()
        scale = get("weight") / torch.sqrt(get("running_var") + 1e-5)
        out[f"{conv}.weight"] = (state[f"{conv}.weight"].double() * scale[:, None, None, None]).float()
        out[f"{conv}.bias"] = (get("bias") - get("running_mean") * scale).float()
    return out


def write(out, arch, layer_type, depths):
    folder = out / arch
    (folder / "timm").mkdir(parents=True, exist_ok=True)
    model = seeded(arch)
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "timm/model.safetensors")
    config = {
        "architecture": arch,
        "num_classes": 10,
        "pretrained_cfg": {**model.default_cfg, "label_names": [f"class {i}" for i in range(10)]},
    }
    (folder / "timm/config.json").write_text(json.dumps(config, indent=2))

    widths = [256, 512, 1024, 2048] if layer_type == "bottleneck" else [64, 128, 256, 512]
    twin = ResNetForImageClassification(
        ResNetConfig(layer_type=layer_type, depths=depths, hidden_sizes=widths, num_labels=10)
    ).eval()
    twin.load_state_dict(to_transformers(state))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():  # the two are the same function, or the names above are wrong
        difference = (twin(image).logits - model(image)).abs().max().item()
    assert difference < 1e-4, difference
    processor = ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875, resample=3)
    twin.save_pretrained(folder / "transformers")
    processor.save_pretrained(folder / "transformers")
    twin.save_pretrained(folder / "sharded", max_shard_size="20MB")

    wrapped = {f"module.encoder_q.{k}": v for k, v in state.items()}
    wrapped.update({f"module.encoder_k.{k}": v + 1 for k, v in state.items()})
    wrapped["module.queue"] = torch.randn(8, 16)
    save_file(wrapped, folder / "moco.safetensors")
    save_file(fold(state), folder / "folded.safetensors")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for arch, (layer_type, depths) in ARCHITECTURES.items():
        write(pathlib.Path(sys.argv[1]), arch, layer_type, depths)
