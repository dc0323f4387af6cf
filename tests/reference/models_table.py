"""The models that compare_models.py compares: one row a published checkpoint, all families, schemes and containers."""
import argparse
import json
import os

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


# ---- ConvNeXt ----

row("convnext_tiny.fb_in1k", "timm", "hub", timm_hub("convnext_tiny.fb_in1k"))
row("convnext_base.fb_in22k", "timm", "hub", timm_hub("convnext_base.fb_in22k"))
row("convnext_large.fb_in22k_ft_in1k_384", "timm", "hub", timm_hub("convnext_large.fb_in22k_ft_in1k_384"), 4)
row("convnext_xlarge.fb_in22k_ft_in1k at 288", "timm", "hub",
    timm_hub("convnext_xlarge.fb_in22k_ft_in1k", config={"input_size": (3, 288, 288), "crop_pct": 1.0}), 3)
row("convnextv2_atto.fcmae_ft_in1k", "timm", "hub", timm_hub("convnextv2_atto.fcmae_ft_in1k"))
row("convnextv2_nano.fcmae_ft_in22k_in1k_384", "timm", "hub", timm_hub("convnextv2_nano.fcmae_ft_in22k_in1k_384"))
row("convnextv2_huge.fcmae_ft_in1k", "timm", "hub", timm_hub("convnextv2_huge.fcmae_ft_in1k"), 2)


def nested(name):
    return lambda state: {name: state}


row("convnext_tiny_1k_224_ema", "ConvNeXt", ".pth",
    timm_named("convnext_tiny.fb_in1k", names.facebook_convnext, "convnext_tiny_1k_224_ema.pth", imagenet_224,
               wrap=nested("model")))
row("convnext_small_22k_224", "ConvNeXt", ".pth legacy",
    timm_named("convnext_small.fb_in22k", names.facebook_convnext, "convnext_small_22k_224.pth", imagenet_224, legacy=True,
               wrap=nested("model")))
row("convnext_base_1k_384", "ConvNeXt", ".pth",
    timm_named("convnext_base.fb_in1k", names.facebook_convnext, "convnext_base_1k_384.pth",
               squash(384, "bicubic", IMAGENET), wrap=nested("model")))
row("vicregl convnext_small_alpha0.9", "VICRegL", ".pth",
    timm_named("convnext_small", names.facebook_convnext, "convnext_small_alpha0.9.pth", imagenet_224,
               num_classes=0))
row("convnextv2_tiny_1k_224_ema", "ConvNeXt V2", ".pt",
    timm_named("convnextv2_tiny.fcmae_ft_in1k", names.facebook_convnext, "convnextv2_tiny_1k_224_ema.pt", imagenet_224,
               wrap=nested("model")))
row("convnext_tiny-983f1562", "torchvision", ".pth", torchvision_pth("convnext_tiny", "IMAGENET1K_V1", "classifier.2"))
row("convnext_base-6075fbad", "torchvision", ".pth legacy",
    torchvision_pth("convnext_base", "IMAGENET1K_V1", "classifier.2", legacy=True))


def convnext_config(kind, depths, widths, size=224, classes=1000):
    return kind(depths=depths, hidden_sizes=widths, image_size=size, num_labels=classes, layer_norm_eps=1e-12)


row("facebook/convnext-tiny-224", "transformers", "hub", transformers_folder(
    lambda: transformers.ConvNextForImageClassification(
        convnext_config(transformers.ConvNextConfig, [3, 3, 9, 3], [96, 192, 384, 768])),
    convnext_processor(224), transformers_classifier))
row("facebook/convnext-base-384", "transformers", "hub", transformers_folder(
    lambda: transformers.ConvNextForImageClassification(
        convnext_config(transformers.ConvNextConfig, [3, 3, 27, 3], [128, 256, 512, 1024], 384)),
    convnext_processor(384), transformers_classifier))
