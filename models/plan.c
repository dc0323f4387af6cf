/* Building a plan. plan_run.c runs it. */
#include "models/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/memory_planner.h"
#include "models/plan_internal.h"
#include "weights-tools/fold.h"

struct plan *plan_start(const struct kernels *kernels, struct weights *weights, error *e) {
  struct plan *plan = allocate_zeroed(1, sizeof *plan, e);
  if (!plan) return NULL;
  plan->kernels = kernels;
  plan->weights = weights;
  for (int i = 0; i < OUTPUT_COUNT; i++) plan->outputs[i] = NO_VALUE;
  return plan;
}

void plan_free(struct plan *plan) {
  if (!plan) return;
  for (size_t i = 0; i < plan->op_count; i++) {
    free(plan->ops[i].name);
    conv_release(plan->ops[i].conv);
    winograd_release(plan->ops[i].winograd);
  }
  free(plan->ops);
  free(plan->values);
  free(plan);
}

/* Remember the first failure; the caller's message is in *reason. */
static value give_up(struct plan *plan, const error *reason) {
  if (!plan->weights->failed) plan->weights->reason = *reason;
  plan->weights->failed = true;
  return NO_VALUE;
}

static value add_value(struct plan *plan, struct value_shape shape) {
  error reason;
  if (grow((void **)&plan->values, &plan->value_capacity, plan->value_count, sizeof *plan->values, &reason) != OK) {
    return give_up(plan, &reason);
  }
  plan->values[plan->value_count] = (struct planned_value){.shape = shape};
  return (value)plan->value_count++;
}

/* Append an operation with a fresh result; takes over op.conv and op.winograd. */
static value add_op(struct plan *plan, const char *name, struct op op, struct value_shape shape) {
  error reason;
  op.name = copy_string(name, &reason);
  value out = add_value(plan, shape);
  if (!op.name || out == NO_VALUE ||
      grow((void **)&plan->ops, &plan->op_capacity, plan->op_count, sizeof *plan->ops, &reason) != OK) {
    free(op.name);
    conv_release(op.conv);
    winograd_release(op.winograd);
    return give_up(plan, &reason);
  }
  op.out = out;
  plan->ops[plan->op_count++] = op;
  return out;
}

struct value_shape plan_shape(const struct plan *plan, value of) {
  return of == NO_VALUE ? (struct value_shape){0} : plan->values[of].shape;
}

struct weights *plan_weights(struct plan *plan) {
  return plan->weights;
}

value plan_input(struct plan *plan, int height, int width, int channels) {
  return add_value(plan, (struct value_shape){height, width, channels});
}

static const char *full_name(char buffer[static MAX_NAME], const char *module, const char *tensor) {
  snprintf(buffer, MAX_NAME, "%s.%s", module, tensor);
  return buffer;
}

/* The convolution's weight and bias with the norm folded in: false when something is missing (and noted). */
static bool take_conv(struct weights *w, const char *name, const char *norm, const struct conv_shape *s, float **weight,
                      float **bias) {
  char tensor[MAX_NAME];
  int64_t out = s->out_channels, per_group = s->in_channels / s->groups;
  int64_t shape[4] = {out, per_group, s->kernel, s->kernel};
  *weight = weights_take(w, full_name(tensor, name, "weight"), 4, shape);
  *bias = NULL;
  /* A converted checkpoint has the norm folded already: a bias in its place. */
  bool folded = !norm || (!weights_have(w, full_name(tensor, norm, "weight")) &&
                          weights_have(w, full_name(tensor, name, "bias")));
  if (folded) {
    *bias = weights_take(w, full_name(tensor, name, "bias"), 1, &out);
    /* The bias stands for the norm's two vectors: count what was published. */
    if (norm && *weight && *bias) w->parameters += out;
    return *weight && *bias;
  }
  float *gamma = weights_take(w, full_name(tensor, norm, "weight"), 1, &out);
  float *beta = weights_take(w, full_name(tensor, norm, "bias"), 1, &out);
  float *mean = weights_take(w, full_name(tensor, norm, "running_mean"), 1, &out);
  float *variance = weights_take(w, full_name(tensor, norm, "running_var"), 1, &out);
  bool whole = *weight && gamma && beta && mean && variance;
  if (whole) {
    error reason;
    *bias = allocate((size_t)out, sizeof **bias, &reason);
    whole = *bias != NULL;
    if (whole) {
      struct batch_norm batch_norm = {gamma, beta, mean, variance, 1e-5};
      fold_batch_norm((size_t)out, (size_t)(per_group * s->kernel * s->kernel), *weight, NULL, &batch_norm, *bias);
    } else if (!w->failed) {
      w->failed = true;
      w->reason = reason;
    }
  }
  free(gamma);
  free(beta);
  free(mean);
  free(variance);
  return whole;
}

