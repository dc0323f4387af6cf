/* Chroma upsampling ("fancy", with libjpeg's and libwebp's triangle filters), JFIF's and VP8's colours. */
#include "images/simd/integers.h"
#include "images/simd/pixel_tables.h"

/* ---- upsampling --------------------------------------------------------------------------------------------------*/

/* A vector's bytes as 16-bit numbers: the first halves of all parts, and the second ones. */
struct halves {
  vi16 low, high;
};
static inline struct halves widen(vu8 v) {
  return (struct halves){(vi16)vu8_unpack_lo(v, (vu8){0}), (vi16)vu8_unpack_hi(v, (vu8){0})};
}

/* (own * 3 + beside + round) >> shift, of each. */
static inline vi16 blend(vi16 own, vi16 beside, int round, int shift) {
  return (own + own + own + beside + vi16_set((int16_t)round)) >> shift;
}

/* Left and right results in turn, 2 VECTOR_BYTES of them. */
static inline void put_in_turn(struct halves left, struct halves right, uint8_t *out) {
  vu8 low = (vu8)(left.low | right.low << 8), high = (vu8)(left.high | right.high << 8);
  for (int i = 0; i < PARTS; i++) {
    vu8_part first = vu8_get_part(low, i), second = vu8_get_part(high, i);
    memcpy(out + 2 * i * PART_BYTES, &first, sizeof first);
    memcpy(out + (2 * i + 1) * PART_BYTES, &second, sizeof second);
  }
}

static inline void blend_in_turn(struct halves own, struct halves left, struct halves right, const int rounds[2],
                                 int shift, uint8_t *out) {
  put_in_turn(
      (struct halves){blend(own.low, left.low, rounds[0], shift), blend(own.high, left.high, rounds[0], shift)},
      (struct halves){blend(own.low, right.low, rounds[1], shift), blend(own.high, right.high, rounds[1], shift)}, out);
}

void ISA_NAME(double_width)(const uint8_t *in, int n, uint8_t *out) {
  static const int rounds[2] = {1, 2};
  for (int x = 0; x < n; x += VECTOR_BYTES, in += VECTOR_BYTES, out += 2 * VECTOR_BYTES) {
    uint8_t last[2 * VECTOR_BYTES], *to = x + VECTOR_BYTES <= n ? out : last;
    blend_in_turn(widen(vu8_load(in)), widen(vu8_load(in - 1)), widen(vu8_load(in + 1)), rounds, 2, to);
    if (to == last) memcpy(out, last, 2 * (size_t)(n - x));
  }
}

void ISA_NAME(double_height)(const uint8_t *near, const uint8_t *far, int n, int lower, uint8_t *out) {
  int round = lower ? 2 : 1;
  for (int x = 0; x < n; x += VECTOR_BYTES, near += VECTOR_BYTES, far += VECTOR_BYTES, out += VECTOR_BYTES) {
    struct halves own = widen(vu8_load(near)), beside = widen(vu8_load(far));
    vu8 bytes = vi16_pack(blend(own.low, beside.low, round, 2), blend(own.high, beside.high, round, 2));
    if (x + VECTOR_BYTES <= n) {
      vu8_store(out, bytes);
    } else {
      memcpy(out, &bytes, (size_t)(n - x));
    }
  }
}

/* near * 3 + far. */
static inline struct halves column_sums(const uint8_t *near, const uint8_t *far) {
  struct halves a = widen(vu8_load(near)), b = widen(vu8_load(far));
  return (struct halves){a.low + a.low + a.low + b.low, a.high + a.high + a.high + b.high};
}

