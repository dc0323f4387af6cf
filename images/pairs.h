/* Products of bytes with 24-bit weights by 16-bit multiplies, for resizing: SSE2, NEON, plain C.
 *
 * A weight is high * 2^15 + low, both of 16 bits; sums of two products at a time go into a high and a low sum of 32
 * bits that wrap around, which leaves the whole sum exact as long as that fits 32 bits. */
#ifndef IMAGES_PAIRS_H
#define IMAGES_PAIRS_H

#include <stdint.h>
#include <string.h>

enum { WEIGHT_LOW_BITS = 15 };

/* Four pairs of 16-bit numbers, four sums of 32 bits. */
#if defined(__SSE2__)

#include <emmintrin.h>
typedef __m128i pairs;
typedef __m128i sums;

static inline sums sums_zero(void) { return _mm_setzero_si128(); }

/* The same pair four times. */
static inline pairs pairs_repeat(const int16_t pair[2]) {
  int32_t both;
  memcpy(&both, pair, sizeof both);
  return _mm_set1_epi32(both);
}

/* sum[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1] */
static inline sums sums_add(sums sum, pairs a, pairs b) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); }

/* Red, green and blue of two neighbours, as three pairs and one of no meaning; reads 8 bytes. */
static inline pairs pairs_of_neighbours(const uint8_t *rgb) {
  __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)rgb);
  return _mm_unpacklo_epi8(_mm_unpacklo_epi8(bytes, _mm_srli_epi64(bytes, 24)), _mm_setzero_si128());
}

/* 16 bytes of a and those of b below, as 16 pairs. */
static inline void pairs_of_lines(const uint8_t *a, const uint8_t *b, pairs out[4]) {
  __m128i above = _mm_loadu_si128((const __m128i *)(const void *)a), zero = _mm_setzero_si128();
  __m128i below = _mm_loadu_si128((const __m128i *)(const void *)b);
  __m128i first = _mm_unpacklo_epi8(above, below), second = _mm_unpackhi_epi8(above, below);
  out[0] = _mm_unpacklo_epi8(first, zero);
  out[1] = _mm_unpackhi_epi8(first, zero);
  out[2] = _mm_unpacklo_epi8(second, zero);
  out[3] = _mm_unpackhi_epi8(second, zero);
}

/* (high * 2^15 + low + half) / 2^fraction, rounded down. */
static inline sums sums_scale(sums high, sums low, int fraction) {
  __m128i half = _mm_set1_epi32(1 << (fraction - 1));
  return _mm_srai_epi32(_mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, WEIGHT_LOW_BITS), low), half), fraction);
}

/* 4 and 16 numbers to bytes, clipped to 0..255. */
static inline uint32_t sums_to_bytes_4(sums a) {
  __m128i words = _mm_packs_epi32(a, a);
  return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
}
static inline void sums_to_bytes_16(const sums a[4], uint8_t *out) {
  __m128i bytes = _mm_packus_epi16(_mm_packs_epi32(a[0], a[1]), _mm_packs_epi32(a[2], a[3]));
  _mm_storeu_si128((__m128i *)(void *)out, bytes);
}

#elif defined(__aarch64__)

#include <arm_neon.h>
typedef int16x8_t pairs;
typedef int32x4_t sums;

static inline sums sums_zero(void) { return vdupq_n_s32(0); }

static inline pairs pairs_repeat(const int16_t pair[2]) {
  int32_t both;
  memcpy(&both, pair, sizeof both);
  return vreinterpretq_s16_s32(vdupq_n_s32(both));
}

static inline sums sums_add(sums sum, pairs a, pairs b) {
  int32x4_t first = vmull_s16(vget_low_s16(a), vget_low_s16(b));
  return vaddq_s32(sum, vpaddq_s32(first, vmull_high_s16(a, b)));
}

