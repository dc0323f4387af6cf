/* A decoded picture and the decoders' common ground. */
#ifndef IMAGES_IMAGE_H
#define IMAGES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* 8-bit RGB, rows of width * 3 bytes without padding; the bytes that Pillow's Image.open(f).convert("RGB") gives. */
struct image {
  uint8_t *rgb;
  int width, height;
  const char *format; /* "JPEG", "PNG", ...: the file's, as Pillow names it; NULL for what no file held */
  const char *mode;   /* of the pixels in the file, as Pillow names it: "L", "P", "RGBA", "CMYK", ...; or NULL */
  bool partial;       /* the file is damaged, and some pixels are not the photo's (only with decode_options.lenient) */
};

struct decode_options {
  /* width * height above this is refused before anything is allocated; 0: DEFAULT_MAX_PIXELS */
  int64_t max_pixels;
  /* Of a damaged or truncated file, give the picture that Pillow gives under ImageFile.LOAD_TRUNCATED_IMAGES. */
  bool lenient;
  /* Turn the picture as its EXIF orientation says (Pillow's ImageOps.exif_transpose); else the tag is ignored, but in
   * TIFF, which Pillow always turns. */
  bool exif_orientation;
};

/* Pillow refuses pictures beyond twice its MAX_IMAGE_PIXELS of 1024^3 / 4 / 3. */
enum { DEFAULT_MAX_PIXELS = 178956970 };

/* Decode by content (never by file name). `options` may be NULL. On failure `image` is zeroed and the message says what
 * is wrong at which byte, without the file's name. */
int image_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                 error *e);
/* One format each, same contract, in the file of that name; they set image->mode and leave image->format to
 * image_decode(). */
int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int png_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int gif_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int bmp_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int dib_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int webp_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int tiff_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);
int pnm_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e);

struct rectangle {
  int x, y, width, height;
};

/* Takes a picture's rows as a decoder makes them. Embed it as the first member of the state it works on. */
struct row_sink {
  /* Once, before all rows: the picture's size. Narrows *part, which is the whole picture, to what it needs; a decoder
   * still reads the whole file, but makes only these pixels. */
  int (*begin)(struct row_sink *sink, int width, int height, struct rectangle *part, error *e);
  /* Where the next row of the part goes: part->width * 3 bytes. */
  uint8_t *(*room)(struct row_sink *sink);
  /* That row is there. */
  int (*row)(struct row_sink *sink, error *e);
};

/* image_decode() without a picture in memory where the format allows: the part's rows go to `sink` from top to bottom,
 * all of them unless FAILED is returned. `about` receives all that image_decode() tells but the pixels. */
int image_stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
                 const struct decode_options *options, error *e);
/* Formats whose decoders make rows: the contract of image_stream(), but that about->format is left alone. */
typedef int image_streamer(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
                           const struct decode_options *options, error *e);
image_streamer jpeg_stream, png_stream, webp_stream;
/* The whole picture from such a decoder; give a whole picture's rows to a sink. */
int image_collect(image_streamer *stream, struct image *image, const uint8_t *bytes, size_t size,
                  const struct decode_options *options, error *e);
int image_put_rows(const struct image *image, struct row_sink *sink, error *e);

/* At least one pixel, and no more than the options allow: after this, width * height * 8 bytes cannot overflow. */
int image_check_size(int64_t width, int64_t height, const struct decode_options *options, error *e);
/* The same, then allocate the pixels (zeroed). */
int image_allocate(struct image *image, int64_t width, int64_t height, const struct decode_options *options, error *e);
void image_free(struct image *image);

#endif
