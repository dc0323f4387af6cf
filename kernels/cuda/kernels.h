/* The kernels for NVIDIA GPUs: what each computes, with all pointers in the GPU's memory. A launch function starts a
 * kernel on a stream and returns at once; errors appear at device_check() (kernels/cuda/device.h). Layouts are the
 * CPU's: NHWC, rows of tokens; each function names the one of kernels/ that it equals.
 *
 * An element is one sum in one order, which depends on the layer's shape only: never on the batch, the place in it, the
 * tile that was chosen, or atomics. */
#ifndef KERNELS_CUDA_KERNELS_H
#define KERNELS_CUDA_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cuda_stream cuda_stream; /* a cudaStream_t */

/* How products are multiplied: by FMA in float32; or on tensor cores, whose factors are rounded to TF32 (10 bits of
 * fraction) or bfloat16 (7 bits), with sums in float32. */
enum cuda_precision { CUDA_FLOAT32, CUDA_TF32, CUDA_BFLOAT16 };

/* A convolution as a product (conv_run()): out = activation(conv(in) + bias + residual), each group a product of its
 * own. in [batch, height, width, groups * group_in], out and residual (or NULL; may be out) [batch, out_height,
 * out_width, groups * group_out]. weight [groups][kernel * kernel * group_in][columns], rows in the order ky, kx, in;
 * columns: group_out made up to a multiple of four with zeros. bias [groups * group_out] or NULL. A matrix product is
 * the convolution of one row of `batch` pixels by 1x1. */
struct cuda_product {
  const float *in, *weight, *bias, *residual;
  float *out;
  int batch, height, width, out_height, out_width;
  int groups, group_in, group_out, columns;
  int kernel, stride, padding, dilation;
  enum activation activation;
};
void cuda_product(cuda_stream *stream, const struct cuda_product *product, enum cuda_precision precision);

#ifdef __cplusplus
}
#endif

#endif
