/* From sample planes to RGB: chroma upsampling with libjpeg's triangle filters ("fancy upsampling"), then colour. */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "kernels/memory.h"

/* ---- upsampling: one output line of a component -------------------------------------------------------------------
 */

static const uint8_t *plane_line(const struct jpeg_component *c, int y) {
  if (y < 0) y = 0;
  if (y >= c->height) y = c->height - 1;
  return c->samples + (size_t)y * (size_t)c->stored_wide * 8;
}

/* Twice as wide: 3/4 of the nearer sample, 1/4 of the farther, rounding down and up in turn. */
static void double_width(const uint8_t *in, int width, uint8_t *out) {
  out[0] = in[0];
  out[1] = (uint8_t)((in[0] * 3 + in[1] + 2) >> 2);
  for (int x = 1; x < width - 1; x++) {
    out[2 * x] = (uint8_t)((in[x] * 3 + in[x - 1] + 1) >> 2);
    out[2 * x + 1] = (uint8_t)((in[x] * 3 + in[x + 1] + 2) >> 2);
  }
  int last = width - 1;
  out[2 * last] = (uint8_t)((in[last] * 3 + in[last - 1] + 1) >> 2);
  out[2 * last + 1] = in[last];
}

/* Twice as wide and high: the same in both directions, rounded once. near: the line itself, far: the neighbour on the
 * output line's side. sums: room for `width`. */
static void double_both(const uint8_t *near, const uint8_t *far, int width, int *sums, uint8_t *out) {
  for (int x = 0; x < width; x++) sums[x] = near[x] * 3 + far[x];
  out[0] = (uint8_t)((sums[0] * 4 + 8) >> 4);
  out[1] = (uint8_t)((sums[0] * 3 + sums[1] + 7) >> 4);
  for (int x = 1; x < width - 1; x++) {
    out[2 * x] = (uint8_t)((sums[x] * 3 + sums[x - 1] + 8) >> 4);
    out[2 * x + 1] = (uint8_t)((sums[x] * 3 + sums[x + 1] + 7) >> 4);
  }
  int last = width - 1;
  out[2 * last] = (uint8_t)((sums[last] * 3 + sums[last - 1] + 8) >> 4);
  out[2 * last + 1] = (uint8_t)((sums[last] * 4 + 7) >> 4);
}

static void double_height(const uint8_t *near, const uint8_t *far, int width, int round, uint8_t *out) {
  for (int x = 0; x < width; x++) out[x] = (uint8_t)((near[x] * 3 + far[x] + round) >> 2);
}

static void replicate(const uint8_t *in, int width, int times, uint8_t *out) {
  for (int x = 0; x < width; x++) memset(out + (size_t)x * (size_t)times, in[x], (size_t)times);
}

/* The component's line for picture line y: its own samples where no upsampling is needed, else in `line`. */
static const uint8_t *upsampled_line(const struct jpeg *j, const struct jpeg_component *c, int y, uint8_t *line,
                                     int *sums) {
  int across = j->h_max / c->h, down = j->v_max / c->v, own = y / down;
  const uint8_t *near = plane_line(c, own);
  bool lower = y % down != 0;
  const uint8_t *far = plane_line(c, lower ? own + 1 : own - 1);
  if (across == 1 && down == 1) return near;
  if (across == 2 && down == 1 && c->width > 2)
    double_width(near, c->width, line);
  else if (across == 2 && down == 2 && c->width > 2)
    double_both(near, far, c->width, sums, line);
  else if (across == 1 && down == 2)
    double_height(near, far, c->width, lower ? 2 : 1, line);
  else
    replicate(near, c->width, across, line);
  return line;
}

/* ---- colour -------------------------------------------------------------------------------------------------------
 */

enum { SCALE = 16, HALF = 1 << (SCALE - 1) };
#define FIX(x) ((int32_t)((x) * (1 << SCALE) + 0.5))

