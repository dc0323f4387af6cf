#include "images/image.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/bmp.h"
#include "images/exif.h"
#include "images/tiff_ifd.h"
#include "kernels/memory.h"

int image_check_size(int64_t width, int64_t height, const struct decode_options *options, error *e) {
  int64_t max_pixels = options && options->max_pixels > 0 ? options->max_pixels : DEFAULT_MAX_PIXELS;
  if (width <= 0 || height <= 0) {
    return fail(e, "a picture of %lld x %lld pixels is empty", (long long)width, (long long)height);
  }
  if (width > INT_MAX || height > INT_MAX || width > max_pixels / height) {
    return fail(e, "a picture of %lld x %lld pixels passes the limit of %lld pixels", (long long)width,
                (long long)height, (long long)max_pixels);
  }
  return OK;
}

int image_allocate(struct image *image, int64_t width, int64_t height, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  if (image_check_size(width, height, options, e)) return FAILED;
  uint8_t *rgb = allocate_zeroed((size_t)width * (size_t)height, 3, e);
  if (!rgb) return FAILED;
  *image = (struct image){.rgb = rgb, .width = (int)width, .height = (int)height};
  return OK;
}

void image_free(struct image *image) {
  free(image->rgb);
  *image = (struct image){0};
}

int image_put_rows(const struct image *image, struct row_sink *sink, error *e) {
  struct rectangle part = {0, 0, image->width, image->height};
  int status = sink->begin(sink, image->width, image->height, &part, e);
  for (int y = part.y; status == OK && y < part.y + part.height; y++) {
    size_t first = (size_t)y * (size_t)image->width + (size_t)part.x;
    memcpy(sink->room(sink), image->rgb + 3 * first, 3 * (size_t)part.width);
    status = sink->row(sink, e);
  }
  return status;
}

/* The sink that gathers a picture. */
struct collector {
  struct row_sink sink;
  struct image image;
  const struct decode_options *options;
  uint8_t *next;
};

static int collector_begin(struct row_sink *sink, int width, int height, struct rectangle *part, error *e) {
  struct collector *collector = (struct collector *)sink;
  (void)part;
  if (image_allocate(&collector->image, width, height, collector->options, e) != OK) return FAILED;
  collector->next = collector->image.rgb;
  return OK;
}

static uint8_t *collector_room(struct row_sink *sink) { return ((struct collector *)sink)->next; }

static int collector_row(struct row_sink *sink, error *e) {
  struct collector *collector = (struct collector *)sink;
  (void)e;
  collector->next += (size_t)collector->image.width * 3;
  return OK;
}

int image_collect(image_streamer *stream, struct image *image, const uint8_t *bytes, size_t size,
                  const struct decode_options *options, error *e) {
  struct collector collector = {.sink = {collector_begin, collector_room, collector_row}, .options = options};
  *image = (struct image){0};
  int status = stream(&collector.sink, image, bytes, size, options, e);
  if (status == OK) {
    image->rgb = collector.image.rgb;
  } else {
    image_free(&collector.image);
    *image = (struct image){0};
  }
  return status;
}

#define DECODED_FORMATS "JPEG, PNG, GIF, WebP, BMP, TIFF, PNM"

/* The name of a known format that is not decoded here, or NULL. */
static const char *unsupported_format(const uint8_t *bytes, size_t size) {
  static const struct {
    const char *magic, *name;
    size_t length, offset;
  } others[] = {
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
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    size_t end = others[i].offset + others[i].length;
    if (size >= end && memcmp(bytes + others[i].offset, others[i].magic, others[i].length) == 0) {
      return others[i].name;
    }
  }
  return NULL;
}

/* Behind leading junk that is no other known format. */
static bool holds_jpeg(const uint8_t *bytes, size_t size) {
  if (unsupported_format(bytes, size)) return false;
  for (const uint8_t *at = bytes, *end = bytes + size; end - at >= 2; at++) {
    at = memchr(at, 0xff, (size_t)(end - at - 1));
    if (!at) return false;
    if (at[1] == 0xd8) return true;
  }
  return false;
}

