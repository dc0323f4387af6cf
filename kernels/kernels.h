/* The kernels of one instruction set, as a table of function pointers filled once.
 *
 * The framework (packing, loops over tiles, threads: conv.c, pool.c) is written once; an instruction set adds its
 * register tile and its row kernels, in the manner of BLIS. kernels/reference holds the definition of each operation.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* GELU by erf (Hendrycks and Gimpel 2016), by its tanh approximation, and by x * sigmoid(1.702 x) ("quick"); SiLU:
 * x * sigmoid(x). */
enum activation {
  ACTIVATION_NONE,
  ACTIVATION_RELU,
  ACTIVATION_GELU,
  ACTIVATION_GELU_TANH,
  ACTIVATION_QUICK_GELU,
  ACTIVATION_SILU
};

enum { GEMM_MAX_ROWS = 16, BF16_MAX_ROWS = 32, GEMM_MAX_COLUMNS = 32 }; /* the largest register tiles of any set */

/* C[rows, columns] = activation(sum over taps and depth of A * B + bias + residual).
 * A row of the tile is `taps` runs of `depth` contiguous floats, each given by a pointer: a matrix has one run, a
 * convolution one for each kernel position, so that pixels are read where they lie (indirect convolution, Dukhan 2019).
 * The sum of an element runs over taps then depth in ascending order, whatever the tile: bits do not depend on tiling.
 */
struct gemm_tile {
  int rows, columns; /* 1..gemm_rows, 1..gemm_columns */
  int taps, depth;
  const float *const *a; /* [taps][GEMM_MAX_ROWS] */
  ptrdiff_t a_stride;    /* of one tap whose rows are equally far apart, floats from row to row; 0: not so */
  const float *ahead;    /* what will be read soon: a cache line of it is fetched for every step of the sum. Or NULL */
  const float *b;        /* [taps * depth][gemm_columns], columns beyond `columns` are zero */
  float *c;              /* rows c_stride floats apart */
  const float *start;    /* where the sums begin: rows start_stride apart, maybe those of c; or NULL: at zero */
  ptrdiff_t start_stride;
  ptrdiff_t c_stride;
  const float *bias;     /* [columns], or NULL */
  const float *residual; /* like c, rows residual_stride apart, or NULL; may be c itself */
  ptrdiff_t residual_stride;
  enum activation activation;
  /* bf16_kernels take these instead of taps, depth, a and b: rows of 2 * pairs bfloat16 numbers, a_bf16_stride (even)
   * apart, and [pairs][gemm_columns][2]. */
  int pairs;
  const uint16_t *a_bf16, *b_bf16;
  ptrdiff_t a_bf16_stride;
};

/* Windows over one row of output pixels: out[x, c] for x in [0, out_width). */
struct pool_row {
  const float *in; /* [in_height, in_width, channels] of one image */
  float *out;      /* [out_width, channels] */
  int in_height, in_width, channels, out_width;
  int kernel, stride, padding, y; /* y: the output row */
};

enum { DEPTHWISE_GATHERED = 400 }; /* 25 kB of vectors on AVX-512: half of L1 */

/* A depthwise convolution of at most one vector of channels over some rows of one image. */
struct depthwise_rows {
  const float *in;            /* the first of these channels in [in_height, in_width], pixels pixel_stride apart */
  float *out;                 /* likewise in [out_height, out_width] */
  const float *weight, *bias; /* [kernel, kernel, lanes] and [lanes]; lanes beyond `channels` are zero */
  ptrdiff_t pixel_stride;     /* floats from pixel to pixel, of in and out */
  int channels;               /* 1..lanes */
  int in_height, in_width, out_width, kernel, stride, padding;
  int first_row, end_row; /* of the output */
  bool gather; /* copy the input's rows that these need, at most DEPTHWISE_GATHERED pixels, side by side first */
};

/* Winograd's forms of a 3x3 convolution: tiles of 2x2 outputs from 4x4 inputs, and of 4x4 from 6x6. */
enum winograd_form { WINOGRAD_2, WINOGRAD_4, WINOGRAD_FORMS };

/* One tile of a Winograd convolution on its way back: its pixels of some channels (kernels/winograd.c). */
struct winograd_output {
  const float *m; /* [16 or 36] products, matrix_stride apart, each whole vectors of channels */
  ptrdiff_t matrix_stride;
  int rows, columns; /* pixels of the tile that lie inside the image, 1.. */
  int channels;
  ptrdiff_t pixel_stride, row_stride; /* of out and residual */
  const float *bias, *residual;       /* or NULL */
  float *out;
  enum activation activation;
};

/* A tile of attention's logits, made probabilities in place but for a factor: row r becomes e^(x + bias + mask - m),
 * share[r] one over its sum. Any m near the row's largest value does, as share[r] makes up for it: without bias and
 * mask it is the largest of some first values, which saves a pass over the row. Where a later one is larger by so much
 * that sums leave the range of floats, the tile is spoilt and needs another try that is `careful`: with the largest of
 * all. Rows have room for whole vectors: the floats beyond `columns` are finite before, and next to zero after. */