static inline void double_both(const uint8_t *near, const uint8_t *far, int n, const int rounds[2], uint8_t *out) {
  for (int x = 0; x < n; x += VECTOR_BYTES, near += VECTOR_BYTES, far += VECTOR_BYTES, out += 2 * VECTOR_BYTES) {
    uint8_t last[2 * VECTOR_BYTES], *to = x + VECTOR_BYTES <= n ? out : last;
    blend_in_turn(column_sums(near, far), column_sums(near - 1, far - 1), column_sums(near + 1, far + 1), rounds, 4,
                  to);
    if (to == last) memcpy(out, last, 2 * (size_t)(n - x));
  }
}

void ISA_NAME(double_both)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out) {
  static const int rounds[2] = {8, 7};
  double_both(near, far, n, rounds, out);
}

void ISA_NAME(vp8_upsample)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out) {
  static const int rounds[2] = {8, 8};
  double_both(near, far, n, rounds, out);
}

/* ---- colour ------------------------------------------------------------------------------------------------------*/

/* x * factor / 65536, rounded. */
static inline vi16 product(vi16 x, int16_t factor) {
  return (vi16_multiply_high(x + x, vi16_set(factor)) + vi16_set(1)) >> 1;
}

/* ITU-R BT.601 in 16-bit fixed point: 1.402 = 91881 / 65536, 0.34414 = 22554, 0.71414 = 46802, 1.772 = 116130. The
 * factors are taken apart so that what is multiplied fits 16 bits: 91881 = 65536 + 26345, and so on. Half of a vector's
 * pixels, as 16-bit numbers, b and r less 128. */
static inline void convert_half(vi16 y, vi16 b, vi16 r, vi16 rgb[3]) {
  vi32 round = vi32_set(1 << 15);
  vi16 factors = vi16_set_pair(-22554, 18734);
  vi32 green_low = (vi16_dot_pairs(vi16_unpack_lo(b, r), factors) + round) >> 16;
  vi32 green_high = (vi16_dot_pairs(vi16_unpack_hi(b, r), factors) + round) >> 16;
  rgb[0] = y + r + product(r, 26345);
  rgb[1] = y - r + vi32_pack(green_low, green_high);
  rgb[2] = y + b + b + product(b, -14942);
}

/* One vector of each colour to VECTOR_BYTES pixels of three bytes. */
static inline void interleave(vu8 red, vu8 green, vu8 blue, uint8_t *rgb) {
#ifdef HAS_SHUFFLE
  /* Each third of a part's 48 bytes takes every third byte from each colour. */
  enum { o = 128 };
  static const uint8_t from_red[3][16] = {{0, o, o, 1, o, o, 2, o, o, 3, o, o, 4, o, o, 5},
                                          {o, o, 6, o, o, 7, o, o, 8, o, o, 9, o, o, 10, o},
                                          {o, 11, o, o, 12, o, o, 13, o, o, 14, o, o, 15, o, o}};
  static const uint8_t from_green[3][16] = {{o, 0, o, o, 1, o, o, 2, o, o, 3, o, o, 4, o, o},
                                            {5, o, o, 6, o, o, 7, o, o, 8, o, o, 9, o, o, 10},
                                            {o, o, 11, o, o, 12, o, o, 13, o, o, 14, o, o, 15, o}};
  static const uint8_t from_blue[3][16] = {{o, o, 0, o, o, 1, o, o, 2, o, o, 3, o, o, 4, o},
                                           {o, 5, o, o, 6, o, o, 7, o, o, 8, o, o, 9, o, o},
                                           {10, o, o, 11, o, o, 12, o, o, 13, o, o, 14, o, o, 15}};
  for (int third = 0; third < 3; third++) {
    vu8 bytes =
        vu8_shuffle(red, from_red[third]) | vu8_shuffle(green, from_green[third]) | vu8_shuffle(blue, from_blue[third]);
    for (int i = 0; i < PARTS; i++) {
      vu8_part part = vu8_get_part(bytes, i);
      memcpy(rgb + 48 * i + 16 * third, &part, sizeof part);
    }
  }
#else
  uint8_t planes[3][VECTOR_BYTES];
  vu8_store(planes[0], red);
  vu8_store(planes[1], green);
  vu8_store(planes[2], blue);
  for (int i = 0; i < VECTOR_BYTES; i++, rgb += 3) {
    rgb[0] = planes[0][i];
    rgb[1] = planes[1][i];
    rgb[2] = planes[2][i];
  }
#endif
}