static inline uint8_t clamp(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* ITU-R BT.601 in 16-bit fixed point; each product is rounded by itself, but those of green together. */
static void ycc_to_rgb(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int width, uint8_t *rgb) {
  for (int x = 0; x < width; x++) {
    int luma = y[x], b = cb[x] - 128, r = cr[x] - 128;
    rgb[3 * x] = clamp(luma + ((FIX(1.40200) * r + HALF) >> SCALE));
    rgb[3 * x + 1] = clamp(luma + ((-FIX(0.34414) * b + HALF - FIX(0.71414) * r) >> SCALE));
    rgb[3 * x + 2] = clamp(luma + ((FIX(1.77200) * b + HALF) >> SCALE));
  }
}

static void gray_to_rgb(const uint8_t *gray, int width, uint8_t *rgb) {
  for (int x = 0; x < width; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = gray[x];
}

static void planes_to_rgb(const uint8_t *const planes[3], int width, uint8_t *rgb) {
  for (int x = 0; x < width; x++) {
    for (int i = 0; i < 3; i++) rgb[3 * x + i] = planes[i][x];
  }
}

/* a * b / 255, rounded. */
static inline int scaled(int a, int b) {
  int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/* Pillow takes every four-colour JPEG for an inverted one (Adobe's way): a sample is the share of light that passes. */
static void cmyk_to_rgb(const uint8_t *const planes[4], int width, uint8_t *rgb) {
  for (int x = 0; x < width; x++) {
    int light = planes[3][x]; /* 255 - black */
    for (int i = 0; i < 3; i++) rgb[3 * x + i] = (uint8_t)(light - scaled(255 - planes[i][x], light));
  }
}

enum color { GRAY, YCC, RGB, CMYK, YCCK };

/* What the components mean, by libjpeg's rules: JFIF, then Adobe's marker, then the components' numbers. */
static enum color color_of(const struct jpeg *j) {
  const struct jpeg_component *c = j->components;
  if (j->component_count == 1) return GRAY;
  if (j->component_count == 4) return j->adobe && j->adobe_transform != 0 ? YCCK : CMYK;
  if (j->jfif) return YCC;
  if (j->adobe) return j->adobe_transform == 0 ? RGB : YCC;
  return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' ? RGB : YCC;
}

static void convert_line(enum color color, const uint8_t *const lines[4], int width, uint8_t *scratch, uint8_t *rgb) {
  switch (color) {
    case GRAY:
      gray_to_rgb(lines[0], width, rgb);
      break;
    case YCC:
      ycc_to_rgb(lines[0], lines[1], lines[2], width, rgb);
      break;
    case RGB:
      planes_to_rgb(lines, width, rgb);
      break;
    case CMYK:
      cmyk_to_rgb(lines, width, rgb);
      break;
    case YCCK: {
      /* YCC gives RGB = 255 - CMY. */
      ycc_to_rgb(lines[0], lines[1], lines[2], width, rgb);
      uint8_t *cmy[3] = {scratch, scratch + width, scratch + 2 * (size_t)width};
      for (int x = 0; x < width; x++) {
        for (int i = 0; i < 3; i++) cmy[i][x] = (uint8_t)(255 - rgb[3 * x + i]);
      }
      const uint8_t *planes[4] = {cmy[0], cmy[1], cmy[2], lines[3]};
      cmyk_to_rgb(planes, width, rgb);
      break;
    }
  }
}

int jpeg_to_rgb(const struct jpeg *j, struct image *image, error *e) {
  size_t line_bytes = ((size_t)j->mcus_wide * (size_t)j->h_max * 8 + 63) / 64 * 64;
  uint8_t *lines = allocate((JPEG_COMPONENTS + 3) * line_bytes, 1, e);
  int *sums = allocate(line_bytes, sizeof *sums, e);
  int status = lines && sums ? OK : FAILED;
  enum color color = color_of(j);
  for (int y = 0; status == OK && y < j->height; y++) {
    const uint8_t *ready[JPEG_COMPONENTS] = {NULL};
    for (int i = 0; i < j->component_count; i++) {
      ready[i] = upsampled_line(j, &j->components[i], y, lines + (size_t)i * line_bytes, sums);
    }
    uint8_t *rgb = image->rgb + (size_t)y * (size_t)j->width * 3;
    convert_line(color, ready, j->width, lines + JPEG_COMPONENTS * line_bytes, rgb);
  }
  free(lines);
  free(sums);
  return status;
}
