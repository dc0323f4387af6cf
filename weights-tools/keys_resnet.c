/* ResNets. timm shares torchvision's names, and so do most self-supervised ResNet-50s (DINO, MoCo, SwAV, VICReg). */
#include "weights-tools/keys.h"

static const struct key_rule timm[] = {
    {"conv1.*", "conv1.*"},
    {"conv1.{k}.*", "conv1.{k}.*"}, /* the three convolutions of a -D stem and their norms */
    {"bn1.*", "bn1.*"},
    {"layer{s}.{b}.conv{k}.*", "layer{s}.{b}.conv{k}.*"},
    {"layer{s}.{b}.bn{k}.*", "layer{s}.{b}.bn{k}.*"},
    {"layer{s}.{b}.downsample.{k}.*", "layer{s}.{b}.downsample.{k}.*"},
    {"fc.*", "fc.*"},
    {"fc.{k}.*", "!a projector of the pre-training"},
    {NULL, NULL},
};

static const struct key_rule transformers[] = {
    {"embedder.embedder.convolution.*", "conv1.*"},
    {"embedder.embedder.normalization.*", "bn1.*"},
    {"encoder.stages.{s}.layers.{b}.layer.{k}.convolution.*", "layer{s+1}.{b}.conv{k+1}.*"},
    {"encoder.stages.{s}.layers.{b}.layer.{k}.normalization.*", "layer{s+1}.{b}.bn{k+1}.*"},
    {"encoder.stages.{s}.layers.{b}.shortcut.convolution.*", "layer{s+1}.{b}.downsample.0.*"},
    {"encoder.stages.{s}.layers.{b}.shortcut.normalization.*", "layer{s+1}.{b}.downsample.1.*"},
    {"classifier.1.*", "fc.*"},
    {NULL, NULL},
};

/* The CIFAR ResNets of the usual PyTorch repositories. */
static const struct key_rule cifar[] = {
    {"conv1.*", "conv1.*"},
    {"bn1.*", "bn1.*"},
    {"layer{s}.{b}.conv{k}.*", "layer{s}.{b}.conv{k}.*"},
    {"layer{s}.{b}.bn{k}.*", "layer{s}.{b}.bn{k}.*"},
    {"layer{s}.{b}.shortcut.{k}.*", "layer{s}.{b}.downsample.{k}.*"},
    {"linear.*", "fc.*"},
    {NULL, NULL},
};

const struct key_scheme keys_resnet[] = {
    {.name = "timm", .rules = timm},
    {.name = "transformers", .rules = transformers, .optional = {"resnet."}},
    {.name = "cifar", .rules = cifar},
    {.name = NULL},
};
