/* The plan's inside, shared by its builder (plan.c) and its executor (plan_run.c). */
#ifndef MODELS_PLAN_INTERNAL_H
#define MODELS_PLAN_INTERNAL_H

#include "kernels/winograd.h"
#include "models/plan.h"

enum { MAX_NAME = 256 };

enum op_kind { OP_CONV, OP_LINEAR, OP_MAX_POOL, OP_GLOBAL_AVERAGE_POOL, OP_PAD_SHORTCUT };

struct op {
  enum op_kind kind;
  char *name;
  value in, residual, out;
  struct conv_shape shape;          /* of a window where there is one */
  struct packed_conv *conv;         /* OP_CONV, OP_LINEAR */
  struct packed_winograd *winograd; /* OP_CONV where it pays: then conv is NULL */
  enum activation activation;
};

struct planned_value {
  struct value_shape shape;
  value home;    /* the value whose place it shares: itself, or the residual that it overwrites */
  size_t offset; /* floats per image in the arena */
};

struct plan {
  const struct kernels *kernels;
  struct weights *weights; /* while building */
  struct op *ops;
  size_t op_count, op_capacity;
  struct planned_value *values; /* [0] is the input */
  size_t value_count, value_capacity;
  value outputs[OUTPUT_COUNT];
  size_t arena_floats;
};

#endif
