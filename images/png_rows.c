#include "images/png_rows.h"

#include <stdlib.h>
#include <string.h>

int png_pixel_bits(const struct png_format *format) {
  switch ((enum png_colour_type)format->colour_type) {
    case PNG_RGB:
      return 3 * format->depth;
    case PNG_GRAY_ALPHA:
      return 2 * format->depth;
    case PNG_RGB_ALPHA:
      return 4 * format->depth;
    case PNG_GRAY:
    case PNG_PALETTE:
      break;
  }
  return format->depth;
}

/* ---- passes -------------------------------------------------------------------------------------------------- */

/* The pixels of one pass: every step_x-th of every step_y-th row, from (x, y). */
struct pass {
  int x, y, step_x, step_y;
  int64_t width, height;
};

enum { MAX_PASSES = 7 };

/* The passes that hold pixels, in order; returns how many. */
static int list_passes(const struct png_format *format, struct pass passes[MAX_PASSES]) {
  static const struct pass adam7[MAX_PASSES] = {{0, 0, 8, 8, 0, 0}, {4, 0, 8, 8, 0, 0}, {0, 4, 4, 8, 0, 0},
                                                {2, 0, 4, 4, 0, 0}, {0, 2, 2, 4, 0, 0}, {1, 0, 2, 2, 0, 0},
                                                {0, 1, 1, 2, 0, 0}};
  static const struct pass everything = {0, 0, 1, 1, 0, 0};
  int count = 0;
  for (int i = 0; i < (format->interlaced ? MAX_PASSES : 1); i++) {
    struct pass pass = format->interlaced ? adam7[i] : everything;
    pass.width = (format->width - pass.x + pass.step_x - 1) / pass.step_x;
    pass.height = (format->height - pass.y + pass.step_y - 1) / pass.step_y;
    if (pass.width > 0 && pass.height > 0) passes[count++] = pass;
  }
  return count;
}

static size_t row_bytes(const struct png_format *format, const struct pass *pass) {
  return ((size_t)pass->width * (size_t)png_pixel_bits(format) + 7) / 8;
}

size_t png_data_size(const struct png_format *format) {
  struct pass passes[MAX_PASSES];
  size_t size = 0;
  int count = list_passes(format, passes);
  for (int i = 0; i < count; i++) size += (1 + row_bytes(format, &passes[i])) * (size_t)passes[i].height;
  return size;
}

/* ---- filters ------------------------------------------------------------------------------------------------- */

static inline uint8_t paeth(int left, int above, int corner) {
  int from_left = abs(above - corner), from_above = abs(left - corner), from_corner = abs(left + above - 2 * corner);
  if (from_left <= from_above && from_left <= from_corner) return (uint8_t)left;
  return (uint8_t)(from_above <= from_corner ? above : corner);
}

/* `step` bytes lie between a byte and the one of the pixel to its left; above: the row before, zeros for the first.
 * Inlined for each usual step, so that the compiler knows how far the dependence reaches. */
static inline __attribute__((always_inline)) void unfilter_step(int filter, uint8_t *row, const uint8_t *above,
                                                                size_t n, size_t step) {
  size_t first = step < n ? step : n;
  switch (filter) {
    case 1:
      for (size_t i = first; i < n; i++) row[i] = (uint8_t)(row[i] + row[i - step]);
      break;
    case 2:
      for (size_t i = 0; i < n; i++) row[i] = (uint8_t)(row[i] + above[i]);
      break;
    case 3:
      for (size_t i = 0; i < first; i++) row[i] = (uint8_t)(row[i] + above[i] / 2);
      for (size_t i = first; i < n; i++) row[i] = (uint8_t)(row[i] + (row[i - step] + above[i]) / 2);
      break;
    case 4:
      for (size_t i = 0; i < first; i++) row[i] = (uint8_t)(row[i] + above[i]);
      for (size_t i = first; i < n; i++) {
        row[i] = (uint8_t)(row[i] + paeth(row[i - step], above[i], above[i - step]));
      }
      break;
    default:
      break;
  }
}

