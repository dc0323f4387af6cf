/* Parameter names: every publisher's scheme is a table of patterns that maps onto timm's names, the canonical ones. */
#ifndef WEIGHTS_TOOLS_KEYS_H
#define WEIGHTS_TOOLS_KEYS_H

#include "weights-tools/checkpoint.h"
#include "weights-tools/families.h"

/* In a pattern {x} stands for a number, with any letter for a name; a final * for the rest of the name, without a dot;
 * ** for any text, dots included. The canonical form uses them again, a number also as {x+1}, {x-1} or {x/2} (rounded
 * down), * or ** for what stood at the pattern's end:
 *     {"encoder.stages.{s}.layers.{b}.layer.{k}.normalization.*", "layer{s+1}.{b}.bn{k+1}.*"}
 *
 * A canonical name may end in what a model has to do when it takes the tensor:
 *     "blocks.{b}.attn.qkv.weight#1"  part 1 of blocks.{b}.attn.qkv.weight: parts #0, #1, ... are joined along axis 0
 *     "head.weight^T"                 the transpose of head.weight
 * What begins with ! is no name but the reason why inference never needs the tensor:
 *     {"decoder_blocks.**", "!the decoder of the pre-training"} */
struct key_rule {
  const char *pattern, *canonical;
};

/* One publisher's names for one family of networks. */
struct key_scheme {
  const char *name;             /* "timm", "torchvision", ...: several tables may share it */
  const struct key_rule *rules; /* ended by {NULL}; the first that fits counts */
  const struct key_rule *more;  /* tried after them, may be NULL: what a scheme shares with another */
  const char *optional[8];      /* beginnings that names wear in a model with a head and lack in a bare one: "vit." */
};

/* A family's schemes, keys_FAMILY[] in keys_FAMILY.c, timm's first, ended by {NULL}. */
#define DECLARE_KEYS(family) extern const struct key_scheme keys_##family[];
FAMILIES(DECLARE_KEYS)
#undef DECLARE_KEYS

enum { MAX_KEY = 256 };

struct key {
  char name[MAX_KEY];   /* the canonical form; the name itself where a reason stands instead */
  const char *harmless; /* the reason, or NULL */
};

/* Put a name into its canonical form by the first rule that fits; false when none does. */
bool key_rename(const struct key_scheme *scheme, const char *name, struct key *key);
bool key_rename_by_rules(const struct key_rule *rules, const char *name, struct key *key);

/* Find the scheme and the wrapping prefix ("module.", "teacher.backbone.", ...) under which most tensors have known
 * names, give those their canonical names, sort all by name, and set checkpoint->scheme. `harmless` is set where a rule
 * says why, and where a tensor is another network's copy of one that was named: a student beside its teacher. What no
 * rule knows keeps its name. A converted file, and a checkpoint that was canonicalized before, stay as they are. FAILED
 * when no name is known, or when two tensors get the same name. */
int keys_canonicalize(struct checkpoint *checkpoint, error *e);

#endif
