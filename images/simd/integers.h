/* Vectors of integers, beside the floats of kernels/simd.h: PARTS parts of 128 bits, in each of which shuffles, packs
 * and unpacks work for themselves, so that one source does one, two or four blocks or rows at a time.
 *
 * AVX-512BW has four parts, AVX2 two, NEON and SSE2 (the baseline of x86-64) one; plain C stands in elsewhere. */
#ifndef IMAGES_SIMD_INTEGERS_H
#define IMAGES_SIMD_INTEGERS_H

#include <stdint.h>
#include <string.h>

#include "kernels/simd.h"

#if defined(ISA_avx512)
enum { PARTS = 4 };
#elif defined(ISA_avx2)
enum { PARTS = 2 };
#else
enum { PARTS = 1 };
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#endif
enum { PART_BYTES = 16, VECTOR_BYTES = PARTS * PART_BYTES };

/* The same bits as numbers of 8, 16 and 32 bits; + - & | ^ work on each, and casts between them cost nothing. */
typedef uint8_t vu8 __attribute__((vector_size(16 * PARTS)));
typedef int16_t vi16 __attribute__((vector_size(16 * PARTS)));
typedef int32_t vi32 __attribute__((vector_size(16 * PARTS)));

/* Loads and stores need no alignment. */
static inline vu8 vu8_load(const void *p) {
  vu8 v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void vu8_store(void *p, vu8 v) { memcpy(p, &v, sizeof v); }

/* Part i from p + i * step, and the first `bytes` of part i to there. */
static inline vu8 vu8_load_parts(const uint8_t *p, size_t step) {
#if defined(ISA_avx512)
  __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)p));
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + step)), 1);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * step)), 2);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 3 * step)), 3);
  return (vu8)v;
#elif defined(ISA_avx2)
  __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
  return (vu8)_mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(const void *)(p + step)), 1);
#else
  (void)step;
  return vu8_load(p);
#endif
}

typedef uint8_t vu8_part __attribute__((vector_size(16)));
static inline vu8_part vu8_get_part(vu8 v, int i) {
#if defined(ISA_avx512)
  return i == 0   ? (vu8_part)_mm512_extracti32x4_epi32((__m512i)v, 0)
         : i == 1 ? (vu8_part)_mm512_extracti32x4_epi32((__m512i)v, 1)
         : i == 2 ? (vu8_part)_mm512_extracti32x4_epi32((__m512i)v, 2)
                  : (vu8_part)_mm512_extracti32x4_epi32((__m512i)v, 3);
#elif defined(ISA_avx2)
  return i == 0 ? (vu8_part)_mm256_castsi256_si128((__m256i)v) : (vu8_part)_mm256_extracti128_si256((__m256i)v, 1);
#else
  (void)i;
  return v;
#endif
}

/* The low halves of all parts, one behind the other, to `low`, the high halves to `high`. */
static inline void vu8_store_halves(uint8_t *low, uint8_t *high, vu8 v) {
#if defined(ISA_avx512)
  __m512i sorted = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), (__m512i)v);
  _mm256_storeu_si256((__m256i *)(void *)low, _mm512_castsi512_si256(sorted));
  _mm256_storeu_si256((__m256i *)(void *)high, _mm512_extracti64x4_epi64(sorted, 1));
#elif defined(ISA_avx2)
  __m256i sorted = _mm256_permute4x64_epi64((__m256i)v, 0xd8);
  _mm_storeu_si128((__m128i *)(void *)low, _mm256_castsi256_si128(sorted));
  _mm_storeu_si128((__m128i *)(void *)high, _mm256_extracti128_si256(sorted, 1));
#else
  memcpy(low, &v, 8);
  memcpy(high, (const char *)&v + 8, 8);
#endif
}

static inline vi16 vi16_set(int16_t x) {
#if defined(ISA_avx512)
  return (vi16)_mm512_set1_epi16(x);
#elif defined(ISA_avx2)
  return (vi16)_mm256_set1_epi16(x);
#else
  return (vi16){x, x, x, x, x, x, x, x};
#endif
}

static inline vi32 vi32_set(int32_t x) {
#if defined(ISA_avx512)
  return (vi32)_mm512_set1_epi32(x);
#elif defined(ISA_avx2)
  return (vi32)_mm256_set1_epi32(x);
#else
  return (vi32){x, x, x, x};
#endif
}

