"""Names that repositories publish, made from timm's: the inverse of weights-tools/keys_*.c, written independently of them.

Each function takes timm's network and gives {published name: tensor}.
"""
import re

import torch

from random_weights import random_tensor


def renamed(model, rules):
    """Every tensor under the first rule that fits its name, or under its own name."""
    state = {}
    for name, tensor in model.state_dict().items():
        for pattern, published in rules:
            new, count = re.subn(pattern, published, name)
            if count:
                name = new
                break
        state[name] = tensor
    return state


# ---- facebookresearch/ConvNeXt, ConvNeXt-V2, VICRegL ----

CONVNEXT = [
    (r"^stem\.(\d)\.", r"downsample_layers.0.\1."),
    (r"^stages\.(\d)\.downsample\.(\d)\.", r"downsample_layers.\1.\2."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.conv_dw\.", r"stages.\1.\2.dwconv."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc([12])\.", r"stages.\1.\2.pwconv\3."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.mlp\.grn\.weight", r"stages.\1.\2.grn.gamma"),
    (r"^stages\.(\d)\.blocks\.(\d+)\.mlp\.grn\.bias", r"stages.\1.\2.grn.beta"),
    (r"^stages\.(\d)\.blocks\.(\d+)\.", r"stages.\1.\2."),
    (r"^head\.norm\.", r"norm."),
    (r"^head\.fc\.", r"head."),
]


def facebook_convnext(model):
    state = renamed(model, CONVNEXT)
    for name, tensor in state.items():
        if ".grn." in name:
            state[name] = tensor.reshape(1, 1, 1, -1)
        if ".pwconv" in name and tensor.dim() == 4:  # timm holds small ones as 1x1 convolutions
            state[name] = tensor.flatten(1)
    return state


# ---- microsoft/Swin-Transformer, MiDaS ----


def microsoft_swin(model):
    """The merging layer ends a stage instead of beginning the next, and the constant tables are in the file."""
    state = {}
    for name, tensor in model.state_dict().items():
        merging = re.match(r"^layers\.(\d)\.downsample\.(.*)", name)
        if merging:
            name = f"layers.{int(merging[1]) - 1}.downsample.{merging[2]}"
        state[name.replace("head.fc.", "head.")] = tensor
    for name, tensor in model.named_buffers():
        if name.endswith(("relative_position_index", "relative_coords_table", "attn_mask")):
            state[name] = tensor
    return state


def midas_swin(model):
    """The encoder of a depth estimator, and some of the decoder that feeds on it."""
    state = {"pretrained.model." + k: v for k, v in microsoft_swin(model).items()}
    for name, shape in [("scratch.layer1_rn.weight", (64, 96, 3, 3)), ("scratch.refinenet1.out_conv.weight", (64, 64, 1, 1)),
                        ("scratch.refinenet1.resConfUnit1.conv1.weight", (64, 64, 3, 3)),
                        ("scratch.refinenet1.resConfUnit1.conv1.bias", (64,)),
                        ("scratch.output_conv.0.weight", (32, 64, 3, 3)), ("scratch.output_conv.0.bias", (32,))]:
        state[name] = random_tensor(name, shape)
    return state


# ---- facebookresearch/deit: DeiT III ----


def facebook_deit3(model):
    return renamed(model, [(r"\.ls([12])\.gamma$", r".gamma_\1")])


# ---- facebookresearch/dino ----


def dino_head(prefix, width):
    shapes = {"mlp.0.weight": (2048, width), "mlp.0.bias": (2048,), "mlp.2.weight": (2048, 2048), "mlp.2.bias": (2048,),
              "mlp.4.weight": (256, 2048), "mlp.4.bias": (256,), "last_layer.weight_g": (1024, 1),
              "last_layer.weight_v": (1024, 256)}
    return {f"{prefix}head.{n}": random_tensor(n, s) for n, s in shapes.items()}


# ---- facebookresearch/mae ----


def mae_with_decoder(model):
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    width, inner = state["cls_token"].shape[-1], 512
    shapes = {"mask_token": (1, 1, inner), "decoder_pos_embed": state["pos_embed"].shape[:2] + (inner,),
              "decoder_embed.weight": (inner, width), "decoder_embed.bias": (inner,), "decoder_norm.weight": (inner,),
              "decoder_norm.bias": (inner,), "decoder_pred.weight": (768, inner), "decoder_pred.bias": (768,)}
    for i in range(8):
        block = f"decoder_blocks.{i}."
        shapes.update({block + "norm1.weight": (inner,), block + "norm1.bias": (inner,), block + "norm2.weight": (inner,),
                       block + "norm2.bias": (inner,), block + "attn.qkv.weight": (3 * inner, inner),
                       block + "attn.qkv.bias": (3 * inner,), block + "attn.proj.weight": (inner, inner),
                       block + "attn.proj.bias": (inner,), block + "mlp.fc1.weight": (4 * inner, inner),
                       block + "mlp.fc1.bias": (4 * inner,), block + "mlp.fc2.weight": (inner, 4 * inner),
                       block + "mlp.fc2.bias": (inner,)})
    state.update({n: random_tensor(n, s) for n, s in shapes.items()})
    return state


# ---- facebookresearch/moco-v3 ----


def moco_v3_vit(model):
    state = {"module.base_encoder." + k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    width = model.cls_token.shape[-1]
    shapes = {"module.base_encoder.head.0.weight": (4096, width), "module.base_encoder.head.1.weight": (4096,),
              "module.base_encoder.head.1.bias": (4096,), "module.base_encoder.head.1.running_mean": (4096,),
              "module.base_encoder.head.1.running_var": (4096,), "module.base_encoder.head.3.weight": (256, 4096),
              "module.predictor.0.weight": (4096, 256), "module.predictor.3.weight": (256, 4096)}
    momentum = {k.replace("base_encoder", "momentum_encoder"): v * 0.9 for k, v in state.items()}
    return {**state, **momentum, **{n: random_tensor(n, s) for n, s in shapes.items()}}


# ---- facebookresearch/dinov2 ----


def facebook_dinov2(model):
    """The class token has a position; with registers timm added it to the token. SwiGLU's first layers are one."""
    rules = [(r"\.mlp\.fc1\.", r".mlp.w12."), (r"\.mlp\.fc2\.", r".mlp.w3.")] if hasattr(model.blocks[0].mlp, "gate_last") else []
    state = {k: v for k, v in renamed(model, rules).items() if not k.startswith("head.")}
    width = model.cls_token.shape[-1]
    state["mask_token"] = random_tensor("mask_token", (1, width))
    if "reg_token" in state:
        state["register_tokens"] = state.pop("reg_token")
        position = random_tensor("pos_embed", (1, 1, width))
        state["cls_token"] = state["cls_token"] - position
        state["pos_embed"] = torch.cat([position, state["pos_embed"]], 1)
    return state


# ---- facebookresearch/dinov3 ----


def facebook_dinov3(model):
    """Layer scales as modules, one bias for q, k and v whose middle is masked, and the rotary periods in the file."""
    rules = [(r"\.gamma_([12])$", r".ls\1.gamma"), (r"^reg_token$", "storage_tokens"), (r"\.mlp\.fc1_g\.", ".mlp.w1."),
             (r"\.mlp\.fc1_x\.", ".mlp.w2.")]
    if "blocks.0.mlp.fc1_g.weight" in model.state_dict():
        rules.append((r"\.mlp\.fc2\.", ".mlp.w3."))
    state = renamed(model, rules)
    width = model.cls_token.shape[-1]
    for name in [k for k in state if k.endswith(".q_bias")]:
        block = name[: -len("q_bias")]
        q, v = state.pop(name), state.pop(block + "v_bias")
        state[block + "qkv.bias"] = torch.cat([q, torch.zeros(width), v])
        state[block + "qkv.bias_mask"] = torch.cat([torch.ones(width), torch.zeros(width), torch.ones(width)])
    state["mask_token"] = random_tensor("mask_token", (1, width))
    state["rope_embed.periods"] = model.rope.periods.flatten()
    return state
