/* The inside of the CUDA back end: cuda_weights.c uploads, cuda_run.c walks the plan, cuda_session.c feeds it. */
#ifndef MODELS_CUDA_CUDA_INTERNAL_H
#define MODELS_CUDA_CUDA_INTERNAL_H

#include "kernels/cuda/device.h"
#include "models/cuda/cuda.h"
#include "models/plan_internal.h"

/* What an operation reads beside its inputs, in the GPU's memory; NULL where there is nothing. */
struct cuda_op {
  const float *weight, *bias; /* products, depthwise */
  const float *gamma, *beta;  /* norms; tokens: prefix and position */
  float epsilon;
  bool window; /* the norm in front of a product is of whole windows */
  /* Of a product: its groups, narrow ones merged. */
  int groups, group_in, group_out, columns;
  const float *head_scale, *relative_bias, *rope_cos, *rope_sin; /* attention, whose bias is `bias` */
};

struct cuda_model {
  const struct plan *plan;
  enum cuda_precision precision;
  struct cuda_op *ops; /* [plan->op_count] */
  void *weights;
  size_t bytes;
};

/* Floats per image of what operations keep between their kernels: normalised rows, channel norms. */
size_t cuda_scratch_floats(const struct cuda_model *model);

/* Where a batch lies in the GPU's memory. */
struct cuda_place {
  float *arena, *scratch;
  const float *input;
  int batch;
};
/* Start operation i on the stream. */
void cuda_run_op(const struct cuda_model *model, const struct cuda_place *place, size_t i, cuda_stream *stream);
/* Where a value of the batch lies; NULL for NO_VALUE. */
const float *cuda_value(const struct cuda_model *model, const struct cuda_place *place, value v);

#endif
