"""Lists of parameter names, each publisher's beside timm's, for tests/test_keys.c.

    python3 make_key_fixtures.py [FOLDER]          (default: tests/fixtures/keys)

FOLDER/SCHEME-MODEL.txt holds a line "SOURCE CANONICAL" a tensor, "SOURCE !" for one that inference does not need.
Every model is the publisher's own code with few blocks; transformers' are given as its save_pretrained() names them in a file
and, where that differs, as in memory. The names of facebook's and Microsoft's repositories, which are no packages, are
timm's turned back by hand, and timm's checkpoint_filter_fn must turn them into its own again. For every list the
canonical names, parts put together and transposes undone, must be exactly the names and the shapes of timm's model.

Needs torch==2.15.0, timm==1.0.31, torchvision==0.29.2, transformers==5.24.0, open_clip_torch==3.3.0,
safetensors==0.8.0.
"""
import os
import re
import sys
import tempfile

import open_clip
import timm
import torch
import torchvision
import transformers
from safetensors import safe_open
from timm.models import byobnet, convnext, eva, swin_transformer, swin_transformer_v2, vision_transformer

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../fixtures/keys")
UNUSED = re.compile(r"num_batches_tracked|relative_position_index|relative_coords_table|attn_mask|mask_token|decoder"
                    r"|^text|^transformer|^token_emb|^positional_emb|^ln_final|^logit_|pooler|bias_mask|^rope"
                    r"|^local_cls_norm|position_ids|^scratch|^pre_logits|^input_res|^context_l|^vocab_s")
# Left out of the lists, which are long enough: what behaves as its weight does in blocks and stages behind the first.
REPEATED = re.compile(r"(\.[1-9]\d*\.|layer[2-9]|layer_[1-9]).*(bias|running_mean|running_var|num_batches_tracked)$")
# One tensor where timm has several: a bias with a part for the keys that counts as 0, the query beside keys and values.
FUSED = dict(may_lack="attn.[qv]_bias", may_add="attn.qkv.bias")
POOL = dict(may_lack="attn_pool.(q|kv)\\.", may_add="attn_pool.qkv")
SMALL = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96, image_size=32,
             patch_size=16)


def shapes(model):
    return {k: tuple(v.shape) for k, v in model.state_dict().items()}


def timm_model(name, **kwargs):
    return timm.create_model(name, pretrained=False, **kwargs)


def saved(model):
    """Names and shapes as save_pretrained() writes them."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
            return {k: tuple(f.get_slice(k).get_shape()) for k in f.keys()}


def whole(renamed):
    """{canonical name: shape without axes of length 1} of {canonical name with parts and transposes: shape}."""
    result = {}
    for name, shape in sorted(renamed.items()):
        base, transposed = re.sub(r"\^T$", "", name), name.endswith("^T")
        base, _, part = base.partition("#")
        shape = tuple(reversed(shape)) if transposed else shape
        if part and part != "0":
            assert result[base][1:] == shape[1:], name
            result[base] = (result[base][0] + shape[0],) + tuple(shape[1:])
        else:
            assert base not in result, name
            result[base] = shape
    return {k: tuple(n for n in s if n != 1) for k, s in result.items()}


def write(scheme, label, source, target, rename, may_lack=None, may_add=None):
    """source, target: {name: shape}; rename: a source name's canonical form."""
    lines, renamed = [], {}
    for name, shape in source.items():
        if UNUSED.search(name):
            lines.append(f"{name} !")
            continue
        canonical = rename(name)
        assert canonical not in renamed, (label, canonical)
        renamed[canonical] = shape
        lines.append(f"{name} {canonical}")
    ours, theirs = whole(renamed), whole({k: s for k, s in target.items() if not UNUSED.search(k)})
    lacking = [k for k in theirs if k not in ours and not (may_lack and re.search(may_lack, k))]
    added = [k for k in ours if k not in theirs and not (may_add and re.search(may_add, k))]
    assert not lacking and not added, (label, "lacks", lacking, "adds", added)
    for k in ours.keys() & theirs.keys():
        assert ours[k] == theirs[k], (label, k, ours[k], theirs[k])
    with open(os.path.join(FOLDER, f"{scheme}-{label}.txt"), "w") as f:
        f.write("".join(line + "\n" for line in lines if not REPEATED.search(line.split(" ")[0])))
    print(f"{scheme}-{label}: {len(lines)} names")


