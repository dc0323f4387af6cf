/* timm's names, which torchvision's ResNets share: the canonical ones. */
#include "weights-tools/keys.h"

static const struct key_rule rules[] = {
    {"conv1.*", "conv1.*"},
    {"bn1.*", "bn1.*"},
    {"layer{s}.{b}.conv{k}.*", "layer{s}.{b}.conv{k}.*"},
    {"layer{s}.{b}.bn{k}.*", "layer{s}.{b}.bn{k}.*"},
    {"layer{s}.{b}.downsample.{k}.*", "layer{s}.{b}.downsample.{k}.*"},
    {"fc.*", "fc.*"},
    {NULL, NULL},
};

const struct key_scheme keys_timm = {"timm", rules};
