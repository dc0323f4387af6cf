/* The accurate integer inverse DCT: Loeffler, Ligtenberg and Moschytz 1989 with 12 multiplications, in 13-bit fixed
 * point as libjpeg's "islow" fixes it, so that samples are the same bits as everybody's. */
#include <string.h>

#include "images/jpeg_internal.h"

enum {
  CONST_BITS = 13,
  PASS1_BITS = 2, /* fraction bits kept between the two passes */
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

/* One pass over eight values, shifted right by `shift` with rounding. Unsigned, since absurd input wraps. */
static inline __attribute__((always_inline)) void transform(const int32_t in[8], int32_t out[8], int shift) {
  uint32_t x[8], round = 1u << (shift - 1);
  for (int i = 0; i < 8; i++) x[i] = (uint32_t)in[i];
  /* Even part: the rotation of 2 and 6, the butterflies of 0 and 4. */
  uint32_t z1 = (x[2] + x[6]) * F_0_541, t2 = z1 - x[6] * F_1_847, t3 = z1 + x[2] * F_0_765;
  uint32_t t0 = ((x[0] + x[4]) << CONST_BITS) + round, t1 = ((x[0] - x[4]) << CONST_BITS) + round;
  uint32_t even[4] = {t0 + t3, t1 + t2, t1 - t2, t0 - t3};
  /* Odd part. */
  uint32_t z5 = (x[7] + x[3] + x[5] + x[1]) * F_1_175;
  uint32_t s1 = (x[7] + x[1]) * F_0_899, s2 = (x[5] + x[3]) * F_2_562;
  uint32_t s3 = z5 - (x[7] + x[3]) * F_1_961, s4 = z5 - (x[5] + x[1]) * F_0_390;
  uint32_t odd[4] = {x[1] * F_1_501 - s1 + s4, x[3] * F_3_072 - s2 + s3, x[5] * F_2_053 - s2 + s4,
                     x[7] * F_0_298 - s1 + s3};
  for (int i = 0; i < 4; i++) {
    out[i] = (int32_t)(even[i] + odd[i]) >> shift;
    out[7 - i] = (int32_t)(even[i] - odd[i]) >> shift;
  }
}

static inline uint8_t clamp_sample(int32_t value) {
  return (uint8_t)(value < -128 ? 0 : value > 127 ? 255 : value + 128);
}

static void inverse_block(const int16_t *block, const int32_t quantisation[JPEG_BLOCK], uint8_t *out, size_t stride) {
  bool only_dc = true;
  uint64_t words[16];
  memcpy(words, block, sizeof words);
  uint64_t rest = words[0] & ~(uint64_t)0xffff;
  for (int i = 1; i < 16; i++) rest |= words[i];
  only_dc = rest == 0;
  if (only_dc) {
    int32_t dc = (int32_t)((uint32_t)(block[0] * quantisation[0]) << PASS1_BITS);
    uint8_t sample = clamp_sample((dc + (1 << (PASS1_BITS + 2))) >> (PASS1_BITS + 3));
    for (int y = 0; y < 8; y++) memset(out + (size_t)y * stride, sample, 8);
    return;
  }
  int32_t middle[8][8]; /* [column][row] */
  for (int x = 0; x < 8; x++) {
    int32_t in[8];
    for (int y = 0; y < 8; y++) in[y] = block[y * 8 + x] * quantisation[y * 8 + x];
    transform(in, middle[x], CONST_BITS - PASS1_BITS);
  }
  for (int y = 0; y < 8; y++) {
    int32_t in[8], line[8];
    for (int x = 0; x < 8; x++) in[x] = middle[x][y];
    transform(in, line, CONST_BITS + PASS1_BITS + 3);
    for (int x = 0; x < 8; x++) out[(size_t)y * stride + (size_t)x] = clamp_sample(line[x]);
  }
}

void jpeg_inverse_transform(struct jpeg_component *c) {
  size_t stride = (size_t)c->stored_wide * 8;
  int32_t quantisation[JPEG_BLOCK];
  for (int i = 0; i < JPEG_BLOCK; i++) quantisation[i] = c->quantisation[i];
  for (int y = 0; y < c->blocks_high; y++) {
    for (int x = 0; x < c->blocks_wide; x++) {
      const int16_t *block = c->coefficients + ((size_t)y * (size_t)c->stored_wide + (size_t)x) * JPEG_BLOCK;
      inverse_block(block, quantisation, c->samples + (size_t)y * 8 * stride + (size_t)x * 8, stride);
    }
  }
}