static inline pairs pairs_of_neighbours(const uint8_t *rgb) {
  uint8x8_t bytes = vld1_u8(rgb);
  uint8x8_t next = vreinterpret_u8_u64(vshr_n_u64(vreinterpret_u64_u8(bytes), 24));
  return vreinterpretq_s16_u16(vmovl_u8(vzip1_u8(bytes, next)));
}

static inline void pairs_of_lines(const uint8_t *a, const uint8_t *b, pairs out[4]) {
  uint8x16_t above = vld1q_u8(a), below = vld1q_u8(b);
  uint8x16_t first = vzip1q_u8(above, below), second = vzip2q_u8(above, below);
  out[0] = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(first)));
  out[1] = vreinterpretq_s16_u16(vmovl_high_u8(first));
  out[2] = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(second)));
  out[3] = vreinterpretq_s16_u16(vmovl_high_u8(second));
}

static inline sums sums_scale(sums high, sums low, int fraction) {
  int32x4_t sum = vaddq_s32(vaddq_s32(vshlq_n_s32(high, WEIGHT_LOW_BITS), low), vdupq_n_s32(1 << (fraction - 1)));
  return vshlq_s32(sum, vdupq_n_s32(-fraction));
}

static inline uint32_t sums_to_bytes_4(sums a) {
  int16x4_t words = vqmovn_s32(a);
  return vget_lane_u32(vreinterpret_u32_u8(vqmovun_s16(vcombine_s16(words, words))), 0);
}
static inline void sums_to_bytes_16(const sums a[4], uint8_t *out) {
  uint8x8_t first = vqmovun_s16(vcombine_s16(vqmovn_s32(a[0]), vqmovn_s32(a[1])));
  uint8x8_t second = vqmovun_s16(vcombine_s16(vqmovn_s32(a[2]), vqmovn_s32(a[3])));
  vst1q_u8(out, vcombine_u8(first, second));
}

#else

typedef struct {
  int16_t lane[8];
} pairs;
typedef struct {
  uint32_t lane[4];
} sums;

static inline sums sums_zero(void) { return (sums){{0}}; }

static inline pairs pairs_repeat(const int16_t pair[2]) {
  return (pairs){{pair[0], pair[1], pair[0], pair[1], pair[0], pair[1], pair[0], pair[1]}};
}

static inline sums sums_add(sums sum, pairs a, pairs b) {
  for (int i = 0; i < 4; i++) {
    sum.lane[i] += (uint32_t)(a.lane[2 * i] * b.lane[2 * i]) + (uint32_t)(a.lane[2 * i + 1] * b.lane[2 * i + 1]);
  }
  return sum;
}

static inline pairs pairs_of_neighbours(const uint8_t *rgb) {
  return (pairs){{rgb[0], rgb[3], rgb[1], rgb[4], rgb[2], rgb[5], 0, 0}};
}

static inline void pairs_of_lines(const uint8_t *a, const uint8_t *b, pairs out[4]) {
  for (int i = 0; i < 16; i++) {
    out[i / 4].lane[2 * (i % 4)] = a[i];
    out[i / 4].lane[2 * (i % 4) + 1] = b[i];
  }
}

static inline sums sums_scale(sums high, sums low, int fraction) {
  for (int i = 0; i < 4; i++) {
    uint32_t sum = (high.lane[i] << WEIGHT_LOW_BITS) + low.lane[i] + (1u << (fraction - 1));
    low.lane[i] = (uint32_t)((int32_t)sum >> fraction);
  }
  return low;
}

static inline void sums_to_bytes_16(const sums a[4], uint8_t *out) {
  for (int i = 0; i < 16; i++) {
    int32_t value = (int32_t)a[i / 4].lane[i % 4];
    out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
}
static inline uint32_t sums_to_bytes_4(sums a) {
  uint8_t bytes[16];
  uint32_t first;
  sums_to_bytes_16((const sums[4]){a, a, a, a}, bytes);
  memcpy(&first, bytes, sizeof first);
  return first;
}

#endif

#endif
