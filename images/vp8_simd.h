/* Sixteen bytes or eight 16-bit words in a register, for prediction, the transform and the loop filter: SSE2, NEON,
 * plain C. */
#ifndef IMAGES_VP8_SIMD_H
#define IMAGES_VP8_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)

#include <emmintrin.h>
typedef __m128i bytes16;
typedef __m128i words8;

static inline bytes16 bytes_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
/* Eight from each of two places. */
static inline bytes16 bytes_load_8_8(const uint8_t *p, const uint8_t *q) {
  return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p),
                            _mm_loadl_epi64((const __m128i *)(const void *)q));
}
static inline void bytes_store(uint8_t *p, bytes16 a) { _mm_storeu_si128((__m128i *)(void *)p, a); }
static inline void bytes_store_8_8(uint8_t *p, uint8_t *q, bytes16 a) {
  _mm_storel_epi64((__m128i *)(void *)p, a);
  _mm_storel_epi64((__m128i *)(void *)q, _mm_unpackhi_epi64(a, a));
}
static inline bytes16 bytes_repeat(int value) { return _mm_set1_epi8((char)value); }
static inline bytes16 bytes_and(bytes16 a, bytes16 b) { return _mm_and_si128(a, b); }
static inline bytes16 bytes_and_not(bytes16 a, bytes16 b) { return _mm_andnot_si128(b, a); } /* a & ~b */
static inline bytes16 bytes_xor(bytes16 a, bytes16 b) { return _mm_xor_si128(a, b); }
static inline bytes16 bytes_max(bytes16 a, bytes16 b) { return _mm_max_epu8(a, b); }
/* Sums and differences that saturate, of unsigned or signed bytes. */
static inline bytes16 bytes_add(bytes16 a, bytes16 b) { return _mm_adds_epu8(a, b); }
static inline bytes16 bytes_distance(bytes16 a, bytes16 b) {
  return _mm_or_si128(_mm_subs_epu8(a, b), _mm_subs_epu8(b, a));
}
static inline bytes16 bytes_add_signed(bytes16 a, bytes16 b) { return _mm_adds_epi8(a, b); }
static inline bytes16 bytes_subtract_signed(bytes16 a, bytes16 b) { return _mm_subs_epi8(a, b); }
/* (a + b + 1) / 2, unsigned. */
static inline bytes16 bytes_mean(bytes16 a, bytes16 b) { return _mm_avg_epu8(a, b); }
static inline bytes16 bytes_subtract(bytes16 a, bytes16 b) { return _mm_sub_epi8(a, b); }
/* Four bytes (the first in the lowest bits), then the first twelve of a. */
static inline bytes16 bytes_push_4(uint32_t four, bytes16 a) {
  return _mm_or_si128(_mm_slli_si128(a, 4), _mm_cvtsi32_si128((int)four));
}
/* The bytes from the second on; the first one twice, then the others. */
static inline bytes16 bytes_next(bytes16 a) { return _mm_srli_si128(a, 1); }
static inline bytes16 bytes_previous(bytes16 a) {
  return _mm_or_si128(_mm_slli_si128(a, 1), _mm_and_si128(a, _mm_cvtsi32_si128(255)));
}
/* All ones where a <= b. */
static inline bytes16 bytes_at_most(bytes16 a, bytes16 b) {
  return _mm_cmpeq_epi8(_mm_subs_epu8(a, b), _mm_setzero_si128());
}
static inline bytes16 bytes_half(bytes16 a) { return _mm_srli_epi16(_mm_and_si128(a, _mm_set1_epi8(-2)), 1); }
/* Of signed bytes, rounded down. */
static inline bytes16 bytes_shift_right_signed(bytes16 a, int n) {
  __m128i sign = _mm_set1_epi8((char)(128 >> n));
  __m128i shifted = _mm_and_si128(_mm_srli_epi16(a, n), _mm_set1_epi8((char)(255 >> n)));
  return _mm_sub_epi8(_mm_xor_si128(shifted, sign), sign);
}
/* a[0] b[0] a[1] b[1] ... of the lower or the upper halves. */
static inline bytes16 bytes_zip_low(bytes16 a, bytes16 b) { return _mm_unpacklo_epi8(a, b); }
static inline bytes16 bytes_zip_high(bytes16 a, bytes16 b) { return _mm_unpackhi_epi8(a, b); }