static bool is_jpeg(const uint8_t *bytes, size_t size) { return size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8; }

static bool is_png(const uint8_t *bytes, size_t size) {
  return size >= 8 && memcmp(bytes, "\211PNG\r\n\032\n", 8) == 0;
}

static bool is_gif(const uint8_t *bytes, size_t size) {
  return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

static bool is_bmp(const uint8_t *bytes, size_t size) { return size >= 2 && memcmp(bytes, "BM", 2) == 0; }

static bool is_webp(const uint8_t *bytes, size_t size) {
  return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static bool is_pnm(const uint8_t *bytes, size_t size) {
  return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
         (bytes[2] == ' ' || (bytes[2] >= '\t' && bytes[2] <= '\r'));
}

typedef int decoder(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                    error *e);

/* Every format, in the order in which they are tried; one of the two functions. */
struct format {
  const char *name;
  bool (*matches)(const uint8_t *bytes, size_t size);
  decoder *decode;
  image_streamer *stream;
};
static const struct format formats[] = {
    {.name = "JPEG", .matches = is_jpeg, .stream = jpeg_stream},
    {.name = "PNG", .matches = is_png, .stream = png_stream},
    {.name = "GIF", .matches = is_gif, .decode = gif_decode},
    {.name = "BMP", .matches = is_bmp, .decode = bmp_decode},
    {.name = "DIB", .matches = dib_matches, .decode = dib_decode},
    {.name = "WEBP", .matches = is_webp, .stream = webp_stream},
    {.name = "TIFF", .matches = tiff_matches, .decode = tiff_decode},
    {.name = "PPM", .matches = is_pnm, .decode = pnm_decode},
    {.name = "JPEG", .matches = holds_jpeg, .stream = jpeg_stream}, /* behind junk: after all others */
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const struct format *find_format(const uint8_t *bytes, size_t size, error *e) {
  if (size == 0) {
    fail(e, "the file is empty");
    return NULL;
  }
  for (size_t i = 0; i < FORMATS; i++) {
    if (formats[i].matches(bytes, size)) return &formats[i];
  }
  const char *other = unsupported_format(bytes, size);
  if (other) {
    fail(e, "%s is not supported (" DECODED_FORMATS " are)", other);
    return NULL;
  }
  char start[4 * 3 + 1] = "";
  for (size_t i = 0; i < 4 && i < size; i++) snprintf(start + 3 * i, 4, " %02x", bytes[i]);
  fail(e, "not a picture in a known format (" DECODED_FORMATS "): begins with the bytes%s", start);
  return NULL;
}

static int orientation_to_apply(const uint8_t *bytes, size_t size, const struct decode_options *options) {
  return options && options->exif_orientation ? image_orientation(bytes, size) : 1;
}

int image_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                 error *e) {
  *image = (struct image){0};
  const struct format *format = find_format(bytes, size, e);
  if (!format) return FAILED;
  int status = format->stream ? image_collect(format->stream, image, bytes, size, options, e)
                              : format->decode(image, bytes, size, options, e);
  if (status == OK) status = image_orient(image, orientation_to_apply(bytes, size, options), e);
  if (status == OK) {
    image->format = format->name;
  } else {
    image_free(image);
  }
  return status;
}

int image_stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
                 const struct decode_options *options, error *e) {
  *about = (struct image){0};
  const struct format *format = find_format(bytes, size, e);
  if (!format) return FAILED;
  int status;
  if (format->stream && orientation_to_apply(bytes, size, options) == 1) {
    status = format->stream(sink, about, bytes, size, options, e);
    about->format = format->name;
  } else {
    status = image_decode(about, bytes, size, options, e);
    if (status == OK) status = image_put_rows(about, sink, e);
    free(about->rgb);
    about->rgb = NULL;
  }
  return status;
}
