/* The executor: operations in order, each on the whole batch, split over threads inside. */
#include <string.h>
#include <time.h>

#include "kernels/elementwise.h"
#include "kernels/layer_norm.h"
#include "kernels/pool.h"
#include "models/plan_internal.h"

struct execution {
  const struct plan *plan;
  struct threads *pool;
  float *arena;
  const float *input;
  int batch;
};

/* Where a value of the whole batch lies. Offsets are per image, so a batch scales them all. */
static float *place(const struct execution *x, value v) {
  return x->arena + x->plan->values[v].offset * (size_t)x->batch;
}

static const float *source(const struct execution *x, value v) {
  if (v == NO_VALUE) return NULL;
  return v == INPUT_VALUE ? x->input : place(x, v);
}

static size_t pixels(struct value_shape s) { return (size_t)s.height * (size_t)s.width; }

/* Columns of a product, for tokens of all images: a token of every image is a row of its own stride. */
static void run_some_rows(const struct execution *x, const struct op *op, struct tokens tokens, int columns) {
  const struct planned_value *from = &x->plan->values[op->in], *to = &x->plan->values[op->out];
  struct conv_run run = {.packed = op->conv,
                         .batch = x->batch,
                         .height = 1,
                         .width = 1,
                         .in_stride = (ptrdiff_t)pixels(from->shape) * from->stride,
                         .out_stride = (ptrdiff_t)pixels(to->shape) * to->stride,
                         .activation = op->activation,
                         .columns = columns};
  for (int token = tokens.first; token < tokens.first + tokens.count; token++) {
    ptrdiff_t offset = (ptrdiff_t)token * to->stride;
    run.in = source(x, op->in) + (ptrdiff_t)token * from->stride;
    run.residual = op->residual == NO_VALUE ? NULL : source(x, op->residual) + offset;
    run.out = place(x, op->out) + offset;
    conv_run(x->pool, &run);
  }
}

static void run_product(const struct execution *x, const struct op *op) {
  struct value_shape from = x->plan->values[op->in].shape;
  const float *in = source(x, op->in), *residual = source(x, op->residual);
  float *out = place(x, op->out);
  if (plan_some_tokens(x->plan, op)) {
    run_some_rows(x, op, op->tokens, 0);
    return;
  }
  if (op->winograd) {
    winograd_run(x->pool, op->winograd, x->batch, from.height, from.width, in, residual, out, op->activation);
    return;
  }
  struct conv_run run = {.packed = op->conv,
                         .batch = x->batch,
                         .height = from.height,
                         .width = from.width,
                         .in = in,
                         .in_stride = x->plan->values[op->in].stride,
                         .residual = residual,
                         .out = out,
                         .out_stride = x->plan->values[op->out].stride,
                         .activation = op->activation};
  if (op->query_channels) {
    run_some_rows(x, op, op->queries, op->query_channels);
    run.first_column = op->query_channels;
    run.columns = op->shape.out_channels - op->query_channels;
  }
  conv_run(x->pool, &run);
}

static void run_attention(const struct execution *x, const struct op *op) {
  const struct attention_inputs *slices = &op->slices;
  const int first = op->tokens.first;
  struct attention_shape shape = *op->attention;
  shape.queries = op->tokens.count;
  struct value_shape q = x->plan->values[slices->q].shape, kv = x->plan->values[slices->k].shape,
                     to = x->plan->values[op->out].shape;
  struct attention_run run = {.shape = &shape,
                              .batch = x->batch,
                              .q = source(x, slices->q) + slices->q_offset + (ptrdiff_t)first * q.channels,
                              .k = source(x, slices->k) + slices->k_offset,
                              .v = source(x, slices->v) + slices->v_offset,
                              .q_stride = q.channels,
                              .kv_stride = kv.channels,
                              .q_image_stride = (ptrdiff_t)pixels(q) * q.channels,
                              .kv_image_stride = (ptrdiff_t)pixels(kv) * kv.channels,
                              .out = place(x, op->out) + (ptrdiff_t)first * to.channels,
                              .out_image_stride = (ptrdiff_t)pixels(to) * to.channels};
  attention_run(x->plan->kernels, x->pool, &run);
}

/* What is done image by image with little arithmetic: tokens copied and averaged. */
struct copying {
  const struct execution *x;
  const struct op *op;
};

static void assemble_tokens(const struct op *op, struct value_shape from, int channels, const float *token,
                            const float *in, float *out) {
  size_t prefix = (size_t)op->first * (size_t)channels, rest = pixels(from) * (size_t)channels;
  for (size_t i = 0; i < prefix; i++) out[i] = token ? token[i] + op->gamma[i] : op->gamma[i];
  out += prefix;
  for (size_t i = 0; i < rest; i++) out[i] = op->beta ? in[i] + op->beta[i] : in[i];
}

static void copy_image(void *context, size_t image, int thread) {
  (void)thread;
  const struct copying *c = context;
  const struct op *op = c->op;
  const struct planned_value *values = c->x->plan->values;
  struct value_shape from = values[op->in].shape, second = values[op->second].shape, to = values[op->out].shape;
  const float *in = source(c->x, op->in), *behind = source(c->x, op->second);
  size_t width = (size_t)from.channels;
  float *out = place(c->x, op->out) + image * pixels(to) * (size_t)to.channels;
  if (in) in += image * pixels(from) * width;
  if (behind) behind += image * (size_t)second.channels;
  switch (op->kind) {
    case OP_TOKENS:
      assemble_tokens(op, from, to.channels, behind, in, out);
      break;
    case OP_SELECT:
      memcpy(out, in + (size_t)op->first * width, width * sizeof *out);
      break;
    case OP_MEAN:
      c->x->plan->kernels->mean_pixels(in + (size_t)op->first * width, from.channels, op->count, from.channels, out);
      break;
    default: /* OP_CONCATENATE */
      memcpy(out, in, width * sizeof *out);
      memcpy(out + width, behind, (size_t)second.channels * sizeof *out);
      break;
  }
}

