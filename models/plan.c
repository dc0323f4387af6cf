/* A plan's bookkeeping: its values, operations and outputs, and where every value lives. plan_ops.c and plan_products.c
 * build its operations, plan_run.c runs them. */
#include "models/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/memory_planner.h"
#include "models/plan_internal.h"

static void release_op(struct op *op) {
  free(op->name);
  conv_release(op->conv);
  winograd_release(op->winograd);
  depthwise_release(op->depthwise);
  free(op->gamma);
  free(op->beta);
  if (op->attention) {
    free((float *)op->attention->head_scale);
    free((float *)op->attention->bias);
    free((float *)op->attention->relative_bias);
    free((float *)op->attention->rope_cos);
    free((float *)op->attention->rope_sin);
    free(op->attention);
  }
}

void plan_free(struct plan *plan) {
  if (!plan) return;
  for (size_t i = 0; i < plan->op_count; i++) release_op(&plan->ops[i]);
  free(plan->ops);
  free(plan->values);
  free(plan->offers);
  free(plan);
}

void plan_give_up(struct plan *plan, const error *reason) {
  if (!plan->weights->failed) plan->weights->reason = *reason;
  plan->weights->failed = true;
}

void plan_refuse(struct plan *plan, const char *format, ...) {
  error reason;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason.message, sizeof reason.message, format, arguments);
  va_end(arguments);
  plan_give_up(plan, &reason);
}

static value add_value(struct plan *plan, struct value_shape shape) {
  error reason;
  if (grow((void **)&plan->values, &plan->value_capacity, plan->value_count, sizeof *plan->values, &reason) != OK) {
    plan_give_up(plan, &reason);
    return NO_VALUE;
  }
  plan->values[plan->value_count] = (struct planned_value){.shape = shape, .stride = shape.channels};
  return (value)plan->value_count++;
}

struct plan *plan_start(const struct kernels *kernels, struct weights *weights, error *e) {
  struct plan *plan = allocate_zeroed(1, sizeof *plan, e);
  if (!plan) return NULL;
  plan->kernels = kernels;
  plan->weights = weights;
  add_value(plan, (struct value_shape){0}); /* NO_VALUE */
  return plan;
}

value plan_append(struct plan *plan, const char *name, struct op op, struct value_shape shape) {
  error reason = {""};
  op.name = copy_string(name, &reason);
  value out = add_value(plan, shape);
  if (!op.name || out == NO_VALUE ||
      grow((void **)&plan->ops, &plan->op_capacity, plan->op_count, sizeof *plan->ops, &reason) != OK) {
    release_op(&op);
    plan_give_up(plan, &reason);
    return NO_VALUE;
  }
  op.out = out;
  plan->ops[plan->op_count++] = op;
  return out;
}

struct value_shape plan_shape(const struct plan *plan, value of) {
  return plan->values[of].shape;
}

struct weights *plan_weights(struct plan *plan) {
  return plan->weights;
}

value plan_input(struct plan *plan, int height, int width, int channels) {
  return add_value(plan, (struct value_shape){height, width, channels});
}

const char *plan_tensor_name(char buffer[static MAX_NAME], const char *module, const char *tensor) {
  snprintf(buffer, MAX_NAME, "%s.%s", module, tensor);
  return buffer;
}

float *plan_take(struct plan *plan, const char *name, const char *tensor, int dimensions, const int64_t *shape) {
  char full[MAX_NAME];
  float *values = weights_take(plan->weights, plan_tensor_name(full, name, tensor), dimensions, shape);
  if (values) weights_observe(plan->weights, full, dimensions, shape, values);
  return values;
}

/* ---- outputs ---- */

void plan_offer(struct plan *plan, const char *name, value v) {
  error reason;
  if (grow((void **)&plan->offers, &plan->offer_capacity, plan->offer_count, sizeof *plan->offers, &reason) != OK) {
    plan_give_up(plan, &reason);
    return;
  }
  struct offer *offer = &plan->offers[plan->offer_count++];
  offer->v = v;
  snprintf(offer->name, sizeof offer->name, "%s", name);
}

void plan_offer_block(struct plan *plan, value v, int token, int first) {
  char name[32];
  snprintf(name, sizeof name, "block:%d", plan->blocks);
  plan_offer(plan, name, token >= 0 ? plan_select(plan, v, name, token) : plan_mean(plan, v, name, first, 0));
  snprintf(name, sizeof name, "block:%d:tokens", plan->blocks++);
  plan_offer(plan, name, v);
}

const char *plan_offered(const struct plan *plan, int i) {
  return (size_t)i < plan->offer_count ? plan->offers[i].name : NULL;
}

void plan_output(struct plan *plan, enum model_output which, value from) { plan->outputs[which] = from; }

