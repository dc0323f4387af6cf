#include "models/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/plan_internal.h"

/* first [n], then second [n], after `gap` zeros between them; NULL when one is missing. Frees both. */
static float *join_values(struct plan *plan, float *first, float *second, size_t n, size_t gap) {
  error reason;
  float *joined = first && second ? allocate_zeroed(2 * n + gap, sizeof *joined, &reason) : NULL;
  if (joined) {
    memcpy(joined, first, n * sizeof *joined);
    memcpy(joined + n + gap, second, n * sizeof *joined);
  } else if (first && second) {
    plan_give_up(plan, &reason);
  }
  free(first);
  free(second);
  return joined;
}

float *transformer_keyless_bias(struct plan *plan, const char *prefix, int width) {
  char name[MAX_NAME];
  int64_t one = width, three = 3 * (int64_t)width;
  if (weights_have(plan->weights, plan_tensor_name(name, prefix, "q_bias"))) {
    float *q = plan_take(plan, prefix, "q_bias", 1, &one), *v = plan_take(plan, prefix, "v_bias", 1, &one);
    return join_values(plan, q, v, (size_t)width, (size_t)width);
  }
  float *bias = plan_take(plan, prefix, "qkv.bias", 1, &three);
  if (bias) memset(bias + width, 0, (size_t)width * sizeof *bias);
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
  char norm[MAX_NAME], attn[MAX_NAME], qkv[MAX_NAME];
  plan_tensor_name(attn, prefix, "attn");
  struct fusion fusion = {.layer_norm = plan_tensor_name(norm, prefix, "norm1"),
                          .epsilon = t->epsilon,
                          .no_bias = t->qkv_bias == QKV_NO_BIAS};
  float *bias = t->qkv_bias == QKV_KEYLESS_BIAS ? transformer_keyless_bias(plan, attn, t->width) : NULL;
  fusion.bias = bias;
  value projected = plan_linear(plan, x, plan_tensor_name(qkv, attn, "qkv"), 3 * t->width, fusion);
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

/* A gated MLP's first layer, whose halves may be tensors of their own. */
static value first_layer(struct plan *plan, value x, const char *prefix, struct fusion fusion,
                         const struct transformer *t) {
  char fc1[MAX_NAME], gate[MAX_NAME], other[MAX_NAME];
  plan_tensor_name(fc1, prefix, "mlp.fc1");
  if (!t->split_gate) return plan_linear(plan, x, fc1, t->hidden, fusion);
  plan_tensor_name(gate, prefix, "mlp.fc1_g");
  plan_tensor_name(other, prefix, "mlp.fc1_x");
  int64_t shape[2] = {t->hidden / 2, t->width};
  size_t half = (size_t)shape[0], floats = half * (size_t)t->width;
  float *g = plan_take(plan, gate, "weight", 2, shape), *x2 = plan_take(plan, other, "weight", 2, shape);
  float *weight = join_values(plan, g, x2, floats, 0);
  g = plan_take(plan, gate, "bias", 1, shape);
  x2 = plan_take(plan, other, "bias", 1, shape);
  float *bias = join_values(plan, g, x2, half, 0);
  fusion.weight = weight;
  fusion.bias = bias;
  value y = weight && bias ? plan_linear(plan, x, fc1, t->hidden, fusion) : NO_VALUE;
  free(weight);
  free(bias);
  return y;
}

value transformer_mlp(struct plan *plan, value x, const char *prefix, const char *norm, const char *scale,
                      const struct transformer *t) {
  char fc2[MAX_NAME], gate[MAX_NAME];
  struct fusion before = {
      .layer_norm = norm, .epsilon = t->epsilon, .activation = t->gated ? ACTIVATION_NONE : t->activation};
  value y = first_layer(plan, x, prefix, before, t);
  if (t->gated) y = plan_gate(plan, y, plan_tensor_name(gate, prefix, "mlp.act"));
  return plan_linear(plan, y, plan_tensor_name(fc2, prefix, "mlp.fc2"), t->width,
                     (struct fusion){.scale = scale, .residual = x});
}

value transformer_block(struct plan *plan, value x, const char *prefix, const struct transformer *t,
                        const struct rotary *rotary) {
  char norm2[MAX_NAME], proj[MAX_NAME], scale1[MAX_NAME], scale2[MAX_NAME];
  bool scaled = t->scale != SCALE_NONE;
  plan_tensor_name(scale1, prefix, t->scale == SCALE_LS ? "ls1.gamma" : "gamma_1");
  plan_tensor_name(scale2, prefix, t->scale == SCALE_LS ? "ls2.gamma" : "gamma_2");
  value y = attention(plan, x, prefix, t, rotary);
  x = plan_linear(plan, y, plan_tensor_name(proj, prefix, "attn.proj"), t->width,
                  (struct fusion){.scale = scaled ? scale1 : NULL, .residual = x});
  return transformer_mlp(plan, x, prefix, plan_tensor_name(norm2, prefix, "norm2"), scaled ? scale2 : NULL, t);
}