value plan_conv(struct plan *plan, value in, const char *name, const char *norm, struct conv_shape shape,
                value residual, enum activation activation) {
  struct weights *w = plan->weights;
  struct value_shape from = plan_shape(plan, in);
  struct value_shape to = {conv_output_size(&shape, from.height), conv_output_size(&shape, from.width),
                           shape.out_channels};
  float *weight, *bias;
  struct packed_conv *conv = NULL;
  struct packed_winograd *winograd = NULL;
  error reason = {""};
  bool whole = take_conv(w, name, norm, &shape, &weight, &bias);
  if (whole) {
    char tensor[MAX_NAME];
    int64_t dimensions[4] = {shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel};
    weights_observe(w, full_name(tensor, name, "weight"), 4, dimensions, weight);
    weights_observe(w, full_name(tensor, name, "bias"), 1, dimensions, bias);
    if (winograd_pays(plan->kernels, &shape, from.height, from.width))
      winograd = winograd_pack(plan->kernels, &shape, weight, bias, &reason);
    else
      conv = conv_pack(plan->kernels, &shape, weight, bias, &reason);
    if (!conv && !winograd) give_up(plan, &reason);
  }
  free(weight);
  free(bias);
  struct op op = {.kind = OP_CONV,
                  .in = in,
                  .residual = residual,
                  .shape = shape,
                  .conv = conv,
                  .winograd = winograd,
                  .activation = activation};
  return add_op(plan, name, op, to);
}

