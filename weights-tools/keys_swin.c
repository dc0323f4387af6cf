/* Swin transformers, both versions. timm has a stage begin with the patch merging that the authors have it end with. */
#include "weights-tools/keys.h"

static const struct key_rule shared[] = {
    {"patch_embed.proj.*", "patch_embed.proj.*"},
    {"patch_embed.norm.*", "patch_embed.norm.*"},
    {"layers.{s}.blocks.{b}.norm{k}.*", "layers.{s}.blocks.{b}.norm{k}.*"},
    {"layers.{s}.blocks.{b}.attn.*", "layers.{s}.blocks.{b}.attn.*"}, /* the position tables and v2's q_bias, v_bias */
    {"layers.{s}.blocks.{b}.attn.qkv.*", "layers.{s}.blocks.{b}.attn.qkv.*"},
    {"layers.{s}.blocks.{b}.attn.proj.*", "layers.{s}.blocks.{b}.attn.proj.*"},
    {"layers.{s}.blocks.{b}.attn.cpb_mlp.{k}.*", "layers.{s}.blocks.{b}.attn.cpb_mlp.{k}.*"},
    {"layers.{s}.blocks.{b}.mlp.fc{k}.*", "layers.{s}.blocks.{b}.mlp.fc{k}.*"},
    {"norm.*", "norm.*"},
    {NULL, NULL},
};

static const struct key_rule timm[] = {
    {"layers.1.downsample.**", "layers.1.downsample.**"},
    {"layers.2.downsample.**", "layers.2.downsample.**"},
    {"layers.3.downsample.**", "layers.3.downsample.**"},
    {"head.fc.*", "head.fc.*"},
    {NULL, NULL},
};

/* The authors', which timm used as well before version 0.9, and MiDaS with it. */
static const struct key_rule microsoft[] = {
    {"layers.0.downsample.**", "layers.1.downsample.**"},
    {"layers.1.downsample.**", "layers.2.downsample.**"},
    {"layers.2.downsample.**", "layers.3.downsample.**"},
    {"head.*", "head.fc.*"},
    {NULL, NULL},
};

static const struct key_rule torchvision[] = {
    {"features.0.0.*", "patch_embed.proj.*"},
    {"features.0.2.*", "patch_embed.norm.*"},
    {"features.{f}.norm.*", "layers.{f/2}.downsample.norm.*"},
    {"features.{f}.reduction.*", "layers.{f/2}.downsample.reduction.*"},
    {"features.{f}.{b}.norm{k}.*", "layers.{f/2}.blocks.{b}.norm{k}.*"},
    {"features.{f}.{b}.attn.qkv.*", "layers.{f/2}.blocks.{b}.attn.qkv.*"}, /* v2's has a part for the keys: unused */
    {"features.{f}.{b}.attn.cpb_mlp.{k}.*", "layers.{f/2}.blocks.{b}.attn.cpb_mlp.{k}.*"},
    {"features.{f}.{b}.attn.proj.*", "layers.{f/2}.blocks.{b}.attn.proj.*"},
    {"features.{f}.{b}.attn.*", "layers.{f/2}.blocks.{b}.attn.*"}, /* the position tables and buffers */
    {"features.{f}.{b}.mlp.0.*", "layers.{f/2}.blocks.{b}.mlp.fc1.*"},
    {"features.{f}.{b}.mlp.3.*", "layers.{f/2}.blocks.{b}.mlp.fc2.*"},
    {"norm.*", "norm.*"},
    {"head.*", "head.fc.*"},
    {NULL, NULL},
};

/* Both versions, as their files have it and as version 5 calls the first one's layers in memory. */
static const struct key_rule transformers[] = {
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"embeddings.norm.*", "patch_embed.norm.*"},
    {"encoder.layers.{s}.downsample.**", "layers.{s+1}.downsample.**"},
    {"encoder.layers.{s}.blocks.{b}.layernorm_before.*", "layers.{s}.blocks.{b}.norm1.*"},
    {"encoder.layers.{s}.blocks.{b}.layernorm_after.*", "layers.{s}.blocks.{b}.norm2.*"},
    {"encoder.layers.{s}.blocks.{b}.attention.output.dense.*", "layers.{s}.blocks.{b}.attn.proj.*"},
    {"encoder.layers.{s}.blocks.{b}.intermediate.dense.*", "layers.{s}.blocks.{b}.mlp.fc1.*"},
    {"encoder.layers.{s}.blocks.{b}.output.dense.*", "layers.{s}.blocks.{b}.mlp.fc2.*"},
    {"encoder.layers.{s}.blocks.{b}.attention.o_proj.*", "layers.{s}.blocks.{b}.attn.proj.*"},
    {"encoder.layers.{s}.blocks.{b}.mlp.fc{k}.*", "layers.{s}.blocks.{b}.mlp.fc{k}.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.fc.*"},
    {"pooler.dense.*", "!the pooler, a layer that the pre-trained weights never had"},
    {NULL, NULL},
};

static const struct key_rule transformers_v1[] = {
    {"encoder.layers.{s}.blocks.{b}.attention.self.query.*", "layers.{s}.blocks.{b}.attn.qkv.*#0"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.key.*", "layers.{s}.blocks.{b}.attn.qkv.*#1"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.value.*", "layers.{s}.blocks.{b}.attn.qkv.*#2"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.*", "layers.{s}.blocks.{b}.attn.*"}, /* the position table */
    {"encoder.layers.{s}.blocks.{b}.attention.q_proj.*", "layers.{s}.blocks.{b}.attn.qkv.*#0"},
    {"encoder.layers.{s}.blocks.{b}.attention.k_proj.*", "layers.{s}.blocks.{b}.attn.qkv.*#1"},
    {"encoder.layers.{s}.blocks.{b}.attention.v_proj.*", "layers.{s}.blocks.{b}.attn.qkv.*#2"},
    {"encoder.layers.{s}.blocks.{b}.attention.relative_position_bias.*", "layers.{s}.blocks.{b}.attn.*"},
    {NULL, NULL},
};

/* The key has no bias. */
static const struct key_rule transformers_v2[] = {
    {"encoder.layers.{s}.blocks.{b}.attention.self.query.bias", "layers.{s}.blocks.{b}.attn.q_bias"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.value.bias", "layers.{s}.blocks.{b}.attn.v_bias"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.query.weight", "layers.{s}.blocks.{b}.attn.qkv.weight#0"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.key.weight", "layers.{s}.blocks.{b}.attn.qkv.weight#1"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.value.weight", "layers.{s}.blocks.{b}.attn.qkv.weight#2"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.continuous_position_bias_mlp.{k}.*",
     "layers.{s}.blocks.{b}.attn.cpb_mlp.{k}.*"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.logit_scale", "layers.{s}.blocks.{b}.attn.logit_scale"},
    {"encoder.layers.{s}.blocks.{b}.attention.self.*", "layers.{s}.blocks.{b}.attn.*"}, /* buffers */
    {NULL, NULL},
};

const struct key_scheme keys_swin[] = {
    {.name = "timm", .rules = timm, .more = shared},
    {.name = "microsoft", .rules = microsoft, .more = shared},
    {.name = "torchvision", .rules = torchvision},
    {.name = "transformers", .rules = transformers_v1, .more = transformers, .optional = {"swin."}},
    {.name = "transformers", .rules = transformers_v2, .more = transformers, .optional = {"swinv2."}},
    {.name = NULL},
};