row("facebook/convnextv2-tiny-22k-224", "transformers", "hub", transformers_folder(
    lambda: transformers.ConvNextV2ForImageClassification(
        convnext_config(transformers.ConvNextV2Config, [3, 3, 9, 3], [96, 192, 384, 768])),
    convnext_processor(224), transformers_classifier))

# ---- ViT ----

row("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "timm", "hub", timm_hub("vit_tiny_patch16_224.augreg_in21k_ft_in1k"))
row("vit_small_patch16_224.augreg_in1k at 192", "timm", "hub", timm_hub("vit_small_patch16_224.augreg_in1k", size=192))
row("vit_base_patch32_384.augreg_in21k_ft_in1k", "timm", "hub", timm_hub("vit_base_patch32_384.augreg_in21k_ft_in1k"))
row("vit_base_patch16_384.augreg_in21k_ft_in1k", "timm", "hub, .bin",
    timm_hub("vit_base_patch16_384.augreg_in21k_ft_in1k", weights="bin"))
row("vit_base_patch8_224.augreg_in21k", "timm", "hub", timm_hub("vit_base_patch8_224.augreg_in21k"), 4)
row("vit_large_patch16_224.augreg_in21k_ft_in1k", "timm", "hub", timm_hub("vit_large_patch16_224.augreg_in21k_ft_in1k"))
row("vit_huge_patch14_224.mae", "timm", "hub", timm_hub("vit_huge_patch14_224.mae"), 2)
row("vit_b_16-c867db91", "torchvision", ".pth", torchvision_pth("vit_b_16", "IMAGENET1K_V1", "heads.head"))
row("vit_l_16-852ce7e3", "torchvision", ".pth", torchvision_pth("vit_l_16", "IMAGENET1K_V1", "heads.head"), 4)
row("vit_b_16_swag-9ac1b537", "torchvision", ".pth", torchvision_pth("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", "heads.head"), 4)
row("vit_h_14_swag-80465313", "torchvision", ".pth", torchvision_pth("vit_h_14", "IMAGENET1K_SWAG_E2E_V1", "heads.head"), 2)


def processor(kind, published, size, resample, normalisation, crop=None):
    """The settings of the image processors that resize both sides, or with a dict {"shortest_edge": n} the shorter."""
    size = size if isinstance(size, dict) else {"height": size, "width": size}
    settings = {"do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": list(normalisation[0]),
                "image_std": list(normalisation[1]), "resample": resample, "rescale_factor": 1 / 255, "size": size}
    if crop:
        settings.update(do_center_crop=True, crop_size={"height": crop, "width": crop})
    return kind, settings, published


def vit_processor(size, resample, normalisation):
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    return processor(ViTImageProcessorPil, "ViTImageProcessor", size, resample, normalisation)


row("google/vit-base-patch16-224", "transformers", "hub", transformers_folder(
    lambda: transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=1000)),
    vit_processor(224, 2, HALF), transformers_classifier))


def transformers_class_token(model, x):
    return {"pooled": model(pixel_values=x).last_hidden_state[:, 0]}


row("google/vit-base-patch16-224-in21k", "transformers", "hub", transformers_folder(
    lambda: transformers.ViTModel(transformers.ViTConfig()), vit_processor(224, 2, HALF), transformers_class_token))

row("deit_tiny_distilled_patch16_224.fb_in1k", "timm", "hub", timm_hub("deit_tiny_distilled_patch16_224.fb_in1k"))
row("deit_base_patch16_224-b5f2ef4d", "DeiT", ".pth",
    timm_named("deit_base_patch16_224.fb_in1k", lambda m: m.state_dict(), "deit_base_patch16_224-b5f2ef4d.pth",
               imagenet_224, wrap=nested("model")))
row("deit_base_distilled_patch16_384-d0272ac0", "DeiT", ".pth legacy",
    timm_named("deit_base_distilled_patch16_384.fb_in1k", lambda m: m.state_dict(),
               "deit_base_distilled_patch16_384-d0272ac0.pth", classic(384, 438, "bicubic", IMAGENET), legacy=True,
               wrap=nested("model")), 4)