value plan_linear(struct plan *plan, value in, const char *name, int out) {
  struct weights *w = plan->weights;
  struct value_shape from = plan_shape(plan, in);
  char tensor[MAX_NAME];
  int64_t shape[2] = {out, from.channels};
  float *weight = weights_take(w, full_name(tensor, name, "weight"), 2, shape);
  float *bias = weights_take(w, full_name(tensor, name, "bias"), 1, shape);
  struct packed_conv *conv = NULL;
  struct conv_shape as_conv = {
      .in_channels = from.channels, .out_channels = out, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
  error reason = {""};
  if (weight && bias) {
    weights_observe(w, full_name(tensor, name, "weight"), 2, shape, weight);
    weights_observe(w, full_name(tensor, name, "bias"), 1, shape, bias);
    conv = conv_pack(plan->kernels, &as_conv, weight, bias, &reason);
    if (!conv) give_up(plan, &reason);
  }
  free(weight);
  free(bias);
  struct op op = {.kind = OP_LINEAR, .in = in, .residual = NO_VALUE, .shape = as_conv, .conv = conv};
  return add_op(plan, name, op, (struct value_shape){from.height, from.width, out});
}

value plan_max_pool(struct plan *plan, value in, const char *name, int kernel, int stride, int padding) {
  struct value_shape from = plan_shape(plan, in);
  struct conv_shape shape = {.kernel = kernel, .stride = stride, .padding = padding, .dilation = 1, .groups = 1};
  struct value_shape to = {conv_output_size(&shape, from.height), conv_output_size(&shape, from.width), from.channels};
  return add_op(plan, name, (struct op){.kind = OP_MAX_POOL, .in = in, .residual = NO_VALUE, .shape = shape}, to);
}

value plan_global_average_pool(struct plan *plan, value in, const char *name) {
  struct op op = {.kind = OP_GLOBAL_AVERAGE_POOL, .in = in, .residual = NO_VALUE};
  return add_op(plan, name, op, (struct value_shape){1, 1, plan_shape(plan, in).channels});
}

value plan_pad_shortcut(struct plan *plan, value in, const char *name, int stride, int out_channels) {
  struct value_shape from = plan_shape(plan, in);
  struct op op = {.kind = OP_PAD_SHORTCUT, .in = in, .residual = NO_VALUE, .shape = {.stride = stride}};
  struct value_shape to = {(from.height + stride - 1) / stride, (from.width + stride - 1) / stride, out_channels};
  return add_op(plan, name, op, to);
}

void plan_output(struct plan *plan, enum model_output which, value from) { plan->outputs[which] = from; }

int plan_output_channels(const struct plan *plan, enum model_output which) {
  return plan_shape(plan, plan->outputs[which]).channels;
}

/* ---- finishing ----------------------------------------------------------------------------------------------------
 */

static size_t value_floats(const struct plan *plan, value v) {
  struct value_shape s = plan->values[v].shape;
  return (size_t)s.height * (size_t)s.width * (size_t)s.channels;
}

static int last_use(const struct plan *plan, value v) {
  int last = -1;
  for (size_t i = 0; i < plan->op_count; i++) {
    if (plan->ops[i].in == v || plan->ops[i].residual == v) last = (int)i;
  }
  return last;
}

static bool is_output(const struct plan *plan, value v) {
  for (int i = 0; i < OUTPUT_COUNT; i++) {
    if (plan->outputs[i] == v) return true;
  }
  return false;
}

/* Give every value its lifetime. A sum may overwrite its residual when nobody reads that later: both then share one
 * place, the home of the oldest. The input (value 0) lies outside the arena. */
static int place_values(struct plan *plan, error *e) {
  size_t n = plan->value_count;
  struct placement *placements = allocate_zeroed(n, sizeof *placements, e);
  if (!placements) return FAILED;
  for (size_t v = 0; v < n; v++) plan->values[v].home = (value)v;
  for (size_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    struct planned_value *out = &plan->values[op->out];
    int last = is_output(plan, op->out) ? (int)plan->op_count : last_use(plan, op->out);
    bool reuse = op->residual > 0 && last_use(plan, op->residual) == (int)i && !is_output(plan, op->residual) &&
                 plan->values[op->in].home != plan->values[op->residual].home;
    if (reuse) out->home = plan->values[op->residual].home;
    struct placement *home = &placements[out->home];
    if (!reuse) *home = (struct placement){.size = value_floats(plan, op->out), .first = (int)i};
    if (last > home->last) home->last = last;
    if (home->last < (int)i) home->last = (int)i;
  }
  int status = n > 1 ? place_all(placements + 1, n - 1, &plan->arena_floats, e) : OK;
  for (size_t v = 0; v < n; v++) plan->values[v].offset = placements[plan->values[v].home].offset;
  free(placements);
  return status;
}

int plan_finish(struct plan *plan, error *e) {
  struct weights *w = plan->weights;
  if (w->failed) return fail(e, "%s", w->reason.message);
  if (w->problem_count) {
    return fail(e, "%zu tensor%s missing or misshapen: %s%s", w->problem_count, w->problem_count == 1 ? " is" : "s are",
                w->problems ? w->problems : "", w->problem_count > 20 ? " ..." : "");
  }
  for (size_t i = 0; i < plan->op_count; i++) {
    struct value_shape s = plan_shape(plan, plan->ops[i].out);
    if (s.height < 1 || s.width < 1 || s.channels < 1) {
      return fail(e, "the input is too small: nothing is left after %s", plan->ops[i].name);
    }
  }
  return place_values(plan, e);
}

size_t plan_arena_floats(const struct plan *plan) { return plan->arena_floats; }

size_t plan_scratch_bytes(const struct plan *plan) {
  size_t most = 64;
  for (size_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    size_t bytes = op->conv ? conv_scratch_bytes(op->conv) : op->winograd ? winograd_scratch_bytes(op->winograd) : 0;
    if (bytes > most) most = bytes;
  }
  return most;
}

size_t plan_weight_bytes(const struct plan *plan) {
  size_t bytes = 0;
  for (size_t i = 0; i < plan->op_count; i++) {
    if (plan->ops[i].conv) bytes += conv_packed_bytes(plan->ops[i].conv);
    if (plan->ops[i].winograd) bytes += winograd_packed_bytes(plan->ops[i].winograd);
  }
  return bytes;
}

/* ---- describing ---------------------------------------------------------------------------------------------------
 */

static double shape_floats(struct value_shape s) { return (double)s.height * s.width * s.channels; }

int plan_op_count(const struct plan *plan) { return (int)plan->op_count; }

struct op_info plan_op_info(const struct plan *plan, int index) {
  static const char *const kinds[] = {"conv", "linear", "max_pool", "global_average_pool", "pad_shortcut"};
  const struct op *op = &plan->ops[index];
  struct op_info info = {.name = op->name,
                         .winograd = op->winograd != NULL,
                         .kind = kinds[op->kind],
                         .in = plan_shape(plan, op->in),
                         .out = plan_shape(plan, op->out),
                         .kernel = op->shape.kernel,
                         .stride = op->shape.stride,
                         .groups = op->shape.groups};
  double out = shape_floats(info.out);
  info.activation_bytes = 4 * (shape_floats(info.in) + out * (op->residual == NO_VALUE ? 1 : 2));
  if (op->kind == OP_CONV || op->kind == OP_LINEAR) {
    double per_output = (double)op->shape.in_channels / op->shape.groups * op->shape.kernel * op->shape.kernel;
    info.flops = 2 * out * per_output;
    info.weight_bytes = 4 * per_output * op->shape.out_channels;
  }
  return info;
}

double plan_flops(const struct plan *plan) {
  double flops = 0;
  for (int i = 0; i < plan_op_count(plan); i++) flops += plan_op_info(plan, i).flops;
  return flops;
}
