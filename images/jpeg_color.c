/* From lines of samples to lines of RGB: chroma upsampling with libjpeg's triangle filters ("fancy upsampling"), then
 * colour. */
#include <string.h>

#include "images/jpeg_internal.h"
#include "images/pixel_kernels.h"

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

static void replicate(const uint8_t *in, int width, int times, uint8_t *out) {
  for (int x = 0; x < width; x++) memset(out + (size_t)x * (size_t)times, in[x], (size_t)times);
}

const uint8_t *jpeg_upsample(const struct jpeg *j, const struct jpeg_component *c, int y, const uint8_t *near,
                             const uint8_t *far, uint8_t *line) {
  const struct pixel_kernels *kernels = pixel_kernels();
  int n = c->end_sample - c->first_sample, across = j->h_max / c->h;
  switch (filter_of(j, c)) {
    case COPY:
      return near;
    case WIDER:
      kernels->double_width(near, n, line);
      break;
    case HIGHER:
      kernels->double_height(near, far, n, y & 1, line);
      break;
    case WIDER_AND_HIGHER:
      kernels->double_both(near, far, n, line);
      break;
    case REPLICATE:
      if (across == 1) return near;
      replicate(near, n, across, line);
      break;
  }
  return line + (j->part.x - c->first_sample * across);
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

/* a * b / 255, rounded. */
static inline int scaled(int a, int b) {
  int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/* Pillow takes every four-colour JPEG for an inverted one (Adobe's way): 255 is no ink. ink: cyan, magenta or yellow,
 * not inverted; light: what black lets pass. */
static void darken(const uint8_t *ink, const uint8_t *light, int n, uint8_t *out) {
  for (int i = 0; i < n; i++) out[i] = (uint8_t)(light[i] - scaled(ink[i], light[i]));
}

static void interleave(const uint8_t *red, const uint8_t *green, const uint8_t *blue, int n, uint8_t *rgb) {
  for (int i = 0; i < n; i++, rgb += 3) {
    rgb[0] = red[i];
    rgb[1] = green[i];
    rgb[2] = blue[i];
  }
}

/* Four colours to three. */
static void convert_inks(enum jpeg_color color, const uint8_t *const lines[JPEG_COMPONENTS], int width, uint8_t *rgb) {
  uint8_t ink[3 * RUN], plane[RUN];
  for (int x = 0; x < width; x += RUN) {
    int n = width - x < RUN ? width - x : RUN;
    if (color == JPEG_YCCK) { /* the "RGB" of inverted YCCK is the ink */
      pixel_kernels()->ycc_to_rgb(lines[0] + x, lines[1] + x, lines[2] + x, n, ink);
    } else {
      interleave(lines[0] + x, lines[1] + x, lines[2] + x, n, ink);
      for (int i = 0; i < 3 * n; i++) ink[i] = (uint8_t)(255 - ink[i]);
    }
    for (int k = 0; k < 3; k++) {
      for (int i = 0; i < n; i++) plane[i] = ink[3 * i + k];
      darken(plane, lines[3] + x, n, plane);
      for (int i = 0; i < n; i++) rgb[3 * (x + i) + k] = plane[i];
    }
  }
}

void jpeg_convert(enum jpeg_color color, const uint8_t *const lines[JPEG_COMPONENTS], int width, uint8_t *rgb) {
  switch (color) {
    case JPEG_GRAY:
      interleave(lines[0], lines[0], lines[0], width, rgb);
      break;
    case JPEG_RGB:
      interleave(lines[0], lines[1], lines[2], width, rgb);
      break;
    case JPEG_YCC:
      pixel_kernels()->ycc_to_rgb(lines[0], lines[1], lines[2], width, rgb);
      break;
    case JPEG_CMYK:
    case JPEG_YCCK:
      convert_inks(color, lines, width, rgb);
      break;
  }
}