def deit_processor():
    from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil

    return processor(DeiTImageProcessorPil, "DeiTImageProcessor", 256, 3, IMAGENET, crop=224)


def transformers_distilled(model, x):
    """timm's convention for two tokens: their mean is the feature, the mean of both heads the answer."""
    tokens = model.deit(pixel_values=x).last_hidden_state
    return {"pooled": (tokens[:, 0] + tokens[:, 1]) / 2, "logits": model(pixel_values=x).logits}


row("facebook/deit-small-distilled-patch16-224", "transformers", "hub", transformers_folder(
    lambda: transformers.DeiTForImageClassificationWithTeacher(transformers.DeiTConfig(
        num_labels=1000, hidden_size=384, num_attention_heads=6, intermediate_size=1536)),
    deit_processor(), transformers_distilled))
row("deit3_base_patch16_224.fb_in22k_ft_in1k", "timm", "hub", timm_hub("deit3_base_patch16_224.fb_in22k_ft_in1k"))
row("deit_3_small_224_1k", "DeiT III", ".pth",
    timm_named("deit3_small_patch16_224.fb_in1k", names.facebook_deit3, "deit_3_small_224_1k.pth",
               classic(224, 224, "bicubic", IMAGENET), wrap=nested("model")))


def dino_checkpoint(state):
    """What DINO's training leaves: a student and a teacher, each a body and a head, and what they were called with."""
    student = {"module.backbone." + k: v * 0.9 for k, v in state.items()}
    teacher = {"backbone." + k: v for k, v in state.items()}
    width = state["cls_token"].shape[-1]
    return {"student": {**student, **names.dino_head("module.", width)},
            "teacher": {**teacher, **names.dino_head("", width)}, "optimizer": sgd_state(), "epoch": 300,
            "args": argparse.Namespace(arch="deit_small", patch_size=8, out_dim=65536), "fp16_scaler": None,
            "dino_loss": {"center": torch.randn(1, 1024)}}


row("dino_deitsmall8_pretrain_full_checkpoint", "DINO", ".pth",
    timm_named("vit_small_patch8_224.dino", lambda m: m.state_dict(), "dino_deitsmall8_pretrain_full_checkpoint.pth",
               imagenet_224, wrap=dino_checkpoint), 4)
row("dino_vitbase16_pretrain", "DINO", ".pth",
    timm_named("vit_base_patch16_224.dino", lambda m: m.state_dict(), "dino_vitbase16_pretrain.pth", imagenet_224))
row("vit_base_patch16_224.dino at 288", "timm", "hub", timm_hub("vit_base_patch16_224.dino", size=288), 4)
row("mae_visualize_vit_base", "MAE", ".pth",
    timm_named("vit_base_patch16_224.mae", names.mae_with_decoder, "mae_visualize_vit_base.pth", imagenet_224,
               wrap=nested("model")))


def transformers_mae(model, x):
    return {"pooled": model.vit(pixel_values=x).last_hidden_state[:, 0]}


row("facebook/vit-mae-large", "transformers", "hub", transformers_folder(
    lambda: transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, mask_ratio=0.0)),
    vit_processor(224, 2, IMAGENET), transformers_mae,
    rename=lambda k: k.replace("decoder.decoder_encoder.layer.", "decoder.decoder_layers.")), 4)


def moco_v3(state):
    return {"epoch": 300, "arch": "vit_base", "state_dict": state, "optimizer": sgd_state(), "scaler": {"scale": 65536.0}}


row("moco v3 vit-b-300ep", "MoCo v3", ".pth.tar",
    timm_named("vit_base_patch16_224", names.moco_v3_vit, "vit-b-300ep.pth.tar", imagenet_224, wrap=moco_v3, num_classes=0))
