/* Convolution over NHWC as implicit GEMM; linear layers and matrix products are its 1x1 case. */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/threads.h"

struct conv_shape {
  int in_channels, out_channels; /* of all groups together */
  int kernel, stride, padding, dilation, groups;
};

/* Pixels out for `pixels` in, along one axis; <= 0 when the kernel does not fit. */
int conv_output_size(const struct conv_shape *shape, int pixels);

/* Weights in the order in which the register tile reads them, made once at load. */
struct packed_conv;

/* weight: [out, in / groups, kernel, kernel] as published, bias: [out] or NULL. NULL with a message when the shape
 * makes no sense or memory is short. */
struct packed_conv *conv_pack(const struct kernels *kernels, const struct conv_shape *shape, const float *weight,
                              const float *bias, error *e);
/* From now on every row of the product is layer-normalised before it is multiplied: each pixel over its channels, or,
 * with `window`, all pixels of the kernel's window together (Swin's patch merging). gamma, beta: [in_channels], with
 * `window` [kernel * kernel * in_channels] in the window's order; copied. Only without padding and groups. The
 * normalised rows live in scratch, never in memory. */
int conv_normalize_input(struct packed_conv *packed, const float *gamma, const float *beta, float epsilon, bool window,
                         error *e);
/* From now on both factors are rounded to bfloat16 and their products summed in single precision: the weights now, the
 * rows of the input as they are read. Half the bytes, and where the CPU multiplies such pairs twice the speed. */
int conv_round_to_bf16(struct packed_conv *packed, const struct bf16_kernels *bf16, error *e);
void conv_release(struct packed_conv *packed);
/* Bytes that the packed weights hold. */
size_t conv_packed_bytes(const struct packed_conv *packed);
/* What was packed, for a back end with an order of its own: weight [out, in / groups, kernel, kernel] is filled (not
 * after conv_round_to_bf16()); the rest is the packed layer's, NULL where there is none. */
struct conv_contents {
  struct conv_shape shape;
  const float *bias, *gamma, *beta;
  float epsilon;
  bool window; /* as in conv_normalize_input() */
};
struct conv_contents conv_contents(const struct packed_conv *packed);
void conv_unpack(const struct packed_conv *packed, float *weight);
/* Scratch that conv_run() wants of every thread: threads_reserve_scratch() before. */
size_t conv_scratch_bytes(const struct packed_conv *packed);

/* Whether rows so many floats apart fall into the same lines of L1: multiples of 4 kB. A product of a 1x1 kernel copies
 * such rows before it reads them. */
static inline bool conv_collide(ptrdiff_t stride) { return stride % 1024 == 0; }

/* out = activation(conv(in) + bias + residual).
 * in: [batch, height, width, in_channels], pixels in_stride floats apart (0: in_channels); out and residual (or NULL):
 * [batch, out_height, out_width, out_channels], pixels out_stride floats apart (0: out_channels). out may be residual,
 * never in. */
struct conv_run {
  const struct packed_conv *packed;
  int batch, height, width;
  const float *in;
  ptrdiff_t in_stride;
  const float *residual;
  float *out;
  ptrdiff_t out_stride;
  enum activation activation;
  /* Of a product without groups these output channels alone, the others of out left as they are: multiples of the
   * register tile's columns; columns 0: all. */
  int first_column, columns;
};
void conv_run(struct threads *pool, const struct conv_run *run);

/* c = activation(a * b^T + bias + residual) with b packed as a 1x1 convolution: a [rows, in_channels], rows a_stride
 * floats apart (0: in_channels), c and residual [rows, out_channels]. */
void gemm_run(struct threads *pool, const struct packed_conv *b, int rows, const float *a, ptrdiff_t a_stride,
              const float *residual, float *c, enum activation activation);

#endif
