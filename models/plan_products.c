/* The operations of a plan that multiply by weights: convolutions and linear layers, with what is fused around them. */
#include <stdlib.h>
#include <string.h>

#include "models/plan_internal.h"
#include "weights-tools/fold.h"

/* ---- taking and folding ---- */

/* weight [out, per_output] with the batch norm folded in, and its bias. A converted checkpoint has done that already:
 * a bias in the norm's place. */
static float *fold_norm(struct plan *plan, const char *name, const char *norm, int64_t out, size_t per_output,
                        float *weight) {
  struct weights *w = plan->weights;
  char tensor[MAX_NAME];
  if (!weights_have(w, plan_tensor_name(tensor, norm, "weight")) &&
      weights_have(w, plan_tensor_name(tensor, name, "bias"))) {
    float *bias = weights_take(w, tensor, 1, &out);
    if (bias) w->parameters += out; /* it stands for the norm's two vectors: count what was published */
    return bias;
  }
  float *gamma = weights_take(w, plan_tensor_name(tensor, norm, "weight"), 1, &out);
  float *beta = weights_take(w, plan_tensor_name(tensor, norm, "bias"), 1, &out);
  float *mean = weights_take(w, plan_tensor_name(tensor, norm, "running_mean"), 1, &out);
  float *variance = weights_take(w, plan_tensor_name(tensor, norm, "running_var"), 1, &out);
  float *bias = NULL;
  if (weight && gamma && beta && mean && variance) {
    error reason;
    bias = allocate((size_t)out, sizeof *bias, &reason);
    if (!bias) plan_give_up(plan, &reason);
    struct batch_norm batch_norm = {gamma, beta, mean, variance, 1e-5};
    if (bias) fold_batch_norm((size_t)out, per_output, weight, NULL, &batch_norm, bias);
  }
  free(gamma);
  free(beta);
  free(mean);
  free(variance);
  return bias;
}

/* A product's weight [out, per_output] and bias (NULL: none), everything folded. */
struct product {
  float *weight, *bias;
  bool whole; /* all that it needs was found */
};

static float *copy_values(struct plan *plan, const float *values, size_t count) {
  error reason;
  float *copy = allocate(count, sizeof *copy, &reason);
  if (copy)
    memcpy(copy, values, count * sizeof *copy);
  else
    plan_give_up(plan, &reason);
  return copy;
}

static struct product take_product(struct plan *plan, const char *name, const struct fusion *f, int dimensions,
                                   const int64_t *shape, size_t per_output) {
  struct weights *w = plan->weights;
  char tensor[MAX_NAME];
  int64_t out = shape[0];
  plan_tensor_name(tensor, name, "weight");
  struct product p = {.weight = f->weight ? copy_values(plan, f->weight, (size_t)out * per_output)
                                          : weights_take(w, tensor, dimensions, shape)};
  bool has_bias = f->batch_norm || f->bias || !f->no_bias;
  if (f->batch_norm)
    p.bias = fold_norm(plan, name, f->batch_norm, out, per_output, p.weight);
  else if (f->bias)
    p.bias = copy_values(plan, f->bias, (size_t)out);
  else if (has_bias)
    p.bias = weights_take(w, plan_tensor_name(tensor, name, "bias"), 1, &out);
  p.whole = p.weight && (p.bias || !has_bias);
  if (p.whole && !f->weight) weights_observe(w, plan_tensor_name(tensor, name, "weight"), dimensions, shape, p.weight);
  if (p.whole && p.bias && !f->bias) weights_observe(w, plan_tensor_name(tensor, name, "bias"), 1, shape, p.bias);
  return p;
}

static void free_product(struct product *p) {
  free(p->weight);
  free(p->bias);
}

static void multiply(float *values, size_t count, float factor) {
  for (size_t i = 0; i < count; i++) values[i] *= factor;
}

