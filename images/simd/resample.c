/* The two passes of a resize. */
#include "images/simd/integers.h"
#include "images/simd/pixel_tables.h"

/* ---- along lines: PARTS of them at once, one in each part ----------------------------------------------------------
 */

/* Red, green and blue of two neighbouring pixels as three pairs of 16-bit numbers and one of no meaning. */
#ifdef HAS_SHUFFLE
enum { o = 128 };
static const uint8_t first_two[16] = {0, o, 3, o, 1, o, 4, o, 2, o, 5, o, o, o, o, o};
static const uint8_t next_two[16] = {6, o, 9, o, 7, o, 10, o, 8, o, 11, o, o, o, o, o};
#endif

/* Pixels 0 and 1, 2 and 3 and so on of each line, as pairs. */
static void pair_neighbours(const uint8_t *in, size_t stride, int width, vi16 *pairs) {
  for (int x = 0; x < width; x += 4, in += 12) {
    vu8 four = vu8_load_parts(in, stride);
#ifdef HAS_SHUFFLE
    *pairs++ = (vi16)vu8_shuffle(four, first_two);
    *pairs++ = (vi16)vu8_shuffle(four, next_two);
#else
    uint8_t bytes[16];
    memcpy(bytes, &four, sizeof bytes);
    for (int i = 0; i < 2; i++) {
      const uint8_t *p = bytes + 6 * i;
      *pairs++ = (vi16){p[0], p[3], p[1], p[4], p[2], p[5], 0, 0};
    }
#endif
  }
}

/* (high * 2^15 + low + half) / 2^22, rounded down. */
static inline vi32 scale(vi32 high, vi32 low) {
  return ((high << WEIGHT_LOW_BITS) + low + vi32_set(1 << (WEIGHT_FRACTION - 1))) >> WEIGHT_FRACTION;
}

static inline vi16 repeat_pair(const int16_t pair[2]) {
  int32_t both;
  memcpy(&both, pair, sizeof both);
  return (vi16)vi32_set(both);
}

/* The pixel at x of each line: red, green, blue in 32 bits. */
static inline vi32 filter_pixel(const struct resize_axis *axis, int x, const vi16 *pairs) {
  const struct weight_pair *weights = axis->weights + (size_t)x * (size_t)axis->room;
  const vi16 *from = pairs + axis->first[x] / 2;
  vi32 high = {0}, low = {0};
  for (int k = 0; k < axis->pairs[x]; k++) {
    high += vi16_dot_pairs(from[k], repeat_pair(weights[k].high));
    low += vi16_dot_pairs(from[k], repeat_pair(weights[k].low));
  }
  return scale(high, low);
}

static inline void put_pixel(vi32 pixel, int i, uint8_t *out) {
  vi16 words = vi32_pack(pixel, pixel);
  vu8_part part = vu8_get_part(vi16_pack(words, words), i);
  memcpy(out, &part, 4);
}

void ISA_NAME(resize_across)(const struct resize_axis *axis, const uint8_t *in, size_t in_stride, int in_width,
                             uint8_t *out, size_t out_stride, void *scratch) {
  vi16 *pairs = scratch;
  pair_neighbours(in, in_stride, in_width, pairs);
  int x = 0;
#ifdef HAS_SHUFFLE
  static const uint8_t without_fourth[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, o, o, o, o};
  for (; x + 4 <= axis->count; x += 4, out += 12) {
    vi16 first = vi32_pack(filter_pixel(axis, x, pairs), filter_pixel(axis, x + 1, pairs));
    vi16 next = vi32_pack(filter_pixel(axis, x + 2, pairs), filter_pixel(axis, x + 3, pairs));
    vu8 four = vu8_shuffle(vi16_pack(first, next), without_fourth);
    for (int i = 0; i < PARTS; i++) {
      vu8_part part = vu8_get_part(four, i);
      memcpy(out + (size_t)i * out_stride, &part, sizeof part);
    }
  }
#endif
  for (; x < axis->count; x++, out += 3) {
    vi32 pixel = filter_pixel(axis, x, pairs);
    for (int i = 0; i < PARTS; i++) put_pixel(pixel, i, out + (size_t)i * out_stride);
  }
}

/* ---- across lines -------------------------------------------------------------------------------------------------*/

void ISA_NAME(resize_down)(const struct weight_pair *weights, int pairs, const uint8_t *const *lines, size_t n,
                           uint8_t *out) {
  vu8 zero = {0};
  for (size_t i = 0; i < n; i += VECTOR_BYTES) {
    vi32 high[4] = {{0}, {0}, {0}, {0}}, low[4] = {{0}, {0}, {0}, {0}};
    for (int k = 0; k < pairs; k++) {
      vu8 above = vu8_load(lines[2 * k] + i), below = vu8_load(lines[2 * k + 1] + i);
      vu8 first = vu8_unpack_lo(above, below), next = vu8_unpack_hi(above, below);
      vi16 both[4] = {(vi16)vu8_unpack_lo(first, zero), (vi16)vu8_unpack_hi(first, zero),
                      (vi16)vu8_unpack_lo(next, zero), (vi16)vu8_unpack_hi(next, zero)};
      vi16 weight_high = repeat_pair(weights[k].high), weight_low = repeat_pair(weights[k].low);
      for (int j = 0; j < 4; j++) {
        high[j] += vi16_dot_pairs(both[j], weight_high);
        low[j] += vi16_dot_pairs(both[j], weight_low);
      }
    }
    for (int j = 0; j < 4; j++) low[j] = scale(high[j], low[j]);
    vu8_store(out + i, vi16_pack(vi32_pack(low[0], low[1]), vi32_pack(low[2], low[3])));
  }
}
