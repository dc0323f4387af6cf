/* From a PNG's decompressed data to rows of pixels: filters, Adam7 passes, pixel formats (PNG specification, third
 * edition, sections 7 to 9 and 11.2.1). */
#ifndef IMAGES_PNG_ROWS_H
#define IMAGES_PNG_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/image.h"
#include "images/inflate.h"
#include "images/palette.h"

enum png_colour_type { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGB_ALPHA = 6 };

struct png_format {
  int64_t width, height;
  int depth;       /* bits of a sample: 1, 2, 4, 8, 16 */
  int colour_type; /* enum png_colour_type, in a combination with the depth that the specification allows */
  bool interlaced; /* Adam7 */
  struct palette palette;
};

/* Bytes of a row without its filter byte, and of all rows with them, of all passes. width and height were checked by
 * image_check_size(). */
size_t png_row_bytes(const struct png_format *format, int64_t width);
size_t png_data_size(const struct png_format *format);

struct png_rows {
  const struct png_format *format;
  struct inflater *data; /* which gives png_data_size() bytes, 1 + png_row_bytes() at a time */
  const struct decode_options *options;
  /* Results. */
  size_t produced;  /* bytes of good rows */
  bool partial;     /* the data ended or broke before the last row, and the pixels left are zero (only if lenient) */
  bool data_failed; /* it is the data that end or are broken, not the sink */
};

/* The pixels to the sink: one row after the other, but of an interlaced picture all at the end. */
int png_rows_stream(struct png_rows *rows, struct row_sink *sink, error *e);

#endif
