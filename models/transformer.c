#include "models/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/plan_internal.h"

enum { NAME = 96 };

static const char *join(char buffer[static NAME], const char *prefix, const char *module) {
  snprintf(buffer, NAME, "%s.%s", prefix, module);
  return buffer;
}

float *transformer_split_bias(struct plan *plan, const char *prefix, int width) {
  int64_t shape = width;
  float *q = plan_take(plan, prefix, "q_bias", 1, &shape), *v = plan_take(plan, prefix, "v_bias", 1, &shape);
  error reason;
  float *bias = q && v ? allocate_zeroed(3 * (size_t)width, sizeof *bias, &reason) : NULL;
  if (bias) {
    memcpy(bias, q, (size_t)width * sizeof *q);
    memcpy(bias + 2 * width, v, (size_t)width * sizeof *v);
  } else if (q && v) {
    plan_give_up(plan, &reason);
  }
  free(q);
  free(v);
  return bias;
}

static float *copy_table(struct plan *plan, const float *table, size_t floats) {
  error reason;
  float *copy = allocate(floats, sizeof *copy, &reason);
  if (copy)
    memcpy(copy, table, floats * sizeof *copy);
  else
    plan_give_up(plan, &reason);
  return copy;
}

static value attention(struct plan *plan, value x, const char *prefix, const struct transformer *t,
                       const struct rotary *rotary) {
  char norm[NAME], attn[NAME], qkv[NAME];
  join(attn, prefix, "attn");
  struct fusion fusion = {
      .layer_norm = join(norm, prefix, "norm1"), .epsilon = t->epsilon, .no_bias = t->qkv_bias == QKV_NO_BIAS};
  float *bias = t->qkv_bias == QKV_SPLIT_BIAS ? transformer_split_bias(plan, attn, t->width) : NULL;
  fusion.bias = bias;
  value projected = plan_linear(plan, x, join(qkv, attn, "qkv"), 3 * t->width, fusion);
  free(bias);
  int size = t->width / t->heads;
  struct attention_shape shape = {.heads = t->heads, .head_size = size, .scale = (float)(1 / sqrt(size))};
  if (rotary && rotary->cos) {
    shape.rope_cos = copy_table(plan, rotary->cos, rotary->floats);
    shape.rope_sin = copy_table(plan, rotary->sin, rotary->floats);
    shape.rope_first = rotary->first;
  }
  return plan_attention(plan, attn,
                        (struct attention_inputs){projected, projected, projected, 0, t->width, 2 * t->width}, shape);
}

value transformer_mlp(struct plan *plan, value x, const char *prefix, const char *norm, const char *scale,
                      const struct transformer *t) {
  char fc1[NAME], fc2[NAME], gate[NAME];
  value y = plan_linear(
      plan, x, join(fc1, prefix, "mlp.fc1"), t->hidden,
      (struct fusion){
          .layer_norm = norm, .epsilon = t->epsilon, .activation = t->gated ? ACTIVATION_NONE : t->activation});
  if (t->gated) y = plan_gate(plan, y, join(gate, prefix, "mlp.act"));
  return plan_linear(plan, y, join(fc2, prefix, "mlp.fc2"), t->width, (struct fusion){.scale = scale, .residual = x});
}

value transformer_block(struct plan *plan, value x, const char *prefix, const struct transformer *t,
                        const struct rotary *rotary) {
  char norm2[NAME], proj[NAME], scale1[NAME], scale2[NAME];
  bool scaled = t->scale != SCALE_NONE;
  join(scale1, prefix, t->scale == SCALE_LS ? "ls1.gamma" : "gamma_1");
  join(scale2, prefix, t->scale == SCALE_LS ? "ls2.gamma" : "gamma_2");
  value y = attention(plan, x, prefix, t, rotary);
  x = plan_linear(plan, y, join(proj, prefix, "attn.proj"), t->width,
                  (struct fusion){.scale = scaled ? scale1 : NULL, .residual = x});
  return transformer_mlp(plan, x, prefix, join(norm2, prefix, "norm2"), scaled ? scale2 : NULL, t);
}