/* Multiply each output's weights and bias by its factor. */
static void fold_scale(struct plan *plan, struct product *p, const struct fusion *f, int64_t out, size_t per_output) {
  float *scale = f->scale ? weights_take(plan->weights, f->scale, 1, &out) : NULL;
  if (f->scale && !scale) p->whole = false;
  if (scale) weights_observe(plan->weights, f->scale, 1, &out, scale);
  for (int64_t o = 0; p->whole && o < out; o++) {
    float factor = (scale ? scale[o] : 1) * (f->factor != 0 ? (float)f->factor : 1);
    multiply(p->weight + (size_t)o * per_output, per_output, factor);
    if (p->bias) multiply(p->bias + o, 1, factor);
  }
  free(scale);
}

/* ---- the operations ---- */

/* The packed convolution with the input's layer norm, if there is one; NULL when something went wrong. gamma and beta
 * stand in the order of the rows: their tensors' own, or that of patch merging. */
static struct packed_conv *pack(struct plan *plan, const struct conv_shape *shape, const struct product *p,
                                const struct fusion *f, const float *gamma, const float *beta, bool window) {
  error reason = {""};
  struct packed_conv *conv = conv_pack(plan->kernels, shape, p->weight, p->bias, &reason);
  if (conv && f->layer_norm && conv_normalize_input(conv, gamma, beta, (float)f->epsilon, window, &reason) != OK) {
    conv_release(conv);
    conv = NULL;
  }
  if (!conv) plan_give_up(plan, &reason);
  return conv;
}

/* conv(in) with its fusion; weight's shape is what the checkpoint holds, a kernel's or a matrix's. */
static value append_product(struct plan *plan, enum op_kind kind, value in, const char *name, struct conv_shape shape,
                            const struct fusion *f, int dimensions, const int64_t *weight_shape) {
  struct value_shape from = plan_shape(plan, in);
  struct value_shape to = {conv_output_size(&shape, from.height), conv_output_size(&shape, from.width),
                           shape.out_channels};
  size_t per_output = (size_t)(shape.in_channels / shape.groups * shape.kernel * shape.kernel);
  struct op op = {.kind = kind, .in = in, .residual = f->residual, .shape = shape, .activation = f->activation};
  struct product p = take_product(plan, name, f, dimensions, weight_shape, per_output);
  if (f->scale || f->factor != 0) fold_scale(plan, &p, f, shape.out_channels, per_output);
  int64_t channels = shape.in_channels;
  float *gamma = f->layer_norm ? plan_take(plan, f->layer_norm, "weight", 1, &channels) : NULL;
  float *beta = f->layer_norm ? plan_take(plan, f->layer_norm, "bias", 1, &channels) : NULL;
  if (p.whole && (!f->layer_norm || (gamma && beta))) {
    error reason = {""};
    enum winograd_form form;
    if (!f->layer_norm && winograd_pays(plan->kernels, &shape, from.height, from.width, &form)) {
      op.winograd = winograd_pack(plan->kernels, &shape, form, p.weight, p.bias, &reason);
      if (!op.winograd) plan_give_up(plan, &reason);
    } else {
      op.conv = pack(plan, &shape, &p, f, gamma, beta, false);
    }
  }
  free(gamma);
  free(beta);
  free_product(&p);
  return plan_append(plan, name, op, to);
}

value plan_conv(struct plan *plan, value in, const char *name, struct conv_shape shape, struct fusion fusion) {
  int64_t dimensions[4] = {shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel};
  return append_product(plan, OP_CONV, in, name, shape, &fusion, 4, dimensions);
}

