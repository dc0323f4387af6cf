/* The operations of a plan without products: norms, attention, tokens, pooling. */
#include <stdlib.h>
#include <string.h>

#include "kernels/pool.h"
#include "models/plan_internal.h"

static float *copy_floats(struct plan *plan, const float *from, size_t count) {
  error reason;
  float *copy = allocate(count, sizeof *copy, &reason);
  if (copy)
    memcpy(copy, from, count * sizeof *copy);
  else
    plan_give_up(plan, &reason);
  return copy;
}

value plan_layer_norm(struct plan *plan, value in, const char *name, double epsilon, value residual) {
  struct value_shape from = plan_shape(plan, in);
  int64_t channels = from.channels;
  struct op op = {.kind = OP_LAYER_NORM,
                  .in = in,
                  .residual = residual,
                  .gamma = plan_take(plan, name, "weight", 1, &channels),
                  .beta = plan_take(plan, name, "bias", 1, &channels),
                  .epsilon = (float)epsilon};
  return plan_append(plan, name, op, from);
}

value plan_global_response_norm(struct plan *plan, value in, const char *name) {
  struct value_shape from = plan_shape(plan, in);
  int64_t channels = from.channels;
  struct op op = {.kind = OP_GLOBAL_RESPONSE_NORM,
                  .in = in,
                  .gamma = plan_take(plan, name, "weight", 1, &channels),
                  .beta = plan_take(plan, name, "bias", 1, &channels)};
  return plan_append(plan, name, op, from);
}

value plan_gate(struct plan *plan, value in, const char *name) {
  struct value_shape from = plan_shape(plan, in);
  struct value_shape to = {from.height, from.width, from.channels / 2};
  return plan_append(plan, name, (struct op){.kind = OP_GATE, .in = in}, to);
}

value plan_attention(struct plan *plan, const char *name, struct attention_inputs inputs,
                     struct attention_shape shape) {
  struct value_shape q = plan_shape(plan, inputs.q), kv = plan_shape(plan, inputs.k);
  struct op op = {.kind = OP_ATTENTION, .in = inputs.q, .second = inputs.k, .third = inputs.v, .slices = inputs};
  shape.queries = q.height * q.width;
  shape.keys = kv.height * kv.width;
  error reason = {""};
  op.attention = allocate(1, sizeof *op.attention, &reason);
  if (op.attention) *op.attention = shape;
  if (!op.attention || attention_check(&shape, &reason) != OK) {
    fail_within(&reason, "%s", name);
    plan_give_up(plan, &reason);
  }
  return plan_append(plan, name, op, (struct value_shape){q.height, q.width, shape.heads * shape.head_size});
}

value plan_tokens(struct plan *plan, value in, const char *name, const float *prefix, int prefix_tokens, int channels,
                  const float *position) {
  struct value_shape from = plan_shape(plan, in);
  size_t pixels = (size_t)from.height * (size_t)from.width, width = (size_t)channels;
  struct op op = {.kind = OP_TOKENS, .in = in, .first = prefix_tokens};
  if (prefix_tokens > 0) op.gamma = copy_floats(plan, prefix, (size_t)prefix_tokens * width);
  if (position) op.beta = copy_floats(plan, position, pixels * width);
  return plan_append(plan, name, op, (struct value_shape){1, prefix_tokens + (int)pixels, channels});
}

value plan_prepend(struct plan *plan, value token, value in, const char *name, const float *position) {
  struct value_shape from = plan_shape(plan, in);
  size_t pixels = (size_t)from.height * (size_t)from.width, width = (size_t)from.channels;
  struct op op = {.kind = OP_TOKENS, .in = in, .second = token, .first = 1};
  op.gamma = copy_floats(plan, position, width);
  op.beta = copy_floats(plan, position + width, pixels * width);
  return plan_append(plan, name, op, (struct value_shape){1, 1 + (int)pixels, from.channels});
}

value plan_select(struct plan *plan, value in, const char *name, int token) {
  struct op op = {.kind = OP_SELECT, .in = in, .first = token};
  return plan_append(plan, name, op, (struct value_shape){1, 1, plan_shape(plan, in).channels});
}

value plan_mean(struct plan *plan, value in, const char *name, int first, int count) {
  struct value_shape from = plan_shape(plan, in);
  struct op op = {.kind = OP_MEAN, .in = in, .first = first, .count = count ? count : from.height * from.width - first};
  return plan_append(plan, name, op, (struct value_shape){1, 1, from.channels});
}

value plan_concatenate(struct plan *plan, value a, value b, const char *name) {
  struct op op = {.kind = OP_CONCATENATE, .in = a, .second = b};
  int channels = plan_shape(plan, a).channels + plan_shape(plan, b).channels;
  return plan_append(plan, name, op, (struct value_shape){1, 1, channels});
}

value plan_max_pool(struct plan *plan, value in, const char *name, int kernel, int stride, int padding) {
  struct value_shape from = plan_shape(plan, in);
  struct conv_shape shape = {.kernel = kernel, .stride = stride, .padding = padding, .dilation = 1, .groups = 1};
  struct value_shape to = {conv_output_size(&shape, from.height), conv_output_size(&shape, from.width), from.channels};
  return plan_append(plan, name, (struct op){.kind = OP_MAX_POOL, .in = in, .shape = shape}, to);
}

value plan_average_pool(struct plan *plan, value in, const char *name, int kernel, int stride, bool ceil) {
  struct value_shape from = plan_shape(plan, in);
  struct op op = {
      .kind = OP_AVERAGE_POOL, .in = in, .shape = {.kernel = kernel, .stride = stride, .groups = 1}, .ceil = ceil};
  struct value_shape to = {average_pool_size(from.height, kernel, stride, ceil),
                           average_pool_size(from.width, kernel, stride, ceil), from.channels};
  return plan_append(plan, name, op, to);
}

value plan_pad_shortcut(struct plan *plan, value in, const char *name, int stride, int out_channels) {
  struct value_shape from = plan_shape(plan, in);
  struct op op = {.kind = OP_PAD_SHORTCUT, .in = in, .shape = {.stride = stride}};
  struct value_shape to = {(from.height + stride - 1) / stride, (from.width + stride - 1) / stride, out_channels};
  return plan_append(plan, name, op, to);
}
