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

/* The first n lanes (0 < n < LANES), the others zero; memory beyond them is not touched. */
static inline vfloat v_load_first(const float *p, int n) {
#if defined(ISA_avx512)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  float lanes[LANES] = {0};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return v_load(lanes);
#endif
}
static inline void v_store_first(float *p, vfloat v, int n) {
#if defined(ISA_avx512)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#else
  float lanes[LANES];
  v_store(lanes, v);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
#endif
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

/* The sum of the lanes, always in the same order: halves are added until one lane is left. */
static inline float v_sum(vfloat x) {
  float lanes[LANES];
  v_store(lanes, x);
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

#endif
