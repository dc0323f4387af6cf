/* What the container (webp.c) and the two codecs of WebP (vp8*.c: lossy, vp8l*.c: lossless) share. */
#ifndef IMAGES_WEBP_INTERNAL_H
#define IMAGES_WEBP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* A chunk's payload. libwebp takes the padding byte of an odd payload for data, and so does this decoder. */
struct webp_chunk {
  const uint8_t *bytes;
  size_t size, padded_size;
  size_t position; /* of the payload in the file, for messages */
};

/* The headers: what they promise, or an error. The size is at least 1 x 1. */
int vp8_read_size(const struct webp_chunk *chunk, int *width, int *height, error *e);
int vp8l_read_size(const struct webp_chunk *chunk, int *width, int *height, bool *has_alpha, error *e);

/* A whole frame, as RGB; row y begins at rgb + y * stride. The headers were read before. */
int vp8_decode(const struct webp_chunk *chunk, uint8_t *rgb, size_t stride, error *e);
int vp8l_decode(const struct webp_chunk *chunk, uint8_t *rgb, size_t stride, error *e);

/* An alpha plane that was coded as the green of a lossless picture without a header, from byte `offset` of the chunk:
 * read through, for its errors. */
int vp8l_check_alpha(const struct webp_chunk *chunk, size_t offset, int width, int height, error *e);

#endif