def by_rules(*rules):
    def rename(name):
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name
    return rename


def by_filter(source, model, filter_fn):
    """Which name timm's own filter gives each tensor: tensors are told apart by their values."""
    tensors = {k: torch.full(s, float(i + 1)) for i, (k, s) in enumerate(source.items())}
    found = {}
    for name, value in filter_fn(dict(tensors), model).items():
        index = int(value.flatten()[0])
        if index > 0:  # an added bias is 0
            before, after = tuple(list(source.values())[index - 1]), tuple(value.shape)
            turned = len(before) == 2 and before == tuple(reversed(after)) != after
            found[list(source)[index - 1]] = name + ("^T" if turned else "")
    return found.__getitem__


def turned_back(model, *rules):
    """The names that a publisher uses, from timm's."""
    return {by_rules(*rules)(k): s for k, s in shapes(model).items()}


def timm_models():
    plain = dict(depth=2, embed_dim=48, num_heads=2)
    one = dict(depths=(1, 1, 1, 1))
    for name, kwargs in [
            ("resnet50", dict(layers=[1, 1, 1, 1])), ("resnet50d", dict(layers=[1, 1, 1, 1])),
            ("resnet18", dict(layers=[1, 1, 1, 1])),
            ("convnext_tiny", one), ("convnextv2_atto", one),
            ("vit_tiny_patch16_224", plain), ("vit_base_patch32_clip_224", plain),
            ("vit_base_patch16_siglip_224", plain), ("deit_tiny_distilled_patch16_224", plain),
            ("deit3_small_patch16_224", plain), ("vit_small_patch14_reg4_dinov2", plain),
            ("vit_giant_patch14_dinov2", plain), ("vit_small_patch16_dinov3", plain),
            ("vit_small_plus_patch16_dinov3", plain), ("vit_small_patch16_dinov3_qkvb", plain),
            ("swin_tiny_patch4_window7_224", one), ("swinv2_tiny_window8_256", one)]:
        source = shapes(timm_model(name, **kwargs))
        write("timm", name, source, source, by_rules())
    first = {k: s for k, s in shapes(timm_model("resnet50_clip")).items() if not re.search(r"^stages\.\d\.[1-9]", k)}
    write("timm", "resnet50_clip", first, first, by_rules())
    old = shapes(timm_model("vit_tiny_patch16_224", **plain))
    write("timm-old", "vit", {"pre_logits.fc.weight": (48, 48), "pre_logits.fc.bias": (48,), **old}, old,
          by_rules())


