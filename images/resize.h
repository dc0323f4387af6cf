/* Resizing as Pillow up to version 12 does it, to the byte (Image.resize; src/libImaging/Resample.c, Geometry.c).
 *
 * Columns are filtered first, always. Later versions filter the lines first, and so round otherwise, in pictures more
 * than a hundred times as tall as wide (12.3), or whose height shrinks by more than twice as many pixels as their width
 * (13): of the usual resizes to a given shorter side, portraits at least twice as tall as wide. */
#ifndef IMAGES_RESIZE_H
#define IMAGES_RESIZE_H

#include "images/image.h"
#include "weights-tools/recipe.h"

/* out = in.resize((width, height), filter), or of that only the pixels of `part` (inside width x height; NULL: all),
 * which is all that is computed. Bilinear and bicubic (a = -0.5) are antialiased when shrinking: the filter's support
 * grows with the ratio; sums run in 22-bit fixed point, columns first, rounded to bytes between the passes. */
int resize(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
           struct image *out, error *e);

#endif
