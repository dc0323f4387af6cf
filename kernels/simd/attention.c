/* Row kernels of attention: softmax, panels of transposed keys, unit length and rotary positions. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

/* Four vectors as rows of 4 x 4 blocks, one block per 128 bits: transpose each block. */
V_INLINE void transpose_blocks(vfloat v[4]) {
#if defined(ISA_avx512)
  vfloat a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
  vfloat c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(a, c, 0x44);
  v[1] = _mm512_shuffle_ps(a, c, 0xEE);
  v[2] = _mm512_shuffle_ps(b, d, 0x44);
  v[3] = _mm512_shuffle_ps(b, d, 0xEE);
#elif defined(ISA_avx2)
  vfloat a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
  vfloat c = _mm256_unpacklo_ps(v[2], v[3]), d = _mm256_unpackhi_ps(v[2], v[3]);
  v[0] = _mm256_shuffle_ps(a, c, 0x44);
  v[1] = _mm256_shuffle_ps(a, c, 0xEE);
  v[2] = _mm256_shuffle_ps(b, d, 0x44);
  v[3] = _mm256_shuffle_ps(b, d, 0xEE);
#elif defined(ISA_neon)
  float64x2_t a = vreinterpretq_f64_f32(vzip1q_f32(v[0], v[1])), b = vreinterpretq_f64_f32(vzip2q_f32(v[0], v[1]));
  float64x2_t c = vreinterpretq_f64_f32(vzip1q_f32(v[2], v[3])), d = vreinterpretq_f64_f32(vzip2q_f32(v[2], v[3]));
  v[0] = vreinterpretq_f32_f64(vzip1q_f64(a, c));
  v[1] = vreinterpretq_f32_f64(vzip2q_f64(a, c));
  v[2] = vreinterpretq_f32_f64(vzip1q_f64(b, d));
  v[3] = vreinterpretq_f32_f64(vzip2q_f64(b, d));
#else
  for (int r = 0; r < 4; r++) {
    for (int c = 0; c < r; c++) {
      float x = v[r][c];
      v[r][c] = v[c][r];
      v[c][r] = x;
    }
  }
#endif
}

/* Four floats of rows 0, 4, 8, 12 (as many as fit), side by side. */
V_INLINE vfloat load_quads(const float *const *rows, ptrdiff_t k) {
#if defined(ISA_avx512)
  vfloat v = _mm512_castps128_ps512(_mm_loadu_ps(rows[0] + k));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[4] + k), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[8] + k), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(rows[12] + k), 3);
#elif defined(ISA_avx2)
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[0] + k)), _mm_loadu_ps(rows[4] + k), 1);
#else
  return v_load(rows[0] + k);
#endif
}

void ISA_NAME(transpose_panel)(const float *const *rows, int count, int depth, float *panel) {
  for (; count > 0; count -= LANES, rows += LANES, panel += LANES) {
    ptrdiff_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      vfloat v[4];
      for (int i = 0; i < 4; i++) v[i] = load_quads(rows + i, k);
      transpose_blocks(v);
      for (int i = 0; i < 4; i++) v_store(panel + (k + i) * 2 * LANES, v[i]);
    }
    for (; k < depth; k++) {
      for (int c = 0; c < LANES; c++) panel[k * 2 * LANES + c] = rows[c][k];
    }
  }
}

/* Lane by lane, the larger or the sum. */
V_INLINE vfloat join(vfloat a, vfloat b, const bool largest) {
  if (largest) return v_max(a, b);
  return a + b;
}

/* The largest or the sum of the lanes of each of `rows` vectors, four vectors at a time: they share the latency of the
 * steps. lanes[] has room for whole fours. */
V_INLINE void join_lanes(const vfloat *v, int rows, const bool largest, float *lanes) {
  for (int r = 0; r < rows; r += 4) {
    vfloat four[4] = {v[r], v[r + 1], v[r + 2], v[r + 3]};
    transpose_blocks(four);
    vfloat joined = join(join(four[0], four[1], largest), join(four[2], four[3], largest), largest);
#if defined(ISA_avx512)
    joined = join(joined, _mm512_shuffle_f32x4(joined, joined, 0x4E), largest);
    joined = join(joined, _mm512_shuffle_f32x4(joined, joined, 0xB1), largest);
#elif defined(ISA_avx2)
    joined = join(joined, _mm256_permute2f128_ps(joined, joined, 1), largest);
#endif
    memcpy(lanes + r, &joined, 4 * sizeof(float));
  }
}

/* A logit whose probability is 0 beside any other, and yet a number: lanes beyond a row, and what was -infinity. */
#define LEAST (-1e30f)

/* Add bias and mask to a row, which ends in a vector of `tail` lanes, or of none. Returns the largest of each lane. */
V_INLINE vfloat add_to_row(float *x, ptrdiff_t whole, int tail, vfloat beyond, const float *bias, const float *mask) {
  const vfloat least = v_set(LEAST);
  vfloat largest = least;
  for (ptrdiff_t i = 0; i < whole; i += LANES) {
    vfloat v = v_load(x + i);
    if (bias) v += v_load(bias + i);
    if (mask) v += v_load(mask + i);
    v = v_max(least, v); /* in this order NaN stays NaN */
    v_store(x + i, v);
    largest = v_max(largest, v);
  }
  if (!tail) return largest;
  vfloat v = v_load(x + whole) + beyond;
  if (bias) v += v_load_first(bias + whole, tail);
  if (mask) v += v_load_first(mask + whole, tail);
  v = v_max(least, v);
  v_store(x + whole, v);
  return v_max(largest, v);
}

