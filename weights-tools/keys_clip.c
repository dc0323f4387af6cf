/* The image towers of CLIP (vision transformers and modified ResNets) and SigLIP. Where timm calls them as it calls any
 * vision transformer, keys_vit.c knows the names. The text tower is passed over in keys.c. */
#include "weights-tools/keys.h"

/* CLIP's ResNets in timm. */
static const struct key_rule timm_resnet[] = {
    {"stem.conv{k}.conv.*", "stem.conv{k}.conv.*"},
    {"stem.conv{k}.bn.*", "stem.conv{k}.bn.*"},
    {"stages.{s}.{b}.conv1_1x1.**", "stages.{s}.{b}.conv1_1x1.**"},
    {"stages.{s}.{b}.conv2_kxk.**", "stages.{s}.{b}.conv2_kxk.**"},
    {"stages.{s}.{b}.conv3_1x1.**", "stages.{s}.{b}.conv3_1x1.**"},
    {"stages.{s}.{b}.shortcut.conv.conv.*", "stages.{s}.{b}.shortcut.conv.conv.*"},
    {"stages.{s}.{b}.shortcut.conv.bn.*", "stages.{s}.{b}.shortcut.conv.bn.*"},
    {"head.pos_embed", "head.pos_embed"},
    {"head.q.*", "head.q.*"},
    {"head.k.*", "head.k.*"},
    {"head.v.*", "head.v.*"},
    {"head.proj.*", "head.proj.*"},
    {NULL, NULL},
};

/* OpenAI's own files use the same names as open_clip. */
static const struct key_rule open_clip[] = {
    {"visual.class_embedding", "cls_token"},
    {"visual.positional_embedding", "pos_embed"},
    {"visual.conv1.*", "patch_embed.proj.*"},
    {"visual.ln_pre.*", "norm_pre.*"},
    {"visual.transformer.resblocks.{b}.ln_{k}.*", "blocks.{b}.norm{k}.*"},
    {"visual.transformer.resblocks.{b}.attn.in_proj_weight", "blocks.{b}.attn.qkv.weight"},
    {"visual.transformer.resblocks.{b}.attn.in_proj_bias", "blocks.{b}.attn.qkv.bias"},
    {"visual.transformer.resblocks.{b}.attn.out_proj.*", "blocks.{b}.attn.proj.*"},
    {"visual.transformer.resblocks.{b}.mlp.c_fc.*", "blocks.{b}.mlp.fc1.*"},
    {"visual.transformer.resblocks.{b}.mlp.c_proj.*", "blocks.{b}.mlp.fc2.*"},
    {"visual.transformer.resblocks.{b}.ls_{k}.gamma", "blocks.{b}.ls{k}.gamma"},
    {"visual.ln_post.*", "norm.*"},
    {"visual.proj", "head.weight^T"},
    {NULL, NULL},
};

static const struct key_rule open_clip_resnet[] = {
    {"visual.conv{k}.*", "stem.conv{k}.conv.*"},
    {"visual.bn{k}.*", "stem.conv{k}.bn.*"},
    {"visual.layer{s}.{b}.conv1.*", "stages.{s-1}.{b}.conv1_1x1.conv.*"},
    {"visual.layer{s}.{b}.bn1.*", "stages.{s-1}.{b}.conv1_1x1.bn.*"},
    {"visual.layer{s}.{b}.conv2.*", "stages.{s-1}.{b}.conv2_kxk.conv.*"},
    {"visual.layer{s}.{b}.bn2.*", "stages.{s-1}.{b}.conv2_kxk.bn.*"},
    {"visual.layer{s}.{b}.conv3.*", "stages.{s-1}.{b}.conv3_1x1.conv.*"},
    {"visual.layer{s}.{b}.bn3.*", "stages.{s-1}.{b}.conv3_1x1.bn.*"},
    {"visual.layer{s}.{b}.downsample.0.*", "stages.{s-1}.{b}.shortcut.conv.conv.*"},
    {"visual.layer{s}.{b}.downsample.1.*", "stages.{s-1}.{b}.shortcut.conv.bn.*"},
    {"visual.attnpool.positional_embedding", "head.pos_embed"},
    {"visual.attnpool.q_proj.*", "head.q.*"},
    {"visual.attnpool.k_proj.*", "head.k.*"},
    {"visual.attnpool.v_proj.*", "head.v.*"},
    {"visual.attnpool.c_proj.*", "head.proj.*"},
    {NULL, NULL},
};

static const struct key_rule transformers[] = {
    {"embeddings.class_embedding", "cls_token"},
    {"embeddings.position_embedding.weight", "pos_embed"},
    {"embeddings.position_ids", "!positions counted from 0"},
    {"embeddings.patch_embedding.*", "patch_embed.proj.*"},
    {"pre_layrnorm.*", "norm_pre.*"},
    {"encoder.layers.{b}.layer_norm{k}.*", "blocks.{b}.norm{k}.*"},
    {"encoder.layers.{b}.self_attn.q_proj.*", "blocks.{b}.attn.qkv.*#0"},
    {"encoder.layers.{b}.self_attn.k_proj.*", "blocks.{b}.attn.qkv.*#1"},
    {"encoder.layers.{b}.self_attn.v_proj.*", "blocks.{b}.attn.qkv.*#2"},
    {"encoder.layers.{b}.self_attn.out_proj.*", "blocks.{b}.attn.proj.*"},
    {"encoder.layers.{b}.mlp.fc{k}.*", "blocks.{b}.mlp.fc{k}.*"},
    {"post_layernorm.*", "norm.*"},
    {"visual_projection.weight", "head.weight"},
    {"head.probe", "attn_pool.latent"},
    {"head.attention.in_proj_weight", "attn_pool.qkv.weight"},
    {"head.attention.in_proj_bias", "attn_pool.qkv.bias"},
    {"head.attention.out_proj.*", "attn_pool.proj.*"},
    {"head.layernorm.*", "attn_pool.norm.*"},
    {"head.mlp.fc{k}.*", "attn_pool.mlp.fc{k}.*"},
    {NULL, NULL},
};

const struct key_scheme keys_clip[] = {
    {.name = "timm", .rules = timm_resnet},
    {.name = "open_clip", .rules = open_clip},
    {.name = "open_clip", .rules = open_clip_resnet},
    {.name = "transformers", .rules = transformers, .optional = {"vision_model."}},
    {.name = NULL},
};