# MoCo v3's small ViT has twelve heads of 32 channels where timm's has six of 64: the file's name tells.
row("moco v3 vit-s-300ep", "MoCo v3", ".pth.tar",
    timm_named("vit_small_patch16_224", names.moco_v3_vit, "vit-s-300ep.pth.tar", imagenet_224, wrap=moco_v3, num_classes=0,
               num_heads=12))

# ---- DINOv2, DINOv3 ----

dinov2_518 = classic(518, 518, "bicubic", IMAGENET)
row("vit_small_patch14_dinov2.lvd142m", "timm", "hub", timm_hub("vit_small_patch14_dinov2.lvd142m"), 4)
row("vit_base_patch14_dinov2.lvd142m at 224", "timm", "hub", timm_hub("vit_base_patch14_dinov2.lvd142m", size=224))
row("vit_base_patch14_reg4_dinov2.lvd142m", "timm", "hub", timm_hub("vit_base_patch14_reg4_dinov2.lvd142m"), 2)
row("dinov2_vits14_pretrain", "DINOv2", ".pth",
    timm_named("vit_small_patch14_dinov2", names.facebook_dinov2, "dinov2_vits14_pretrain.pth", dinov2_518), 4)
row("dinov2_vitl14_reg4_pretrain at 224", "DINOv2", ".pth",
    timm_named("vit_large_patch14_reg4_dinov2", names.facebook_dinov2, "dinov2_vitl14_reg4_pretrain.pth", imagenet_224,
               size=224), 3)
row("dinov2_vitg14_pretrain at 224", "DINOv2", ".pth",
    timm_named("vit_giant_patch14_dinov2", names.facebook_dinov2, "dinov2_vitg14_pretrain.pth", imagenet_224, size=224), 2)


def dinov2_processor():
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    return processor(BitImageProcessorPil, "BitImageProcessor", {"shortest_edge": 256}, 3, IMAGENET, crop=224)


row("facebook/dinov2-base", "transformers", "hub", transformers_folder(
    lambda: transformers.Dinov2Model(transformers.Dinov2Config(image_size=518)), dinov2_processor(),
    transformers_class_token))
row("facebook/dinov2-small-imagenet1k-1-layer", "transformers", "hub", transformers_folder(
    lambda: transformers.Dinov2ForImageClassification(transformers.Dinov2Config(
        image_size=518, hidden_size=384, num_attention_heads=6, num_labels=1000)),
    dinov2_processor(), transformers_classifier))
row("facebook/dinov2-with-registers-small", "transformers", "hub", transformers_folder(
    lambda: transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(
        image_size=518, patch_size=14, hidden_size=384, num_attention_heads=6)),
    dinov2_processor(), transformers_class_token))
row("vit_small_patch16_dinov3.lvd1689m", "timm", "hub", timm_hub("vit_small_patch16_dinov3.lvd1689m"))
row("vit_small_plus_patch16_dinov3.lvd1689m", "timm", "hub", timm_hub("vit_small_plus_patch16_dinov3.lvd1689m"))


def dinov3_run(model, x):
    """The original gives the normalised class token, timm by default the mean of the patches."""
    return {"pooled": model.forward_features(x)[:, 0]}


row("dinov3_vitb16_pretrain_lvd1689m-73cec8be", "DINOv3", ".pth",
    timm_named("vit_base_patch16_dinov3_qkvb", names.facebook_dinov3, "dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth",
               squash(256, "bicubic", IMAGENET), run=dinov3_run, num_classes=0))


def dinov3_processor():
    """transformers 5 has no PIL-backed one: ViT's does the same steps on bytes."""
    kind, settings, _ = vit_processor(224, 2, IMAGENET)
    return kind, settings, "DINOv3ViTImageProcessorFast"


row("facebook/dinov3-vits16-pretrain-lvd1689m", "transformers", "hub", transformers_folder(
    lambda: transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, num_register_tokens=4)),
    dinov3_processor(), transformers_class_token))

