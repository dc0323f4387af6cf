/* A JPEG encoder: baseline, 4:2:0, the standard's Huffman tables. */
#ifndef IMAGES_JPEG_WRITE_H
#define IMAGES_JPEG_WRITE_H

#include "images/image.h"

/* quality: 1 to 100, libjpeg's scale. The file decodes to the pixels of Pillow's save(f, "JPEG", quality=quality): the
 * same colour transform, downsampling, forward DCT ("islow") and quantisation. Sides up to 65500. free(*bytes). */
int jpeg_encode(const struct image *image, int quality, uint8_t **bytes, size_t *size, error *e);

#endif
