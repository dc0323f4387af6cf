/* The vision transformer (Dosovitskiy et al. 2021) as a configuration: what vit.c and clip.c share. */
#ifndef MODELS_VIT_H
#define MODELS_VIT_H

#include "models/architecture.h"
#include "models/transformer.h"

enum pooling { POOL_TOKEN, POOL_MEAN, POOL_TOKEN_AND_MEAN, POOL_ATTENTION };

struct vit {
  struct transformer transformer;
  int patch;
  int image;                   /* pixels along the side that the published checkpoint sees */
  int table_tokens;            /* of the position table, prefix included; 0: none */
  int table_prefix;            /* of its tokens that stand before the patches' */
  bool plain_resampling;       /* of the table, to another grid: without antialiasing */
  int registers;               /* tokens between the class token and the patches */
  bool class_token, distilled; /* distilled: a second such token with a head of its own (DeiT) */
  bool patch_bias, norm_pre;
  bool norm, fc_norm; /* of all tokens before pooling; of the pooled vector */
  bool rotary;
  bool head_bias, projection; /* projection: the head maps into the space of CLIP's texts, there are no classes */
  enum pooling pooling;
};

/* Append the network. classes: of the head, or the width of the projection. */
void vit_build(struct plan *plan, const struct vit *v, int classes, const struct recipe *recipe);
/* Everything that a checkpoint with patch_embed.proj and blocks.0.attn.qkv tells. False when it is none. */
bool vit_read(const struct checkpoint *checkpoint, struct vit *v);

/* Whether `seen` can be the network `named`, whose heads and activation it then takes where no config says them. */
bool vit_adopt(const struct checkpoint *checkpoint, const struct vit *named, struct vit *seen);

/* What a converted file must tell of it beside its tensors. */
void vit_describe(const struct vit *v, struct hints *hints);

/* Sizes by their names: width, depth, heads and hidden channels. */
struct vit_size {
  const char *name;
  int width, depth, heads, hidden;
};
enum {
  VIT_TINY,
  VIT_SMALL,
  VIT_MEDIUM,
  VIT_BASE,
  VIT_LARGE,
  VIT_SO400M,
  VIT_HUGE,
  VIT_GIANT,
  VIT_GIGANTIC,
  VIT_GIANT2
};
extern const struct vit_size vit_sizes[];
/* A ViT of this size, its other properties those of the plain one with a class token and a square position table. */
struct vit vit_of_size(int size, int patch, int image);
/* Whether two are the same network, heads and image size included. */
bool vit_same(const struct vit *a, const struct vit *b);

#endif