def torchvision_models():
    model = torchvision.models.VisionTransformer(32, 16, 2, 2, 48, 96)
    target = shapes(timm_model("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=48, num_heads=2, mlp_ratio=2))
    rules = [(r"encoder\.layers\.encoder_layer_", "blocks."), (r"ln_(\d)", r"norm\1"), (r"encoder\.ln", "norm"),
             (r"self_attention\.in_proj_", "attn.qkv."), (r"self_attention\.out_proj", "attn.proj"),
             (r"mlp\.0", "mlp.fc1"), (r"mlp\.3", "mlp.fc2"), (r"mlp\.linear_", "mlp.fc"), ("class_token", "cls_token"),
             ("conv_proj", "patch_embed.proj"), ("encoder.pos_embedding", "pos_embed"), ("heads.head", "head")]
    write("torchvision", "vit", shapes(model), target, by_rules(*rules))
    old = {re.sub(r"mlp\.0", "mlp.linear_1", re.sub(r"mlp\.3", "mlp.linear_2", k)): s for k, s in shapes(model).items()}
    write("torchvision", "vit-files", old, target, by_rules(*rules))

    setting = torchvision.models.convnext.CNBlockConfig
    model = torchvision.models.ConvNeXt([setting(16, 32, 1), setting(32, 64, 1), setting(64, 128, 1),
                                         setting(128, None, 1)])
    half = lambda m: f"stages.{int(m.group(1)) // 2}.{'downsample' if int(m.group(1)) % 2 == 0 else 'blocks'}."
    target = shapes(timm_model("convnext_tiny", depths=(1, 1, 1, 1), dims=(16, 32, 64, 128)))
    write("torchvision", "convnext", shapes(model), target, by_rules(
        (r"^features\.0\.", "stem."), (r"^features\.(\d)\.", half), (r"layer_scale", "gamma"), (r"block\.0", "conv_dw"),
        (r"block\.2", "norm"), (r"block\.3", "mlp.fc1"), (r"block\.5", "mlp.fc2"), (r"classifier\.0", "head.norm"),
        (r"classifier\.2", "head.fc")))

    half = lambda m: f"layers.{int(m.group(1)) // 2}.{'downsample' if int(m.group(1)) % 2 == 0 else 'blocks'}."
    rules = [(r"^features\.0\.0\.", "patch_embed.proj."), (r"^features\.0\.2\.", "patch_embed.norm."),
             (r"^features\.(\d)\.", half), (r"mlp\.0", "mlp.fc1"), (r"mlp\.3", "mlp.fc2"), (r"^head\.", "head.fc.")]
    kwargs = dict(patch_size=[4, 4], embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=[7, 7])
    few = dict(embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    write("torchvision", "swin", shapes(torchvision.models.SwinTransformer(**kwargs)),
          shapes(timm_model("swin_tiny_patch4_window7_224", **few)), by_rules(*rules))
    v2 = torchvision.models.swin_transformer
    write("torchvision", "swinv2",
          shapes(torchvision.models.SwinTransformer(**kwargs, block=v2.SwinTransformerBlockV2,
                                                    downsample_layer=v2.PatchMergingV2)),
          shapes(timm_model("swinv2_tiny_window8_256", **few)), by_rules(
              (r"cpb_mlp\.", "cpb_mlp_"), *rules, (r"cpb_mlp_", "cpb_mlp.")), **FUSED)


QKV = [(r"attention\.self\.", "attention."), (r"attention\.attention\.", "attention."),
       (r"attention\.(?:query|q_proj)\.(\w+)", r"attn.qkv.\1#0"), (r"attention\.(?:key|k_proj)\.(\w+)", r"attn.qkv.\1#1"),
       (r"attention\.(?:value|v_proj)\.(\w+)", r"attn.qkv.\1#2"), (r"attention\.(?:output\.dense|o_proj)", "attn.proj"),
       (r"intermediate\.dense", "mlp.fc1"), (r"output\.dense", "mlp.fc2"), (r"layernorm_before", "norm1"),
       (r"layernorm_after", "norm2"), (r"layer_scale(\d)\.lambda1", r"ls\1.gamma")]
EMBEDDINGS = [(r"^(vit|deit|dinov2|dinov2_with_registers|swin|swinv2|convnext|convnextv2|vision_model|resnet)\.", ""),
              (r"^embeddings\.cls_token", "cls_token"), (r"^embeddings\.distillation_token", "dist_token"),
              (r"^embeddings\.register_tokens", "reg_token"), (r"^embeddings\.position_embeddings", "pos_embed"),
              (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
              (r"^distillation_classifier", "head_dist"), (r"^(cls_)?classifier\.", "head.")]


def transformers_vits():
    def both(label, model, target, *rules, **kwargs):
        write("transformers", label, saved(model), target, by_rules(*EMBEDDINGS, *QKV, *rules), **kwargs)
        if saved(model).keys() != shapes(model).keys():
            write("transformers", label + "-memory", shapes(model), target, by_rules(*EMBEDDINGS, *QKV, *rules), **kwargs)

    few = dict(img_size=32, depth=2, embed_dim=48, num_heads=2, mlp_ratio=2, num_classes=2)
    blocks = [(r"^(encoder\.layer|layers|model\.layer|layer)\.", "blocks."), (r"^layernorm\.", "norm.")]
    t = transformers
    plain = shapes(timm_model("vit_tiny_patch16_224", **few))
    both("vit", t.ViTForImageClassification(t.ViTConfig(**SMALL)), plain, *blocks)
    both("vit-bare", t.ViTModel(t.ViTConfig(**SMALL)), plain, *blocks, may_lack="^head")
    both("deit", t.DeiTForImageClassificationWithTeacher(t.DeiTConfig(**SMALL)),
         shapes(timm_model("deit_tiny_distilled_patch16_224", **few)), *blocks)
    both("vit_mae", t.ViTMAEForPreTraining(t.ViTMAEConfig(decoder_num_hidden_layers=1, decoder_hidden_size=32,
                                                          decoder_num_attention_heads=2, **SMALL)),
         plain, *blocks, may_lack="^head")
    small2 = {**SMALL, "mlp_ratio": 2}
    both("dinov2", t.Dinov2Model(t.Dinov2Config(**small2)),
         shapes(timm_model("vit_small_patch14_dinov2", patch_size=16, **few)), *blocks, may_lack="^head")
    both("dinov2_with_registers", t.Dinov2WithRegistersForImageClassification(t.Dinov2WithRegistersConfig(**small2)),
         {**shapes(timm_model("vit_small_patch14_reg4_dinov2", patch_size=16, **{**few, "num_classes": 0})),
          "pos_embed": (1, 5, 48)},  # timm added the class token's position to the token
         *blocks, may_add="^head")
    hidden = saved(t.Dinov2Model(t.Dinov2Config(use_swiglu_ffn=True, **small2)))["encoder.layer.0.mlp.weights_in.weight"][0]
    both("dinov2-giant", t.Dinov2Model(t.Dinov2Config(use_swiglu_ffn=True, **small2)),
         shapes(timm_model("vit_giant_patch14_dinov2", patch_size=16, **{**few, "mlp_ratio": hidden / 48})), *blocks,
         (r"weights_in", "fc1"), (r"weights_out", "fc2"), (r"mlp\.gate_proj\.(\w+)", r"mlp.fc1.\1#0"),
         (r"mlp\.up_proj\.(\w+)", r"mlp.fc1.\1#1"), (r"mlp\.down_proj", "mlp.fc2"), may_lack="^head")
    dinov3 = [(r"^embeddings\.patch_embeddings", "patch_embed.proj"), (r"ls(\d)\.gamma", r"gamma_\1"),
              (r"qkv\.bias#0", "q_bias"), (r"qkv\.bias#2", "v_bias"), (r"mlp\.down_proj", "mlp.fc2")]
    small3 = {**SMALL, "num_register_tokens": 4}
    few = dict(depth=2, embed_dim=48, num_heads=2, mlp_ratio=2)
    both("dinov3", t.DINOv3ViTModel(t.DINOv3ViTConfig(**small3)),
         shapes(timm_model("vit_small_patch16_dinov3_qkvb", **few)), *blocks, *dinov3, (r"mlp\.up_proj", "mlp.fc1"))
    both("dinov3-plus", t.DINOv3ViTModel(t.DINOv3ViTConfig(use_gated_mlp=True, **small3)),
         shapes(timm_model("vit_small_plus_patch16_dinov3", qkv_bias=True, **few)), *blocks, *dinov3,
         (r"mlp\.gate_proj", "mlp.fc1_g"), (r"mlp\.up_proj", "mlp.fc1_x"), may_add="attn.[qv]_bias",
         may_lack="attn.[qv]_bias")


def transformers_others():
    t = transformers
    kwargs = dict(depths=[1, 1, 1, 1], num_channels=3)
    rules = EMBEDDINGS + [
        (r"^embeddings\.patch_embeddings", "stem.0"), (r"^embeddings\.layernorm", "stem.1"),
        (r"^encoder\.stages\.(\d)\.layers", r"stages.\1.blocks"), (r"^encoder\.", ""), (r"downsampling_layer", "downsample"),
        (r"layer_scale_parameter", "gamma"), (r"dwconv", "conv_dw"), (r"pwconv", "mlp.fc"), (r"\.grn", ".mlp.grn"),
        (r"(blocks\.\d+)\.layernorm", r"\1.norm"), (r"^layernorm\.", "head.norm."), (r"^head\.(\w+)$", r"head.fc.\1")]
    few = dict(depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), num_classes=2)
    for label, model, name in [("convnext", t.ConvNextForImageClassification(
            t.ConvNextConfig(hidden_sizes=[16, 32, 64, 128], **kwargs)), "convnext_tiny"),
                               ("convnextv2", t.ConvNextV2ForImageClassification(
            t.ConvNextV2Config(hidden_sizes=[16, 32, 64, 128], **kwargs)), "convnextv2_tiny")]:
        write("transformers", label, saved(model), shapes(timm_model(name, **few)), by_rules(*rules))

    swin = dict(embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2])
    few = dict(embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), num_classes=2)
    later = lambda m: f"layers.{int(m.group(1)) + 1}.downsample"
    rules = EMBEDDINGS + QKV + [
        (r"^embeddings\.norm", "patch_embed.norm"), (r"^encoder\.", ""), (r"layers\.(\d)\.downsample", later),
        (r"attention\.(relative_position_bias\.)?relative", "attn.relative"), (r"^layernorm\.", "norm."),
        (r"^head\.(\w+)$", r"head.fc.\1")]
    target = shapes(timm_model("swin_tiny_patch4_window7_224", **few))
    model = t.SwinForImageClassification(t.SwinConfig(window_size=7, image_size=224, **swin))
    write("transformers", "swin", saved(model), target, by_rules(*rules))
    write("transformers", "swin-memory", shapes(model), target, by_rules(*rules))
    model = t.Swinv2ForImageClassification(t.Swinv2Config(window_size=8, image_size=256, **swin))
    write("transformers", "swinv2", saved(model), shapes(timm_model("swinv2_tiny_window8_256", **few)),
          by_rules(*rules, (r"qkv\.bias#0", "q_bias"), (r"qkv\.bias#2", "v_bias"),
                   (r"attention\.continuous_position_bias_mlp", "attn.cpb_mlp"),
                   (r"attention\.logit_scale", "attn.logit_scale")))

    model = t.ResNetForImageClassification(t.ResNetConfig(depths=[1, 1, 1, 1]))
    up = lambda m: f"layer{int(m.group(1)) + 1}."
    layer = lambda m: f"{'conv' if m.group(2)[0] == 'c' else 'bn'}{int(m.group(1)) + 1}"
    write("transformers", "resnet", saved(model), shapes(timm_model("resnet50", layers=[1, 1, 1, 1], num_classes=2)),
          by_rules(*EMBEDDINGS, (r"embedder\.embedder\.convolution", "conv1"),
                   (r"embedder\.embedder\.normalization", "bn1"), (r"encoder\.stages\.(\d)\.layers\.", up),
                   (r"layer\.(\d)\.(convolution|normalization)", layer), (r"shortcut\.convolution", "downsample.0"),
                   (r"shortcut\.normalization", "downsample.1"), (r"^head\.1", "fc")))

    tower = {**SMALL, "projection_dim": 40}
    rules = [(r"^vision_model\.", ""), (r"^embeddings\.class_embedding", "cls_token"),
             (r"^embeddings\.position_embedding\.weight", "pos_embed"),
             (r"^embeddings\.patch_embedding", "patch_embed.proj"), (r"^pre_layrnorm", "norm_pre"),
             (r"^encoder\.layers", "blocks"), (r"layer_norm(\d)", r"norm\1"), (r"self_attn\.out_proj", "attn.proj"),
             (r"self_attn\.q_proj\.(\w+)", r"attn.qkv.\1#0"), (r"self_attn\.k_proj\.(\w+)", r"attn.qkv.\1#1"),
             (r"self_attn\.v_proj\.(\w+)", r"attn.qkv.\1#2"), (r"^post_layernorm", "norm"),
             (r"^visual_projection", "head"), (r"^head\.probe", "attn_pool.latent"),
             (r"^head\.attention\.in_proj_", "attn_pool.qkv."), (r"^head\.attention\.out_proj", "attn_pool.proj"),
             (r"^head\.layernorm", "attn_pool.norm"), (r"^head\.mlp", "attn_pool.mlp")]
    text = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, vocab_size=10,
                bos_token_id=0, eos_token_id=1, pad_token_id=2)
    few = dict(img_size=32, depth=2, embed_dim=48, num_heads=2, mlp_ratio=2)
    clip = shapes(timm_model("vit_base_patch32_clip_224", patch_size=16, num_classes=40, **few))
    model = t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=SMALL, projection_dim=40))
    write("transformers", "clip", {**saved(model), "vision_model.embeddings.position_ids": (1, 5)}, clip,
          by_rules(*rules), may_lack="head.bias")
    write("transformers", "clip-vision", saved(t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(**tower))), clip,
          by_rules(*rules), may_lack="head.bias")
    write("transformers", "clip-bare", saved(t.CLIPVisionModel(t.CLIPVisionConfig(**SMALL))), clip,
          by_rules(*rules), may_lack="head")
    siglip = shapes(timm_model("vit_base_patch16_siglip_224", **few))
    model = t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=SMALL))
    write("transformers", "siglip", saved(model), siglip, by_rules(*rules), **POOL)
    write("transformers", "siglip-bare", saved(t.SiglipVisionModel(t.SiglipVisionConfig(**SMALL))), siglip,
          by_rules(*rules), **POOL)


