/* The plan: a backbone as a list of fused operations over intermediates that a planner has placed in one arena.
 *
 * A family's file appends operations and never looks at a batch, a thread or an address. The first thing that goes
 * wrong (memory) or all that is missing (tensors) is kept by the plan's weights and reported once, by plan_finish();
 * until then every plan_ function may be called in any state. */
#ifndef MODELS_PLAN_H
#define MODELS_PLAN_H

#include "kernels/conv.h"
#include "models/weights.h"

struct plan;

/* An intermediate, [height, width, channels] per image. Negative: none (or the result of a failed operation). */
typedef int value;
enum { NO_VALUE = -1 };

enum model_output { OUTPUT_FEATURES, OUTPUT_LOGITS, OUTPUT_COUNT };

struct value_shape {
  int height, width, channels;
};

struct plan *plan_start(const struct kernels *kernels, struct weights *weights, error *e);
void plan_free(struct plan *plan);

/* The picture; exactly one, first. */
value plan_input(struct plan *plan, int height, int width, int channels);
/* activation(norm(conv(in)) + residual). Tensors NAME.weight and, as the checkpoint has them, NORM.{weight, bias,
 * running_mean, running_var} (folded into the convolution in double, eps 1e-5) or NAME.bias. */
value plan_conv(struct plan *plan, value in, const char *name, const char *norm, struct conv_shape shape,
                value residual, enum activation activation);
/* in [1, 1, channels] -> [1, 1, out]: NAME.weight [out, channels] and NAME.bias. */
value plan_linear(struct plan *plan, value in, const char *name, int out);
value plan_max_pool(struct plan *plan, value in, const char *name, int kernel, int stride, int padding);
value plan_global_average_pool(struct plan *plan, value in, const char *name);
/* See pad_shortcut() in kernels/pool.h. */
value plan_pad_shortcut(struct plan *plan, value in, const char *name, int stride, int out_channels);
void plan_output(struct plan *plan, enum model_output which, value from);

struct value_shape plan_shape(const struct plan *plan, value of);
struct weights *plan_weights(struct plan *plan);

/* Check that everything was found, and place the intermediates. FAILED lists every missing or misshapen tensor. */
int plan_finish(struct plan *plan, error *e);
/* Channels of an output, 0 when the plan has none. */
int plan_output_channels(const struct plan *plan, enum model_output which);
double plan_flops(const struct plan *plan);         /* per image */
size_t plan_arena_floats(const struct plan *plan);  /* per image */
size_t plan_scratch_bytes(const struct plan *plan); /* per thread */
size_t plan_weight_bytes(const struct plan *plan);  /* packed */

/* Run on `arena` (plan_arena_floats() * batch floats, 64-byte aligned). input: the picture's shape per image.
 * outputs[i] [batch, channels], NULL where not wanted. seconds: one double an operation, added to, or NULL. */
void plan_run(const struct plan *plan, struct threads *pool, float *arena, const float *input, int batch,
              float *const outputs[OUTPUT_COUNT], double *seconds);

/* An operation, for the profiler. Bytes: what it reads and writes once, weights not repeated per image. */
struct op_info {
  const char *name, *kind;
  struct value_shape in, out;
  int kernel, stride, groups;
  bool winograd; /* a convolution by fewer multiplications: its flops are those of the direct sum all the same */
  double flops, activation_bytes; /* per image */
  double weight_bytes;
};
int plan_op_count(const struct plan *plan);
struct op_info plan_op_info(const struct plan *plan, int op);

#endif