/* The pair (a, b) everywhere. */
static inline vi16 vi16_set_pair(int16_t a, int16_t b) {
  return (vi16)vi32_set((int32_t)((uint32_t)(uint16_t)b << 16 | (uint16_t)a));
}

static inline int is_zero(vi16 v) {
#if defined(ISA_avx512)
  return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) == 0;
#elif defined(ISA_avx2)
  return _mm256_testz_si256((__m256i)v, (__m256i)v);
#else
  uint64_t halves[2];
  memcpy(halves, &v, sizeof v);
  return (halves[0] | halves[1]) == 0;
#endif
}

/* a[2i] * b[2i] + a[2i + 1] * b[2i + 1], in 32 bits. */
static inline vi32 vi16_dot_pairs(vi16 a, vi16 b) {
#if defined(ISA_avx512)
  return (vi32)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(ISA_avx2)
  return (vi32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vi32)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(ISA_neon)
  int32x4_t low = vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
  return (vi32)vpaddq_s32(low, vmull_high_s16((int16x8_t)a, (int16x8_t)b));
#else
  vi32 sum;
  for (int i = 0; i < 4; i++) {
    sum[i] = (int32_t)((uint32_t)(a[2 * i] * b[2 * i]) + (uint32_t)(a[2 * i + 1] * b[2 * i + 1]));
  }
  return sum;
#endif
}

/* The numbers of the first (low) or second (high) half of every part of a and b in turn: a0 b0 a1 b1 ... */
#if defined(ISA_avx512)
#define UNPACK(type, half, bits, zip)                                     \
  static inline type type##_unpack_##half(type a, type b) {               \
    return (type)_mm512_unpack##half##_epi##bits((__m512i)a, (__m512i)b); \
  }
#elif defined(ISA_avx2)
#define UNPACK(type, half, bits, zip)                                     \
  static inline type type##_unpack_##half(type a, type b) {               \
    return (type)_mm256_unpack##half##_epi##bits((__m256i)a, (__m256i)b); \
  }
#elif defined(__SSE2__)
#define UNPACK(type, half, bits, zip)                                  \
  static inline type type##_unpack_##half(type a, type b) {            \
    return (type)_mm_unpack##half##_epi##bits((__m128i)a, (__m128i)b); \
  }
#elif defined(ISA_neon)
#define UNPACK(type, half, bits, zip) \
  static inline type type##_unpack_##half(type a, type b) { return (type)zip(a, b); }
#else
#define UNPACK(type, half, bits, zip)                       \
  static inline type type##_unpack_##half(type a, type b) { \
    enum { N = 128 / (bits) };                              \
    const int from = #half[0] == 'h' ? N / 2 : 0;           \
    type out;                                               \
    for (int i = 0; i < N / 2; i++) {                       \
      out[2 * i] = a[from + i];                             \
      out[2 * i + 1] = b[from + i];                         \
    }                                                       \
    return out;                                             \
  }
#endif
UNPACK(vu8, lo, 8, vzip1q_u8)
UNPACK(vu8, hi, 8, vzip2q_u8)
UNPACK(vi16, lo, 16, vzip1q_s16)
UNPACK(vi16, hi, 16, vzip2q_s16)
UNPACK(vi32, lo, 32, vzip1q_s32)
UNPACK(vi32, hi, 32, vzip2q_s32)
#undef UNPACK

