/* Vision transformers. DeiT, DINO, MAE and MoCo v3 publish what timm calls by the same names. */
#include "weights-tools/keys.h"

static const struct key_rule timm[] = {
    {"cls_token", "cls_token"},
    {"dist_token", "dist_token"},
    {"reg_token", "reg_token"},
    {"pos_embed", "pos_embed"},
    {"patch_embed.proj.*", "patch_embed.proj.*"},
    {"norm_pre.*", "norm_pre.*"},
    {"blocks.{b}.norm{k}.*", "blocks.{b}.norm{k}.*"},
    {"blocks.{b}.attn.qkv.weight", "blocks.{b}.attn.qkv.weight"},
    {"blocks.{b}.attn.qkv.bias", "blocks.{b}.attn.qkv.bias"},
    {"blocks.{b}.attn.proj.*", "blocks.{b}.attn.proj.*"},
    {"blocks.{b}.ls{k}.gamma", "blocks.{b}.ls{k}.gamma"},
    {"blocks.{b}.mlp.fc{k}.*", "blocks.{b}.mlp.fc{k}.*"},
    {"norm.*", "norm.*"},
    {"fc_norm.*", "fc_norm.*"},
    {"attn_pool.latent", "attn_pool.latent"},
    {"attn_pool.q.*", "attn_pool.q.*"},
    {"attn_pool.kv.*", "attn_pool.kv.*"},
    {"attn_pool.proj.*", "attn_pool.proj.*"},
    {"attn_pool.norm.*", "attn_pool.norm.*"},
    {"attn_pool.mlp.fc{k}.*", "attn_pool.mlp.fc{k}.*"},
    {"head.*", "head.*"},
    {"head_dist.*", "head_dist.*"},
    {NULL, NULL},
};

/* The first conversions of the ImageNet-21k weights kept the layer before their classifier, which timm later dropped:
 * the classifiers that were fine-tuned do without it. */
static const struct key_rule timm_old[] = {
    {"pre_logits.fc.*", "!the layer before the classifier of the pre-training"},
    {NULL, NULL},
};

/* DINOv3, whose layer scales timm calls otherwise. */
static const struct key_rule timm_dinov3[] = {
    {"cls_token", "cls_token"},
    {"reg_token", "reg_token"},
    {"patch_embed.proj.*", "patch_embed.proj.*"},
    {"blocks.{b}.norm{k}.*", "blocks.{b}.norm{k}.*"},
    {"blocks.{b}.gamma_{k}", "blocks.{b}.gamma_{k}"},
    {"blocks.{b}.attn.qkv.weight", "blocks.{b}.attn.qkv.weight"},
    {"blocks.{b}.attn.q_bias", "blocks.{b}.attn.q_bias"},
    {"blocks.{b}.attn.v_bias", "blocks.{b}.attn.v_bias"},
    {"blocks.{b}.attn.proj.*", "blocks.{b}.attn.proj.*"},
    {"blocks.{b}.mlp.fc{k}.*", "blocks.{b}.mlp.fc{k}.*"},
    {"blocks.{b}.mlp.fc1_g.*", "blocks.{b}.mlp.fc1_g.*"},
    {"blocks.{b}.mlp.fc1_x.*", "blocks.{b}.mlp.fc1_x.*"},
    {"norm.*", "norm.*"},
    {"fc_norm.*", "fc_norm.*"},
    {"head.*", "head.*"},
    {"rope.**", "!rotary frequencies, which the architecture gives"},
    {NULL, NULL},
};

/* The image tower of a CLIP, under timm's names inside open_clip's. */
static const struct key_rule open_clip[] = {
    {"visual.trunk.cls_token", "cls_token"},
    {"visual.trunk.reg_token", "reg_token"},
    {"visual.trunk.pos_embed", "pos_embed"},
    {"visual.trunk.patch_embed.**", "patch_embed.**"},
    {"visual.trunk.norm_pre.*", "norm_pre.*"},
    {"visual.trunk.blocks.**", "blocks.**"},
    {"visual.trunk.norm.*", "norm.*"},
    {"visual.trunk.fc_norm.*", "fc_norm.*"},
    {"visual.trunk.attn_pool.**", "attn_pool.**"},
    {"visual.head.proj.weight", "head.weight"},
    {NULL, NULL},
};

/* Where DeiT III, DINOv2, MAE and MoCo v3 differ from timm. */
static const struct key_rule facebook[] = {
    {"blocks.{b}.gamma_{k}", "blocks.{b}.ls{k}.gamma"},
    {"register_tokens", "reg_token"},
    {"blocks.{b}.mlp.w12.*", "blocks.{b}.mlp.fc1.*"},
    {"blocks.{b}.mlp.w3.*", "blocks.{b}.mlp.fc2.*"},
    {"mask_token", "!the token that stood for masked patches in the pre-training"},
    {"decoder_pos_embed", "!the decoder of the pre-training"},
    {"decoder_embed.*", "!the decoder of the pre-training"},
    {"decoder_blocks.**", "!the decoder of the pre-training"},
    {"decoder_norm.*", "!the decoder of the pre-training"},
    {"decoder_pred.*", "!the decoder of the pre-training"},
    {"head.{k}.*", "!a projector of the pre-training"},
    {NULL, NULL},
};