value plan_linear(struct plan *plan, value in, const char *name, int out, struct fusion fusion) {
  int channels = plan_shape(plan, in).channels;
  struct conv_shape shape = {
      .in_channels = channels, .out_channels = out, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
  int64_t dimensions[2] = {out, channels};
  return append_product(plan, OP_LINEAR, in, name, shape, &fusion, 2, dimensions);
}

/* From the published order of a merged pixel, [column][row][channels], to a convolution's weight
 * [channels][row][column] (matrix) or a row's [row][column][channels] (norm). */
static void reorder_matrix(size_t out, size_t channels, const float *from, float *to) {
  for (size_t o = 0; o < out; o++, from += 4 * channels) {
    for (size_t c = 0; c < channels; c++) {
      for (size_t y = 0; y < 2; y++) {
        for (size_t x = 0; x < 2; x++) *to++ = from[(x * 2 + y) * channels + c];
      }
    }
  }
}

static void reorder_norm(size_t channels, const float *from, float *to) {
  for (size_t y = 0; y < 2; y++) {
    for (size_t x = 0; x < 2; x++) {
      memcpy(to, from + (x * 2 + y) * channels, channels * sizeof *to);
      to += channels;
    }
  }
}

value plan_patch_merging(struct plan *plan, value in, const char *name, int out, struct fusion fusion) {
  struct value_shape from = plan_shape(plan, in);
  if (from.height % 2 || from.width % 2)
    plan_refuse(plan, "%s: a map of %d x %d cannot be merged by 2 x 2", name, from.height, from.width);
  struct conv_shape shape = {
      .in_channels = from.channels, .out_channels = out, .kernel = 2, .stride = 2, .dilation = 1, .groups = 1};
  int64_t merged = 4 * (int64_t)from.channels, dimensions[2] = {out, merged};
  fusion.no_bias = true;
  struct product p = take_product(plan, name, &fusion, 2, dimensions, (size_t)merged);
  float *gamma = fusion.layer_norm ? plan_take(plan, fusion.layer_norm, "weight", 1, &merged) : NULL;
  float *beta = fusion.layer_norm ? plan_take(plan, fusion.layer_norm, "bias", 1, &merged) : NULL;
  struct op op = {.kind = OP_CONV, .in = in, .shape = shape};
  error reason = {""};
  size_t channels = (size_t)from.channels, per_output = 4 * channels;
  float *ordered = allocate(per_output, ((size_t)out + 2) * sizeof *ordered, &reason);
  if (!ordered) plan_give_up(plan, &reason);
  if (ordered && p.whole && (!fusion.layer_norm || (gamma && beta))) {
    float *gamma_row = ordered + (size_t)out * per_output, *beta_row = gamma_row + per_output;
    reorder_matrix((size_t)out, channels, p.weight, ordered);
    if (fusion.layer_norm) {
      reorder_norm(channels, gamma, gamma_row);
      reorder_norm(channels, beta, beta_row);
    }
    struct product merging = {.weight = ordered};
    op.conv = pack(plan, &shape, &merging, &fusion, gamma_row, beta_row, true);
  }
  free(ordered);
  free(gamma);
  free(beta);
  free_product(&p);
  return plan_append(plan, name, op, (struct value_shape){from.height / 2, from.width / 2, out});
}

value plan_depthwise(struct plan *plan, value in, const char *name, int kernel) {
  struct value_shape from = plan_shape(plan, in);
  int64_t shape[4] = {from.channels, 1, kernel, kernel};
  float *weight = plan_take(plan, name, "weight", 4, shape), *bias = plan_take(plan, name, "bias", 1, shape);
  struct op op = {.kind = OP_DEPTHWISE,
                  .in = in,
                  .shape = {.in_channels = from.channels,
                            .out_channels = from.channels,
                            .kernel = kernel,
                            .stride = 1,
                            .padding = kernel / 2,
                            .dilation = 1,
                            .groups = from.channels}};
  if (weight && bias) {
    error reason = {""};
    op.depthwise = depthwise_pack(plan->kernels, from.channels, kernel, 1, kernel / 2, weight, bias, &reason);
    if (!op.depthwise) plan_give_up(plan, &reason);
  }
  free(weight);
  free(bias);
  return plan_append(plan, name, op, from);
}

int plan_round_to_bf16(struct plan *plan, error *e) {
  const struct bf16_kernels *bf16 = kernels_bf16(plan->kernels);
  for (size_t i = 0; i < plan->op_count; i++) {
    struct packed_conv *conv = plan->ops[i].conv;
    if (conv && conv_round_to_bf16(conv, bf16, e) != OK) return FAILED;
  }
  plan->bf16 = bf16;
  return OK;
}