int plan_choose(struct plan *plan, const char *name, error *e) {
  char known[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < plan->offer_count; i++) {
    const char *offered = plan->offers[i].name;
    if (!strcmp(offered, name)) {
      plan->outputs[OUTPUT_FEATURES] = plan->offers[i].v;
      return OK;
    }
    bool block = !strncmp(offered, "block:", 6);
    if (!block && used < sizeof known - 64)
      used += (size_t)snprintf(known + used, sizeof known - used, used ? ", %s" : "%s", offered);
  }
  if (plan->blocks > 0)
    snprintf(known + used, sizeof known - used, "%sblock:0 to block:%d, each also with :tokens", used ? ", " : "",
             plan->blocks - 1);
  return fail(e, "this model has no \"%.40s\" features (it has %s)", name, known);
}

struct value_shape plan_output_shape(const struct plan *plan, enum model_output which) {
  return plan_shape(plan, plan->outputs[which]);
}

/* ---- finishing ---- */

static size_t value_floats(const struct plan *plan, value v) {
  struct value_shape s = plan->values[v].shape;
  return (size_t)s.height * (size_t)s.width * (size_t)plan->values[v].stride;
}

static int last_use(const struct plan *plan, value v) {
  int last = -1;
  for (size_t i = 0; i < plan->op_count; i++) {
    if (plan->ops[i].needed_by && plan_reads(&plan->ops[i], v)) last = (int)i;
  }
  return last;
}

static bool is_output(const struct plan *plan, value v) {
  for (int i = 0; i < OUTPUT_COUNT; i++) {
    if (plan->outputs[i] == v) return true;
  }
  return false;
}

/* The stride of what operation i makes: dense, unless only products of 1x1 kernels read it, which would copy pixels
 * that collide in L1 (an MLP's hidden layer). */
static int stride_of(const struct plan *plan, size_t i) {
  enum { LINE = 16 };
  const struct op *op = &plan->ops[i];
  int dense = plan->values[op->out].shape.channels;
  if (!op->conv || op->residual != NO_VALUE || !conv_collide(dense) || is_output(plan, op->out)) return dense;
  for (size_t j = i + 1; j < plan->op_count; j++) {
    const struct op *reader = &plan->ops[j];
    bool product = reader->conv && reader->shape.kernel == 1 && reader->residual != op->out;
    if (reader->needed_by && plan_reads(reader, op->out) && !product) return dense;
  }
  return dense + LINE;
}

/* Whether operation i may write over v: it is the last that reads it, and reads it in step with what it writes. */
static bool may_overwrite(const struct plan *plan, size_t i, value v) {
  const struct op *op = &plan->ops[i];
  bool other_input_lives_there = false;
  const value inputs[] = {op->in, op->second, op->third, op->residual};
  for (int k = 0; k < 4; k++) {
    if (inputs[k] != v && inputs[k] != NO_VALUE && plan->values[inputs[k]].home == plan->values[v].home)
      other_input_lives_there = true;
  }
  return v > INPUT_VALUE && last_use(plan, v) == (int)i && !is_output(plan, v) && !other_input_lives_there;
}

/* The value that operation i writes over, or NO_VALUE: a sum its residual, what works value by value its input. */
static value overwritten(const struct plan *plan, size_t i) {
  const struct op *op = &plan->ops[i];
  bool in_place = op->kind == OP_GLOBAL_RESPONSE_NORM || op->kind == OP_LAYER_NORM;
  if (op->residual != NO_VALUE && op->residual != op->in && may_overwrite(plan, i, op->residual)) return op->residual;
  return in_place && may_overwrite(plan, i, op->in) ? op->in : NO_VALUE;
}

int plan_place(struct plan *plan, error *e) {
  plan_find_needed(plan);
  size_t n = plan->value_count, first = INPUT_VALUE + 1;
  if (n <= first) return OK;
  struct placement *placements = allocate_zeroed(n, sizeof *placements, e);
  if (!placements) return FAILED;
  for (size_t v = 0; v < n; v++) plan->values[v].home = (value)v;
  for (size_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    if (!op->needed_by) continue;
    struct planned_value *out = &plan->values[op->out];
    out->stride = stride_of(plan, i);
    value over = overwritten(plan, i);
    if (over != NO_VALUE) out->home = plan->values[over].home;
    struct placement *home = &placements[out->home];
    if (over == NO_VALUE) *home = (struct placement){.size = value_floats(plan, op->out), .first = (int)i};
    int last = is_output(plan, op->out) ? (int)plan->op_count : last_use(plan, op->out);
    if (last > home->last) home->last = last;
    if (home->last < (int)i) home->last = (int)i;
  }
  int status = place_all(placements + first, n - first, &plan->arena_floats, e);
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
  plan->weights = NULL;
  return plan_place(plan, e);
}

size_t plan_arena_floats(const struct plan *plan) { return plan->arena_floats; }
