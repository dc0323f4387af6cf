/* The inverse transform of PARTS blocks at once: row i of block b is part b of vector i. The arithmetic and its order
 * are those of jpeg_inverse_dct_reference(), which says what is computed; all products are sums of pairs. */
#include "images/jpeg_dct.h"
#include "images/simd/integers.h"
#include "images/simd/pixel_tables.h"

/* a * x + b * y for the pairs of x and y that lie side by side. */
static inline vi32 rotate(vi16 pairs, int a, int b) {
  return vi16_dot_pairs(pairs, vi16_set_pair((int16_t)a, (int16_t)b));
}

/* x * 2^13 in 32 bits, of the low or high half of every part. */
static inline vi32 widen_low(vi16 x) { return (vi32)vi16_unpack_lo((vi16){0}, x) >> (16 - DCT_CONST_BITS); }
static inline vi32 widen_high(vi16 x) { return (vi32)vi16_unpack_hi((vi16){0}, x) >> (16 - DCT_CONST_BITS); }

/* Four of the eight transforms of a pass and part, from pairs of inputs. */
struct half {
  vi32 out[8];
};
static inline __attribute__((always_inline)) struct half transform_half(vi32 sum04, vi32 difference04, vi16 x26,
                                                                        vi16 x71, vi16 x53, vi16 z34, int shift) {
  vi32 round = vi32_set(1 << (shift - 1));
  vi32 t0 = sum04 + round, t1 = difference04 + round;
  vi32 t2 = rotate(x26, F_0_541, F_0_541 - F_1_847), t3 = rotate(x26, F_0_541 + F_0_765, F_0_541);
  vi32 s3 = rotate(z34, F_1_175 - F_1_961, F_1_175), s4 = rotate(z34, F_1_175, F_1_175 - F_0_390);
  vi32 even[4] = {t0 + t3, t1 + t2, t1 - t2, t0 - t3};
  vi32 odd[4] = {rotate(x71, -F_0_899, F_1_501 - F_0_899) + s4, rotate(x53, -F_2_562, F_3_072 - F_2_562) + s3,
                 rotate(x53, F_2_053 - F_2_562, -F_2_562) + s4, rotate(x71, F_0_298 - F_0_899, -F_0_899) + s3};
  struct half half;
  for (int i = 0; i < 4; i++) {
    half.out[i] = (even[i] + odd[i]) >> shift;
    half.out[7 - i] = (even[i] - odd[i]) >> shift;
  }
  return half;
}

/* Eight transforms in every part; x[i] holds value i of each. */
static inline __attribute__((always_inline)) void transform_all(vi16 x[8], int shift) {
  vi16 sum = x[0] + x[4], difference = x[0] - x[4], z3 = x[7] + x[3], z4 = x[5] + x[1];
  struct half low =
      transform_half(widen_low(sum), widen_low(difference), vi16_unpack_lo(x[2], x[6]), vi16_unpack_lo(x[7], x[1]),
                     vi16_unpack_lo(x[5], x[3]), vi16_unpack_lo(z3, z4), shift);
  struct half high =
      transform_half(widen_high(sum), widen_high(difference), vi16_unpack_hi(x[2], x[6]), vi16_unpack_hi(x[7], x[1]),
                     vi16_unpack_hi(x[5], x[3]), vi16_unpack_hi(z3, z4), shift);
  for (int i = 0; i < 8; i++) x[i] = vi32_pack(low.out[i], high.out[i]);
}

/* Each round interleaves the first four rows with the last four; three of them transpose. */
static inline __attribute__((always_inline)) void transpose(vi16 x[8]) {
  for (int round = 0; round < 3; round++) {
    vi16 y[8];
    for (int i = 0; i < 4; i++) {
      y[2 * i] = vi16_unpack_lo(x[i], x[i + 4]);
      y[2 * i + 1] = vi16_unpack_hi(x[i], x[i + 4]);
    }
    for (int i = 0; i < 8; i++) x[i] = y[i];
  }
}

