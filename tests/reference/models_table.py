"""The models that compare_models.py compares: one row a published checkpoint, all families, schemes and containers."""
from functools import partial

import torch
import torch.nn as nn
import transformers
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

import published_names as names
from publishers import (CLIP, HALF, IMAGENET, Case, Row, classic, create, save_pth, squash, timm_hub, timm_named,
                        torchvision_pth, transformers_folder)
from random_weights import random_tensor

ROWS = []


def row(name, scheme, container, build, photos=6):
    ROWS.append(Row(name, scheme, container, build, photos))


# ---- ResNet ----

row("resnet50.a1_in1k", "timm", "hub", timm_hub("resnet50.a1_in1k"))
row("resnet50.a1_in1k at 288", "timm", "hub",
    timm_hub("resnet50.a1_in1k", config={"input_size": (3, 288, 288), "crop_pct": 1.0}))
row("resnet18d.ra2_in1k", "timm", "hub", timm_hub("resnet18d.ra2_in1k"))
row("resnet50d.ra2_in1k", "timm", "hub, .bin", timm_hub("resnet50d.ra2_in1k", weights="bin"))
row("resnet101d.ra2_in1k", "timm", "hub", timm_hub("resnet101d.ra2_in1k"))
row("resnext101_64x4d.c1_in1k", "timm", "hub", timm_hub("resnext101_64x4d.c1_in1k"))
row("resnet18-f37072fd", "torchvision", ".pth legacy", torchvision_pth("resnet18", "IMAGENET1K_V1", legacy=True))
row("resnet50-11ad3fa6", "torchvision", ".pth", torchvision_pth("resnet50", "IMAGENET1K_V2"))
row("wide_resnet101_2-32ee1156", "torchvision", ".pth legacy",
    torchvision_pth("wide_resnet101_2", "IMAGENET1K_V1", legacy=True))


def transformers_classifier(model, x):
    """The features are the input of the classifier."""
    kept = {}
    hook = model.classifier.register_forward_pre_hook(lambda _, inputs: kept.update(pooled=inputs[0].flatten(1)))
    logits = model(pixel_values=x).logits
    hook.remove()
    return {"pooled": kept["pooled"], "logits": logits}


def convnext_processor(size):
    settings = {"do_normalize": True, "do_resize": True, "crop_pct": 0.875, "size": {"shortest_edge": size}, "resample": 3,
                "image_mean": list(IMAGENET[0]), "image_std": list(IMAGENET[1])}
    return ConvNextImageProcessorPil, settings, "ConvNextImageProcessor"


row("microsoft/resnet-50", "transformers", "hub",
    transformers_folder(lambda: transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=1000)),
                        convnext_processor(224), transformers_classifier))

imagenet_224 = classic(224, 256, "bicubic", IMAGENET)
imagenet_224_bilinear = classic(224, 256, "bilinear", IMAGENET)


def without_head(model):
    return {k: v for k, v in model.state_dict().items() if not k.startswith(("fc.", "head."))}


def self_supervised(file, prefix="", wrap=lambda s: s, extra=(), recipe=imagenet_224_bilinear, legacy=False):
    """A ResNet-50 of which only the body is published; `extra`: (name, shape) of the projection heads beside it."""
    return timm_named("resnet50", lambda m: {prefix + k: v for k, v in without_head(m).items()}, file, recipe, legacy,
                      wrap=wrap, extra=lambda: {n: random_tensor(n, s) for n, s in extra}, num_classes=0)


def moco_v2(state):
    key = {k.replace("encoder_q", "encoder_k"): v + 0.1 for k, v in state.items() if v.is_floating_point()}
    queue = {"module.queue": torch.randn(128, 65536), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"epoch": 800, "arch": "resnet50", "state_dict": {**state, **key, **queue}, "optimizer": sgd_state()}


def sgd_state():
    """What torch.optim.SGD.state_dict() leaves in a training checkpoint."""
    return {"state": {0: {"momentum_buffer": torch.randn(64, 3, 7, 7)}},
            "param_groups": [{"lr": 0.03, "momentum": 0.9, "weight_decay": 1e-4, "nesterov": False, "params": [0]}]}


row("moco_v2_800ep_pretrain", "MoCo v2", ".pth.tar",
    self_supervised("moco_v2_800ep_pretrain.pth.tar", "module.encoder_q.", moco_v2, legacy=True, extra=[
        ("module.encoder_q.fc.0.weight", (2048, 2048)), ("module.encoder_q.fc.0.bias", (2048,)),
        ("module.encoder_q.fc.2.weight", (128, 2048)), ("module.encoder_q.fc.2.bias", (128,))]))
row("dino_resnet50_pretrain", "DINO", ".pth", self_supervised("dino_resnet50_pretrain.pth", recipe=imagenet_224))
row("vicreg resnet50", "VICReg", ".pth", self_supervised("resnet50.pth"))
row("swav_800ep_pretrain", "SwAV", ".pth.tar",
    self_supervised("swav_800ep_pretrain.pth.tar", "module.", legacy=True, extra=[
        ("module.projection_head.0.weight", (2048, 2048)), ("module.projection_head.0.bias", (2048,)),
        ("module.projection_head.1.weight", (2048,)), ("module.projection_head.1.bias", (2048,)),
        ("module.projection_head.1.running_mean", (2048,)), ("module.projection_head.1.running_var", (2048,)),
        ("module.projection_head.3.weight", (128, 2048)), ("module.projection_head.3.bias", (128,)),
        ("module.prototypes.weight", (3000, 128))]))


def moco_v3_resnet(state):
    momentum = {k.replace("base_encoder", "momentum_encoder"): v + 0.1 for k, v in state.items() if v.is_floating_point()}
    return {"epoch": 1000, "arch": "resnet50", "state_dict": {**state, **momentum}, "optimizer": sgd_state()}


row("moco v3 r-50-1000ep", "MoCo v3", ".pth.tar",
    self_supervised("r-50-1000ep.pth.tar", "module.base_encoder.", moco_v3_resnet, extra=[
        ("module.base_encoder.fc.0.weight", (4096, 2048)), ("module.base_encoder.fc.1.weight", (4096,)),
        ("module.base_encoder.fc.1.bias", (4096,)), ("module.base_encoder.fc.1.running_mean", (4096,)),
        ("module.base_encoder.fc.1.running_var", (4096,)), ("module.base_encoder.fc.3.weight", (256, 4096)),
        ("module.predictor.0.weight", (4096, 256)), ("module.predictor.3.weight", (256, 4096))]))
