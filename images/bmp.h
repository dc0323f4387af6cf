/* The parts of a BMP file, its headers and rows (bmp.c) and its runs (bmp_rle.c). */
#ifndef IMAGES_BMP_H
#define IMAGES_BMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* The file begins as a BMP file does after its file header. */
bool dib_matches(const uint8_t *bytes, size_t size);

/* Run-length encoded indices (BI_RLE8, or BI_RLE4 with `nibbles`) from bytes[from] on into indices[width * height], in
 * the file's order of rows; indices that the file skips are left as they are. */
int bmp_rle_decode(const uint8_t *bytes, size_t size, size_t from, bool nibbles, size_t width, size_t height,
                   uint8_t *indices, error *e);

#endif
