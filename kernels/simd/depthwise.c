/* Depthwise convolution of one vector of channels.
 *
 * ConvNeXt's 7x7: up to eight neighbouring outputs of two rows, and the two rows of seven weights that a row of the
 * input meets there, stay in registers: 16 + 14, and one for the pixel. A row of the input then costs 14 + 14 loads for
 * 112 multiply-adds, and 16 sums, each a chain of additions, keep both FMA units busy, which 8 just miss. With 16
 * registers it is one row of outputs. Pixels outside the image are left out, not multiplied: of a 7x7 map that is 43 %
 * of all the products. The sum of an output runs over the kernel's rows, then columns. */
#include <stdbool.h>

#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { KERNEL = 7, OUTPUTS = 8, MOST_ROWS = 2 };
#if defined(ISA_avx512) || defined(ISA_neon)
enum { ROWS = MOST_ROWS };
#else
enum { ROWS = 1 };
#endif

/* The part of [0, kernel) that lies inside [0, size) when the kernel begins at `start`. */
INLINE void clip(int start, int kernel, int size, int *first, int *end) {
  *first = start < 0 ? -start : 0;
  *end = start + kernel > size ? size - start : kernel;
}

/* Rows of the input from `first_row` on: the image itself, or a copy of what one call reads. */
struct input {
  const float *pixels;
  ptrdiff_t stride; /* from pixel to pixel */
  int first_row, width;
};

INLINE const float *input_row(const struct input *in, int row) {
  return in->pixels + (ptrdiff_t)(row - in->first_row) * in->width * in->stride;
}

/* Adds a row of the input to the sums of n neighbouring outputs of rows `first` to `end`, of which row 0 meets it with
 * the kernel's row at `weight`, and row 1 with the one before. `n`, `first`, `end` and `inside` are constants. */
INLINE void add_row(const struct input *in, int row, int left, const float *weight, vfloat sum[MOST_ROWS][OUTPUTS],
                    const int n, const int first, const int end, const bool inside, const int lanes) {
  const float *pixels = input_row(in, row);
  vfloat w[MOST_ROWS][KERNEL];
#pragma GCC unroll 2
  for (int r = first; r < end; r++) {
#pragma GCC unroll 8
    for (int kx = 0; kx < KERNEL; kx++) w[r][kx] = v_load(weight + (kx - r * KERNEL) * LANES);
  }
#pragma GCC unroll 16
  for (int i = 0; i < n + KERNEL - 1; i++) {
    if (!inside && (left + i < 0 || left + i >= in->width)) continue;
    vfloat pixel = v_load_up_to(pixels + (left + i) * in->stride, lanes);
#pragma GCC unroll 8
    for (int o = 0; o < n; o++) {
      if (i - o < 0 || i - o >= KERNEL) continue;
#pragma GCC unroll 2
      for (int r = first; r < end; r++) sum[r][o] = v_fma(pixel, w[r][i - o], sum[r][o]);
    }
  }
}

/* Outputs x to x + n of rows y to y + rows. `n`, `rows`, `inside` (no kernel sticks out sideways) and `whole` (all
 * lanes) are constants at every call. */
INLINE void outputs(const struct depthwise_rows *d, const struct input *in, int y, int x, const int n, const int rows,
                    const bool inside, const bool whole) {
  const int lanes = whole ? LANES : d->channels;
  int top = y - d->padding, left = x - d->padding, first_ky, end_ky;
  clip(top, KERNEL + rows - 1, d->in_height, &first_ky, &end_ky);
  /* The rows below, soon the kernel's next, for maps that do not lie in L2 as a whole. */
  for (int r = top + KERNEL + rows - 1; r < top + KERNEL + 2 * rows - 1; r++) {
    if (d->in_width <= 2 * OUTPUTS || r >= d->in_height) break;
    for (int o = 0; o < n; o++) __builtin_prefetch(input_row(in, r) + (x + o) * in->stride);
  }
  vfloat sum[MOST_ROWS][OUTPUTS];
#pragma GCC unroll 2
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int o = 0; o < n; o++) sum[r][o] = v_load(d->bias);
  }
  int ky = first_ky;
  if (rows == 2 && ky == 0) {
    add_row(in, top, left, d->weight, sum, n, 0, 1, inside, lanes);
    ky++;
  }
  for (; ky < end_ky && ky < KERNEL; ky++)
    add_row(in, top + ky, left, d->weight + ky * KERNEL * LANES, sum, n, 0, rows, inside, lanes);
  if (ky < end_ky) add_row(in, top + ky, left, d->weight + ky * KERNEL * LANES, sum, n, 1, rows, inside, lanes);
