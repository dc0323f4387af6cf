/* From lines of samples to lines of RGB: chroma upsampling with libjpeg's triangle filters ("fancy upsampling"), then
 * colour. The loops are written for the compiler's vectoriser: 16-bit arithmetic, no tables. */
#include <string.h>

#include "images/jpeg_internal.h"

/* ---- upsampling --------------------------------------------------------------------------------------------------*/

enum filter { COPY, WIDER, HIGHER, WIDER_AND_HIGHER, REPLICATE };

static enum filter filter_of(const struct jpeg *j, const struct jpeg_component *c) {
  int across = j->h_max / c->h, down = j->v_max / c->v;
  if (across == 1 && down == 1) return COPY;
  if (across == 2 && down == 1 && c->width > 2) return WIDER;
  if (across == 1 && down == 2) return HIGHER;
  if (across == 2 && down == 2 && c->width > 2) return WIDER_AND_HIGHER;
  return REPLICATE;
}

bool jpeg_needs_neighbours(const struct jpeg *j, const struct jpeg_component *c) {
  enum filter filter = filter_of(j, c);
  return filter == HIGHER || filter == WIDER_AND_HIGHER;
}

/* Twice as wide: 3/4 of the nearer sample, 1/4 of the farther, halves rounded down and up in turn. */
static void double_width(const uint8_t *restrict in, int width, uint8_t *restrict out) {
  int last = width - 1;
  out[0] = in[0];
  out[1] = (uint8_t)((in[0] * 3 + in[1] + 2) >> 2);
  for (int x = 1; x < last; x++) {
    out[2 * x] = (uint8_t)((uint16_t)(in[x] * 3 + in[x - 1] + 1) >> 2);
    out[2 * x + 1] = (uint8_t)((uint16_t)(in[x] * 3 + in[x + 1] + 2) >> 2);
  }
  out[2 * last] = (uint8_t)((in[last] * 3 + in[last - 1] + 1) >> 2);
  out[2 * last + 1] = in[last];
}

/* Twice as high; the upper of two lines rounds halves down, the lower up. */
static void double_height(const uint8_t *restrict near, const uint8_t *restrict far, int width, bool lower,
                          uint8_t *restrict out) {
  uint16_t round = lower ? 2 : 1;
  for (int x = 0; x < width; x++) out[x] = (uint8_t)((uint16_t)(near[x] * 3 + far[x] + round) >> 2);
}

/* Both, rounded once. sums: room for width + 2. */
static void double_both(const uint8_t *restrict near, const uint8_t *restrict far, int width, uint16_t *restrict sums,
                        uint8_t *restrict out) {
  uint16_t *sum = sums + 1;
  for (int x = 0; x < width; x++) sum[x] = (uint16_t)(near[x] * 3 + far[x]);
  sum[-1] = sum[0];
  sum[width] = sum[width - 1];
  for (int x = 0; x < width; x++) {
    out[2 * x] = (uint8_t)((uint16_t)(sum[x] * 3 + sum[x - 1] + 8) >> 4);
    out[2 * x + 1] = (uint8_t)((uint16_t)(sum[x] * 3 + sum[x + 1] + 7) >> 4);
  }
}

static void replicate(const uint8_t *in, int width, int times, uint8_t *out) {
  for (int x = 0; x < width; x++) memset(out + (size_t)x * (size_t)times, in[x], (size_t)times);
}

const uint8_t *jpeg_upsample(const struct jpeg *j, const struct jpeg_component *c, int y, const uint8_t *near,
                             const uint8_t *far, uint8_t *line, uint16_t *sums) {
  switch (filter_of(j, c)) {
    case COPY:
      return near;
    case WIDER:
      double_width(near, c->width, line);
      break;
    case HIGHER:
      double_height(near, far, c->width, y & 1, line);
      break;
    case WIDER_AND_HIGHER:
      double_both(near, far, c->width, sums, line);
      break;
    case REPLICATE:
      if (j->h_max == c->h) return near;
      replicate(near, c->width, j->h_max / c->h, line);
      break;
  }
  return line;
}

/* ---- colour ------------------------------------------------------------------------------------------------------*/

enum { RUN = 256 }; /* pixels that are converted at a time */

enum jpeg_color jpeg_color_of(const struct jpeg *j) {
  const struct jpeg_component *c = j->components;
  if (j->component_count == 1) return JPEG_GRAY;
  if (j->component_count == 4) return j->adobe && j->adobe_transform != 0 ? JPEG_YCCK : JPEG_CMYK;
  if (j->jfif) return JPEG_YCC;
  if (j->adobe) return j->adobe_transform == 0 ? JPEG_RGB : JPEG_YCC;
  return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' ? JPEG_RGB : JPEG_YCC;
}