/* The numbers of a, then those of b, of every part, in half as many bits, those out of range at its end. */
#if defined(ISA_avx512)
static inline vi16 vi32_pack(vi32 a, vi32 b) { return (vi16)_mm512_packs_epi32((__m512i)a, (__m512i)b); }
static inline vu8 vi16_pack_signed(vi16 a, vi16 b) { return (vu8)_mm512_packs_epi16((__m512i)a, (__m512i)b); }
static inline vu8 vi16_pack(vi16 a, vi16 b) { return (vu8)_mm512_packus_epi16((__m512i)a, (__m512i)b); }
#elif defined(ISA_avx2)
static inline vi16 vi32_pack(vi32 a, vi32 b) { return (vi16)_mm256_packs_epi32((__m256i)a, (__m256i)b); }
static inline vu8 vi16_pack_signed(vi16 a, vi16 b) { return (vu8)_mm256_packs_epi16((__m256i)a, (__m256i)b); }
static inline vu8 vi16_pack(vi16 a, vi16 b) { return (vu8)_mm256_packus_epi16((__m256i)a, (__m256i)b); }
#elif defined(__SSE2__)
static inline vi16 vi32_pack(vi32 a, vi32 b) { return (vi16)_mm_packs_epi32((__m128i)a, (__m128i)b); }
static inline vu8 vi16_pack_signed(vi16 a, vi16 b) { return (vu8)_mm_packs_epi16((__m128i)a, (__m128i)b); }
static inline vu8 vi16_pack(vi16 a, vi16 b) { return (vu8)_mm_packus_epi16((__m128i)a, (__m128i)b); }
#elif defined(ISA_neon)
static inline vi16 vi32_pack(vi32 a, vi32 b) {
  return (vi16)vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
}
static inline vu8 vi16_pack_signed(vi16 a, vi16 b) {
  return (vu8)vcombine_s8(vqmovn_s16((int16x8_t)a), vqmovn_s16((int16x8_t)b));
}
static inline vu8 vi16_pack(vi16 a, vi16 b) {
  return (vu8)vcombine_u8(vqmovun_s16((int16x8_t)a), vqmovun_s16((int16x8_t)b));
}
#else
static inline int32_t within(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }
static inline vi16 vi32_pack(vi32 a, vi32 b) {
  vi16 out;
  for (int i = 0; i < 8; i++) out[i] = (int16_t)within(i < 4 ? a[i] : b[i - 4], INT16_MIN, INT16_MAX);
  return out;
}
static inline vu8 vi16_pack_signed(vi16 a, vi16 b) {
  vu8 out;
  for (int i = 0; i < 16; i++) out[i] = (uint8_t)within(i < 8 ? a[i] : b[i - 8], -128, 127);
  return out;
}
static inline vu8 vi16_pack(vi16 a, vi16 b) {
  vu8 out;
  for (int i = 0; i < 16; i++) out[i] = (uint8_t)within(i < 8 ? a[i] : b[i - 8], 0, 255);
  return out;
}
#endif

/* The upper 16 bits of each product. */
static inline vi16 vi16_multiply_high(vi16 a, vi16 b) {
#if defined(ISA_avx512)
  return (vi16)_mm512_mulhi_epi16((__m512i)a, (__m512i)b);
#elif defined(ISA_avx2)
  return (vi16)_mm256_mulhi_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vi16)_mm_mulhi_epi16((__m128i)a, (__m128i)b);
#else
  vi16 out;
  for (int i = 0; i < 8; i++) out[i] = (int16_t)(a[i] * b[i] >> 16);
  return out;
#endif
}

/* The same of unsigned numbers. */
static inline vi16 vi16_multiply_high_unsigned(vi16 a, vi16 b) {
#if defined(ISA_avx512)
  return (vi16)_mm512_mulhi_epu16((__m512i)a, (__m512i)b);
#elif defined(ISA_avx2)
  return (vi16)_mm256_mulhi_epu16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vi16)_mm_mulhi_epu16((__m128i)a, (__m128i)b);
#elif defined(ISA_neon)
  uint32x4_t low = vmull_u16(vget_low_u16((uint16x8_t)a), vget_low_u16((uint16x8_t)b));
  return (vi16)vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(vmull_high_u16((uint16x8_t)a, (uint16x8_t)b), 16));
#else
  vi16 out;
  for (int i = 0; i < 8; i++) out[i] = (int16_t)((uint32_t)(uint16_t)a[i] * (uint16_t)b[i] >> 16);
  return out;
#endif
}

/* Of unsigned numbers. */
typedef uint16_t vu16 __attribute__((vector_size(16 * PARTS)));
static inline vi16 vi16_shift_right_unsigned(vi16 a, int n) { return (vi16)((vu16)a >> n); }

/* Byte i of every part of the result is byte places[i] of that part, or 0 where places[i] is 128. */
#if defined(ISA_avx512) || defined(ISA_avx2) || defined(ISA_neon)
#define HAS_SHUFFLE 1
static inline vu8 vu8_shuffle(vu8 v, const uint8_t places[16]) {
#if defined(ISA_avx512)
  __m128i order = _mm_loadu_si128((const __m128i *)(const void *)places);
  return (vu8)_mm512_shuffle_epi8((__m512i)v, _mm512_broadcast_i32x4(order));
#elif defined(ISA_avx2)
  __m128i order = _mm_loadu_si128((const __m128i *)(const void *)places);
  return (vu8)_mm256_shuffle_epi8((__m256i)v, _mm256_broadcastsi128_si256(order));
#else
  return (vu8)vqtbl1q_u8((uint8x16_t)v, vld1q_u8(places));
#endif
}
#endif

#endif