def open_clip_models():
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
    text = CLIPTextCfg(context_length=8, vocab_size=10, width=32, heads=2, layers=1)

    def source(**vision):
        return shapes(CLIP(40, CLIPVisionCfg(**vision), text))

    names = source(layers=2, width=48, head_width=24, patch_size=16, image_size=32)
    model = timm_model("vit_base_patch32_clip_224", img_size=32, patch_size=16, depth=2, embed_dim=48, num_heads=2,
                       num_classes=40)
    write("open_clip", "vit", names, shapes(model), by_filter(names, model, vision_transformer.checkpoint_filter_fn),
          may_lack="head.bias")
    openai = {**names, "input_resolution": (), "context_length": (), "vocab_size": ()}
    write("open_clip", "openai", openai, shapes(model), by_filter(names, model, vision_transformer.checkpoint_filter_fn),
          may_lack="head.bias")

    names = source(layers=[1, 1, 1, 1], width=64, image_size=224)
    model = timm_model("resnet50_clip", num_classes=40)
    first = {k: s for k, s in shapes(model).items() if not re.search(r"^stages\.\d\.[1-9]", k)}
    write("open_clip", "resnet", names, first, by_filter(names, model, byobnet.checkpoint_filter_fn))

    def trunk(model, scheme_head):
        return {**{f"visual.trunk.{k}": s for k, s in shapes(model).items()}, **scheme_head,
                "text.positional_embedding": (8, 32), "text.transformer.resblocks.0.ln_1.weight": (32,),
                "text.token_embedding.weight": (10, 32), "logit_scale": (), "logit_bias": ()}

    bare = timm_model("convnext_tiny", depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), num_classes=0)
    model = timm_model("convnext_tiny", depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), num_classes=40)
    names = trunk(bare, {"visual.head.proj.weight": (40, 128)})
    write("open_clip", "convnext", names, shapes(model), by_filter(names, model, convnext.checkpoint_filter_fn),
          may_lack="head.fc.bias")
    model = timm_model("vit_base_patch16_siglip_224", depth=2, embed_dim=48, num_heads=2)
    names = trunk(model, {})
    write("open_clip", "siglip", names, shapes(model), by_filter(names, model, vision_transformer.checkpoint_filter_fn))


