/* A decoded picture and the decoders' common ground. */
#ifndef IMAGES_IMAGE_H
#define IMAGES_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* 8-bit RGB, rows of width * 3 bytes without padding; the bytes that Pillow's Image.open(f).convert("RGB") gives. */
struct image {
  uint8_t *rgb;
  int width, height;
};

struct decode_limits {
  /* width * height above this is refused before anything is allocated; 0: DEFAULT_MAX_PIXELS */
  int64_t max_pixels;
};

/* Pillow refuses pictures beyond twice its MAX_IMAGE_PIXELS of 1024^3 / 4 / 3. */
enum { DEFAULT_MAX_PIXELS = 178956970 };

/* Decode by content (never by file name). `limits` may be NULL. On failure `image` is zeroed and the message says what
 * is wrong at which byte, without the file's name. */
int image_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e);
/* One format each, same contract: images/jpeg.c, images/png.c, images/pnm.c. */
int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e);
int png_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e);
int pnm_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e);

/* At least one pixel, and no more than the limits allow: after this, width * height * 8 bytes cannot overflow. */
int image_check_size(int64_t width, int64_t height, const struct decode_limits *limits, error *e);
/* The same, then allocate the pixels (zeroed). */
int image_allocate(struct image *image, int64_t width, int64_t height, const struct decode_limits *limits, error *e);
void image_free(struct image *image);

#endif
