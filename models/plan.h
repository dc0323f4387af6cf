/* The plan: a backbone as a list of fused operations over intermediates that a planner has placed in one arena.
 *
 * A family's file appends operations and never looks at a batch, a thread or an address. The first thing that goes
 * wrong (memory) or all that is missing (tensors) is kept by the plan's weights and reported once, by plan_finish();
 * until then every plan_ function may be called in any state. */
#ifndef MODELS_PLAN_H
#define MODELS_PLAN_H

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "models/weights.h"

struct plan;

/* An intermediate: [height, width, channels] per image; tokens are [1, tokens, channels]. */
typedef int value;
enum { NO_VALUE = 0 }; /* none, or the result of a failed operation */

struct value_shape {
  int height, width, channels;
};

struct plan *plan_start(const struct kernels *kernels, struct weights *weights, error *e);
void plan_free(struct plan *plan);

/* ---- building: every operation is called after the module whose tensors it takes ---- */

/* The picture; exactly one, first. */
value plan_input(struct plan *plan, int height, int width, int channels);

/* What a product may have around it, all in one pass over memory:
 *     activation((conv(layer_norm(in)) + bias) * scale + residual), or with a batch norm in place of the scale. */
struct fusion {
  const char *batch_norm; /* BATCH_NORM.{weight, bias, running_mean, running_var}: folded in double, eps 1e-5 */
  const char *layer_norm; /* of the input's pixels: LAYER_NORM.{weight, bias} */
  double epsilon;         /* of the layer norm */
  const char *scale;      /* the name of a [out] tensor, ConvNeXt's gamma: folded into weight and bias */
  double factor;          /* of weight and bias; 0 counts as 1 */
  bool no_bias;           /* there is no NAME.bias */
  /* Instead of NAME.weight [out, in] and NAME.bias [out], for what a checkpoint stores otherwise; copied. */
  const float *weight, *bias;
  enum activation activation; /* after the residual */
  value residual;
};
/* NAME.weight [out, in / groups, kernel, kernel]. A checkpoint whose batch norms were folded has NAME.bias instead. */
value plan_conv(struct plan *plan, value in, const char *name, struct conv_shape shape, struct fusion fusion);
/* NAME.weight [out, channels], on every pixel or token. */
value plan_linear(struct plan *plan, value in, const char *name, int out, struct fusion fusion);
/* Swin's patch merging: 2x2 pixels, in the order (0,0) (1,0) (0,1) (1,1) of (row, column), one behind the other:
 * [h, w, c] -> [h/2, w/2, 4c], whose layer norm (if any) and product NAME.weight [out, 4c] without bias follow. */
value plan_patch_merging(struct plan *plan, value in, const char *name, int out, struct fusion fusion);
/* NAME.weight [channels, 1, kernel, kernel] and NAME.bias: stride 1, as large as the input. */
value plan_depthwise(struct plan *plan, value in, const char *name, int kernel);

/* NAME.{weight, bias}: layer_norm(in) + residual. */
value plan_layer_norm(struct plan *plan, value in, const char *name, double epsilon, value residual);
/* NAME.{weight, bias}. */
value plan_global_response_norm(struct plan *plan, value in, const char *name);
/* silu(first half of the channels) * second half. */
value plan_gate(struct plan *plan, value in, const char *name);

/* Attention of the tokens of q to those of k and v, slices of whose channels begin at the offsets (a fused projection
 * is all three). queries, keys are set from the values; the arrays of `shape` are malloc()ed and become the plan's. */
struct attention_inputs {
  value q, k, v; /* k and v have as many channels */
  int q_offset, k_offset, v_offset;
};
value plan_attention(struct plan *plan, const char *name, struct attention_inputs inputs, struct attention_shape shape);

/* Rows `prefix` [prefix_tokens, channels], then in's pixels as tokens, plus `position` [pixels, channels] (or NULL).
 * in may be NO_VALUE: the prefix alone, a constant. Both arrays are copied. */
value plan_tokens(struct plan *plan, value in, const char *name, const float *prefix, int prefix_tokens, int channels,
                  const float *position);
/* The token [1, 1, channels], then in's pixels, plus `position` [1 + pixels, channels], which is copied. */
value plan_prepend(struct plan *plan, value token, value in, const char *name, const float *position);
/* Token i as [1, 1, channels]. */
value plan_select(struct plan *plan, value in, const char *name, int token);
/* The mean of `count` pixels or tokens from `first` on; count 0: all that follow. */
value plan_mean(struct plan *plan, value in, const char *name, int first, int count);
/* [1, 1, a + b channels]. */
value plan_concatenate(struct plan *plan, value a, value b, const char *name);

