/* The transforms of F(2x2, 3x3) and F(4x4, 3x3) along channels: additions and a few multiplications by constants, done
 * once per tile and channel vector; first down the columns, then along the rows. 36 values of six lines are more than
 * the registers hold, so the halfway result of F(4x4) lies in L1; that of F(2x2), 16 values, needs no memory on
 * AVX-512. */
#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { MOST = 6 }; /* inputs along a tile of the larger form */

/* B^T d for one line of a tile's inputs; `tile` is 2 or 4, a constant at every call. */
INLINE void input_line(const int tile, const vfloat d[MOST], vfloat t[MOST]) {
  if (tile == 2) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
    return;
  }
  const vfloat two = v_set(2), four = v_set(4), minus_five = v_set(-5);
  vfloat even = v_fma(v_set(-4), d[2], d[4]), odd = v_fma(v_set(-4), d[1], d[3]);
  vfloat difference = d[4] - d[2], twice = two * (d[3] - d[1]);
  t[0] = v_fma(four, d[0], v_fma(minus_five, d[2], d[4]));
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = difference + twice;
  t[4] = difference - twice;
  t[5] = v_fma(four, d[1], v_fma(minus_five, d[3], d[5]));
}

/* A^T m for one line. */
INLINE void output_line(const int tile, const vfloat m[MOST], vfloat t[4]) {
  if (tile == 2) {
    t[0] = m[0] + m[1] + m[2];
    t[1] = m[1] - m[2] - m[3];
    return;
  }
  vfloat sum1 = m[1] + m[2], difference1 = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  t[0] = m[0] + (sum1 + sum2);
  t[1] = v_fma(v_set(2), difference2, difference1);
  t[2] = v_fma(v_set(4), sum2, sum1);
  t[3] = v_fma(v_set(8), difference2, difference1) + m[5];
}

INLINE void input_vector(const int tile, const float *const *pixels, int c, int lanes, float *v,
                         ptrdiff_t matrix_stride) {
  const int side = tile + 2;
  vfloat half[MOST][MOST];
  for (int x = 0; x < side; x++) {
    vfloat d[MOST], t[MOST];
    for (int y = 0; y < side; y++) {
      const float *from = pixels[y * side + x] + c;
      d[y] = lanes == LANES ? v_load(from) : v_load_first(from, lanes);
    }
    input_line(tile, d, t);
    for (int y = 0; y < side; y++) half[y][x] = t[y];
  }
  for (int y = 0; y < side; y++) {
    vfloat t[MOST];
    input_line(tile, half[y], t);
    for (int x = 0; x < side; x++) {
      float *to = v + (y * side + x) * matrix_stride + c;
      if (lanes == LANES)
        v_store(to, t[x]);
      else
        v_store_first(to, t[x], lanes);
    }
  }
}

INLINE void transform_input(const int tile, const float *const *pixels, int channels, float *v,
                            ptrdiff_t matrix_stride) {
  int c = 0;
  for (; c + LANES <= channels; c += LANES) input_vector(tile, pixels, c, LANES, v, matrix_stride);
  if (c < channels) input_vector(tile, pixels, c, channels - c, v, matrix_stride);
}

void ISA_NAME(winograd_input_2)(const float *const *pixels, int channels, float *v, ptrdiff_t matrix_stride) {
  transform_input(2, pixels, channels, v, matrix_stride);
}

void ISA_NAME(winograd_input_4)(const float *const *pixels, int channels, float *v, ptrdiff_t matrix_stride) {
  transform_input(4, pixels, channels, v, matrix_stride);
}

INLINE void output_vector(const int tile, const struct winograd_output *o, int c, int lanes) {
  const int side = tile + 2;
  vfloat half[4][MOST];
  for (int x = 0; x < side; x++) {
    vfloat m[MOST], t[4];
    /* M holds whole panels: its columns can be read beyond the last channel. */
    for (int y = 0; y < side; y++) m[y] = v_load(o->m + (y * side + x) * o->matrix_stride + c);
    output_line(tile, m, t);
    for (int y = 0; y < tile; y++) half[y][x] = t[y];
  }
  vfloat bias = v_set(0);
  if (o->bias) bias = lanes == LANES ? v_load(o->bias + c) : v_load_first(o->bias + c, lanes);
  for (int y = 0; y < o->rows; y++) {
    vfloat t[4];
    output_line(tile, half[y], t);
    for (int x = 0; x < o->columns; x++) {
      ptrdiff_t offset = y * o->row_stride + x * o->pixel_stride + c;
      vfloat sum = t[x] + bias;
      if (o->residual) {
        sum += lanes == LANES ? v_load(o->residual + offset) : v_load_first(o->residual + offset, lanes);
      }
      sum = v_activate(sum, o->activation);
      if (lanes == LANES)
        v_store(o->out + offset, sum);
      else
        v_store_first(o->out + offset, sum, lanes);
    }
  }
}

INLINE void transform_output(const int tile, const struct winograd_output *o) {
  int c = 0;
  for (; c + LANES <= o->channels; c += LANES) output_vector(tile, o, c, LANES);
  if (c < o->channels) output_vector(tile, o, c, o->channels - c);
}

void ISA_NAME(winograd_output_2)(const struct winograd_output *o) { transform_output(2, o); }

void ISA_NAME(winograd_output_4)(const struct winograd_output *o) { transform_output(4, o); }
