#include "images/image.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

int image_check_size(int64_t width, int64_t height, const struct decode_limits *limits, error *e) {
  int64_t max_pixels = limits && limits->max_pixels > 0 ? limits->max_pixels : DEFAULT_MAX_PIXELS;
  if (width <= 0 || height <= 0) {
    return fail(e, "a picture of %lld x %lld pixels is empty", (long long)width, (long long)height);
  }
  if (width > INT_MAX || height > INT_MAX || width > max_pixels / height) {
    return fail(e, "a picture of %lld x %lld pixels passes the limit of %lld pixels", (long long)width,
                (long long)height, (long long)max_pixels);
  }
  return OK;
}

int image_allocate(struct image *image, int64_t width, int64_t height, const struct decode_limits *limits, error *e) {
  *image = (struct image){0};
  if (image_check_size(width, height, limits, e)) return FAILED;
  uint8_t *rgb = allocate_zeroed((size_t)width * (size_t)height, 3, e);
  if (!rgb) return FAILED;
  *image = (struct image){.rgb = rgb, .width = (int)width, .height = (int)height};
  return OK;
}

void image_free(struct image *image) {
  free(image->rgb);
  *image = (struct image){0};
}

/* The name of a known format that is not decoded here, or NULL. */
static const char *unsupported_format(const uint8_t *bytes, size_t size) {
  static const struct {
    const char *magic, *name;
    size_t length, offset;
  } formats[] = {
      {"GIF87a", "GIF", 6, 0},
      {"GIF89a", "GIF", 6, 0},
      {"WEBP", "WebP", 4, 8},
      {"BM", "BMP", 2, 0},
      {"II*\0", "TIFF", 4, 0},
      {"MM\0*", "TIFF", 4, 0},
      {"II+\0", "BigTIFF", 4, 0},
      {"MM\0+", "BigTIFF", 4, 0},
      {"ftypavif", "AVIF", 8, 4},
      {"ftypavis", "AVIF", 8, 4},
      {"ftyphei", "HEIC", 7, 4},
      {"ftyphev", "HEIC", 7, 4},
      {"ftypmif1", "HEIF", 8, 4},
      {"ftypmsf1", "HEIF", 8, 4},
      {"\0\0\0\014jP  ", "JPEG 2000", 8, 0},
      {"\377O\377Q", "JPEG 2000", 4, 0},
      {"\377\012", "JPEG XL", 2, 0},
      {"\0\0\0\014JXL ", "JPEG XL", 8, 0},
  };
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    size_t end = formats[i].offset + formats[i].length;
    if (size >= end && memcmp(bytes + formats[i].offset, formats[i].magic, formats[i].length) == 0) {
      return formats[i].name;
    }
  }
  return NULL;
}

static bool holds_jpeg(const uint8_t *bytes, size_t size) {
  for (const uint8_t *at = bytes, *end = bytes + size; end - at >= 2; at++) {
    at = memchr(at, 0xff, (size_t)(end - at - 1));
    if (!at) return false;
    if (at[1] == 0xd8) return true;
  }
  return false;
}

int image_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e) {
  *image = (struct image){0};
  if (size == 0) return fail(e, "the file is empty");
  if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8) return jpeg_decode(image, bytes, size, limits, e);
  if (size >= 8 && memcmp(bytes, "\211PNG\r\n\032\n", 8) == 0) return png_decode(image, bytes, size, limits, e);
  if (size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
      (bytes[2] == ' ' || (bytes[2] >= '\t' && bytes[2] <= '\r'))) {
    return pnm_decode(image, bytes, size, limits, e);
  }
  const char *format = unsupported_format(bytes, size);
  if (format) return fail(e, "%s is not supported (JPEG, PNG and PNM are)", format);
  if (holds_jpeg(bytes, size)) return jpeg_decode(image, bytes, size, limits, e);
  char start[4 * 3 + 1] = "";
  for (size_t i = 0; i < 4 && i < size; i++) snprintf(start + 3 * i, 4, " %02x", bytes[i]);
  return fail(e, "not a picture in a known format (JPEG, PNG, PNM): begins with the bytes%s", start);
}
