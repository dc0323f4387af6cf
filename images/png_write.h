/* Writing a picture as PNG (W3C PNG specification): 8-bit RGB, one IDAT. */
#ifndef IMAGES_PNG_WRITE_H
#define IMAGES_PNG_WRITE_H

#include "images/image.h"

/* The file's bytes in *out: free() them. Each line gets the filter with the smallest sum of absolute values. The bytes
 * depend on the picture only. */
int png_encode(const struct image *image, uint8_t **out, size_t *out_size, error *e);

#endif