static void run_pooling(const struct execution *x, const struct op *op) {
  struct value_shape from = x->plan->values[op->in].shape, to = x->plan->values[op->out].shape;
  const struct kernels *kernels = x->plan->kernels;
  const float *in = source(x, op->in);
  float *out = place(x, op->out);
  const struct conv_shape *s = &op->shape;
  switch (op->kind) {
    case OP_MAX_POOL:
      max_pool(kernels, x->pool, in, x->batch, from.height, from.width, from.channels, s->kernel, s->stride, s->padding,
               out);
      break;
    case OP_AVERAGE_POOL:
      average_pool(kernels, x->pool, in, x->batch, from.height, from.width, from.channels, s->kernel, s->stride,
                   op->ceil, out);
      break;
    case OP_PAD_SHORTCUT:
      pad_shortcut(x->pool, in, x->batch, from.height, from.width, from.channels, s->stride, to.channels, out);
      break;
    default: /* OP_MEAN of all */
      global_average_pool(kernels, x->pool, in, x->batch, (int)pixels(from), from.channels, out);
      break;
  }
}

/* `rows` tokens of the batch from `first` on, in what works token by token. */
static void run_rows(const struct execution *x, const struct op *op, struct threads *pool, size_t first, size_t rows) {
  size_t in_channels = (size_t)x->plan->values[op->in].shape.channels;
  size_t out_channels = (size_t)x->plan->values[op->out].shape.channels;
  const float *in = source(x, op->in) + first * in_channels;
  const float *residual = op->residual == NO_VALUE ? NULL : source(x, op->residual) + first * out_channels;
  float *out = place(x, op->out) + first * out_channels;
  if (op->kind == OP_GATE)
    gate_silu(x->plan->kernels, pool, in, rows, (int)out_channels, out);
  else
    layer_norm(x->plan->kernels, pool, in, rows, (int)in_channels, op->gamma, op->beta, op->epsilon, residual, out);
}

static void run_some_tokens(void *context, size_t image, int thread) {
  (void)thread;
  const struct copying *c = context;
  size_t tokens = pixels(c->x->plan->values[c->op->out].shape);
  run_rows(c->x, c->op, NULL, image * tokens + (size_t)c->op->tokens.first, (size_t)c->op->tokens.count);
}

static void run_op(const struct execution *x, const struct op *op) {
  struct value_shape from = x->plan->values[op->in].shape;
  const struct kernels *kernels = x->plan->kernels;
  size_t rows = (size_t)x->batch * pixels(from);
  switch (op->kind) {
    case OP_CONV:
    case OP_LINEAR:
      run_product(x, op);
      break;
    case OP_DEPTHWISE:
      depthwise_run(x->pool, op->depthwise, x->batch, from.height, from.width, source(x, op->in), place(x, op->out));
      break;
    case OP_LAYER_NORM:
    case OP_GATE:
      if (plan_some_tokens(x->plan, op))
        threads_run(x->pool, (size_t)x->batch, run_some_tokens, &(struct copying){x, op});
      else
        run_rows(x, op, x->pool, 0, rows);
      break;
    case OP_GLOBAL_RESPONSE_NORM:
      global_response_norm(kernels, x->pool, source(x, op->in), x->batch, (int)pixels(from), from.channels, op->gamma,
                           op->beta, place(x, op->out));
      break;
    case OP_ATTENTION:
      run_attention(x, op);
      break;
    case OP_TOKENS:
    case OP_SELECT:
    case OP_CONCATENATE:
      threads_run(x->pool, (size_t)x->batch, copy_image, &(struct copying){x, op});
      break;
    case OP_MEAN:
      if (op->count < (int)pixels(from))
        threads_run(x->pool, (size_t)x->batch, copy_image, &(struct copying){x, op});
      else
        run_pooling(x, op);
      break;
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
    case OP_PAD_SHORTCUT:
      run_pooling(x, op);
      break;
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void plan_run(const struct plan *plan, struct threads *pool, float *arena, const float *input, int batch,
              float *const outputs[OUTPUT_COUNT], double *seconds, const struct plan_watch *watch) {
  struct execution x = {plan, pool, arena, input, batch};
  unsigned wanted = 0;
  for (unsigned o = 0; o < OUTPUT_COUNT; o++) {
    if (outputs[o] && plan->outputs[o] != NO_VALUE) wanted |= 1u << o;
  }
  if (watch) watch->operation(watch->context, -1);
  for (size_t i = 0; i < plan->op_count; i++) {
    if (!(plan->ops[i].needed_by & wanted)) continue; /* a head that nobody asked for */
    double begin = seconds ? now() : 0;
    run_op(&x, &plan->ops[i]);
    if (seconds) seconds[i] += now() - begin;
    if (watch) watch->operation(watch->context, (int)i);
  }
  for (unsigned o = 0; o < OUTPUT_COUNT; o++) {
    if (!(wanted >> o & 1)) continue;
    struct value_shape s = plan->values[plan->outputs[o]].shape;
    size_t floats = pixels(s) * (size_t)s.channels * (size_t)batch;
    memcpy(outputs[o], source(&x, plan->outputs[o]), floats * sizeof(float));
  }
}
