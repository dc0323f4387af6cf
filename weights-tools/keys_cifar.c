/* The CIFAR ResNets of the usual PyTorch repositories: a head called linear, shortcuts called shortcut where they have
 * parameters. */
#include "weights-tools/keys.h"

static const struct key_rule rules[] = {
    {"conv1.*", "conv1.*"},
    {"bn1.*", "bn1.*"},
    {"layer{s}.{b}.conv{k}.*", "layer{s}.{b}.conv{k}.*"},
    {"layer{s}.{b}.bn{k}.*", "layer{s}.{b}.bn{k}.*"},
    {"layer{s}.{b}.shortcut.{k}.*", "layer{s}.{b}.downsample.{k}.*"},
    {"linear.*", "fc.*"},
    {NULL, NULL},
};

const struct key_scheme keys_cifar = {"cifar", rules};
