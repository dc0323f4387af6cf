/* Depthwise convolution of one vector of channels.
 *
 * ConvNeXt's 7x7: up to eight neighbouring outputs and one row of seven weights stay in registers, so that a row of the
 * kernel costs 14 + 7 loads for 56 multiply-adds. Pixels outside the image are left out, not multiplied: of a 7x7 map
 * that is 43 % of all the products. The sum of an output runs over the kernel's rows, then columns. */
#include <stdbool.h>

#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { KERNEL = 7, OUTPUTS = 8 };

/* The part of [0, kernel) that lies inside [0, size) when the kernel begins at `start`. */
INLINE void clip(int start, int kernel, int size, int *first, int *end) {
  *first = start < 0 ? -start : 0;
  *end = start + kernel > size ? size - start : kernel;
}

/* Outputs x to x + n of row y. `n`, `inside` (no kernel sticks out sideways) and `whole` (all lanes) are constants at
 * every call. */
INLINE void outputs(const struct depthwise_rows *d, int y, int x, const int n, const bool inside, const bool whole) {
  int top = y - d->padding, left = x - d->padding, first_ky, end_ky;
  clip(top, KERNEL, d->in_height, &first_ky, &end_ky);
  const int lanes = whole ? LANES : d->channels;
  /* The row below, soon the kernel's next, for maps that do not lie in L2 as a whole. */
  if (d->in_width > 2 * OUTPUTS && top + KERNEL < d->in_height) {
    const float *next = d->in + ((ptrdiff_t)(top + KERNEL) * d->in_width + x) * d->pixel_stride;
    for (int o = 0; o < n; o++) __builtin_prefetch(next + o * d->pixel_stride);
  }
  vfloat sum[OUTPUTS];
#pragma GCC unroll 8
  for (int o = 0; o < n; o++) sum[o] = v_load(d->bias);
  for (int ky = first_ky; ky < end_ky; ky++) {
    const float *weight = d->weight + ky * KERNEL * LANES;
    ptrdiff_t pixel = (ptrdiff_t)(top + ky) * d->in_width + left;
    vfloat w[KERNEL];
#pragma GCC unroll 8
    for (int kx = 0; kx < KERNEL; kx++) w[kx] = v_load(weight + kx * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < n + KERNEL - 1; i++) {
      if (!inside && (left + i < 0 || left + i >= d->in_width)) continue;
      vfloat in = v_load_up_to(d->in + (pixel + i) * d->pixel_stride, lanes);
#pragma GCC unroll 8
      for (int o = 0; o < n; o++) {
        if (i - o >= 0 && i - o < KERNEL) sum[o] = v_fma(in, w[i - o], sum[o]);
      }
    }
  }
  float *out = d->out + ((ptrdiff_t)y * d->out_width + x) * d->pixel_stride;
#pragma GCC unroll 8
  for (int o = 0; o < n; o++) v_store_up_to(out + o * d->pixel_stride, sum[o], lanes);
}

#define CASE(n)                          \
  case n:                                \
    if (!whole)                          \
      outputs(d, y, x, n, false, false); \
    else if (inside)                     \
      outputs(d, y, x, n, true, true);   \
    else                                 \
      outputs(d, y, x, n, false, true);  \
    break;

static void seven_by_seven(const struct depthwise_rows *d) {
  const bool whole = d->channels == LANES;
  int blocks = (d->out_width + OUTPUTS - 1) / OUTPUTS;
  for (int y = d->first_row; y < d->end_row; y++) {
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
