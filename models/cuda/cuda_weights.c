/* A plan's weights on their way to the GPU: unpacked from the CPU's order, arranged in the GPU's, uploaded once. */
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "models/cuda/cuda_internal.h"

enum {
  ALIGNMENT = 64,     /* floats: what device memory is aligned to */
  MERGED_COLUMNS = 32 /* narrow groups are merged up to this width; their cross terms are zero weights */
};

/* Two passes over the plan: one counts, the other fills and uploads. */
struct upload {
  float *base; /* NULL: counting */
  size_t used; /* floats */
  bool failed;
  error reason;
};

static const float *store(struct upload *u, const float *values, size_t n) {
  if (!values && u->base) return NULL;
  size_t at = u->used;
  u->used += (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (!u->base) return NULL;
  if (!u->failed && device_upload(u->base + at, values, n * sizeof *values, &u->reason) != OK) u->failed = true;
  return u->base + at;
}

/* What may be missing: counts and is stored only where it is there. */
static const float *store_optional(struct upload *u, const float *values, size_t n) {
  return values ? store(u, values, n) : NULL;
}

static float *room(struct upload *u, size_t n) {
  float *floats = u->failed ? NULL : allocate_zeroed(n, sizeof(float), &u->reason);
  if (!floats) u->failed = true;
  return floats;
}

/* weight [out, in / groups, kernel, kernel] to [merged groups][ky][kx][in][columns]. */
static void arrange(const struct conv_shape *s, const struct cuda_op *op, const float *weight, float *to) {
  int in = s->in_channels / s->groups, out = s->out_channels / s->groups, taps = s->kernel * s->kernel;
  size_t columns = (size_t)op->columns, group_floats = (size_t)taps * (size_t)op->group_in * columns;
  for (int o = 0; o < s->out_channels; o++) {
    int group = o / op->group_out, first_in = o / out * in - group * op->group_in;
    float *column = to + (size_t)group * group_floats + (size_t)(o % op->group_out);
    for (int c = 0; c < in; c++) {
      for (int t = 0; t < taps; t++) {
        column[((size_t)t * (size_t)op->group_in + (size_t)(first_in + c)) * columns] = *weight++;
      }
    }
  }
}

static void upload_product(struct upload *u, const struct op *from, struct cuda_op *op) {
  struct conv_contents c = {.shape = from->shape};
  if (from->conv)
    c = conv_contents(from->conv);
  else
    c.bias = winograd_bias(from->winograd);
  const struct conv_shape *s = &c.shape;
  int merge = 1;
  while (s->groups % (merge * 2) == 0 && s->out_channels / s->groups * merge * 2 <= MERGED_COLUMNS) merge *= 2;
  op->groups = s->groups / merge;
  op->group_in = s->in_channels / op->groups;
  op->group_out = s->out_channels / op->groups;
  op->columns = (op->group_out + 3) / 4 * 4;
  op->epsilon = c.epsilon;
  op->window = c.window;
  size_t taps = (size_t)(s->kernel * s->kernel), outs = (size_t)s->out_channels;
  size_t published = outs * (size_t)(s->in_channels / s->groups) * taps;
  size_t arranged = (size_t)op->groups * taps * (size_t)op->group_in * (size_t)op->columns;
  float *weight = u->base ? room(u, published) : NULL, *ordered = u->base ? room(u, arranged) : NULL;
  if (weight && ordered) {
    if (from->conv)
      conv_unpack(from->conv, weight);
    else
      winograd_unpack(from->winograd, weight);
    arrange(s, op, weight, ordered);
  }
  op->weight = store(u, ordered, arranged);
  op->bias = store_optional(u, c.bias, outs);
  size_t normalised = (size_t)s->in_channels * (c.window ? taps : 1);
  op->gamma = store_optional(u, c.gamma, normalised);
  op->beta = store_optional(u, c.beta, normalised);
  free(weight);
  free(ordered);
}

static void upload_depthwise(struct upload *u, const struct op *from, struct cuda_op *op) {
  size_t channels = (size_t)from->shape.in_channels, taps = (size_t)(from->shape.kernel * from->shape.kernel);
  float *weight = u->base ? room(u, taps * channels) : NULL, *bias = u->base ? room(u, channels) : NULL;
  if (weight && bias) depthwise_unpack(from->depthwise, weight, bias);
  op->weight = store(u, weight, taps * channels);
  op->bias = store(u, bias, channels);
  free(weight);
  free(bias);
}

static void upload_attention(struct upload *u, const struct op *from, struct cuda_op *op) {
  const struct attention_shape *s = from->attention;
  size_t heads = (size_t)s->heads, width = (size_t)s->head_size;
  size_t tokens = s->window_height ? (size_t)(s->window_height * s->window_width) : (size_t)s->keys;
  size_t offsets = (size_t)((2 * s->window_height - 1) * (2 * s->window_width - 1));
  if (s->head_size > CUDA_MOST_HEAD_SIZE) {
    fail(&u->reason, "%s: heads of %d channels, of which the CUDA kernels take %d", from->name, s->head_size,
         CUDA_MOST_HEAD_SIZE);
    u->failed = true;
  }
  op->head_scale = store_optional(u, s->head_scale, heads);
  op->bias = store_optional(u, s->bias, heads * tokens * tokens);
  op->relative_bias = store_optional(u, s->relative_bias, heads * offsets);
  op->rope_cos = store_optional(u, s->rope_cos, (size_t)(s->keys - s->rope_first) * width);
  op->rope_sin = store_optional(u, s->rope_sin, (size_t)(s->keys - s->rope_first) * width);
}

static void upload_op(struct upload *u, const struct plan *plan, const struct op *from, struct cuda_op *op) {
  size_t in_channels = (size_t)plan->values[from->in].shape.channels;
  struct value_shape in = plan->values[from->in].shape, out = plan->values[from->out].shape;
  switch (from->kind) {
    case OP_CONV:
    case OP_LINEAR:
      upload_product(u, from, op);
      break;
    case OP_DEPTHWISE:
      upload_depthwise(u, from, op);
      break;
    case OP_LAYER_NORM:
    case OP_GLOBAL_RESPONSE_NORM:
      op->gamma = store(u, from->gamma, in_channels);
      op->beta = store(u, from->beta, in_channels);
      op->epsilon = from->epsilon;
      break;
    case OP_TOKENS:
      op->gamma = store_optional(u, from->gamma, (size_t)from->first * (size_t)out.channels);
      op->beta = store_optional(u, from->beta, (size_t)in.height * (size_t)in.width * (size_t)out.channels);
      break;
    case OP_ATTENTION:
      upload_attention(u, from, op);
      break;
    default:
      break;
  }
}

static void upload_all(struct upload *u, const struct plan *plan, struct cuda_op *ops) {
  for (size_t i = 0; i < plan->op_count && !u->failed; i++) upload_op(u, plan, &plan->ops[i], &ops[i]);
}

int cuda_model_start(struct cuda_model **result, const struct plan *plan, enum cuda_precision precision, error *e) {
  *result = NULL;
  if (device_open(e) != OK) return FAILED;
  if (precision != CUDA_FLOAT32 && !device_has_tensor_cores())
    return fail(e, "this GPU has no tensor cores for TF32 and bfloat16 (compute capability 8.0 has)");
  struct cuda_model *model = allocate_zeroed(1, sizeof *model, e);
  if (!model) return FAILED;
  *model = (struct cuda_model){.plan = plan, .precision = precision};
  model->ops = allocate_zeroed(plan->op_count, sizeof *model->ops, e);
  struct upload counted = {0}, filled = {0};
  int status = model->ops ? OK : FAILED;
  if (status == OK) {
    upload_all(&counted, plan, model->ops);
    model->bytes = counted.used * sizeof(float);
    if (counted.failed) status = fail(e, "%s", counted.reason.message);
  }
  struct cuda_device_info info = {0};
  if (status == OK) status = device_info(&info, e);
  if (status == OK && !(model->weights = device_allocate(model->bytes)))
    status = fail(e, "the weights need %.0f MB of the GPU's memory, and %.0f MB are free", (double)model->bytes * 1e-6,
                  (double)info.free * 1e-6);
  if (status == OK) {
    filled.base = model->weights;
    upload_all(&filled, plan, model->ops);
    if (filled.failed) status = fail(e, "%s", filled.reason.message);
  }
  if (status != OK) {
    cuda_model_end(model);
    return status;
  }
  *result = model;
  return OK;
}

void cuda_model_end(struct cuda_model *model) {
  if (!model) return;
  device_release(model->weights);
  free(model->ops);
  free(model);
}

size_t cuda_model_bytes(const struct cuda_model *model) { return model->bytes; }