/* The columns x[8] of every block to bytes, transposed into lines. */
static inline __attribute__((always_inline)) void put_columns(const vi16 x[8], uint8_t *samples, size_t stride) {
  vu8 c04 = vi16_pack_signed(x[0], x[4]), c15 = vi16_pack_signed(x[1], x[5]);
  vu8 c26 = vi16_pack_signed(x[2], x[6]), c37 = vi16_pack_signed(x[3], x[7]);
  vu8 c02 = vu8_unpack_lo(c04, c26), c46 = vu8_unpack_hi(c04, c26);
  vu8 c13 = vu8_unpack_lo(c15, c37), c57 = vu8_unpack_hi(c15, c37);
  vi32 left[2] = {(vi32)vu8_unpack_lo(c02, c13), (vi32)vu8_unpack_hi(c02, c13)};  /* columns 0..3 of rows 0..3, 4..7 */
  vi32 right[2] = {(vi32)vu8_unpack_lo(c46, c57), (vi32)vu8_unpack_hi(c46, c57)}; /* columns 4..7 */
  vu8 middle = (vu8)vi32_set((int32_t)0x80808080);
  for (size_t i = 0; i < 2; i++) {
    uint8_t *out = samples + 4 * i * stride;
    vu8_store_halves(out, out + stride, (vu8)vi32_unpack_lo(left[i], right[i]) ^ middle);
    vu8_store_halves(out + 2 * stride, out + 3 * stride, (vu8)vi32_unpack_hi(left[i], right[i]) ^ middle);
  }
}

/* PARTS blocks of which only the first coefficients are not zero. */
static inline void put_flat(const int16_t *blocks, uint16_t factor, uint8_t *samples, size_t stride) {
  for (int b = 0; b < PARTS; b++, blocks += 64, samples += 8) {
    int16_t value = (int16_t)((uint32_t)(uint16_t)blocks[0] * factor << DCT_PASS1_BITS);
    int sample = (value + (1 << (DCT_PASS1_BITS + 2))) >> (DCT_PASS1_BITS + 3);
    uint64_t eight = (uint64_t)((sample < -128 ? -128 : sample > 127 ? 127 : sample) + 128) * 0x0101010101010101u;
    for (size_t y = 0; y < 8; y++) memcpy(samples + y * stride, &eight, sizeof eight);
  }
}

/* The first rows as the column pass has to take them: where a block has no others, it wraps instead of saturating. */
static vi16 wrap_rows(vi16 row, vi16 wrapped, vi16 below) {
  int16_t rows[PARTS][8], others[PARTS][8];
  memcpy(rows, &row, sizeof rows);
  memcpy(others, &below, sizeof others);
  for (int b = 0; b < PARTS; b++) {
    static const int16_t none[8];
    if (!memcmp(others[b], none, sizeof none)) memcpy(rows[b], (const char *)&wrapped + b * PART_BYTES, PART_BYTES);
  }
  memcpy(&row, rows, sizeof row);
  return row;
}

void ISA_NAME(inverse_dct)(const int16_t *blocks, int n, const uint16_t *quantisation, uint8_t *samples,
                           size_t stride) {
  static const int16_t all_but_first[8] = {0, -1, -1, -1, -1, -1, -1, -1};
  vi16 factors[8], beside = (vi16)vu8_load_parts((const uint8_t *)all_but_first, 0);
  for (int i = 0; i < 8; i++) factors[i] = (vi16)vu8_load_parts((const uint8_t *)(quantisation + 8 * i), 0);
  for (int b = 0; b < n; b += PARTS, blocks += PARTS * 64, samples += PARTS * 8) {
    vi16 x[8], below = {0};
    for (int i = 0; i < 8; i++) {
      x[i] = (vi16)vu8_load_parts((const uint8_t *)(blocks + 8 * i), 128);
      if (i > 0) below |= x[i];
    }
    if (is_zero(below | (x[0] & beside))) {
      put_flat(blocks, quantisation[0], samples, stride);
      continue;
    }
    for (int i = 0; i < 8; i++) x[i] = x[i] * factors[i];
    if (is_zero(below)) {
      for (int i = 1; i < 8; i++) x[i] = x[0] << DCT_PASS1_BITS;
      x[0] = x[1];
    } else {
      vi16 wrapped = x[0] << DCT_PASS1_BITS >> DCT_PASS1_BITS;
      if (PARTS > 1 && !is_zero(wrapped ^ x[0])) x[0] = wrap_rows(x[0], wrapped, below);
      transform_all(x, DCT_COLUMN_SHIFT);
    }
    transpose(x);
    transform_all(x, DCT_ROW_SHIFT);
    put_columns(x, samples, stride);
  }
}
