/* The pre-norm transformer block (Dosovitskiy et al. 2021) with the variants of image backbones. */
#ifndef MODELS_TRANSFORMER_H
#define MODELS_TRANSFORMER_H

#include "models/plan.h"

/* Layer scale (Touvron et al. 2021): none, timm's "ls1.gamma", or EVA's "gamma_1". */
enum layer_scale { SCALE_NONE, SCALE_LS, SCALE_GAMMA };
/* Of the fused projection: "qkv.bias", none, or none of the keys: "q_bias" and "v_bias", or a "qkv.bias" whose middle
 * does not count. */
enum qkv_bias { QKV_BIAS, QKV_NO_BIAS, QKV_KEYLESS_BIAS };

struct transformer {
  int width, depth, heads, hidden; /* hidden: channels behind mlp.fc1, both halves when gated */
  bool gated;                      /* SwiGLU in place of the activation */
  bool split_gate;                 /* its halves are mlp.fc1_g and mlp.fc1_x instead of one mlp.fc1 */
  enum activation activation;
  enum layer_scale scale;
  enum qkv_bias qkv_bias;
  double epsilon; /* of the layer norms */
};

/* Rotary tables [pixels, head size], as struct attention_shape has them; NULL: none. `first`: tokens before the pixels.
 */
struct rotary {
  const float *cos, *sin;
  size_t floats;
  int first;
};

/* Block PREFIX ("blocks.3") on tokens [1, tokens, width]: x + attn(norm1(x)), then x + mlp(norm2(x)). */
value transformer_block(struct plan *plan, value x, const char *prefix, const struct transformer *t,
                        const struct rotary *rotary);
/* x + fc2(activation(fc1(norm(x)))) with PREFIX.mlp.fc1, .fc2: the block's second half, alone in attention pooling. */
value transformer_mlp(struct plan *plan, value x, const char *prefix, const char *norm, const char *scale,
                      const struct transformer *t);
/* The bias [3 * width] of a fused projection without one for its keys: from PREFIX.q_bias and PREFIX.v_bias, or from
 * PREFIX.qkv.bias, whose middle is then unused. free() it. NULL when something is missing, which is noted. */
float *transformer_keyless_bias(struct plan *plan, const char *prefix, int width);

#endif
