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

/* depthwise_run() of stride 1 and padding kernel / 2: out[i] = conv(in) + bias, in and out [batch, height, width,
 * channels]. weight [kernel * kernel][channels], bias [channels]. */
struct cuda_depthwise {
  const float *in, *weight, *bias;
  float *out;
  int batch, height, width, channels, kernel;
};
void cuda_depthwise(cuda_stream *stream, const struct cuda_depthwise *depthwise);

/* layer_norm() of rows gathered from a map: out[row] = norm(the kernel x kernel window of output pixel `row`) * gamma +
 * beta + residual. in [batch, height, width, channels]; a row has kernel * kernel * channels floats, in the order ky,
 * kx, channel, as have gamma and beta (or both NULL) and residual (or NULL; may be out). in may be out where kernel
 * is 1. */
struct cuda_layer_norm {
  const float *in, *gamma, *beta, *residual;
  float *out;
  int batch, height, width, out_height, out_width, channels, kernel, stride;
  float epsilon;
};
void cuda_layer_norm(cuda_stream *stream, const struct cuda_layer_norm *norm);

/* global_response_norm(): in and out [batch, pixels, channels], out may be in. norms: [batch, channels] of scratch. */
struct cuda_response_norm {
  const float *in, *gamma, *beta;
  float *out, *norms;
  int batch, pixels, channels;
};
void cuda_response_norm(cuda_stream *stream, const struct cuda_response_norm *norm);

/* gate_silu(): in [rows, 2 channels], out [rows, channels]. */
struct cuda_gate {
  const float *in;
  float *out;
  size_t rows;
  int channels;
};
void cuda_gate(cuda_stream *stream, const struct cuda_gate *gate);

/* max_pool() and average_pool(): only the window's pixels inside the image count. */
struct cuda_pool {
  const float *in;
  float *out;
  int batch, height, width, out_height, out_width, channels, kernel, stride, padding;
};
void cuda_max_pool(cuda_stream *stream, const struct cuda_pool *pool);
void cuda_average_pool(cuda_stream *stream, const struct cuda_pool *pool);

/* out [batch, channels] = mean over pixels [first, first + count) of in [batch, pixels, channels]. */
struct cuda_mean {
  const float *in;
  float *out;
  int batch, pixels, first, count, channels;
};
void cuda_mean(cuda_stream *stream, const struct cuda_mean *mean);

/* pad_shortcut(). */
struct cuda_shortcut {
  const float *in;
  float *out;
  int batch, height, width, channels, stride, out_height, out_width, out_channels;
};
void cuda_pad_shortcut(cuda_stream *stream, const struct cuda_shortcut *shortcut);

/* out [batch, first + pixels, channels]: `first` rows prefix (+ token [batch, channels] where there is one), then in
 * [batch, pixels, channels] (+ position [pixels, channels], or NULL). */
struct cuda_tokens {
  const float *in, *token, *prefix, *position;
  float *out;
  int batch, first, pixels, channels;
};
void cuda_tokens(cuda_stream *stream, const struct cuda_tokens *tokens);

/* `rows` rows of `floats` floats, in_stride and out_stride apart. */
struct cuda_copy {
  const float *in;
  float *out;
  size_t rows, in_stride, out_stride;
  int floats;
};
void cuda_copy_rows(cuda_stream *stream, const struct cuda_copy *copy);

/* attention_run(): its shape and its operands, with the same meaning. head_size: at most CUDA_MOST_HEAD_SIZE. */
enum { CUDA_MOST_HEAD_SIZE = 128 };
struct cuda_attention {
  const float *q, *k, *v;
  float *out;
  size_t q_stride, kv_stride, q_image_stride, kv_image_stride;
  int batch, heads, head_size, queries, keys;
  int window_height, window_width, map_height, map_width, shift_y, shift_x;
  float scale;
  bool cosine;
  const float *head_scale, *bias, *relative_bias, *rope_cos, *rope_sin;
  int rope_first;
};
void cuda_attention(cuda_stream *stream, const struct cuda_attention *attention);

#ifdef __cplusplus
}
#endif

#endif
