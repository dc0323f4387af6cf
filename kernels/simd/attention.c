/* Row kernels of attention: softmax, panels of transposed keys, unit length and rotary positions. */
#include <math.h>

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

/* The largest lane. */
V_INLINE float largest_lane(vfloat v) {
#if defined(ISA_avx512)
  __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#elif defined(ISA_avx2)
  __m256 half = v;
#endif
#if defined(ISA_avx512) || defined(ISA_avx2)
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
#else
  float low = v[0] > v[1] ? v[0] : v[1], high = v[2] > v[3] ? v[2] : v[3];
  return low > high ? low : high;
#endif
}

void ISA_NAME(softmax_rows)(struct softmax_rows *s) {
  const ptrdiff_t n = s->columns, whole = n / LANES * LANES;
  const int tail = (int)(n - whole);
  float beyond[LANES] = {0}; /* added to the last vector: its lanes beyond the row become e^-inf = 0 */
  for (int i = tail; i < LANES; i++) beyond[i] = -INFINITY;
  for (int r = 0; r < s->rows; r++) {
    float *x = s->x + r * s->stride;
    const float *bias = s->bias ? s->bias + r * n : NULL, *mask = s->mask[r];
    vfloat largest = v_set(-INFINITY);
    if (bias || mask) {
      for (ptrdiff_t i = 0; i < whole; i += LANES) {
        vfloat v = v_load(x + i);
        if (bias) v += v_load(bias + i);
        if (mask) v += v_load(mask + i);
        v_store(x + i, v);
        largest = v_max(largest, v);
      }
    } else {
      for (ptrdiff_t i = 0; i < whole; i += LANES) largest = v_max(largest, v_load(x + i));
    }
    if (tail) {
      vfloat v = v_load(x + whole) + v_load(beyond);
      if (bias) v += v_load_first(bias + whole, tail);
      if (mask) v += v_load_first(mask + whole, tail);
      v_store(x + whole, v);
      largest = v_max(largest, v);
    }
    const vfloat top = v_set(largest_lane(largest));
    vfloat sum = v_set(0);
    for (ptrdiff_t i = 0; i < n; i += LANES) {
      vfloat p = v_exp(v_load(x + i) - top);
      v_store(x + i, p);
      sum += p;
    }
    s->share[r] = 1 / v_sum(sum);
  }
}

void ISA_NAME(scale_rows)(const float *const *in, int rows, int n, const float *factor, float *const *out) {
  for (int r = 0; r < rows; r++) {
    const vfloat by = v_set(factor[r]);
    int i = 0;
    for (; i + LANES <= n; i += LANES) v_store(out[r] + i, v_load(in[r] + i) * by);
    if (i < n) v_store_first(out[r] + i, v_load_first(in[r] + i, n - i) * by, n - i);
  }
}

void ISA_NAME(unit_row)(const float *in, int n, float *out) {
  vfloat squares = v_set(0);
  int i = 0;
  for (; i + LANES <= n; i += LANES) squares = v_fma(v_load(in + i), v_load(in + i), squares);
  if (i < n) {
    vfloat v = v_load_first(in + i, n - i);
    squares = v_fma(v, v, squares);
  }
  float norm = sqrtf(v_sum(squares)), shortest = 1e-12f;
  if (norm < shortest) norm = shortest;
  for (i = 0; i + LANES <= n; i += LANES) v_store(out + i, v_load(in + i) / v_set(norm));
  for (; i < n; i++) out[i] = in[i] / norm;
}

void ISA_NAME(rotate_row)(const float *in, int n, const float *cos, const float *sin, float *out) {
  const int half = n / 2;
  for (int i = 0; i < half; i++) out[i] = in[i] * cos[i] - in[half + i] * sin[i];
  for (int i = half; i < n; i++) out[i] = in[i] * cos[i] + in[i - half] * sin[i];
}