struct softmax_rows {
  int rows, columns; /* 1..GEMM_MAX_ROWS, 1.. */
  float *x;          /* rows `stride` floats apart */
  ptrdiff_t stride;
  const float *bias;                /* rows [columns], packed, or NULL */
  const float *mask[GEMM_MAX_ROWS]; /* of each row: [columns], or NULL */
  bool careful;
  float share[GEMM_MAX_ROWS];
};

/* Products whose factors are bfloat16 (the upper half of a float) and whose sums are floats, over panels as wide as
 * those of the instruction set's floats. */
struct bf16_kernels {
  const char *name; /* "avx2:bf16" */
  int gemm_rows;    /* of a tile: at most BF16_MAX_ROWS */
  int step;         /* a tile's pairs are a multiple of it */
  void (*gemm_tile)(const struct gemm_tile *tile);
  /* n floats to bfloat16, to nearest even; NaN stays NaN, and what is no normal float may become zero. */
  void (*round_row)(const float *in, int n, uint16_t *out);
};

struct kernels {
  const char *isa;
  int gemm_rows, gemm_columns; /* the register tile */
  int lanes;
  void (*gemm_tile)(const struct gemm_tile *tile);
  /* By multiply-adds of floats, by an instruction of the CPU for pairs of bfloat16, and by one for tiles of them: NULL
   * where a compiler or an instruction set has none. kernels_bf16() chooses. */
  const struct bf16_kernels *bf16_widened, *bf16_pairs, *bf16_tiles;
  /* Of each form: v[i, c] (matrices matrix_stride apart) = the input transform of its 4x4 or 6x6 pixels of `channels`
   * floats; and its way back. NULL in the reference: it sums directly. */
  void (*winograd_input[WINOGRAD_FORMS])(const float *const *pixels, int channels, float *v, ptrdiff_t matrix_stride);
  void (*winograd_output[WINOGRAD_FORMS])(const struct winograd_output *output);
  /* Maximum over the window's pixels that lie inside the image. */
  void (*max_pool_row)(const struct pool_row *row);
  /* Mean over the window's pixels that lie inside the image. */
  void (*average_pool_row)(const struct pool_row *row);
  /* out[c] = mean over n pixels of in[n, c]; channels [0, channels), pixels `stride` floats apart. */
  void (*mean_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out);
  /* The same with the 2-norm over the pixels in place of the mean. */
  void (*norm_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out);
  /* out[c] = in[c] * scale[c] + shift[c]; out may be in. */
  void (*scale_row)(const float *in, const float *scale, const float *shift, int channels, float *out);
  /* out[c] = silu(in[c]) * in[channels + c]; out is apart from in. */
  void (*gate_silu_row)(const float *in, int channels, float *out);
  /* One row of layer_norm() (kernels/layer_norm.h). gamma and beta may both be NULL: the plain normalisation; residual
   * may be NULL; out may be in or residual. */
  void (*layer_norm_row)(const float *in, int channels, const float *gamma, const float *beta, float epsilon,
                         const float *residual, float *out);
  /* Row kernels of attention (kernels/attention.c). softmax_rows: false where the tile needs a careful try. */
  bool (*softmax_rows)(struct softmax_rows *s);
  /* out[r] = in[r] * factor[r] for `rows` rows of n floats; out[r] may be in[r]. */
  void (*scale_rows)(const float *const *in, int rows, int n, const float *factor, float *const *out);
  /* Scores of one row become the derivative of its loss: with s = x + bias, x = softmax(s) - onehot(label); returns
   * -log softmax(s)[label]. x, bias: `classes` floats made up to whole vectors; beyond `classes` bias is -infinity and
   * x any finite number, which becomes 0. Where a score is not finite, the loss is not. */
  double (*cross_entropy_row)(float *x, const float *bias, int classes, int label);
  /* One panel of a transposed matrix: panel[k * gemm_columns + c] = rows[c][k] for k in [0, depth), c in [0, count);
   * count: whole vectors. */
  void (*transpose_panel)(const float *const *rows, int count, int depth, float *panel);
  /* Rows of n floats: out [rows, n] = in[r] / max(2-norm of in[r], 1e-12), apart from all of in. */
  void (*unit_rows)(const float *const *in, int rows, int n, float *out);
  /* out = in * cos + rotate_half(in) * sin, where rotate_half(x) = (-x[n/2..n), x[0..n/2)); out is apart from in. */
  void (*rotate_row)(const float *in, int n, const float *cos, const float *sin, float *out);
  void (*depthwise_rows)(const struct depthwise_rows *rows);
  /* Independent multiply-adds in registers for `rounds` rounds: the machine's FMA peak. Returns the FLOPs done. */
  double (*fma_peak)(long rounds, float *sink);
};

/* The best table for this CPU, lowered by BACKBONES_ISA=reference|plain|avx2|avx512|neon. NULL with a message when the
 * variable names an unknown or unsupported set. Decided at the first call. */
const struct kernels *kernels_select(error *e);
/* The fastest of a table's bf16_kernels that run here. BACKBONES_ISA=avx512 leaves AMX out. */
const struct bf16_kernels *kernels_bf16(const struct kernels *kernels);
/* A table by name (NULL when this CPU or build lacks it) and the names of all that run here, for tests and bench. */
const struct kernels *kernels_find(const char *isa);
const char *const *kernels_available(void); /* ended by NULL, best first */

#endif
