/* The executor: operations in order, each on the whole batch, split over threads inside. */
#include <string.h>
#include <time.h>

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
  return v == 0 ? x->input : place(x, v);
}

static void run_op(const struct execution *x, const struct op *op) {
  struct value_shape from = x->plan->values[op->in].shape, to = x->plan->values[op->out].shape;
  const struct kernels *kernels = x->plan->kernels;
  const float *in = source(x, op->in);
  float *out = place(x, op->out);
  switch (op->kind) {
    case OP_CONV:
    case OP_LINEAR: {
      if (op->winograd) {
        winograd_run(x->pool, op->winograd, x->batch, from.height, from.width, in, source(x, op->residual), out,
                     op->activation);
        break;
      }
      struct conv_run run = {.packed = op->conv,
                             .batch = x->batch,
                             .height = from.height,
                             .width = from.width,
                             .in = in,
                             .residual = source(x, op->residual),
                             .out = out,
                             .activation = op->activation};
      conv_run(x->pool, &run);
      break;
    }
    case OP_MAX_POOL:
      max_pool(kernels, x->pool, in, x->batch, from.height, from.width, from.channels, op->shape.kernel,
               op->shape.stride, op->shape.padding, out);
      break;
    case OP_GLOBAL_AVERAGE_POOL:
      global_average_pool(kernels, x->pool, in, x->batch, from.height * from.width, from.channels, out);
      break;
    case OP_PAD_SHORTCUT:
      pad_shortcut(x->pool, in, x->batch, from.height, from.width, from.channels, op->shape.stride, to.channels, out);
      break;
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The last operation that the wanted outputs need: a head that nobody asked for is not run. */
static size_t ops_needed(const struct plan *plan, float *const outputs[OUTPUT_COUNT]) {
  size_t needed = 0;
  for (size_t i = 0; i < plan->op_count; i++) {
    for (int j = 0; j < OUTPUT_COUNT; j++) {
      if (outputs[j] && plan->outputs[j] == plan->ops[i].out) needed = i + 1;
    }
  }
  return needed;
}

void plan_run(const struct plan *plan, struct threads *pool, float *arena, const float *input, int batch,
              float *const outputs[OUTPUT_COUNT], double *seconds) {
  struct execution x = {plan, pool, arena, input, batch};
  size_t needed = ops_needed(plan, outputs);
  for (size_t i = 0; i < needed; i++) {
    double begin = seconds ? now() : 0;
    run_op(&x, &plan->ops[i]);
    if (seconds) seconds[i] += now() - begin;
  }
  for (int i = 0; i < OUTPUT_COUNT; i++) {
    if (!outputs[i] || plan->outputs[i] == NO_VALUE) continue;
    struct value_shape s = plan->values[plan->outputs[i]].shape;
    size_t floats = (size_t)s.height * (size_t)s.width * (size_t)s.channels * (size_t)batch;
    memcpy(outputs[i], place(&x, plan->outputs[i]), floats * sizeof(float));
  }
}
