/* The transforms of F(4x4, 3x3) along channels: additions and a few multiplications by constants, done once per tile
 * and channel vector; first down the columns, then along the rows. */
#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* B^T d for one line of six. */
INLINE void input_line(const vfloat d[6], vfloat t[6]) {
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

/* A^T m for one line of six. */
INLINE void output_line(const vfloat m[6], vfloat t[4]) {
  vfloat sum1 = m[1] + m[2], difference1 = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  t[0] = m[0] + (sum1 + sum2);
  t[1] = v_fma(v_set(2), difference2, difference1);
  t[2] = v_fma(v_set(4), sum2, sum1);
  t[3] = v_fma(v_set(8), difference2, difference1) + m[5];
}

INLINE void input_vector(const float *const pixels[36], int c, int lanes, float *v, ptrdiff_t matrix_stride) {
  vfloat half[6][6];
  for (int x = 0; x < 6; x++) {
    vfloat d[6], t[6];
    for (int y = 0; y < 6; y++) {
      const float *from = pixels[y * 6 + x] + c;
      d[y] = lanes == LANES ? v_load(from) : v_load_first(from, lanes);
    }
    input_line(d, t);
    for (int y = 0; y < 6; y++) half[y][x] = t[y];
  }
  for (int y = 0; y < 6; y++) {
    vfloat t[6];
    input_line(half[y], t);
    for (int x = 0; x < 6; x++) {
      float *to = v + (y * 6 + x) * matrix_stride + c;
      if (lanes == LANES)
        v_store(to, t[x]);
      else
        v_store_first(to, t[x], lanes);
    }
  }
}

void ISA_NAME(winograd_input)(const float *const pixels[36], int channels, float *v, ptrdiff_t matrix_stride) {
  int c = 0;
  for (; c + LANES <= channels; c += LANES) input_vector(pixels, c, LANES, v, matrix_stride);
  if (c < channels) input_vector(pixels, c, channels - c, v, matrix_stride);
}

INLINE void output_vector(const struct winograd_output *o, int c, int lanes) {
  vfloat half[4][6];
  for (int x = 0; x < 6; x++) {
    vfloat m[6], t[4];
    /* M holds whole panels: its columns can be read beyond the last channel. */
    for (int y = 0; y < 6; y++) m[y] = v_load(o->m + (y * 6 + x) * o->matrix_stride + c);
    output_line(m, t);
    for (int y = 0; y < 4; y++) half[y][x] = t[y];
  }
  vfloat bias = v_set(0);
  if (o->bias) bias = lanes == LANES ? v_load(o->bias + c) : v_load_first(o->bias + c, lanes);
  for (int y = 0; y < o->rows; y++) {
    vfloat t[4];
    output_line(half[y], t);
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

void ISA_NAME(winograd_output)(const struct winograd_output *o) {
  int c = 0;
  for (; c + LANES <= o->channels; c += LANES) output_vector(o, c, LANES);
  if (c < o->channels) output_vector(o, c, o->channels - c);
}
