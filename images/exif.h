/* Which way up a photo is. */
#ifndef IMAGES_EXIF_H
#define IMAGES_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "images/image.h"

/* The EXIF orientation (1 to 8) by which Pillow's ImageOps.exif_transpose turns the decoded picture of this file: from
 * EXIF data in JPEG, PNG (also as text) and WebP, or, where these have no orientation, from XMP. 1 when there is none
 * or the data are broken; and of TIFF, which the decoder itself turns. */
int image_orientation(const uint8_t *bytes, size_t size);

/* Turn the pixels so that a picture with this orientation is the right way up. */
int image_orient(struct image *image, int orientation, error *e);

/* The first tiff:Orientation="N" or tiff:Orientation>N of an XMP packet, or 1. */
int xmp_orientation(const uint8_t *xmp, size_t size);

#endif
