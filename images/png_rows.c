#include "images/png_rows.h"

#include <stdlib.h>
#include <string.h>

#include "images/png_filter.h"
#include "kernels/memory.h"

static int pixel_bits(const struct png_format *format) {
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

size_t png_row_bytes(const struct png_format *format, int64_t width) {
  return ((size_t)width * (size_t)pixel_bits(format) + 7) / 8;
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

size_t png_data_size(const struct png_format *format) {
  struct pass passes[MAX_PASSES];
  size_t size = 0;
  int count = list_passes(format, passes);
  for (int i = 0; i < count; i++) size += (1 + png_row_bytes(format, passes[i].width)) * (size_t)passes[i].height;
  return size;
}

/* ---- pixels -------------------------------------------------------------------------------------------------- */

/* As Pillow does: alpha and transparent colours are dropped; samples of 16 bits keep their high byte, except that gray
 * without alpha is clipped to 255. */
enum kind { INDEX, GRAY, GRAY_CLIPPED, COLOUR_8, COLOUR_16 };

static inline uint32_t colour_at(enum kind kind, const uint8_t *p, const struct palette *palette) {
  uint32_t colour = 0;
  switch (kind) {
    case INDEX:
      memcpy(&colour, palette->rgb[*p], sizeof colour);
      break;
    case GRAY:
      colour = *p * 0x010101u;
      break;
    case GRAY_CLIPPED:
      colour = (p[0] ? 255 : p[1]) * 0x010101u;
      break;
    case COLOUR_8:
      colour = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
      break;
    case COLOUR_16:
      colour = p[0] | (uint32_t)p[2] << 8 | (uint32_t)p[4] << 16;
      break;
  }
  return colour;
}

/* n pixels of `pixel` bytes to RGB, `stride` bytes from pixel to pixel. Where they are neighbours four bytes are stored
 * at a time, of which the next pixel overwrites the last one. */
static inline __attribute__((always_inline)) void expand_kind(enum kind kind, size_t pixel,
                                                              const struct palette *palette, const uint8_t *from,
                                                              int64_t n, uint8_t *rgb, size_t stride) {
  for (; stride == 3 && n > 1; n--, from += pixel, rgb += 3) {
    uint32_t colour = colour_at(kind, from, palette);
    memcpy(rgb, &colour, 4);
  }
  for (; n > 0; n--, from += pixel, rgb += stride) {
    uint32_t colour = colour_at(kind, from, palette);
    memcpy(rgb, &colour, 3);
  }
}

/* `from`: n pixels; of less than eight bits, indices in bytes. */
static void expand(const struct png_format *format, const uint8_t *from, int64_t n, uint8_t *rgb, size_t stride) {
  const struct palette *palette = &format->palette;
  bool is_16 = format->depth == 16;
  switch ((enum png_colour_type)format->colour_type) {
    case PNG_GRAY:
      if (is_16) {
        expand_kind(GRAY_CLIPPED, 2, palette, from, n, rgb, stride);
      } else if (format->depth == 8) {
        expand_kind(GRAY, 1, palette, from, n, rgb, stride);
      } else {
        expand_kind(INDEX, 1, palette, from, n, rgb, stride);
      }
      break;
    case PNG_PALETTE:
      expand_kind(INDEX, 1, palette, from, n, rgb, stride);
      break;
    case PNG_GRAY_ALPHA:
      if (is_16) {
        expand_kind(GRAY, 4, palette, from, n, rgb, stride);
      } else {
        expand_kind(GRAY, 2, palette, from, n, rgb, stride);
      }
      break;
    case PNG_RGB:
      if (is_16) {
        expand_kind(COLOUR_16, 6, palette, from, n, rgb, stride);
      } else if (stride == 3) {
        memcpy(rgb, from, (size_t)n * 3);
      } else {
        expand_kind(COLOUR_8, 3, palette, from, n, rgb, stride);
      }
      break;
    case PNG_RGB_ALPHA:
      if (is_16) {
        expand_kind(COLOUR_16, 8, palette, from, n, rgb, stride);
      } else {
        expand_kind(COLOUR_8, 4, palette, from, n, rgb, stride);
      }
      break;
  }
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

struct reader {
  struct png_rows *rows;
  size_t pixel;         /* bytes, at least one */
  uint8_t *row, *above; /* unfiltered, with PNG_ROW_SLACK; above: the one before, zeros for a pass's first */
  uint8_t *indices;     /* [width] of a row, for samples of less than eight bits */
  uint8_t *memory;
};

static int open_reader(struct reader *r, struct png_rows *rows, error *e) {
  const struct png_format *format = rows->format;
  size_t room = png_row_bytes(format, format->width) + PNG_ROW_SLACK, width = (size_t)format->width;
  r->rows = rows;
  r->pixel = pixel_bits(format) < 8 ? 1 : (size_t)pixel_bits(format) / 8;
  r->memory = allocate_zeroed(2 * room + (format->depth < 8 ? width : 0), 1, e);
  if (!r->memory) return FAILED;
  r->row = r->memory;
  r->above = r->memory + room;
  r->indices = r->memory + 2 * room;
  return OK;
}

/* The next row to r->row; when it is not `wanted` only its presence is checked. */
static int read_row(struct reader *r, size_t bytes, bool wanted, error *e) {
  struct png_rows *rows = r->rows;
  const uint8_t *data;
  size_t got;
  if (inflater_take(rows->data, 1 + bytes, &data, &got, e) != OK) return FAILED;
  if (got <= bytes) {
    return fail(e, "truncated: %zu of %zu bytes of pixels", rows->produced + got, png_data_size(rows->format));
  }
  if (data[0] >= PNG_FILTERS) {
    return fail(e, "unknown filter %d at byte %zu of the decompressed data", data[0], rows->produced);
  }
  rows->produced += got;
  if (!wanted) return OK;
  uint8_t *above = r->row;
  r->row = r->above;
  r->above = above;
  png_unfilter((enum png_filter)data[0], data + 1, above, r->row, bytes, (int)r->pixel);
  return OK;
}

/* The same, but where the rest of a damaged file is forgiven it is false, and rows->partial. */
static bool has_row(struct reader *r, size_t bytes, bool wanted, int *status, error *e) {
  struct png_rows *rows = r->rows;
  if (!rows->partial) *status = read_row(r, bytes, wanted, e);
  if (*status != OK && rows->options && rows->options->lenient) {
    rows->partial = true;
    *status = OK;
  }
  rows->data_failed = *status != OK;
  return *status == OK && !rows->partial;
}

/* n pixels of r->row, from x on. */
static void put_pixels(struct reader *r, int64_t x, int64_t n, uint8_t *rgb, size_t stride) {
  const struct png_format *format = r->rows->format;
  const uint8_t *from = r->row;
  if (format->depth < 8) {
    palette_unpack(from, format->depth, (size_t)(x + n), r->indices);
    from = r->indices;
  }
  expand(format, from + (size_t)x * r->pixel, n, rgb, stride);
}

static int stream_in_order(struct reader *r, struct row_sink *sink, error *e) {
  const struct png_format *format = r->rows->format;
  size_t bytes = png_row_bytes(format, format->width);
  struct rectangle part = {0, 0, (int)format->width, (int)format->height};
  int status = sink->begin(sink, part.width, part.height, &part, e);
  for (int y = 0; y < format->height && status == OK; y++) {
    bool is_above_end = y < part.y + part.height;
    if (!has_row(r, bytes, is_above_end, &status, e) && status == OK) memset(r->row, 0, bytes);
    if (status != OK || y < part.y || !is_above_end) continue;
    put_pixels(r, part.x, part.width, sink->room(sink), 3);
    status = sink->row(sink, e);
  }
  return status;
}

/* What pixels that are missing look like. */
static void fill_with_zeros(struct reader *r, struct image *image) {
  size_t stride = 3 * (size_t)image->width;
  put_pixels(r, 0, image->width, image->rgb, 3);
  for (size_t y = 1; y < (size_t)image->height; y++) memcpy(image->rgb + y * stride, image->rgb, stride);
}

static int decode_passes(struct reader *r, struct image *image, error *e) {
  const struct png_format *format = r->rows->format;
  struct pass passes[MAX_PASSES];
  int count = list_passes(format, passes), status = OK;
  for (int i = 0; i < count && status == OK; i++) {
    const struct pass *pass = &passes[i];
    size_t bytes = png_row_bytes(format, pass->width);
    memset(r->row, 0, bytes);
    for (int64_t y = 0; y < pass->height && has_row(r, bytes, true, &status, e); y++) {
      size_t first = (size_t)(pass->y + y * pass->step_y) * (size_t)image->width + (size_t)pass->x;
      put_pixels(r, 0, pass->width, image->rgb + 3 * first, 3 * (size_t)pass->step_x);
    }
  }
  return status;
}

static int stream_interlaced(struct reader *r, struct row_sink *sink, error *e) {
  const struct png_format *format = r->rows->format;
  struct image image;
  if (image_allocate(&image, format->width, format->height, r->rows->options, e) != OK) return FAILED;
  if (r->rows->options && r->rows->options->lenient) fill_with_zeros(r, &image);
  int status = decode_passes(r, &image, e);
  if (status == OK) status = image_put_rows(&image, sink, e);
  image_free(&image);
  return status;
}

int png_rows_stream(struct png_rows *rows, struct row_sink *sink, error *e) {
  struct reader reader;
  if (open_reader(&reader, rows, e) != OK) return FAILED;
  int status = rows->format->interlaced ? stream_interlaced(&reader, sink, e) : stream_in_order(&reader, sink, e);
  free(reader.memory);
  return status;
}
