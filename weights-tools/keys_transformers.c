/* transformers' names: with the family's name before them in a classifier, without it in a bare model. */
#include "weights-tools/keys.h"

static const struct key_rule rules[] = {
    {"[resnet.]embedder.embedder.convolution.*", "conv1.*"},
    {"[resnet.]embedder.embedder.normalization.*", "bn1.*"},
    {"[resnet.]encoder.stages.{s}.layers.{b}.layer.{k}.convolution.*", "layer{s+1}.{b}.conv{k+1}.*"},
    {"[resnet.]encoder.stages.{s}.layers.{b}.layer.{k}.normalization.*", "layer{s+1}.{b}.bn{k+1}.*"},
    {"[resnet.]encoder.stages.{s}.layers.{b}.shortcut.convolution.*", "layer{s+1}.{b}.downsample.0.*"},
    {"[resnet.]encoder.stages.{s}.layers.{b}.shortcut.normalization.*", "layer{s+1}.{b}.downsample.1.*"},
    {"classifier.1.*", "fc.*"},
    {NULL, NULL},
};

const struct key_scheme keys_transformers = {"transformers", rules};
