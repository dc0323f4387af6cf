/* What the container (webp.c) and the two codecs of WebP (vp8*.c: lossy, vp8l*.c: lossless) share. */
#ifndef IMAGES_WEBP_INTERNAL_H
#define IMAGES_WEBP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/image.h"
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

/* The rows of a frame on their way into a sink; the canvas around the frame is black. */
struct webp_rows {
  struct row_sink *sink;
  int canvas_width, canvas_height;
  int x, y, width, height; /* the frame's place on the canvas */
  struct rectangle part;   /* of the canvas, that the sink wants */
  int from, to;            /* the frame's columns that it wants, if from < to */
};

/* Once, when the headers are good: ask the sink what it wants. */
int webp_begin_rows(struct webp_rows *rows, error *e);
/* Where the pixels [from, to) of the frame's row y go, or NULL: nowhere; then that they are there. */
uint8_t *webp_begin_row(struct webp_rows *rows, int y);
int webp_end_row(struct webp_rows *rows, error *e);

/* A whole frame. Its headers were read before. */
int vp8_decode(const struct webp_chunk *chunk, struct webp_rows *rows, error *e);
int vp8l_decode(const struct webp_chunk *chunk, struct webp_rows *rows, error *e);

/* An alpha plane that was coded as the green of a lossless picture without a header, from byte `offset` of the chunk:
 * read through, for its errors. Stricter than libwebp, which forgives a palette's last index for missing bits. */
int vp8l_check_alpha(const struct webp_chunk *chunk, size_t offset, int width, int height, error *e);

#endif
