/* The plan's inside, shared by its builder (plan.c, plan_needed.c, plan_ops.c, plan_products.c), its description
 * (plan_info.c) and its executor (plan_run.c). */
#ifndef MODELS_PLAN_INTERNAL_H
#define MODELS_PLAN_INTERNAL_H

#include "kernels/depthwise.h"
#include "kernels/winograd.h"
#include "models/plan.h"

enum { MAX_NAME = 256, INPUT_VALUE = 1 /* the picture, outside the arena */ };

enum op_kind {
  OP_CONV,
  OP_LINEAR,
  OP_DEPTHWISE,
  OP_LAYER_NORM,
  OP_GLOBAL_RESPONSE_NORM,
  OP_GATE,
  OP_ATTENTION,
  OP_TOKENS,
  OP_SELECT,
  OP_MEAN,
  OP_CONCATENATE,
  OP_MAX_POOL,
  OP_AVERAGE_POOL,
  OP_PAD_SHORTCUT
};

/* A range of a value's tokens (or pixels), the same of every image. */
struct tokens {
  int first, count;
};

struct op {
  enum op_kind kind;
  char *name;
  value in, second, third, residual, out; /* second, third: attention's keys and values; second: what is joined */
  struct conv_shape shape;                /* of a window where there is one */
  struct packed_conv *conv;               /* OP_CONV, OP_LINEAR */
  struct packed_winograd *winograd;       /* OP_CONV where it pays: then conv is NULL */
  struct packed_depthwise *depthwise;
  enum activation activation;
  float *gamma,
      *beta; /* norms: [channels]; OP_TOKENS: prefix [first, channels] and position [pixels, channels] or NULL */
  float epsilon;
  int first, count; /* OP_SELECT: the token; OP_MEAN: the tokens; OP_TOKENS: first: tokens before the pixels */
  bool ceil;        /* OP_AVERAGE_POOL */
  struct attention_shape *attention;
  struct attention_inputs slices;
  unsigned needed_by;   /* bit i: output i */
  struct tokens tokens; /* of the result, that are read: the others need not be computed */
  /* A fused projection whose queries are needed for some tokens, its keys and values for all: */
  int query_channels; /* its first ones, or 0 */
  struct tokens queries;
};

struct planned_value {
  struct value_shape shape;
  int stride;    /* floats from pixel to pixel: channels, or a line more where these would collide in L1 */
  value home;    /* the value whose place it shares: itself, or the one that it overwrites */
  size_t offset; /* floats per image in the arena */
};

struct offer {
  char name[32];
  value v;
};

struct plan {
  const struct kernels *kernels;
  const struct bf16_kernels *bf16; /* of the products; NULL: floats */
  struct weights *weights;         /* while building */
  struct op *ops;
  size_t op_count, op_capacity;
  struct planned_value *values; /* [NO_VALUE] is empty, [INPUT_VALUE] the picture */
  size_t value_count, value_capacity;
  struct offer *offers;
  size_t offer_count, offer_capacity;
  int blocks; /* offered */
  value outputs[OUTPUT_COUNT];
  size_t arena_floats;
};

/* Set needed_by and tokens of every operation, from the outputs. */
void plan_find_needed(struct plan *plan);
bool plan_reads(const struct op *op, value v);
/* Whether not all tokens of the result are read. */
bool plan_some_tokens(const struct plan *plan, const struct op *op);

/* Append an operation with a fresh result; takes over everything that `op` points to. */
value plan_append(struct plan *plan, const char *name, struct op op, struct value_shape shape);
/* Remember the first failure. */
void plan_give_up(struct plan *plan, const error *reason);
/* "MODULE.TENSOR" */
const char *plan_tensor_name(char buffer[static MAX_NAME], const char *module, const char *tensor);
/* [shape[0], ...] of NAME.TENSOR as weights_take(), shown to the observer. */
float *plan_take(struct plan *plan, const char *name, const char *tensor, int dimensions, const int64_t *shape);

#endif