#pragma GCC unroll 2
  for (int r = 0; r < rows; r++) {
    float *out = d->out + ((ptrdiff_t)(y + r) * d->out_width + x) * d->pixel_stride;
#pragma GCC unroll 8
    for (int o = 0; o < n; o++) v_store_up_to(out + o * d->pixel_stride, sum[r][o], lanes);
  }
}

#define CASE(n)                                    \
  case n:                                          \
    if (!whole)                                    \
      outputs(d, in, y, x, n, rows, false, false); \
    else if (inside)                               \
      outputs(d, in, y, x, n, rows, true, true);   \
    else                                           \
      outputs(d, in, y, x, n, rows, false, true);  \
    break;

/* Rows y to y + rows of the output. */
INLINE void output_rows(const struct depthwise_rows *d, const struct input *in, int y, const int rows,
                        const bool whole) {
  int blocks = (d->out_width + OUTPUTS - 1) / OUTPUTS;
  for (int block = 0; block < blocks; block++) {
    /* Nearly equal blocks: 28 outputs are 7 + 7 + 7 + 7. */
    int x = block * d->out_width / blocks, end = (block + 1) * d->out_width / blocks;
    bool inside = x >= d->padding && end - d->padding + KERNEL - 1 <= d->in_width;
    switch (end - x) {
      CASE(1)
      CASE(2)
      CASE(3)
      CASE(4)
      CASE(5)
      CASE(6)
      CASE(7)
      CASE(8)
      default:
        break;
    }
  }
}

static void seven_by_seven(const struct depthwise_rows *d) {
  const bool whole = d->channels == LANES;
  struct input in = {d->in, d->pixel_stride, 0, d->in_width};
  float copy[DEPTHWISE_GATHERED * LANES] __attribute__((aligned(64)));
  if (d->gather && whole) {
    int top = d->first_row - d->padding, first, end;
    clip(top, d->end_row - d->first_row + KERNEL - 1, d->in_height, &first, &end);
    const float *pixels = input_row(&in, top + first);
    for (int i = 0; i < (end - first) * in.width; i++) v_store(copy + i * LANES, v_load(pixels + i * in.stride));
    in = (struct input){copy, LANES, top + first, d->in_width};
  }
  int y = d->first_row;
  if (whole) {
    for (; y + ROWS <= d->end_row; y += ROWS) output_rows(d, &in, y, ROWS, true);
    for (; y < d->end_row; y++) output_rows(d, &in, y, 1, true);
  } else {
    for (; y < d->end_row; y++) output_rows(d, &in, y, 1, false);
  }
}

static void any_kernel(const struct depthwise_rows *d) {
  for (int y = d->first_row; y < d->end_row; y++) {
    for (int x = 0; x < d->out_width; x++) {
      int top = y * d->stride - d->padding, left = x * d->stride - d->padding;
      int first_ky, end_ky, first_kx, end_kx;
      clip(top, d->kernel, d->in_height, &first_ky, &end_ky);
      clip(left, d->kernel, d->in_width, &first_kx, &end_kx);
      vfloat sum = v_load(d->bias);
      for (int ky = first_ky; ky < end_ky; ky++) {
        for (int kx = first_kx; kx < end_kx; kx++) {
          ptrdiff_t pixel = (ptrdiff_t)(top + ky) * d->in_width + left + kx;
          sum = v_fma(v_load_up_to(d->in + pixel * d->pixel_stride, d->channels),
                      v_load(d->weight + (ky * d->kernel + kx) * LANES), sum);
        }
      }
      v_store_up_to(d->out + ((ptrdiff_t)y * d->out_width + x) * d->pixel_stride, sum, d->channels);
    }
  }
}

void ISA_NAME(depthwise_rows)(const struct depthwise_rows *d) {
  if (d->kernel == KERNEL && d->stride == 1)
    seven_by_seven(d);
  else
    any_kernel(d);
}