# ---- Swin, Swin v2 ----

row("swin_tiny_patch4_window7_224.ms_in1k", "timm", "hub", timm_hub("swin_tiny_patch4_window7_224.ms_in1k"))
row("swin_large_patch4_window7_224.ms_in22k", "timm", "hub", timm_hub("swin_large_patch4_window7_224.ms_in22k"), 4)
row("swin_base_patch4_window12_384.ms_in22k_ft_in1k", "timm", "hub",
    timm_hub("swin_base_patch4_window12_384.ms_in22k_ft_in1k"), 4)
row("swin_small_patch4_window7_224", "Swin", ".pth",
    timm_named("swin_small_patch4_window7_224", names.microsoft_swin, "swin_small_patch4_window7_224.pth", imagenet_224,
               wrap=nested("model")))
row("swin_base_patch4_window12_384_22k", "Swin", ".pth legacy",
    timm_named("swin_base_patch4_window12_384", names.microsoft_swin, "swin_base_patch4_window12_384_22k.pth",
               squash(384, "bicubic", IMAGENET), wrap=nested("model"), legacy=True, num_classes=21841), 3)
row("swin_t-704ceda3", "torchvision", ".pth", torchvision_pth("swin_t", "IMAGENET1K_V1", "head"))
row("swin_b-68c6b09e", "torchvision", ".pth", torchvision_pth("swin_b", "IMAGENET1K_V1", "head"), 4)
row("microsoft/swin-tiny-patch4-window7-224", "transformers", "hub", transformers_folder(
    lambda: transformers.SwinForImageClassification(transformers.SwinConfig(num_labels=1000)),
    vit_processor(224, 3, IMAGENET), transformers_classifier))
row("swinv2_tiny_window8_256.ms_in1k", "timm", "hub", timm_hub("swinv2_tiny_window8_256.ms_in1k"))
row("swinv2_small_window16_256.ms_in1k", "timm", "hub", timm_hub("swinv2_small_window16_256.ms_in1k"), 4)
row("swinv2_base_window12_192.ms_in22k", "timm", "hub", timm_hub("swinv2_base_window12_192.ms_in22k"))
row("swinv2_large_window12to16_192to256.ms_in22k_ft_in1k", "timm", "hub",
    timm_hub("swinv2_large_window12to16_192to256.ms_in22k_ft_in1k"), 3)
row("swinv2_base_window12to24_192to384.ms_in22k_ft_in1k", "timm", "hub",
    timm_hub("swinv2_base_window12to24_192to384.ms_in22k_ft_in1k"), 3)
row("swinv2_tiny_patch4_window16_256", "Swin V2", ".pth",
    timm_named("swinv2_tiny_window16_256", names.microsoft_swin, "swinv2_tiny_patch4_window16_256.pth",
               classic(256, 292, "bicubic", IMAGENET), wrap=nested("model")))
row("swinv2_base_patch4_window12to24_192to384_22kto1k_ft", "Swin V2", ".pth",
    timm_named("swinv2_base_window12to24_192to384", names.microsoft_swin,
               "swinv2_base_patch4_window12to24_192to384_22kto1k_ft.pth", squash(384, "bicubic", IMAGENET),
               wrap=nested("model")), 3)
row("dpt_swin2_tiny_256", "MiDaS", ".pt",
    timm_named("swinv2_tiny_window16_256", names.midas_swin, "dpt_swin2_tiny_256.pt", squash(256, "bicubic", HALF),
               run=lambda m, x: {"pooled": m.forward_head(m.forward_features(x), pre_logits=True)}))
row("dpt_swin2_large_384", "MiDaS", ".pt",
    timm_named("swinv2_large_window12to24_192to384", names.midas_swin, "dpt_swin2_large_384.pt",
               squash(384, "bicubic", HALF),
               run=lambda m, x: {"pooled": m.forward_head(m.forward_features(x), pre_logits=True)}), 2)
