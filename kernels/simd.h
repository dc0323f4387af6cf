/* One vector type and its operations for AVX-512, AVX2 + FMA, NEON and plain C.
 *
 * A file of kernels/simd/ is compiled once per instruction set, with -DISA=avx512 (and -DISA_avx512=1) and so on; its
 * public functions are named with ISA_NAME(). Arithmetic operators work on vfloat as on float (GNU vectors). */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA_JOIN_(a, b) a##_##b
#define ISA_JOIN(a, b) ISA_JOIN_(a, b)
#define ISA_NAME(name) ISA_JOIN(name, ISA)
#define ISA_TEXT_(name) #name
#define ISA_TEXT(name) ISA_TEXT_(name)

#if defined(ISA_avx512)
#include <immintrin.h>
#define LANES 16
typedef __m512 vfloat;
#elif defined(ISA_avx2)
#include <immintrin.h>
#define LANES 8
typedef __m256 vfloat;
#elif defined(ISA_neon)
#include <arm_neon.h>
#define LANES 4
typedef float32x4_t vfloat;
#else
#define LANES 4
typedef float vfloat __attribute__((vector_size(16)));
#endif
/* The bits of a vfloat: `(vbits)x` reinterprets, arithmetic wraps. */
typedef uint32_t vbits __attribute__((vector_size(4 * LANES)));

/* Loads and stores need no alignment. */
static inline vfloat v_load(const float *p) {
  vfloat v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void v_store(float *p, vfloat v) { memcpy(p, &v, sizeof v); }

#if defined(ISA_avx2)
/* All bits set in the first n lanes. */
static inline __m256i v_first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first n lanes (0 < n < LANES), the others zero; memory beyond them is not touched. */
static inline vfloat v_load_first(const float *p, int n) {
#if defined(ISA_avx512)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(ISA_avx2)
  return _mm256_maskload_ps(p, v_first(n));
#else
  float lanes[LANES] = {0};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return v_load(lanes);
#endif
}
static inline void v_store_first(float *p, vfloat v, int n) {
#if defined(ISA_avx512)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#elif defined(ISA_avx2)
  _mm256_maskstore_ps(p, v_first(n), v);
#else
  float lanes[LANES];
  v_store(lanes, v);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
#endif
}

/* Those of n lanes, or a whole vector where n is no smaller: the steps along a row of any length. */
static inline vfloat v_load_up_to(const float *p, int n) { return n >= LANES ? v_load(p) : v_load_first(p, n); }
static inline void v_store_up_to(float *p, vfloat v, int n) {
  if (n >= LANES)
    v_store(p, v);
  else
    v_store_first(p, v, n);
}

static inline vfloat v_set(float x) {
#if defined(ISA_avx512)
  return _mm512_set1_ps(x);
#elif defined(ISA_avx2)
  return _mm256_set1_ps(x);
#elif defined(ISA_neon)
  return vdupq_n_f32(x);
#else
  return (vfloat){x, x, x, x};
#endif
}

/* a * b + c, rounded once where the machine can. */
static inline vfloat v_fma(vfloat a, vfloat b, vfloat c) {
#if defined(ISA_avx512)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(ISA_avx2)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(ISA_neon)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

/* The larger of each pair; b where one is NaN. */
static inline vfloat v_max(vfloat a, vfloat b) {
#if defined(ISA_avx512)
  return _mm512_max_ps(a, b);
#elif defined(ISA_avx2)
  return _mm256_max_ps(a, b);
#else
  vfloat larger;
  for (int i = 0; i < LANES; i++) larger[i] = a[i] > b[i] ? a[i] : b[i];
  return larger;
#endif
}

/* The smaller of each pair; b where one is NaN. */
static inline vfloat v_min(vfloat a, vfloat b) {
#if defined(ISA_avx512)
  return _mm512_min_ps(a, b);
#elif defined(ISA_avx2)
  return _mm256_min_ps(a, b);
#else
  vfloat smaller;
  for (int i = 0; i < LANES; i++) smaller[i] = a[i] < b[i] ? a[i] : b[i];
  return smaller;
#endif
}

static inline vfloat v_abs(vfloat x) { return (vfloat)((vbits)x & 0x7FFFFFFF); }

/* The first n lanes (0 < n < LANES), the others zero. */
static inline vfloat v_keep_first(vfloat v, int n) {
#if defined(ISA_avx512)
  return _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v);
#elif defined(ISA_avx2)
  return _mm256_and_ps(v, _mm256_castsi256_ps(v_first(n)));
#else
  float lanes[LANES];
  v_store(lanes, v);
  return v_load_first(lanes, n);
#endif
}

/* The sum of the lanes, in the same order on every machine of as many lanes: halves are added until one lane is left.
 */
static inline float v_sum(vfloat v) {
#if defined(ISA_avx512)
  __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#elif defined(ISA_avx2)
  __m256 half = v;
#endif
#if defined(ISA_avx512) || defined(ISA_avx2)
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}

#endif