value plan_max_pool(struct plan *plan, value in, const char *name, int kernel, int stride, int padding);
/* See average_pool() in kernels/pool.h. */
value plan_average_pool(struct plan *plan, value in, const char *name, int kernel, int stride, bool ceil);
/* See pad_shortcut() in kernels/pool.h. */
value plan_pad_shortcut(struct plan *plan, value in, const char *name, int stride, int out_channels);

struct value_shape plan_shape(const struct plan *plan, value of);
struct weights *plan_weights(struct plan *plan);
/* A problem that is no missing tensor ("a window of 7 does not divide ..."): plan_finish() fails with it. */
void plan_refuse(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- what a model gives ---- */

/* Offer a value under a name: "pooled" (every model has it), "tokens", "class", "mean", "projected". */
void plan_offer(struct plan *plan, const char *name, value v);
/* Offer the output of the next block: "block:0", "block:1", ... Its map or tokens are pooled as the model pools: token
 * `token` where that is not negative, else the mean from token `first`. */
void plan_offer_block(struct plan *plan, value v, int token, int first);
/* Offered name i, NULL behind the last; every block:N also exists as block:N:tokens. */
const char *plan_offered(const struct plan *plan, int i);

enum model_output { OUTPUT_FEATURES, OUTPUT_LOGITS, OUTPUT_COUNT };
void plan_output(struct plan *plan, enum model_output which, value from);
/* Make the offered value `name` the features. FAILED lists what is offered. */
int plan_choose(struct plan *plan, const char *name, error *e);

/* Check that everything was found, and place the intermediates. FAILED lists every missing or misshapen tensor. Nothing
 * can be appended afterwards. */
int plan_finish(struct plan *plan, error *e);

/* Place the intermediates anew after another plan_choose(). */
int plan_place(struct plan *plan, error *e);

/* Round the products' factors to bfloat16 from now on (conv_round_to_bf16()); those that Winograd's form already does
 * with fewer multiplications stay as they are, as does all arithmetic between products. After plan_finish(). */
int plan_round_to_bf16(struct plan *plan, error *e);

/* ---- using ---- */

/* Of an output; all 0 when the plan has none. */
struct value_shape plan_output_shape(const struct plan *plan, enum model_output which);
/* Per image: of what leads to an output; `whole`: with the tokens of it that no output reads, which are not computed.
 */
double plan_flops(const struct plan *plan, bool whole);
size_t plan_arena_floats(const struct plan *plan);  /* per image */
size_t plan_scratch_bytes(const struct plan *plan); /* per thread */
size_t plan_weight_bytes(const struct plan *plan);  /* packed */

/* Run on `arena` (plan_arena_floats() * batch floats, 64-byte aligned). input: the picture's shape per image.
 * outputs[i] [batch, height, width, channels], NULL where not wanted; operations that no wanted output needs are left
 * out. seconds: one double an operation, added to, or NULL. watch: NULL, or told of every operation. */
struct plan_watch;
void plan_run(const struct plan *plan, struct threads *pool, float *arena, const float *input, int batch,
              float *const outputs[OUTPUT_COUNT], double *seconds, const struct plan_watch *watch);

/* Called with -1 before the first operation, then with each operation's number when it is done, always on the thread
 * that runs the plan. */
struct plan_watch {
  void (*operation)(void *context, int op);
  void *context;
};

/* An operation, for the profiler. Bytes: what it reads and writes once, weights not repeated per image. */
struct op_info {
  const char *name, *kind;
  struct value_shape in, out;
  int kernel, stride, groups;
  int winograd; /* a convolution by fewer multiplications in tiles of so many pixels a side, or 0: its flops are those
                   of the direct sum all the same */
  bool needed;  /* for features or logits; others are never run */
  double flops, activation_bytes; /* per image, of the tokens that are needed: in and out tell how many */
  double weight_bytes;
  double values; /* per image: that pass an activation beyond ReLU, or attention's softmax */
  enum activation activation;
};
int plan_op_count(const struct plan *plan);
/* `whole`: with tokens that no output reads, as a GPU computes them. */
struct op_info plan_op_info(const struct plan *plan, int op, bool whole);

#endif