row("swin_v2_t-b137f0e2", "torchvision", ".pth", torchvision_pth("swin_v2_t", "IMAGENET1K_V1", "head"))


def swinv2_config(depths, width, heads, window, size, trained=(0, 0, 0, 0)):
    return transformers.Swinv2Config(depths=depths, embed_dim=width, num_heads=heads, window_size=window, image_size=size,
                                     pretrained_window_sizes=list(trained), num_labels=1000)


row("microsoft/swinv2-tiny-patch4-window8-256", "transformers", "hub", transformers_folder(
    lambda: transformers.Swinv2ForImageClassification(swinv2_config([2, 2, 6, 2], 96, [3, 6, 12, 24], 8, 256)),
    vit_processor(256, 3, IMAGENET), transformers_classifier))
row("microsoft/swinv2-base-patch4-window12to24-192to384-22kto1k-ft", "transformers", "hub", transformers_folder(
    lambda: transformers.Swinv2ForImageClassification(
        swinv2_config([2, 2, 18, 2], 128, [4, 8, 16, 32], 24, 384, (12, 12, 12, 6))),
    vit_processor(384, 3, IMAGENET), transformers_classifier), 3)

# ---- CLIP, SigLIP ----


def open_clip_row(name, weights, tag, half=False, photos=6, config=None, scheme="open_clip"):
    """open_clip's hub folder (weights "safetensors" or "bin"), or the plain state dict that scripts pass around (a file
    name). The text tower keeps one layer: nothing here reads it."""

    def build(row):
        import open_clip

        settings = open_clip.get_model_config(name)
        settings["text_cfg"]["layers"] = 1
        settings.update(config or {})
        kind = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
        model = create(lambda: kind(**settings))
        if half:
            model.half().float()
        size = settings["vision_cfg"]["image_size"]
        siglip = "SigLIP" in name
        mean, std = HALF if siglip else CLIP
        mode = "squash" if siglip else "shortest"
        transform = open_clip.image_transform(size, False, mean, std, interpolation="bicubic", resize_mode=mode)
        recipe_of_it = (squash if siglip else classic)(*((size,) if siglip else (size, size)), "bicubic", (mean, std))[1]

        def save(folder):
            state = {k: v.half() if half and v.is_floating_point() else v for k, v in model.state_dict().items()}
            if "." in weights:
                return save_pth(state, weights)(folder)
            from safetensors.torch import save_file

            path = os.path.join(folder, tag)
            os.makedirs(path)
            if weights == "safetensors":
                save_file(state, os.path.join(path, "open_clip_model.safetensors"))
            else:
                torch.save(state, os.path.join(path, "open_clip_pytorch_model.bin"))
            said = {"model_cfg": open_clip.get_model_config(name),
                    "preprocess_cfg": {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": mode}}
            said["model_cfg"].update(config or {})
            with open(os.path.join(path, "open_clip_config.json"), "w") as file:
                json.dump(said, file, indent=2)
            return path

        return Case(model, open_clip_run, transform, recipe_of_it, save)

    containers = {"safetensors": "hub", "bin": "hub, .bin"}
    row(tag, scheme, containers.get(weights, ".pt"), build, photos)


def open_clip_run(model, x):
    """Before and after the projection, which ResNets have inside their attention pool and SigLIP has not."""
    visual = model.visual
    outputs = {"pooled": None, "projected": model.encode_image(x)}
    if hasattr(visual, "attnpool"):
        projection, width = visual.attnpool.c_proj, visual.attnpool.c_proj.in_features
        visual.attnpool.c_proj = nn.Linear(width, width)
        visual.attnpool.c_proj.weight.data = torch.eye(width)
        visual.attnpool.c_proj.bias.data.zero_()
        outputs["pooled"] = visual(x)
        visual.attnpool.c_proj = projection
    elif getattr(visual, "proj", None) is not None:
        projection, visual.proj = visual.proj, None
        outputs["pooled"] = visual(x)
        visual.proj = projection
    else:
        outputs = {"pooled": outputs["projected"]}
    return outputs


open_clip_row("RN50", "safetensors", "resnet50_clip.openai", config={"quick_gelu": True})
open_clip_row("RN101", "RN101.pt", "RN101", half=True, scheme="OpenAI")
row("timm/resnet50_clip.openai", "timm", "hub", timm_hub("resnet50_clip.openai"))
open_clip_row("ViT-B-32", "bin", "CLIP-ViT-B-32-laion2B-s34B-b79K")
open_clip_row("ViT-B-32-quickgelu", "safetensors", "vit_base_patch32_clip_224.openai")
open_clip_row("ViT-B-16-quickgelu", "ViT-B-16.pt", "ViT-B-16", half=True, scheme="OpenAI")
open_clip_row("ViT-L-14-336", "safetensors", "vit_large_patch14_clip_336.openai", config={"quick_gelu": True}, photos=3)
open_clip_row("ViT-H-14", "safetensors", "CLIP-ViT-H-14-laion2B-s32B-b79K", photos=2)
open_clip_row("ViT-g-14", "bin", "CLIP-ViT-g-14-laion2B-s34B-b88K", photos=2)
open_clip_row("ViT-B-16-SigLIP", "safetensors", "ViT-B-16-SigLIP")
row("vit_base_patch16_clip_224.openai", "timm", "hub", timm_hub("vit_base_patch16_clip_224.openai"))
row("vit_base_patch32_clip_quickgelu_224.openai", "timm", "hub", timm_hub("vit_base_patch32_clip_quickgelu_224.openai"))
row("vit_base_patch16_clip_384.openai_ft_in12k_in1k", "timm", "hub",
    timm_hub("vit_base_patch16_clip_384.openai_ft_in12k_in1k"), 4)
row("vit_large_patch14_clip_224.openai", "timm", "hub", timm_hub("vit_large_patch14_clip_224.openai"), 3)
row("vit_base_patch16_siglip_224.webli", "timm", "hub", timm_hub("vit_base_patch16_siglip_224.webli"))
row("vit_base_patch16_siglip_256.webli", "timm", "hub", timm_hub("vit_base_patch16_siglip_256.webli"), 4)


def clip_processor(size):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return processor(CLIPImageProcessorPil, "CLIPImageProcessor", {"shortest_edge": size}, 3, CLIP, crop=size)


def clip_vision(size, patch, width, layers, heads, embed):
    return {"image_size": size, "patch_size": patch, "hidden_size": width, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": 4 * width, "projection_dim": embed}


def transformers_clip(vision):
    text = {"hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 1, "intermediate_size": 2048}
    return transformers.CLIPModel(transformers.CLIPConfig(
        vision_config=vision, text_config=text, projection_dim=vision["projection_dim"]))


def transformers_clip_run(model, x):
    out = model.vision_model(pixel_values=x)
    return {"pooled": out.pooler_output, "projected": model.visual_projection(out.pooler_output)}


row("openai/clip-vit-base-patch32", "transformers", "hub", transformers_folder(
    lambda: transformers_clip(clip_vision(224, 32, 768, 12, 12, 512)), clip_processor(224), transformers_clip_run))
row("openai/clip-vit-large-patch14-336", "transformers", "hub", transformers_folder(
    lambda: transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(
        **clip_vision(336, 14, 1024, 24, 16, 768))), clip_processor(336), transformers_clip_run), 3)


def siglip_processor(size):
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return processor(SiglipImageProcessorPil, "SiglipImageProcessor", size, 3, HALF)


row("google/siglip-base-patch16-224", "transformers", "hub", transformers_folder(
    lambda: transformers.SiglipModel(transformers.SiglipConfig(
        vision_config={"image_size": 224}, text_config={"num_hidden_layers": 1})),
    siglip_processor(224), lambda m, x: {"pooled": m.vision_model(pixel_values=x).pooler_output}))