static void unfilter(int filter, uint8_t *row, const uint8_t *above, size_t n, size_t step) {
  switch (step) {
    case 1:
      unfilter_step(filter, row, above, n, 1);
      break;
    case 3:
      unfilter_step(filter, row, above, n, 3);
      break;
    case 4:
      unfilter_step(filter, row, above, n, 4);
      break;
    default:
      unfilter_step(filter, row, above, n, step);
      break;
  }
}

/* ---- pixels -------------------------------------------------------------------------------------------------- */

/* Samples of less than a byte lie highest bits first. */
static inline unsigned packed_sample(const uint8_t *row, int64_t x, int depth) {
  int64_t bit = x * depth;
  return (unsigned)row[bit / 8] >> (8 - depth - (int)(bit % 8)) & ((1u << depth) - 1);
}

static inline void put_gray(uint8_t *rgb, unsigned gray) { rgb[0] = rgb[1] = rgb[2] = (uint8_t)gray; }

/* One row to RGB, `stride` bytes from pixel to pixel. As Pillow does: alpha and transparent colours are dropped;
 * samples of 16 bits keep their high byte, except that gray without alpha is clipped to 255. */
static void expand_row(const struct png_format *format, const uint8_t *row, int64_t width, uint8_t *rgb,
                       size_t stride) {
  int depth = format->depth;
  size_t sample = depth == 16 ? 2 : 1;
  switch ((enum png_colour_type)format->colour_type) {
    case PNG_GRAY:
      for (int64_t x = 0; x < width; x++, rgb += stride) {
        if (depth == 16) {
          put_gray(rgb, row[2 * x] ? 255 : row[2 * x + 1]);
        } else {
          put_gray(rgb, packed_sample(row, x, depth) * 255 / ((1u << depth) - 1));
        }
      }
      break;
    case PNG_PALETTE:
      for (int64_t x = 0; x < width; x++, rgb += stride) memcpy(rgb, format->palette[packed_sample(row, x, depth)], 3);
      break;
    case PNG_GRAY_ALPHA:
      for (int64_t x = 0; x < width; x++, row += 2 * sample, rgb += stride) put_gray(rgb, row[0]);
      break;
    case PNG_RGB:
    case PNG_RGB_ALPHA: {
      size_t pixel = (format->colour_type == PNG_RGB ? 3 : 4) * sample;
      if (pixel == 3 && stride == 3) {
        memcpy(rgb, row, (size_t)width * 3);
        break;
      }
      for (int64_t x = 0; x < width; x++, row += pixel, rgb += stride) {
        rgb[0] = row[0];
        rgb[1] = row[sample];
        rgb[2] = row[2 * sample];
      }
      break;
    }
  }
}

int png_rows_decode(const struct png_format *format, uint8_t *data, struct image *image, error *e) {
  struct pass passes[MAX_PASSES];
  int count = list_passes(format, passes);
  size_t step = png_pixel_bits(format) < 8 ? 1 : (size_t)png_pixel_bits(format) / 8;
  const uint8_t *start = data;
  for (int i = 0; i < count; i++) {
    const struct pass *pass = &passes[i];
    size_t bytes = row_bytes(format, pass);
    const uint8_t *above = NULL;
    for (int64_t y = 0; y < pass->height; y++) {
      int filter = data[0];
      uint8_t *row = data + 1;
      if (filter > 4) {
        return fail(e, "unknown filter %d at byte %zu of the decompressed data", filter, (size_t)(data - start));
      }
      /* Above the first row lie zeros: up then changes nothing, and Paeth's choice is the left byte. */
      if (above) {
        unfilter(filter, row, above, bytes, step);
      } else if (filter == 3) {
        for (size_t k = step; k < bytes; k++) row[k] = (uint8_t)(row[k] + row[k - step] / 2);
      } else if (filter != 2) {
        unfilter(filter == 4 ? 1 : filter, row, row, bytes, step);
      }
      size_t pixel = (size_t)(pass->y + y * pass->step_y) * (size_t)image->width + (size_t)pass->x;
      expand_row(format, row, pass->width, image->rgb + 3 * pixel, 3 * (size_t)pass->step_x);
      above = row;
      data += 1 + bytes;
    }
  }
  return OK;
}
