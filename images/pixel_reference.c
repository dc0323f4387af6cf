/* What the pixel kernels compute, in plain C. */
#include <string.h>

#include "images/jpeg_dct.h"
#include "images/pixel_kernels.h"

static inline int32_t saturate(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* ---- the inverse DCT ----------------------------------------------------------------------------------------------
 *
 * libjpeg's "islow", so that samples are the same bits as everybody's. Coefficients, and the values between the column
 * pass and the row pass, are 16-bit words, as in libjpeg-turbo's vector code: products and sums wrap, passes saturate,
 * but the column pass wraps where only the first row is not zero. Only broken or absurd files notice. */

/* One pass over eight values, `step` apart. */
static void transform(const int16_t *in, int16_t *out, size_t step, int shift) {
  int32_t x[8], round = 1 << (shift - 1);
  for (size_t i = 0; i < 8; i++) x[i] = in[i * step];
  /* Even part: the butterflies of 0 and 4, the rotation of 2 and 6. */
  int32_t t0 = (int16_t)(x[0] + x[4]) * (1 << DCT_CONST_BITS) + round;
  int32_t t1 = (int16_t)(x[0] - x[4]) * (1 << DCT_CONST_BITS) + round;
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

static void inverse_dct_block(const int16_t *block, const uint16_t *quantisation, uint8_t *samples, size_t stride) {
  int16_t values[64], below = 0;
  for (int i = 0; i < 64; i++) values[i] = (int16_t)((uint16_t)block[i] * (uint32_t)quantisation[i]);
  for (int i = 8; i < 64; i++) below |= block[i];
  for (size_t x = 0; x < 8; x++) {
    if (below) {
      transform(values + x, values + x, 8, DCT_COLUMN_SHIFT);
    } else {
      int16_t value = (int16_t)((uint32_t)values[x] << DCT_PASS1_BITS);
      for (size_t y = 0; y < 8; y++) values[8 * y + x] = value;
    }
  }
  for (size_t y = 0; y < 8; y++) {
    transform(values + 8 * y, values + 8 * y, 1, DCT_ROW_SHIFT);
    for (size_t x = 0; x < 8; x++) samples[y * stride + x] = (uint8_t)(saturate(values[8 * y + x], -128, 127) + 128);
  }
}

static void inverse_dct(const int16_t *blocks, int n, const uint16_t *quantisation, uint8_t *samples, size_t stride) {
  for (int i = 0; i < n; i++) {
    inverse_dct_block(blocks + (size_t)i * 64, quantisation, samples + (size_t)i * 8, stride);
  }
}

/* ---- upsampling: 3/4 of the nearer sample, 1/4 of the farther; halves are rounded down and up in turn -------------
 */

static void double_width(const uint8_t *in, int n, uint8_t *out) {
  for (ptrdiff_t x = 0; x < n; x++) {
    out[2 * x] = (uint8_t)((in[x] * 3 + in[x - 1] + 1) >> 2);
    out[2 * x + 1] = (uint8_t)((in[x] * 3 + in[x + 1] + 2) >> 2);
  }
}

static void double_height(const uint8_t *near, const uint8_t *far, int n, int lower, uint8_t *out) {
  for (ptrdiff_t x = 0; x < n; x++) out[x] = (uint8_t)((near[x] * 3 + far[x] + (lower ? 2 : 1)) >> 2);
}

static void double_both(const uint8_t *near, const uint8_t *far, int n, uint8_t *out) {
  for (ptrdiff_t x = 0; x < n; x++) {
    int own = near[x] * 3 + far[x], left = near[x - 1] * 3 + far[x - 1], right = near[x + 1] * 3 + far[x + 1];
    out[2 * x] = (uint8_t)((own * 3 + left + 8) >> 4);
    out[2 * x + 1] = (uint8_t)((own * 3 + right + 7) >> 4);
  }
}

/* libwebp's "fancy upsampling" rounds halves up. */
static void vp8_upsample(const uint8_t *near, const uint8_t *far, int n, uint8_t *out) {
  for (ptrdiff_t x = 0; x < n; x++) {
    int own = near[x] * 3 + far[x], left = near[x - 1] * 3 + far[x - 1], right = near[x + 1] * 3 + far[x + 1];
    out[2 * x] = (uint8_t)((own * 3 + left + 8) >> 4);
    out[2 * x + 1] = (uint8_t)((own * 3 + right + 8) >> 4);
  }
}

/* ---- colour -------------------------------------------------------------------------------------------------------*/

/* x * factor / 65536, rounded. */
static int scaled(int x, int factor) { return (x * factor + (1 << 15)) >> 16; }

/* ITU-R BT.601: 1.402 = 91881 / 65536, 0.34414 = 22554, 0.71414 = 46802, 1.772 = 116130. */
static void ycc_to_rgb(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n, uint8_t *rgb) {
  for (int i = 0; i < n; i++, rgb += 3) {
    int b = cb[i] - 128, r = cr[i] - 128;
    rgb[0] = (uint8_t)saturate(y[i] + scaled(r, 91881), 0, 255);
    rgb[1] = (uint8_t)saturate(y[i] + ((b * -22554 - r * 46802 + (1 << 15)) >> 16), 0, 255);
    rgb[2] = (uint8_t)saturate(y[i] + scaled(b, 116130), 0, 255);
  }
}

/* ITU-R BT.601 with luma from 16 to 235, in 14-bit fixed point of which 6 bits are kept to the end: 1.164 = 19077 /
 * 2^14, 1.596 = 26149, 0.391 = 6419, 0.813 = 13320, 2.018 = 33050. */
static void vp8_to_rgb(const uint8_t *y, const uint8_t *u, const uint8_t *v, int n, uint8_t *rgb) {
  for (int i = 0; i < n; i++, rgb += 3) {
    int luma = y[i] * 19077 >> 8;
    rgb[0] = (uint8_t)saturate((luma + (v[i] * 26149 >> 8) - 14234) >> 6, 0, 255);
    rgb[1] = (uint8_t)saturate((luma - (u[i] * 6419 >> 8) - (v[i] * 13320 >> 8) + 8708) >> 6, 0, 255);
    rgb[2] = (uint8_t)saturate((luma + (u[i] * 33050 >> 8) - 17685) >> 6, 0, 255);
  }
}

/* ---- resizing -----------------------------------------------------------------------------------------------------*/

static int32_t weight_of(const struct weight_pair *pair, int i) {
  return pair->high[i] * (1 << WEIGHT_LOW_BITS) + pair->low[i];
}

static uint8_t rounded(int64_t sum) {
  return (uint8_t)saturate((int32_t)((sum + (1 << (WEIGHT_FRACTION - 1))) >> WEIGHT_FRACTION), 0, 255);
}

static void resize_across(const struct resize_axis *axis, const uint8_t *in, size_t in_stride, int in_width,
                          uint8_t *out, size_t out_stride, void *scratch) {
  (void)in_stride;
  (void)in_width;
  (void)out_stride;
  (void)scratch;
  for (int x = 0; x < axis->count; x++) {
    const struct weight_pair *weights = axis->weights + (size_t)x * (size_t)axis->room;
    int64_t sums[3] = {0};
    for (int k = 0; k < 2 * axis->pairs[x]; k++) {
      const uint8_t *pixel = in + 3 * (size_t)(axis->first[x] + k);
      for (int c = 0; c < 3; c++) sums[c] += (int64_t)weight_of(&weights[k / 2], k % 2) * pixel[c];
    }
    for (int c = 0; c < 3; c++) *out++ = rounded(sums[c]);
  }
}

static void resize_down(const struct weight_pair *weights, int pairs, const uint8_t *const *lines, size_t n,
                        uint8_t *out) {
  for (size_t i = 0; i < n; i++) {
    int64_t sum = 0;
    for (int k = 0; k < 2 * pairs; k++) sum += (int64_t)weight_of(&weights[k / 2], k % 2) * lines[k][i];
    out[i] = rounded(sum);
  }
}

extern const struct pixel_kernels pixel_kernels_reference;
const struct pixel_kernels pixel_kernels_reference = {
    .isa = "reference",
    .rows = 1,
    .inverse_dct = inverse_dct,
    .double_width = double_width,
    .double_height = double_height,
    .double_both = double_both,
    .vp8_upsample = vp8_upsample,
    .ycc_to_rgb = ycc_to_rgb,
    .vp8_to_rgb = vp8_to_rgb,
    .resize_across = resize_across,
    .resize_down = resize_down,
};
