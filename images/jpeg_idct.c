/* The accurate integer inverse DCT: Loeffler, Ligtenberg and Moschytz 1989 with 12 multiplications, in 13-bit fixed
 * point as libjpeg's "islow" fixes it, so that samples are the same bits as everybody's. Coefficients, and the values
 * between the column pass and the row pass, are 16-bit words, as in libjpeg-turbo's vector code: products and sums
 * wrap, passes saturate, but the column pass wraps where only the first row is not zero. Only broken or absurd files
 * notice. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "images/jpeg_internal.h"

enum {
  CONST_BITS = 13,
  PASS1_BITS = 2, /* fraction bits kept between the two passes */
  COLUMN_SHIFT = CONST_BITS - PASS1_BITS,
  ROW_SHIFT = CONST_BITS + PASS1_BITS + 3,
  F_0_298 = 2446,
  F_0_390 = 3196,
  F_0_541 = 4433,
  F_0_765 = 6270,
  F_0_899 = 7373,
  F_1_175 = 9633,
  F_1_501 = 12299,
  F_1_847 = 15137,
  F_1_961 = 16069,
  F_2_053 = 16819,
  F_2_562 = 20995,
  F_3_072 = 25172,
};

static inline int32_t saturate(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* One pass over eight values, `step` apart. */
static void transform(const int16_t *in, int16_t *out, size_t step, int shift) {
  int32_t x[8], round = 1 << (shift - 1);
  for (size_t i = 0; i < 8; i++) x[i] = in[i * step];
  /* Even part: the butterflies of 0 and 4, the rotation of 2 and 6. */
  int32_t t0 = (int16_t)(x[0] + x[4]) * (1 << CONST_BITS) + round;
  int32_t t1 = (int16_t)(x[0] - x[4]) * (1 << CONST_BITS) + round;
  int32_t t2 = x[2] * F_0_541 + x[6] * (F_0_541 - F_1_847), t3 = x[2] * (F_0_541 + F_0_765) + x[6] * F_0_541;
  int32_t even[4] = {t0 + t3, t1 + t2, t1 - t2, t0 - t3};
  /* Odd part. */
  int32_t z3 = (int16_t)(x[7] + x[3]), z4 = (int16_t)(x[5] + x[1]);
  int32_t s3 = z3 * (F_1_175 - F_1_961) + z4 * F_1_175, s4 = z3 * F_1_175 + z4 * (F_1_175 - F_0_390);
  int32_t odd[4] = {x[1] * (F_1_501 - F_0_899) - x[7] * F_0_899 + s4, x[3] * (F_3_072 - F_2_562) - x[5] * F_2_562 + s3,
                    x[5] * (F_2_053 - F_2_562) - x[3] * F_2_562 + s4, x[7] * (F_0_298 - F_0_899) - x[1] * F_0_899 + s3};
  for (size_t i = 0; i < 4; i++) {
    out[i * step] = (int16_t)saturate((even[i] + odd[i]) >> shift, INT16_MIN, INT16_MAX);
    out[(7 - i) * step] = (int16_t)saturate((even[i] - odd[i]) >> shift, INT16_MIN, INT16_MAX);
  }
}

bool jpeg_is_flat(const int16_t *block) {
  uint64_t words[JPEG_BLOCK / 4], others = 0;
  memcpy(words, block, sizeof words);
  for (int i = 1; i < JPEG_BLOCK / 4; i++) others |= words[i];
  return !others && !block[1] && !block[2] && !block[3];
}

/* The column pass where rows 1 to 7 are zero. */
static inline int16_t first_pass_flat(int16_t value) { return (int16_t)((uint32_t)value << PASS1_BITS); }

void jpeg_inverse_dct_reference(const int16_t *block, const uint16_t *quantisation, uint8_t *samples, size_t stride) {
  int16_t values[JPEG_BLOCK], below = 0;
  for (int i = 0; i < JPEG_BLOCK; i++) values[i] = (int16_t)((uint16_t)block[i] * (uint32_t)quantisation[i]);
  for (int i = 8; i < JPEG_BLOCK; i++) below |= block[i];
  for (size_t x = 0; x < 8; x++) {
    if (below) {
      transform(values + x, values + x, 8, COLUMN_SHIFT);
    } else {
      int16_t value = first_pass_flat(values[x]);
      for (size_t y = 0; y < 8; y++) values[8 * y + x] = value;
    }
  }
  for (size_t y = 0; y < 8; y++) {
    transform(values + 8 * y, values + 8 * y, 1, ROW_SHIFT);
    for (size_t x = 0; x < 8; x++) samples[y * stride + x] = (uint8_t)(saturate(values[8 * y + x], -128, 127) + 128);
  }
}

void jpeg_inverse_dct_flat(int16_t dc, uint16_t quantisation, uint8_t *samples, size_t stride) {
  int32_t value = first_pass_flat((int16_t)((uint16_t)dc * (uint32_t)quantisation));
  int sample = saturate((value + (1 << (PASS1_BITS + 2))) >> (PASS1_BITS + 3), -128, 127) + 128;
  for (size_t y = 0; y < 8; y++) memset(samples + y * stride, sample, 8);
}

#ifdef __SSE2__

/* a * x + b * y for the pairs of x and y that lie side by side. */
static inline __m128i rotate(__m128i pairs, int a, int b) {
  return _mm_madd_epi16(pairs, _mm_set1_epi32((int)((uint32_t)(uint16_t)(int16_t)b << 16 | (uint16_t)(int16_t)a)));
}

/* x * 2^13 as 32-bit words, of the low or high half of 16-bit words. */
static inline __m128i widen_low(__m128i x) {
  return _mm_srai_epi32(_mm_unpacklo_epi16(_mm_setzero_si128(), x), 16 - CONST_BITS);
}
static inline __m128i widen_high(__m128i x) {
  return _mm_srai_epi32(_mm_unpackhi_epi16(_mm_setzero_si128(), x), 16 - CONST_BITS);
}

/* Four of the eight transforms of a pass: the sums of transform() from pairs of inputs, as 32-bit words. */
struct half {
  __m128i out[8];
};
static inline __attribute__((always_inline)) struct half transform_half(__m128i sum04, __m128i difference04,
                                                                        __m128i x26, __m128i x71, __m128i x53,
                                                                        __m128i z34, int shift) {
  __m128i round = _mm_set1_epi32(1 << (shift - 1));
  __m128i t0 = _mm_add_epi32(sum04, round), t1 = _mm_add_epi32(difference04, round);
  __m128i t2 = rotate(x26, F_0_541, F_0_541 - F_1_847), t3 = rotate(x26, F_0_541 + F_0_765, F_0_541);
  __m128i s3 = rotate(z34, F_1_175 - F_1_961, F_1_175), s4 = rotate(z34, F_1_175, F_1_175 - F_0_390);
  __m128i even[4] = {_mm_add_epi32(t0, t3), _mm_add_epi32(t1, t2), _mm_sub_epi32(t1, t2), _mm_sub_epi32(t0, t3)};
  __m128i odd[4] = {_mm_add_epi32(rotate(x71, -F_0_899, F_1_501 - F_0_899), s4),
                    _mm_add_epi32(rotate(x53, -F_2_562, F_3_072 - F_2_562), s3),
                    _mm_add_epi32(rotate(x53, F_2_053 - F_2_562, -F_2_562), s4),
                    _mm_add_epi32(rotate(x71, F_0_298 - F_0_899, -F_0_899), s3)};
  struct half half;
  for (int i = 0; i < 4; i++) {
    half.out[i] = _mm_srai_epi32(_mm_add_epi32(even[i], odd[i]), shift);
    half.out[7 - i] = _mm_srai_epi32(_mm_sub_epi32(even[i], odd[i]), shift);
  }
  return half;
}

/* Eight transforms at once; x[i] holds value i of each. */
static inline __attribute__((always_inline)) void transform_all(__m128i x[8], int shift) {
  __m128i sum = _mm_add_epi16(x[0], x[4]), difference = _mm_sub_epi16(x[0], x[4]);
  __m128i z3 = _mm_add_epi16(x[7], x[3]), z4 = _mm_add_epi16(x[5], x[1]);
  struct half low =
      transform_half(widen_low(sum), widen_low(difference), _mm_unpacklo_epi16(x[2], x[6]),
                     _mm_unpacklo_epi16(x[7], x[1]), _mm_unpacklo_epi16(x[5], x[3]), _mm_unpacklo_epi16(z3, z4), shift);
  struct half high =
      transform_half(widen_high(sum), widen_high(difference), _mm_unpackhi_epi16(x[2], x[6]),
                     _mm_unpackhi_epi16(x[7], x[1]), _mm_unpackhi_epi16(x[5], x[3]), _mm_unpackhi_epi16(z3, z4), shift);
  for (int i = 0; i < 8; i++) x[i] = _mm_packs_epi32(low.out[i], high.out[i]);
}

/* Each round interleaves the first four rows with the last four; three of them transpose. */
static inline __attribute__((always_inline)) void transpose(__m128i x[8]) {
  for (int round = 0; round < 3; round++) {
    __m128i y[8];
    for (int i = 0; i < 4; i++) {
      y[2 * i] = _mm_unpacklo_epi16(x[i], x[i + 4]);
      y[2 * i + 1] = _mm_unpackhi_epi16(x[i], x[i + 4]);
    }
    for (int i = 0; i < 8; i++) x[i] = y[i];
  }
}

void jpeg_inverse_dct(const int16_t *block, const uint16_t *quantisation, uint8_t *samples, size_t stride) {
  __m128i x[8], below = _mm_setzero_si128();
  for (int i = 0; i < 8; i++) {
    x[i] = _mm_loadu_si128((const __m128i *)(block + 8 * i));
    if (i > 0) below = _mm_or_si128(below, x[i]);
    x[i] = _mm_mullo_epi16(x[i], _mm_loadu_si128((const __m128i *)(quantisation + 8 * i)));
  }
  if (_mm_movemask_epi8(_mm_cmpeq_epi16(below, _mm_setzero_si128())) == 0xffff) {
    x[0] = _mm_slli_epi16(x[0], PASS1_BITS);
    for (int i = 1; i < 8; i++) x[i] = x[0];
  } else {
    transform_all(x, COLUMN_SHIFT);
  }
  transpose(x);
  transform_all(x, ROW_SHIFT);
  /* x[i] is now column i: to bytes, and transposed again. */
  __m128i c04 = _mm_packs_epi16(x[0], x[4]), c15 = _mm_packs_epi16(x[1], x[5]);
  __m128i c26 = _mm_packs_epi16(x[2], x[6]), c37 = _mm_packs_epi16(x[3], x[7]);
  __m128i c02 = _mm_unpacklo_epi8(c04, c26), c46 = _mm_unpackhi_epi8(c04, c26);
  __m128i c13 = _mm_unpacklo_epi8(c15, c37), c57 = _mm_unpackhi_epi8(c15, c37);
  __m128i left[2] = {_mm_unpacklo_epi8(c02, c13), _mm_unpackhi_epi8(c02, c13)};  /* columns 0..3 of rows 0..3, 4..7 */
  __m128i right[2] = {_mm_unpacklo_epi8(c46, c57), _mm_unpackhi_epi8(c46, c57)}; /* columns 4..7 */
  __m128i middle = _mm_set1_epi8(-128);
  for (size_t i = 0; i < 2; i++) {
    __m128i rows01 = _mm_xor_si128(_mm_unpacklo_epi32(left[i], right[i]), middle);
    __m128i rows23 = _mm_xor_si128(_mm_unpackhi_epi32(left[i], right[i]), middle);
    uint8_t *out = samples + 4 * i * stride;
    _mm_storel_epi64((__m128i *)out, rows01);
    _mm_storel_epi64((__m128i *)(out + stride), _mm_unpackhi_epi64(rows01, rows01));
    _mm_storel_epi64((__m128i *)(out + 2 * stride), rows23);
    _mm_storel_epi64((__m128i *)(out + 3 * stride), _mm_unpackhi_epi64(rows23, rows23));
  }
}

#else

void jpeg_inverse_dct(const int16_t *block, const uint16_t *quantisation, uint8_t *samples, size_t stride) {
  jpeg_inverse_dct_reference(block, quantisation, samples, stride);
}

#endif