/* A vector's pixels, or the first n of them. */
static inline void put_pixels(struct halves red, struct halves green, struct halves blue, int n, uint8_t *rgb) {
  uint8_t last[3 * VECTOR_BYTES], *to = n >= VECTOR_BYTES ? rgb : last;
  interleave(vi16_pack(red.low, red.high), vi16_pack(green.low, green.high), vi16_pack(blue.low, blue.high), to);
  if (to == last) memcpy(rgb, last, 3 * (size_t)n);
}

void ISA_NAME(ycc_to_rgb)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n, uint8_t *rgb) {
  vu8 zero = {0};
  vi16 middle = vi16_set(128);
  for (int i = 0; i < n; i += VECTOR_BYTES, rgb += 3 * VECTOR_BYTES) {
    vu8 luma = vu8_load(y + i), b = vu8_load(cb + i), r = vu8_load(cr + i);
    vi16 low[3], high[3];
    convert_half((vi16)vu8_unpack_lo(luma, zero), (vi16)vu8_unpack_lo(b, zero) - middle,
                 (vi16)vu8_unpack_lo(r, zero) - middle, low);
    convert_half((vi16)vu8_unpack_hi(luma, zero), (vi16)vu8_unpack_hi(b, zero) - middle,
                 (vi16)vu8_unpack_hi(r, zero) - middle, high);
    put_pixels((struct halves){low[0], high[0]}, (struct halves){low[1], high[1]}, (struct halves){low[2], high[2]},
               n - i, rgb);
  }
}

/* libwebp's BT.601 (see images/pixel_reference.c); y, u, v: bytes * 256. Blue, which passes 15 bits, is unsigned until
 * it is shifted: what is negative then has its upper bits set. */
static inline void convert_vp8_half(vi16 y, vi16 u, vi16 v, vi16 rgb[3]) {
  vi16 luma = vi16_multiply_high_unsigned(y, vi16_set(19077));
  rgb[0] = (luma + vi16_multiply_high_unsigned(v, vi16_set(26149)) - vi16_set(14234)) >> 6;
  rgb[1] = (luma - vi16_multiply_high_unsigned(u, vi16_set(6419)) - vi16_multiply_high_unsigned(v, vi16_set(13320)) +
            vi16_set(8708)) >>
           6;
  vi16 blue = luma + vi16_multiply_high_unsigned(u, vi16_set((int16_t)(33050 - 65536))) - vi16_set(17685);
  blue = vi16_shift_right_unsigned(blue, 6);
  rgb[2] = blue & (vi16)(blue < vi16_set(640));
}

void ISA_NAME(vp8_to_rgb)(const uint8_t *y, const uint8_t *u, const uint8_t *v, int n, uint8_t *rgb) {
  vu8 zero = {0};
  for (int i = 0; i < n; i += VECTOR_BYTES, rgb += 3 * VECTOR_BYTES) {
    vu8 luma = vu8_load(y + i), b = vu8_load(u + i), r = vu8_load(v + i);
    vi16 low[3], high[3];
    convert_vp8_half((vi16)vu8_unpack_lo(zero, luma), (vi16)vu8_unpack_lo(zero, b), (vi16)vu8_unpack_lo(zero, r), low);
    convert_vp8_half((vi16)vu8_unpack_hi(zero, luma), (vi16)vu8_unpack_hi(zero, b), (vi16)vu8_unpack_hi(zero, r), high);
    put_pixels((struct halves){low[0], high[0]}, (struct halves){low[1], high[1]}, (struct halves){low[2], high[2]},
               n - i, rgb);
  }
}
