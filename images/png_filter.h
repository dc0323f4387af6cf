/* The filters of PNG's rows (PNG specification, third edition, section 9). */
#ifndef IMAGES_PNG_FILTER_H
#define IMAGES_PNG_FILTER_H

#include <stddef.h>
#include <stdint.h>

enum png_filter { PNG_NONE, PNG_SUB, PNG_UP, PNG_AVERAGE, PNG_PAETH, PNG_FILTERS };

/* So many bytes beyond a row are read of all three, and written of `row`. */
enum { PNG_ROW_SLACK = 16 };

/* row [n] <- `filtered` [n] with its filter undone. above [n]: the row before, zeros for the first; not NULL.
 * pixel: bytes from a byte to the one of the pixel to its left: 1, 2, 3, 4, 6 or 8; n is a multiple of it. */
void png_unfilter(enum png_filter filter, const uint8_t *filtered, const uint8_t *above, uint8_t *row, size_t n,
                  int pixel);

#endif
