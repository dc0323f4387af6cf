/* ConvNeXt and ConvNeXt V2. */
#include "weights-tools/keys.h"

static const struct key_rule timm[] = {
    {"stem.{k}.*", "stem.{k}.*"},
    {"stages.{s}.downsample.{k}.*", "stages.{s}.downsample.{k}.*"},
    {"stages.{s}.blocks.{b}.gamma", "stages.{s}.blocks.{b}.gamma"},
    {"stages.{s}.blocks.{b}.conv_dw.*", "stages.{s}.blocks.{b}.conv_dw.*"},
    {"stages.{s}.blocks.{b}.norm.*", "stages.{s}.blocks.{b}.norm.*"},
    {"stages.{s}.blocks.{b}.mlp.fc{k}.*", "stages.{s}.blocks.{b}.mlp.fc{k}.*"},
    {"stages.{s}.blocks.{b}.mlp.grn.*", "stages.{s}.blocks.{b}.mlp.grn.*"},
    {"norm_pre.*", "norm_pre.*"}, /* where the norm comes before the pooling */
    {"head.norm.*", "head.norm.*"},
    {"head.fc.*", "head.fc.*"},
    {NULL, NULL},
};

/* The image tower of a CLIP, under timm's names inside open_clip's. */
static const struct key_rule open_clip[] = {
    {"visual.trunk.stem.**", "stem.**"},           {"visual.trunk.stages.**", "stages.**"},
    {"visual.trunk.norm_pre.*", "norm_pre.*"},     {"visual.trunk.head.norm.*", "head.norm.*"},
    {"visual.head.proj.weight", "head.fc.weight"}, {"visual.head.mlp.fc1.*", "head.pre_logits.fc.*"},
    {"visual.head.mlp.fc2.*", "head.fc.*"},        {NULL, NULL},
};

/* The authors' (facebookresearch/ConvNeXt, ConvNeXt-V2), VICRegL's. */
static const struct key_rule facebook[] = {
    {"downsample_layers.0.{k}.*", "stem.{k}.*"},
    {"downsample_layers.{s}.{k}.*", "stages.{s}.downsample.{k}.*"},
    {"stages.{s}.{b}.gamma", "stages.{s}.blocks.{b}.gamma"},
    {"stages.{s}.{b}.dwconv.*", "stages.{s}.blocks.{b}.conv_dw.*"},
    {"stages.{s}.{b}.norm.*", "stages.{s}.blocks.{b}.norm.*"},
    {"stages.{s}.{b}.pwconv{k}.*", "stages.{s}.blocks.{b}.mlp.fc{k}.*"},
    {"stages.{s}.{b}.grn.gamma", "stages.{s}.blocks.{b}.mlp.grn.weight"},
    {"stages.{s}.{b}.grn.beta", "stages.{s}.blocks.{b}.mlp.grn.bias"},
    {"norm.*", "head.norm.*"},
    {"head.*", "head.fc.*"},
    {NULL, NULL},
};

static const struct key_rule torchvision[] = {
    {"features.0.{k}.*", "stem.{k}.*"},
    {"features.{f}.{b}.layer_scale", "stages.{f/2}.blocks.{b}.gamma"},
    {"features.{f}.{k}.*", "stages.{f/2}.downsample.{k}.*"},
    {"features.{f}.{b}.block.0.*", "stages.{f/2}.blocks.{b}.conv_dw.*"},
    {"features.{f}.{b}.block.2.*", "stages.{f/2}.blocks.{b}.norm.*"},
    {"features.{f}.{b}.block.3.*", "stages.{f/2}.blocks.{b}.mlp.fc1.*"},
    {"features.{f}.{b}.block.5.*", "stages.{f/2}.blocks.{b}.mlp.fc2.*"},
    {"classifier.0.*", "head.norm.*"},
    {"classifier.2.*", "head.fc.*"},
    {NULL, NULL},
};

static const struct key_rule transformers[] = {
    {"embeddings.patch_embeddings.*", "stem.0.*"},
    {"embeddings.layernorm.*", "stem.1.*"},
    {"encoder.stages.{s}.downsampling_layer.{k}.*", "stages.{s}.downsample.{k}.*"},
    {"encoder.stages.{s}.layers.{b}.layer_scale_parameter", "stages.{s}.blocks.{b}.gamma"},
    {"encoder.stages.{s}.layers.{b}.dwconv.*", "stages.{s}.blocks.{b}.conv_dw.*"},
    {"encoder.stages.{s}.layers.{b}.layernorm.*", "stages.{s}.blocks.{b}.norm.*"},
    {"encoder.stages.{s}.layers.{b}.pwconv{k}.*", "stages.{s}.blocks.{b}.mlp.fc{k}.*"},
    {"encoder.stages.{s}.layers.{b}.grn.*", "stages.{s}.blocks.{b}.mlp.grn.*"},
    {"layernorm.*", "head.norm.*"},
    {"classifier.*", "head.fc.*"},
    {NULL, NULL},
};

const struct key_scheme keys_convnext[] = {
    {.name = "timm", .rules = timm},
    {.name = "open_clip", .rules = open_clip},
    {.name = "facebook", .rules = facebook},
    {.name = "torchvision", .rules = torchvision},
    {.name = "transformers", .rules = transformers, .optional = {"convnext.", "convnextv2."}},
    {.name = NULL},
};