/* facebookresearch/dinov3. A mask makes the key's part of the bias 0. */
static const struct key_rule facebook_dinov3[] = {
    {"storage_tokens", "reg_token"},
    {"blocks.{b}.ls{k}.gamma", "blocks.{b}.gamma_{k}"},
    {"blocks.{b}.attn.qkv.bias", "blocks.{b}.attn.qkv.bias"},
    {"blocks.{b}.attn.qkv.bias_mask", "!the mask of the key's part of the bias, which is 0"},
    {"blocks.{b}.mlp.w1.*", "blocks.{b}.mlp.fc1_g.*"},
    {"blocks.{b}.mlp.w2.*", "blocks.{b}.mlp.fc1_x.*"},
    {"blocks.{b}.mlp.w3.*", "blocks.{b}.mlp.fc2.*"},
    {"mask_token", "!the token that stood for masked patches in the pre-training"},
    {"local_cls_norm.*", "!the norm of the small crops of the pre-training"},
    {"rope_embed.periods", "!rotary frequencies, which the architecture gives"},
    {NULL, NULL},
};

static const struct key_rule torchvision[] = {
    {"class_token", "cls_token"},
    {"conv_proj.*", "patch_embed.proj.*"},
    {"encoder.pos_embedding", "pos_embed"},
    {"encoder.layers.encoder_layer_{b}.ln_{k}.*", "blocks.{b}.norm{k}.*"},
    {"encoder.layers.encoder_layer_{b}.self_attention.in_proj_weight", "blocks.{b}.attn.qkv.weight"},
    {"encoder.layers.encoder_layer_{b}.self_attention.in_proj_bias", "blocks.{b}.attn.qkv.bias"},
    {"encoder.layers.encoder_layer_{b}.self_attention.out_proj.*", "blocks.{b}.attn.proj.*"},
    {"encoder.layers.encoder_layer_{b}.mlp.0.*", "blocks.{b}.mlp.fc1.*"},
    {"encoder.layers.encoder_layer_{b}.mlp.3.*", "blocks.{b}.mlp.fc2.*"},
    {"encoder.layers.encoder_layer_{b}.mlp.linear_{k}.*", "blocks.{b}.mlp.fc{k}.*"}, /* as the files have it */
    {"encoder.ln.*", "norm.*"},
    {"heads.head.*", "head.*"},
    {NULL, NULL},
};

/* ViT, DeiT and MAE, as their files have it and (without `encoder`) as version 5 calls it in memory. */
static const struct key_rule transformers[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.distillation_token", "dist_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"encoder.layer.{b}.layernorm_before.*", "blocks.{b}.norm1.*"},
    {"encoder.layer.{b}.attention.attention.query.*", "blocks.{b}.attn.qkv.*#0"},
    {"encoder.layer.{b}.attention.attention.key.*", "blocks.{b}.attn.qkv.*#1"},
    {"encoder.layer.{b}.attention.attention.value.*", "blocks.{b}.attn.qkv.*#2"},
    {"encoder.layer.{b}.attention.output.dense.*", "blocks.{b}.attn.proj.*"},
    {"encoder.layer.{b}.layernorm_after.*", "blocks.{b}.norm2.*"},
    {"encoder.layer.{b}.intermediate.dense.*", "blocks.{b}.mlp.fc1.*"},
    {"encoder.layer.{b}.output.dense.*", "blocks.{b}.mlp.fc2.*"},
    {"layers.{b}.layernorm_before.*", "blocks.{b}.norm1.*"},
    {"layers.{b}.attention.q_proj.*", "blocks.{b}.attn.qkv.*#0"},
    {"layers.{b}.attention.k_proj.*", "blocks.{b}.attn.qkv.*#1"},
    {"layers.{b}.attention.v_proj.*", "blocks.{b}.attn.qkv.*#2"},
    {"layers.{b}.attention.o_proj.*", "blocks.{b}.attn.proj.*"},
    {"layers.{b}.layernorm_after.*", "blocks.{b}.norm2.*"},
    {"layers.{b}.mlp.fc{k}.*", "blocks.{b}.mlp.fc{k}.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.*"},
    {"cls_classifier.*", "head.*"},
    {"distillation_classifier.*", "head_dist.*"},
    {"pooler.dense.*", "!the pooler, a layer that the pre-trained weights never had"},
    {NULL, NULL},
};