static inline words8 words_repeat(int16_t value) { return _mm_set1_epi16(value); }
static inline words8 words_add(words8 a, words8 b) { return _mm_add_epi16(a, b); }
static inline words8 words_subtract(words8 a, words8 b) { return _mm_sub_epi16(a, b); }
/* a * b / 65536, rounded down. */
static inline words8 words_multiply_high(words8 a, words8 b) { return _mm_mulhi_epi16(a, b); }
static inline words8 words_shift_right_3(words8 a) { return _mm_srai_epi16(a, 3); }
static inline words8 words_shift_right_7(words8 a) { return _mm_srai_epi16(a, 7); }
/* Signed bytes to words, and back (saturating). */
static inline words8 words_from_low(bytes16 a) { return _mm_srai_epi16(_mm_unpacklo_epi8(a, a), 8); }
static inline words8 words_from_high(bytes16 a) { return _mm_srai_epi16(_mm_unpackhi_epi8(a, a), 8); }
static inline bytes16 bytes_from_words(words8 low, words8 high) { return _mm_packs_epi16(low, high); }
/* Four words in the lower half of a register: loaded, transposed, and added to four bytes, clipped to 0..255. */
static inline words8 words_load_4(const int16_t *p) { return _mm_loadl_epi64((const __m128i *)(const void *)p); }
static inline void words_transpose_4(words8 x[4]) {
  __m128i a = _mm_unpacklo_epi16(x[0], x[2]), b = _mm_unpacklo_epi16(x[1], x[3]);
  x[0] = _mm_unpacklo_epi16(a, b);
  x[2] = _mm_unpackhi_epi16(a, b);
  x[1] = _mm_unpackhi_epi64(x[0], x[0]);
  x[3] = _mm_unpackhi_epi64(x[2], x[2]);
}
static inline void words_add_to_bytes_4(words8 a, uint8_t *p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  __m128i sum = _mm_add_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), _mm_setzero_si128()), a);
  four = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
  memcpy(p, &four, sizeof four);
}

#elif defined(__aarch64__)

#include <arm_neon.h>
typedef uint8x16_t bytes16;
typedef int16x8_t words8;

static inline int8x16_t bytes_as_signed(bytes16 a) { return vreinterpretq_s8_u8(a); }
static inline bytes16 bytes_load(const uint8_t *p) { return vld1q_u8(p); }
static inline bytes16 bytes_load_8_8(const uint8_t *p, const uint8_t *q) { return vcombine_u8(vld1_u8(p), vld1_u8(q)); }
static inline void bytes_store(uint8_t *p, bytes16 a) { vst1q_u8(p, a); }
static inline void bytes_store_8_8(uint8_t *p, uint8_t *q, bytes16 a) {
  vst1_u8(p, vget_low_u8(a));
  vst1_u8(q, vget_high_u8(a));
}
static inline bytes16 bytes_repeat(int value) { return vdupq_n_u8((uint8_t)value); }
static inline bytes16 bytes_and(bytes16 a, bytes16 b) { return vandq_u8(a, b); }
static inline bytes16 bytes_and_not(bytes16 a, bytes16 b) { return vbicq_u8(a, b); }
static inline bytes16 bytes_xor(bytes16 a, bytes16 b) { return veorq_u8(a, b); }
static inline bytes16 bytes_max(bytes16 a, bytes16 b) { return vmaxq_u8(a, b); }
static inline bytes16 bytes_add(bytes16 a, bytes16 b) { return vqaddq_u8(a, b); }
static inline bytes16 bytes_distance(bytes16 a, bytes16 b) { return vabdq_u8(a, b); }
static inline bytes16 bytes_add_signed(bytes16 a, bytes16 b) {
  return vreinterpretq_u8_s8(vqaddq_s8(bytes_as_signed(a), bytes_as_signed(b)));
}
static inline bytes16 bytes_subtract_signed(bytes16 a, bytes16 b) {
  return vreinterpretq_u8_s8(vqsubq_s8(bytes_as_signed(a), bytes_as_signed(b)));
}
static inline bytes16 bytes_mean(bytes16 a, bytes16 b) { return vrhaddq_u8(a, b); }
static inline bytes16 bytes_subtract(bytes16 a, bytes16 b) { return vsubq_u8(a, b); }
static inline bytes16 bytes_push_4(uint32_t four, bytes16 a) {
  return vextq_u8(vreinterpretq_u8_u32(vdupq_n_u32(four)), a, 12);
}
static inline bytes16 bytes_next(bytes16 a) { return vextq_u8(a, a, 1); }
static inline bytes16 bytes_previous(bytes16 a) { return vextq_u8(vdupq_laneq_u8(a, 0), a, 15); }
static inline bytes16 bytes_at_most(bytes16 a, bytes16 b) { return vcleq_u8(a, b); }
static inline bytes16 bytes_half(bytes16 a) { return vshrq_n_u8(a, 1); }
static inline bytes16 bytes_shift_right_signed(bytes16 a, int n) {
  return vreinterpretq_u8_s8(vshlq_s8(bytes_as_signed(a), vdupq_n_s8((int8_t)-n)));
}
static inline bytes16 bytes_zip_low(bytes16 a, bytes16 b) { return vzip1q_u8(a, b); }
static inline bytes16 bytes_zip_high(bytes16 a, bytes16 b) { return vzip2q_u8(a, b); }