/* The same for a row to which nothing is added, over no more than its first vectors. */
V_INLINE vfloat sample_row(float *x, ptrdiff_t whole, int tail, vfloat beyond) {
  enum { SAMPLED = 2 * LANES };
  if (tail) v_store(x + whole, v_load(x + whole) + beyond);
  vfloat largest = v_load(x);
  for (ptrdiff_t i = LANES; i < whole + tail && i < SAMPLED; i += LANES) largest = v_max(largest, v_load(x + i));
  return largest;
}

/* All rows go through each step before the next one, so that no row waits for its own largest value or sum. */
bool ISA_NAME(softmax_rows)(struct softmax_rows *s) {
  const ptrdiff_t n = s->columns, whole = n / LANES * LANES;
  const int tail = (int)(n - whole), rows = s->rows;
  float beyond[LANES] = {0}; /* added to the last vector */
  for (int i = tail; i < LANES; i++) beyond[i] = LEAST;
  const vfloat last = v_load(beyond), log2_e = v_set(0x1.715476p+0f);
  vfloat joined[GEMM_MAX_ROWS];
  float top[GEMM_MAX_ROWS];
  for (int r = rows; r < GEMM_MAX_ROWS; r++) joined[r] = v_set(0);
  for (int r = 0; r < rows; r++) {
    float *x = s->x + r * s->stride;
    const float *bias = s->bias ? s->bias + r * n : NULL;
    if (bias || s->mask[r] || s->careful)
      joined[r] = add_to_row(x, whole, tail, last, bias, s->mask[r]);
    else
      joined[r] = sample_row(x, whole, tail, last);
  }
  join_lanes(joined, rows, true, top);
  for (int r = 0; r < rows && s->careful; r++) {
    float *x = s->x + r * s->stride;
    for (ptrdiff_t i = 0; i < n; i += LANES) v_store(x + i, v_load(x + i) - v_set(top[r]));
    top[r] = 0;
  }
  for (int r = 0; r < rows; r++) {
    float *x = s->x + r * s->stride;
    const vfloat less = v_set(-top[r]) * log2_e; /* rounded, and so for the whole row: its share makes up for that */
    vfloat sum = v_set(0);
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      vfloat p = v_exp2(v_fma(v_load(x + i), log2_e, less));
      v_store(x + i, p);
      sum += p;
    }
    joined[r] = sum;
  }
  join_lanes(joined, rows, false, s->share);
  bool good = true;
  for (int r = 0; r < rows; r++) {
    good &= s->share[r] >= 0x1p-64f && s->share[r] <= 0x1p+64f;
    s->share[r] = 1 / s->share[r];
  }
  return good;
}

void ISA_NAME(scale_rows)(const float *const *in, int rows, int n, const float *factor, float *const *out) {
  for (int r = 0; r < rows; r++) {
    const vfloat by = v_set(factor[r]);
    int i = 0;
    for (; i + LANES <= n; i += LANES) v_store(out[r] + i, v_load(in[r] + i) * by);
    if (i < n) v_store_first(out[r] + i, v_load_first(in[r] + i, n - i) * by, n - i);
  }
}

/* Four rows at a time, which share the steps across lanes, the roots and the divisions; those beyond the last row are
 * the last one again. */
void ISA_NAME(unit_rows)(const float *const *in, int rows, int n, float *out) {
  enum { TOGETHER = 4 };
  const int whole = n / LANES * LANES, tail = n - whole;
  for (int first = 0; first < rows; first += TOGETHER) {
    const float *from[TOGETHER];
    float *to[TOGETHER], length[TOGETHER];
    vfloat squares[TOGETHER], share[TOGETHER];
    for (int r = 0; r < TOGETHER; r++) {
      int row = first + r < rows ? first + r : rows - 1;
      from[r] = in[row];
      to[r] = out + (ptrdiff_t)row * n;
      squares[r] = v_set(0);
    }
    for (int i = 0; i < whole; i += LANES) {
#pragma GCC unroll 4
      for (int r = 0; r < TOGETHER; r++) squares[r] = v_fma(v_load(from[r] + i), v_load(from[r] + i), squares[r]);
    }
    for (int r = 0; r < TOGETHER && tail; r++) {
      vfloat v = v_load_first(from[r] + whole, tail);
      squares[r] = v_fma(v, v, squares[r]);
    }
    join_lanes(squares, TOGETHER, false, length);
    for (int r = 0; r < TOGETHER; r++) {
      const float norm = sqrtf(length[r]), shortest = 1e-12f;
      share[r] = v_set(1 / (norm < shortest ? shortest : norm));
    }
    for (int i = 0; i < whole; i += LANES) {
#pragma GCC unroll 4
      for (int r = 0; r < TOGETHER; r++) v_store(to[r] + i, v_load(from[r] + i) * share[r]);
    }
    for (int r = 0; r < TOGETHER && tail; r++)
      v_store_first(to[r] + whole, v_load_first(from[r] + whole, tail) * share[r], tail);
  }
}

void ISA_NAME(rotate_row)(const float *in, int n, const float *cos, const float *sin, float *out) {
  const int half = n / 2;
  for (int i = 0; i < half; i++) out[i] = in[i] * cos[i] - in[half + i] * sin[i];
  for (int i = half; i < n; i++) out[i] = in[i] * cos[i] + in[i - half] * sin[i];
}