/* In two steps that are vector instructions. */
static inline uint8_t clamp(int16_t value) {
  int16_t at_least = value < 0 ? 0 : value;
  return (uint8_t)(at_least > 255 ? 255 : at_least);
}

/* x * factor / 65536, rounded; the upper half of a product of 16-bit words is one instruction too. */
static inline int16_t product(int16_t x, int16_t factor) {
  int16_t twice = (int16_t)((int16_t)(2 * x) * factor >> 16);
  return (int16_t)((int16_t)(twice + 1) >> 1);
}

/* ITU-R BT.601 in 16-bit fixed point: 1.402 = 91881 / 65536, 0.34414 = 22554, 0.71414 = 46802, 1.772 = 116130. The
 * factors are taken apart so that what is multiplied fits 16 bits: 91881 = 65536 + 26345, and so on. */
static void ycc_to_rgb(const uint8_t *restrict y, const uint8_t *restrict cb, const uint8_t *restrict cr, int n,
                       uint8_t *restrict red, uint8_t *restrict green, uint8_t *restrict blue) {
  for (int i = 0; i < n; i++) {
    int16_t luma = y[i], b = (int16_t)(cb[i] - 128), r = (int16_t)(cr[i] - 128);
    int16_t to_green = (int16_t)((b * -22554 + r * 18734 + (1 << 15)) >> 16);
    red[i] = clamp((int16_t)(luma + r + product(r, 26345)));
    green[i] = clamp((int16_t)(luma - r + to_green));
    blue[i] = clamp((int16_t)(luma + 2 * b + product(b, -14942)));
  }
}

/* a * b / 255, rounded. */
static inline int scaled(int a, int b) {
  int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/* Pillow takes every four-colour JPEG for an inverted one (Adobe's way): 255 is no ink. ink: cyan, magenta or yellow,
 * not inverted; light: what black lets pass. */
static void darken(const uint8_t *restrict ink, const uint8_t *restrict light, int n, uint8_t *restrict out) {
  for (int i = 0; i < n; i++) out[i] = (uint8_t)(light[i] - scaled(ink[i], light[i]));
}

/* Three planes to n pixels of three bytes. */
static void interleave(const uint8_t *red, const uint8_t *green, const uint8_t *blue, int n, uint8_t *rgb) {
  uint32_t pixels[RUN];
  for (int i = 0; i < n; i++) pixels[i] = red[i] | (uint32_t)green[i] << 8 | (uint32_t)blue[i] << 16;
  int i = 0;
  for (; i + 3 <= n; i += 2) { /* six bytes of a store of eight, so not the last three pixels */
    uint64_t pair = pixels[i] | (uint64_t)pixels[i + 1] << 24;
    memcpy(rgb + 3 * i, &pair, sizeof pair);
  }
  for (; i < n; i++) {
    rgb[3 * i] = red[i];
    rgb[3 * i + 1] = green[i];
    rgb[3 * i + 2] = blue[i];
  }
}

void jpeg_convert(enum jpeg_color color, const uint8_t *const lines[JPEG_COMPONENTS], int width, uint8_t *rgb) {
  uint8_t converted[3][RUN];
  for (int x = 0; x < width; x += RUN) {
    int n = width - x < RUN ? width - x : RUN;
    const uint8_t *planes[3];
    for (int i = 0; i < 3; i++) planes[i] = color == JPEG_GRAY ? lines[0] + x : lines[i] + x;
    if (color == JPEG_YCC || color == JPEG_YCCK) {
      ycc_to_rgb(planes[0], planes[1], planes[2], n, converted[0], converted[1], converted[2]);
    }
    for (int k = 0; k < 3 && (color == JPEG_CMYK || color == JPEG_YCCK); k++) {
      uint8_t ink[RUN]; /* the "RGB" of inverted YCCK is the ink */
      for (int i = 0; i < n; i++) ink[i] = color == JPEG_YCCK ? converted[k][i] : (uint8_t)(255 - planes[k][i]);
      darken(ink, lines[3] + x, n, converted[k]);
    }
    bool is_ready = color == JPEG_GRAY || color == JPEG_RGB;
    interleave(is_ready ? planes[0] : converted[0], is_ready ? planes[1] : converted[1],
               is_ready ? planes[2] : converted[2], n, rgb + 3 * (size_t)x);
  }
}