static inline words8 words_repeat(int16_t value) { return vdupq_n_s16(value); }
static inline words8 words_add(words8 a, words8 b) { return vaddq_s16(a, b); }
static inline words8 words_subtract(words8 a, words8 b) { return vsubq_s16(a, b); }
static inline words8 words_multiply_high(words8 a, words8 b) {
  return vcombine_s16(vshrn_n_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), 16),
                      vshrn_n_s32(vmull_high_s16(a, b), 16));
}
static inline words8 words_shift_right_3(words8 a) { return vshrq_n_s16(a, 3); }
static inline words8 words_shift_right_7(words8 a) { return vshrq_n_s16(a, 7); }
static inline words8 words_from_low(bytes16 a) { return vmovl_s8(vget_low_s8(bytes_as_signed(a))); }
static inline words8 words_from_high(bytes16 a) { return vmovl_high_s8(bytes_as_signed(a)); }
static inline bytes16 bytes_from_words(words8 low, words8 high) {
  return vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
}
static inline words8 words_load_4(const int16_t *p) { return vcombine_s16(vld1_s16(p), vdup_n_s16(0)); }
static inline void words_transpose_4(words8 x[4]) {
  int16x8_t a = vzip1q_s16(x[0], x[2]), b = vzip1q_s16(x[1], x[3]);
  x[0] = vzip1q_s16(a, b);
  x[2] = vzip2q_s16(a, b);
  x[1] = vextq_s16(x[0], x[0], 4);
  x[3] = vextq_s16(x[2], x[2], 4);
}
static inline void words_add_to_bytes_4(words8 a, uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  int16x8_t samples = vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))));
  four = vget_lane_u32(vreinterpret_u32_u8(vqmovun_s16(vaddq_s16(samples, a))), 0);
  memcpy(p, &four, sizeof four);
}

#else

typedef struct {
  uint8_t lane[16];
} bytes16;
typedef struct {
  int16_t lane[8];
} words8;

