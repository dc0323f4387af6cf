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
 * which is all that is computed. All filters but nearest are antialiased when shrinking: their support grows with the
 * ratio; sums run in 22-bit fixed point, columns first, rounded to bytes between the passes. Bicubic has a = -0.5. */
int resize(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
           struct image *out, error *e);

/* The same for an input that comes row by row, of which no more than a filter's window is kept:
 *
 *   resizer_start(...);
 *   for each row of resizer_source():
 *     write it to resizer_room(); resizer_put();
 *     while ((row = resizer_take())) use it;
 */
struct resizer;
int resizer_start(struct resizer **resizer, int in_width, int in_height, int width, int height, enum filter filter,
                  const struct rectangle *part, error *e);
void resizer_stop(struct resizer *resizer); /* NULL is fine */
/* The part of the input that is needed. */
struct rectangle resizer_source(const struct resizer *resizer);
/* Where the next row of the source goes: width * 3 bytes. */
uint8_t *resizer_room(struct resizer *resizer);
void resizer_put(struct resizer *resizer);
/* The next row of the result, part->width * 3 bytes that stay until the next call, or NULL until more rows are there.
 */
const uint8_t *resizer_take(struct resizer *resizer);

#endif