def facebook_models():
    vit = vision_transformer.checkpoint_filter_fn
    few = dict(depth=2, embed_dim=48, num_heads=2)
    stages = dict(depths=(1, 1, 1, 1), dims=(16, 32, 64, 128))
    back = [(r"^stem\.", "downsample_layers.0."), (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"^(stages\.\d)\.blocks", r"\1"), ("conv_dw", "dwconv"), (r"mlp\.fc", "pwconv"),
            (r"mlp\.grn\.weight", "grn.gamma"), (r"mlp\.grn\.bias", "grn.beta"), (r"^head\.norm", "norm"),
            (r"^head\.fc", "head")]
    for label, name in [("convnext", "convnext_tiny"), ("convnextv2", "convnextv2_tiny")]:
        model = timm_model(name, **stages)
        names = turned_back(model, *back)
        write("facebook", label, names, shapes(model), by_filter(names, model, convnext.checkpoint_filter_fn))

    model = timm_model("vit_small_patch14_reg4_dinov2", **few)
    names = {**turned_back(model, ("reg_token", "register_tokens")), "mask_token": (1, 48), "pos_embed": (1, 1370, 48)}
    write("facebook", "dinov2_reg4", names, {**shapes(model), "pos_embed": (1, 1370, 48)},
          by_rules(("register_tokens", "reg_token")))
    model = timm_model("vit_giant_patch14_dinov2", **few)
    names = {**turned_back(model, (r"mlp\.fc1", "mlp.w12"), (r"mlp\.fc2", "mlp.w3")), "mask_token": (1, 48)}
    write("facebook", "dinov2_giant", names, shapes(model), by_filter(names, model, vit))
    model = timm_model("deit3_small_patch16_224", **few)
    names = turned_back(model, (r"ls(\d)\.gamma", r"gamma_\1"))
    write("facebook", "deit3", names, shapes(model),
          by_filter(names, model, lambda sd, m: vit(sd, m, adapt_layer_scale=True)))
    model = timm_model("vit_tiny_patch16_224", **few)
    decoder = {"mask_token": (1, 1, 32), "decoder_pos_embed": (1, 197, 32), "decoder_embed.weight": (32, 48),
               "decoder_blocks.0.attn.qkv.weight": (96, 32), "decoder_norm.bias": (32,), "decoder_pred.weight": (768, 32)}
    names = {**{k: s for k, s in shapes(model).items() if not k.startswith("head")}, **decoder}
    write("facebook", "mae", names, shapes(model), by_rules(), may_lack="^head")
    for label, name, mlp in [("dinov3", "vit_small_patch16_dinov3_qkvb", []),
                             ("dinov3_plus", "vit_small_plus_patch16_dinov3",
                              [(r"mlp\.fc1_g", "mlp.w1"), (r"mlp\.fc1_x", "mlp.w2"), (r"mlp\.fc2", "mlp.w3")])]:
        model = timm_model(name, **few)
        names = {k: s for k, s in turned_back(model, ("reg_token", "storage_tokens"), (r"gamma_(\d)", r"ls\1.gamma"),
                                              *mlp).items() if not k.endswith(("q_bias", "v_bias"))}
        unused = {"mask_token": (1, 48), "rope_embed.periods": (6,), "blocks.0.attn.qkv.bias_mask": (144,)}
        known = by_filter({**names, **unused}, model, eva.checkpoint_filter_fn)
        write("facebook", label, {**names, **unused, "blocks.0.attn.qkv.bias": (144,)}, shapes(model),
              lambda k: k if k.endswith("qkv.bias") else known(k), **FUSED)


