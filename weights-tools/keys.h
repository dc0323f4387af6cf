/* Parameter names: every publisher's scheme is a table of patterns that maps onto timm's names, the canonical ones. */
#ifndef WEIGHTS_TOOLS_KEYS_H
#define WEIGHTS_TOOLS_KEYS_H

#include "weights-tools/checkpoint.h"

/* In a pattern {x} stands for a number, with any letter for a name, and a final * for the rest of the name (without a
 * dot); text in [brackets] at the beginning may be absent. The canonical form uses them again, a number also as {x+1}:
 *     {"[resnet.]encoder.stages.{s}.layers.{b}.layer.{k}.normalization.*", "layer{s+1}.{b}.bn{k+1}.*"} */
struct key_rule {
  const char *pattern, *canonical;
};

/* To add a scheme: write keys_NAME.c with its table, declare it here, list it in keys.c. */
struct key_scheme {
  const char *name;
  const struct key_rule *rules; /* ended by {NULL}; the first that fits counts */
};
extern const struct key_scheme keys_timm, keys_transformers, keys_cifar;

enum { MAX_KEY = 256 };

/* Write the canonical form of a name to `canonical` and return true, or return false when no rule fits. */
bool key_rename(const struct key_scheme *scheme, const char *name, char canonical[static MAX_KEY]);

/* Find the scheme and the wrapping prefix ("module.", "backbone.", ...) under which most tensors have known names, give
 * those their canonical names, sort all by name, and set checkpoint->scheme. A converted file, and a checkpoint that
 * was canonicalized before, stay as they are. FAILED when no name is known, or when two tensors get the same name. */
int keys_canonicalize(struct checkpoint *checkpoint, error *e);

#endif
