/* A plan described: operations for the profiler, and its cost. */
#include "models/plan_internal.h"

size_t plan_scratch_bytes(const struct plan *plan) {
  size_t most = 64;
  for (size_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    size_t bytes = op->conv        ? conv_scratch_bytes(op->conv)
                   : op->winograd  ? winograd_scratch_bytes(op->winograd)
                   : op->attention ? attention_scratch_bytes(plan->kernels, op->attention)
                                   : 0;
    if (bytes > most) most = bytes;
  }
  return most;
}

size_t plan_weight_bytes(const struct plan *plan) {
  size_t bytes = 0;
  for (size_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    if (op->conv) bytes += conv_packed_bytes(op->conv);
    if (op->winograd) bytes += winograd_packed_bytes(op->winograd);
    if (op->depthwise) bytes += depthwise_packed_bytes(op->depthwise);
  }
  return bytes;
}

static double shape_floats(struct value_shape s) { return (double)s.height * s.width * s.channels; }

int plan_op_count(const struct plan *plan) { return (int)plan->op_count; }

/* Logits of an image for so many queries. */
static double attention_logits(const struct attention_shape *a, int queries) {
  int seen = a->window_height ? a->window_height * a->window_width : a->keys;
  return (double)a->heads * queries * seen;
}

/* A value's tokens that an operation reads or writes where its result's are not all needed. */
static struct value_shape some_tokens(struct value_shape whole, const struct op *op) {
  return (struct value_shape){1, op->tokens.count, whole.channels};
}

static enum activation activation_of(const struct op *op) {
  return op->kind == OP_GATE ? ACTIVATION_SILU : op->activation;
}

struct op_info plan_op_info(const struct plan *plan, int index, bool whole) {
  const struct op *op = &plan->ops[index];
  const bool some = !whole && op->needed_by && plan_some_tokens(plan, op);
  static const char *const kinds[] = {
      [OP_CONV] = "conv",
      [OP_LINEAR] = "linear",
      [OP_DEPTHWISE] = "depthwise",
      [OP_LAYER_NORM] = "layer_norm",
      [OP_GLOBAL_RESPONSE_NORM] = "global_response_norm",
      [OP_GATE] = "gate",
      [OP_ATTENTION] = "attention",
      [OP_TOKENS] = "tokens",
      [OP_SELECT] = "select",
      [OP_MEAN] = "mean",
      [OP_CONCATENATE] = "concatenate",
      [OP_MAX_POOL] = "max_pool",
      [OP_AVERAGE_POOL] = "average_pool",
      [OP_PAD_SHORTCUT] = "pad_shortcut",
  };
  struct op_info info = {.name = op->name,
                         .winograd = op->winograd ? winograd_tile(op->winograd) : 0,
                         .needed = op->needed_by != 0,
                         .kind = kinds[op->kind],
                         .in = plan_shape(plan, op->in),
                         .out = plan_shape(plan, op->out),
                         .kernel = op->shape.kernel,
                         .stride = op->shape.stride,
                         .groups = op->shape.groups,
                         .activation = activation_of(op)};
  if (some) info.out = some_tokens(info.out, op);
  if (some && !op->attention) info.in = some_tokens(info.in, op);
  double out = shape_floats(info.out);
  if (op->needed_by && !whole && op->query_channels)
    out -= (double)op->query_channels * (info.out.height * info.out.width - op->queries.count);
  info.activation_bytes = 4 * (shape_floats(info.in) + shape_floats(plan_shape(plan, op->second)) +
                               out * (op->residual == NO_VALUE ? 1 : 2));
  if (op->kind == OP_CONV || op->kind == OP_LINEAR || op->kind == OP_DEPTHWISE) {
    double per_output = (double)op->shape.in_channels / op->shape.groups * op->shape.kernel * op->shape.kernel;
    info.flops = 2 * out * per_output;
    if (op->winograd) per_output *= (info.winograd + 2) * (info.winograd + 2) / 9.0; /* as transformed */
    info.weight_bytes = (op->conv && plan->bf16 ? 2 : 4) * per_output * op->shape.out_channels;
  }
  if (info.activation > ACTIVATION_RELU) info.values = out;
  if (op->attention) {
    info.values = attention_logits(op->attention, some ? op->tokens.count : op->attention->queries);
    info.flops = 4.0 * op->attention->head_size * info.values; /* queries with keys, weights with values */
  }
  return info;
}

double plan_flops(const struct plan *plan, bool whole) {
  double flops = 0;
  for (int i = 0; i < plan_op_count(plan); i++) {
    struct op_info info = plan_op_info(plan, i, whole);
    if (info.needed) flops += info.flops;
  }
  return flops;
}