static inline int clip_number(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

/* A function of two registers, lane by lane: `i` is the lane, a.lane[i] and b.lane[i] the operands. */
#define LANES_OF_TWO(type, name, lanes, expression)      \
  static inline type name(type a, type b) {              \
    type out;                                            \
    for (int i = 0; i < (lanes); i++) {                  \
      out.lane[i] = (__typeof__(a.lane[0]))(expression); \
    }                                                    \
    return out;                                          \
  }
#define SIGNED(x) ((int8_t)(x).lane[i])

static inline bytes16 bytes_load_8_8(const uint8_t *p, const uint8_t *q) {
  bytes16 a;
  memcpy(a.lane, p, 8);
  memcpy(a.lane + 8, q, 8);
  return a;
}
static inline bytes16 bytes_load(const uint8_t *p) { return bytes_load_8_8(p, p + 8); }
static inline void bytes_store_8_8(uint8_t *p, uint8_t *q, bytes16 a) {
  memcpy(p, a.lane, 8);
  memcpy(q, a.lane + 8, 8);
}
static inline void bytes_store(uint8_t *p, bytes16 a) { bytes_store_8_8(p, p + 8, a); }
static inline bytes16 bytes_repeat(int value) {
  bytes16 a;
  memset(a.lane, value, 16);
  return a;
}
LANES_OF_TWO(bytes16, bytes_and, 16, a.lane[i] & b.lane[i])
LANES_OF_TWO(bytes16, bytes_and_not, 16, a.lane[i] & ~b.lane[i])
LANES_OF_TWO(bytes16, bytes_xor, 16, a.lane[i] ^ b.lane[i])
LANES_OF_TWO(bytes16, bytes_max, 16, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i])
LANES_OF_TWO(bytes16, bytes_add, 16, clip_number(a.lane[i] + b.lane[i], 0, 255))
LANES_OF_TWO(bytes16, bytes_distance, 16, a.lane[i] > b.lane[i] ? a.lane[i] - b.lane[i] : b.lane[i] - a.lane[i])
LANES_OF_TWO(bytes16, bytes_add_signed, 16, clip_number(SIGNED(a) + SIGNED(b), -128, 127))
LANES_OF_TWO(bytes16, bytes_subtract_signed, 16, clip_number(SIGNED(a) - SIGNED(b), -128, 127))
LANES_OF_TWO(bytes16, bytes_at_most, 16, a.lane[i] <= b.lane[i] ? 255 : 0)
LANES_OF_TWO(bytes16, bytes_zip_low, 16, i % 2 ? b.lane[i / 2] : a.lane[i / 2])
LANES_OF_TWO(bytes16, bytes_zip_high, 16, i % 2 ? b.lane[8 + i / 2] : a.lane[8 + i / 2])
LANES_OF_TWO(bytes16, bytes_mean, 16, (a.lane[i] + b.lane[i] + 1) / 2)
LANES_OF_TWO(bytes16, bytes_subtract, 16, a.lane[i] - b.lane[i])
static inline bytes16 bytes_push_4(uint32_t four, bytes16 a) {
  memmove(a.lane + 4, a.lane, 12);
  memcpy(a.lane, &four, 4);
  return a;
}
static inline bytes16 bytes_next(bytes16 a) {
  memmove(a.lane, a.lane + 1, 15);
  return a;
}
static inline bytes16 bytes_previous(bytes16 a) {
  memmove(a.lane + 1, a.lane, 15);
  return a;
}
static inline bytes16 bytes_half(bytes16 a) {
  for (int i = 0; i < 16; i++) a.lane[i] >>= 1;
  return a;
}
static inline bytes16 bytes_shift_right_signed(bytes16 a, int n) {
  for (int i = 0; i < 16; i++) a.lane[i] = (uint8_t)(SIGNED(a) >> n);
  return a;
}

static inline words8 words_repeat(int16_t value) {
  words8 a;
  for (int i = 0; i < 8; i++) a.lane[i] = value;
  return a;
}
LANES_OF_TWO(words8, words_add, 8, a.lane[i] + b.lane[i])
LANES_OF_TWO(words8, words_subtract, 8, a.lane[i] - b.lane[i])
LANES_OF_TWO(words8, words_multiply_high, 8, (a.lane[i] * b.lane[i]) >> 16)
static inline words8 words_shift_right_3(words8 a) {
  for (int i = 0; i < 8; i++) a.lane[i] = (int16_t)(a.lane[i] >> 3);
  return a;
}
static inline words8 words_shift_right_7(words8 a) {
  for (int i = 0; i < 8; i++) a.lane[i] = (int16_t)(a.lane[i] >> 7);
  return a;
}
static inline words8 words_from_low(bytes16 a) {
  words8 out;
  for (int i = 0; i < 8; i++) out.lane[i] = SIGNED(a);
  return out;
}
static inline words8 words_from_high(bytes16 a) {
  memcpy(a.lane, a.lane + 8, 8);
  return words_from_low(a);
}
static inline bytes16 bytes_from_words(words8 low, words8 high) {
  bytes16 out;
  for (int i = 0; i < 8; i++) {
    out.lane[i] = (uint8_t)clip_number(low.lane[i], -128, 127);
    out.lane[8 + i] = (uint8_t)clip_number(high.lane[i], -128, 127);
  }
  return out;
}
static inline words8 words_load_4(const int16_t *p) {
  words8 a = {{0}};
  memcpy(a.lane, p, 4 * sizeof *p);
  return a;
}
static inline void words_transpose_4(words8 x[4]) {
  words8 y[4] = {{{0}}};
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 4; k++) y[k].lane[i] = x[i].lane[k];
  }
  memcpy(x, y, sizeof y);
}
static inline void words_add_to_bytes_4(words8 a, uint8_t *p) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)clip_number((int16_t)(p[i] + a.lane[i]), 0, 255);
}
#undef LANES_OF_TWO
#undef SIGNED

#endif

#endif