def microsoft_models():
    few = dict(embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    earlier = lambda m: f"layers.{int(m.group(1)) - 1}.downsample"
    for label, name, module in [("swin", "swin_tiny_patch4_window7_224", swin_transformer),
                                ("swinv2", "swinv2_tiny_window8_256", swin_transformer_v2)]:
        model = timm_model(name, **few)
        names = turned_back(model, (r"layers\.(\d)\.downsample", earlier), (r"^head\.fc", "head"))
        buffers = {"layers.0.blocks.0.attn.relative_position_index": (49, 49), "layers.0.blocks.0.attn_mask": (64, 49, 49),
                   "layers.0.blocks.0.attn.relative_coords_table": (1, 15, 15, 2)}
        known = by_filter(names, model, module.checkpoint_filter_fn)
        write("microsoft", label, {**names, **buffers}, shapes(model), known)
        midas = {"pretrained.model." + k: s for k, s in names.items()}
        midas["scratch.layer1_rn.weight"] = (8, 16, 3, 3)
        write("microsoft", label + "-midas", midas, shapes(model), lambda k: known(k.removeprefix("pretrained.model.")))


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    os.makedirs(FOLDER, exist_ok=True)
    timm_models()
    torchvision_models()
    transformers_vits()
    transformers_others()
    open_clip_models()
    facebook_models()
    microsoft_models()
