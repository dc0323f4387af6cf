/* VP8L: the transforms and their inverses (RFC 9649, section 4), a row at a time. */
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "images/vp8l_internal.h"
#include "kernels/memory.h"

enum { PALETTE = 256 };

#define OPAQUE_BLACK 0xff000000u

/* Channel by channel, modulo 256. */
static inline uint32_t add_pixels(uint32_t a, uint32_t b) {
  uint32_t alpha_green = (a & 0xff00ff00u) + (b & 0xff00ff00u), red_blue = (a & 0x00ff00ffu) + (b & 0x00ff00ffu);
  return (alpha_green & 0xff00ff00u) | (red_blue & 0x00ff00ffu);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Colours are coded as differences; indices beyond them are transparent black. */
static int read_palette(struct vp8l_transform *t, struct vp8l_bits *b, int *width, error *e) {
  int colours = 1 + (int)vp8l_read(b, 8);
  t->bits = colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3;
  uint32_t *coded;
  if (vp8l_read_picture(&coded, b, colours, 1, e)) return FAILED;
  t->data = allocate_zeroed(PALETTE, sizeof *t->data, e);
  for (int i = 0; i < colours && t->data; i++) t->data[i] = add_pixels(coded[i], i > 0 ? t->data[i - 1] : 0);
  free(coded);
  *width = vp8l_blocks(*width, t->bits);
  return t->data ? OK : FAILED;
}

int vp8l_read_transform(struct vp8l_transform *t, struct vp8l_bits *b, int *width, int height, error *e) {
  t->width = *width;
  switch (t->type) {
    case VP8L_SUBTRACT_GREEN:
      return OK;
    case VP8L_COLOUR_INDEXING:
      return read_palette(t, b, width, e);
    case VP8L_PREDICTOR:
      t->above = allocate_zeroed((size_t)*width + 2, sizeof *t->above, e);
      if (!t->above) return FAILED;
      break;
    case VP8L_COLOUR:
      break;
  }
  t->bits = 2 + (int)vp8l_read(b, 3);
  return vp8l_read_picture(&t->data, b, vp8l_blocks(*width, t->bits), vp8l_blocks(height, t->bits), e);
}

void vp8l_free_transform(struct vp8l_transform *t) {
  free(t->data);
  free(t->above);
}

/* ---- section 4.1: prediction ------------------------------------------------------------------------------------ */

/* Means of each channel, rounded down. */
static inline uint32_t mean(uint32_t a, uint32_t b) { return (((a ^ b) & 0xfefefefeu) >> 1) + (a & b); }

/* A mode is a function of the pixel to the left and the row above; each becomes a loop of its own. */
#define PREDICT(name, expression)                                                              \
  static void name(uint32_t *restrict row, const uint32_t *restrict above, int from, int to) { \
    uint32_t left = row[from - 1];                                                             \
    for (int x = from; x < to; x++) {                                                          \
      uint32_t top_left = above[x - 1], top = above[x], top_right = above[x + 1];              \
      (void)left, (void)top_left, (void)top, (void)top_right;                                  \
      row[x] = left = add_pixels(row[x], expression);                                          \
    }                                                                                          \
  }

#ifdef __SSE2__

/* Two lots of four channels, as bytes or as 16-bit words. */
static inline __m128i pixel_bytes(uint32_t pixel) { return _mm_cvtsi32_si128((int)pixel); }
static inline __m128i pixel_words(uint32_t pixel) { return _mm_unpacklo_epi8(pixel_bytes(pixel), _mm_setzero_si128()); }
static inline uint32_t pixel_of_words(__m128i words) {
  return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
}

/* How far two pixels are apart: the sum over the channels. */
static inline int pixel_distance(uint32_t a, uint32_t b) {
  return _mm_cvtsi128_si32(_mm_sad_epu8(pixel_bytes(a), pixel_bytes(b)));
}
static inline uint32_t clamped_gradient(uint32_t a, uint32_t b, uint32_t c) {
  return pixel_of_words(_mm_sub_epi16(_mm_add_epi16(pixel_words(a), pixel_words(b)), pixel_words(c)));
}
/* a + (a - b) / 2, where the division rounds towards zero. */
static inline uint32_t clamped_half_gradient(uint32_t a, uint32_t b) {
  __m128i words = pixel_words(a), difference = _mm_sub_epi16(words, pixel_words(b));
  difference = _mm_srai_epi16(_mm_add_epi16(difference, _mm_srli_epi16(difference, 15)), 1);
  return pixel_of_words(_mm_add_epi16(words, difference));
}

#else

static inline int channel(uint32_t pixel, int shift) { return (int)(pixel >> shift & 255); }
static inline uint32_t clamped(int value, int shift) {
  return (uint32_t)(value < 0 ? 0 : value > 255 ? 255 : value) << shift;
}

static inline int pixel_distance(uint32_t a, uint32_t b) {
  int sum = 0;
  for (int i = 0; i < 32; i += 8) sum += abs(channel(a, i) - channel(b, i));
  return sum;
}
static inline uint32_t clamped_gradient(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t out = 0;
  for (int i = 0; i < 32; i += 8) out |= clamped(channel(a, i) + channel(b, i) - channel(c, i), i);
  return out;
}
static inline uint32_t clamped_half_gradient(uint32_t a, uint32_t b) {
  uint32_t out = 0;
  for (int i = 0; i < 32; i += 8) out |= clamped(channel(a, i) + (channel(a, i) - channel(b, i)) / 2, i);
  return out;
}

#endif

/* Left or top, whichever is nearer to left + top - top_left. */
static inline uint32_t select_pixel(uint32_t left, uint32_t top, uint32_t top_left) {
  return pixel_distance(top, top_left) < pixel_distance(left, top_left) ? left : top;
}

PREDICT(predict_black, OPAQUE_BLACK)
PREDICT(predict_left, left)
PREDICT(predict_top, top)
PREDICT(predict_top_right, top_right)
PREDICT(predict_top_left, top_left)
PREDICT(predict_mean_of_three, mean(mean(left, top_right), top))
PREDICT(predict_mean_left_top_left, mean(left, top_left))
PREDICT(predict_mean_left_top, mean(left, top))
PREDICT(predict_mean_top_left_top, mean(top_left, top))
PREDICT(predict_mean_top_top_right, mean(top, top_right))
PREDICT(predict_mean_of_four, mean(mean(left, top_left), mean(top, top_right)))
PREDICT(predict_select, select_pixel(left, top, top_left))
PREDICT(predict_gradient, clamped_gradient(left, top, top_left))
PREDICT(predict_half_gradient, clamped_half_gradient(mean(left, top), top_left))

typedef void predictor(uint32_t *restrict row, const uint32_t *restrict above, int from, int to);
static predictor *const predictors[16] = {predict_black,
                                          predict_left,
                                          predict_top,
                                          predict_top_right,
                                          predict_top_left,
                                          predict_mean_of_three,
                                          predict_mean_left_top_left,
                                          predict_mean_left_top,
                                          predict_mean_top_left_top,
                                          predict_mean_top_top_right,
                                          predict_mean_of_four,
                                          predict_select,
                                          predict_gradient,
                                          predict_half_gradient,
                                          predict_black,
                                          predict_black};

/* The top right of a row's last pixel is the row's own first one, as if rows followed each other in memory. */
static void undo_prediction(const struct vp8l_transform *t, int y, uint32_t *row) {
  uint32_t *above = t->above + 1;
  if (y == 0) {
    row[0] = add_pixels(row[0], OPAQUE_BLACK);
    predict_left(row, above, 1, t->width);
  } else {
    row[0] = add_pixels(row[0], above[0]);
    above[t->width] = row[0];
    const uint32_t *modes = t->data + (size_t)(y >> t->bits) * (size_t)vp8l_blocks(t->width, t->bits);
    for (int x = 1; x < t->width; modes++) {
      int end = ((x >> t->bits) + 1) << t->bits;
      if (end > t->width) end = t->width;
      predictors[*modes >> 8 & 15](row, above, x, end);
      x = end;
    }
  }
  memcpy(above, row, (size_t)t->width * sizeof *row);
}

/* ---- section 4.2: colour ---------------------------------------------------------------------------------------- */

/* Both as signed bytes; / 32. */
static inline uint32_t colour_part(uint32_t factor, uint32_t channel) {
  return (uint32_t)(((int8_t)factor * (int8_t)channel) >> 5);
}

static void undo_colour_block(uint32_t *row, int from, int to, uint32_t factors) {
  int x = from;
#ifdef __SSE2__
  /* Four pixels as pairs of words: a byte b in the upper half of a word times 8 * factor is 2^16 times b * factor / 32.
   * Green gives its part to red and blue, then red to blue. */
  int to_red = 8 * (int8_t)factors, to_blue = 8 * (int8_t)(factors >> 8), red_to_blue = 8 * (int8_t)(factors >> 16);
  __m128i of_green = _mm_set1_epi32((int)((uint32_t)to_red << 16 | (uint16_t)to_blue));
  __m128i of_red = _mm_set1_epi32((int)((uint32_t)red_to_blue << 16));
  __m128i upper = _mm_set1_epi16((short)0xff00);
  for (; x + 4 <= to; x += 4) {
    __m128i pixels = _mm_loadu_si128((const __m128i *)(const void *)(row + x));
    __m128i green = _mm_and_si128(pixels, upper); /* alpha << 8, green << 8 */
    __m128i both = _mm_shufflehi_epi16(_mm_shufflelo_epi16(green, _MM_SHUFFLE(2, 2, 0, 0)), _MM_SHUFFLE(2, 2, 0, 0));
    __m128i sums = _mm_add_epi8(pixels, _mm_andnot_si128(upper, _mm_mulhi_epi16(both, of_green)));
    __m128i red = _mm_slli_epi16(sums, 8);
    __m128i part = _mm_srli_epi32(_mm_mulhi_epi16(red, of_red), 16); /* red's word to blue's */
    sums = _mm_add_epi8(sums, _mm_and_si128(part, _mm_set1_epi32(255)));
    _mm_storeu_si128((__m128i *)(void *)(row + x), sums);
  }
#endif
  for (; x < to; x++) {
    uint32_t pixel = row[x], green = pixel >> 8, red = pixel >> 16, blue = pixel;
    red += colour_part(factors, green);
    blue += colour_part(factors >> 8, green) + colour_part(factors >> 16, red);
    row[x] = (pixel & 0xff00ff00u) | (red & 255) << 16 | (blue & 255);
  }
}

static void undo_colour(const struct vp8l_transform *t, int y, uint32_t *row) {
  const uint32_t *factors = t->data + (size_t)(y >> t->bits) * (size_t)vp8l_blocks(t->width, t->bits);
  int size = 1 << t->bits;
  for (int x = 0; x < t->width; x += size) {
    undo_colour_block(row, x, x + size < t->width ? x + size : t->width, *factors++);
  }
}

/* ---- sections 4.3 and 4.4 --------------------------------------------------------------------------------------- */

static void undo_subtract_green(uint32_t *row, int width) {
  for (int x = 0; x < width; x++) {
    uint32_t green = row[x] >> 8 & 255, red_blue = (row[x] & 0x00ff00ffu) + (green << 16 | green);
    row[x] = (row[x] & 0xff00ff00u) | (red_blue & 0x00ff00ffu);
  }
}

/* Indices are green; several share a pixel, the first in the lowest bits. Backwards, as they spread in place. */
static void undo_colour_indexing(const struct vp8l_transform *t, uint32_t *row) {
  int bits = 8 >> t->bits, last = (1 << t->bits) - 1;
  uint32_t mask = (1u << bits) - 1;
  for (int x = t->width - 1; x >= 0; x--) {
    row[x] = t->data[row[x >> t->bits] >> 8 >> (x & last) * bits & mask];
  }
}

void vp8l_undo_transform(const struct vp8l_transform *t, int y, uint32_t *row) {
  switch (t->type) {
    case VP8L_PREDICTOR:
      undo_prediction(t, y, row);
      break;
    case VP8L_COLOUR:
      undo_colour(t, y, row);
      break;
    case VP8L_SUBTRACT_GREEN:
      undo_subtract_green(row, t->width);
      break;
    case VP8L_COLOUR_INDEXING:
      undo_colour_indexing(t, row);
      break;
  }
}