static const struct key_rule transformers_dinov2[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.mask_token", "!the token that stood for masked patches in the pre-training"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"encoder.layer.{b}.norm{k}.*", "blocks.{b}.norm{k}.*"},
    {"encoder.layer.{b}.attention.attention.query.*", "blocks.{b}.attn.qkv.*#0"},
    {"encoder.layer.{b}.attention.attention.key.*", "blocks.{b}.attn.qkv.*#1"},
    {"encoder.layer.{b}.attention.attention.value.*", "blocks.{b}.attn.qkv.*#2"},
    {"encoder.layer.{b}.attention.output.dense.*", "blocks.{b}.attn.proj.*"},
    {"encoder.layer.{b}.attention.q_proj.*", "blocks.{b}.attn.qkv.*#0"},
    {"encoder.layer.{b}.attention.k_proj.*", "blocks.{b}.attn.qkv.*#1"},
    {"encoder.layer.{b}.attention.v_proj.*", "blocks.{b}.attn.qkv.*#2"},
    {"encoder.layer.{b}.attention.o_proj.*", "blocks.{b}.attn.proj.*"},
    {"encoder.layer.{b}.layer_scale{k}.lambda1", "blocks.{b}.ls{k}.gamma"},
    {"encoder.layer.{b}.mlp.fc{k}.*", "blocks.{b}.mlp.fc{k}.*"},
    {"encoder.layer.{b}.mlp.weights_in.*", "blocks.{b}.mlp.fc1.*"},
    {"encoder.layer.{b}.mlp.weights_out.*", "blocks.{b}.mlp.fc2.*"},
    {"encoder.layer.{b}.mlp.gate_proj.*", "blocks.{b}.mlp.fc1.*#0"},
    {"encoder.layer.{b}.mlp.up_proj.*", "blocks.{b}.mlp.fc1.*#1"},
    {"encoder.layer.{b}.mlp.down_proj.*", "blocks.{b}.mlp.fc2.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.*"},
    {NULL, NULL},
};

/* Without a gate_proj up_proj is the whole first layer. */
static const struct key_rule transformers_dinov3_plain[] = {
    {"layer.{b}.mlp.up_proj.*", "blocks.{b}.mlp.fc1.*"},
    {NULL, NULL},
};

static const struct key_rule transformers_dinov3_gated[] = {
    {"layer.{b}.mlp.gate_proj.*", "blocks.{b}.mlp.fc1_g.*"},
    {"layer.{b}.mlp.up_proj.*", "blocks.{b}.mlp.fc1_x.*"},
    {NULL, NULL},
};

static const struct key_rule transformers_dinov3[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.mask_token", "!the token that stood for masked patches in the pre-training"},
    {"embeddings.patch_embeddings.*", "patch_embed.proj.*"},
    {"layer.{b}.norm{k}.*", "blocks.{b}.norm{k}.*"},
    {"layer.{b}.attention.q_proj.bias", "blocks.{b}.attn.q_bias"},
    {"layer.{b}.attention.v_proj.bias", "blocks.{b}.attn.v_bias"},
    {"layer.{b}.attention.q_proj.weight", "blocks.{b}.attn.qkv.weight#0"},
    {"layer.{b}.attention.k_proj.weight", "blocks.{b}.attn.qkv.weight#1"},
    {"layer.{b}.attention.v_proj.weight", "blocks.{b}.attn.qkv.weight#2"},
    {"layer.{b}.attention.o_proj.*", "blocks.{b}.attn.proj.*"},
    {"layer.{b}.layer_scale{k}.lambda1", "blocks.{b}.gamma_{k}"},
    {"layer.{b}.mlp.down_proj.*", "blocks.{b}.mlp.fc2.*"},
    {"norm.*", "norm.*"},
    {NULL, NULL},
};

const struct key_scheme keys_vit[] = {
    {.name = "timm", .rules = timm},
    {.name = "timm", .rules = timm_dinov3},
    {.name = "timm-old", .rules = timm_old, .more = timm},
    {.name = "open_clip", .rules = open_clip},
    {.name = "facebook", .rules = facebook, .more = timm},
    {.name = "facebook", .rules = facebook_dinov3, .more = timm_dinov3},
    {.name = "torchvision", .rules = torchvision},
    {.name = "transformers", .rules = transformers, .optional = {"vit.", "deit."}},
    {.name = "transformers", .rules = transformers_dinov2, .optional = {"dinov2.", "dinov2_with_registers."}},
    {.name = "transformers", .rules = transformers_dinov3_plain, .more = transformers_dinov3, .optional = {"model."}},
    {.name = "transformers", .rules = transformers_dinov3_gated, .more = transformers_dinov3, .optional = {"model."}},
    {.name = NULL},
};
