/* The rows inside a PNG's decompressed data: filters, Adam7 passes, pixel formats (PNG specification, third edition,
 * sections 7 to 9 and 11.2.1). */
#ifndef IMAGES_PNG_ROWS_H
#define IMAGES_PNG_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/image.h"

enum png_colour_type { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGB_ALPHA = 6 };

struct png_format {
  int64_t width, height;
  int depth;               /* bits of a sample: 1, 2, 4, 8, 16 */
  int colour_type;         /* enum png_colour_type, in a combination with the depth that the specification allows */
  bool interlaced;         /* Adam7 */
  uint8_t palette[256][3]; /* entries that the file does not define are black, as in Pillow */
};

/* Bits of a pixel. */
int png_pixel_bits(const struct png_format *format);
/* Bytes of all rows with their filter bytes, of all passes. width and height were checked by image_check_size(). */
size_t png_data_size(const struct png_format *format);
/* Undo the filters of `data` [png_data_size()], in place, and write the pixels of `image` (of the format's size). */
int png_rows_decode(const struct png_format *format, uint8_t *data, struct image *image, error *e);

#endif
