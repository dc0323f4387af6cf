/* GIF87a and GIF89a (CompuServe, 1987 and 1990): the first frame on its screen.
 *
 * What the specification leaves open, or files get wrong, is settled as Pillow does: a frame beyond the screen widens
 * it; the screen around a frame has the frame's transparent colour, else colour 0; frames without a palette are gray;
 * blocks of unknown kind are skipped byte by byte until one is known. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/byte_order.h"
#include "images/gif_lzw.h"
#include "images/image.h"
#include "images/palette.h"
#include "kernels/memory.h"

enum { SCREEN_SIZE = 13, FRAME_SIZE = 9 };
enum { EXTENSION = 0x21, FRAME = 0x2c, TRAILER = 0x3b };
enum { GRAPHIC_CONTROL = 249, COMMENT = 254, APPLICATION = 255 };

struct gif {
  const uint8_t *bytes;
  size_t size, at;
  int64_t width, height;       /* of the screen, later widened by the frame */
  int64_t x, y, columns, rows; /* the frame */
  const uint8_t *palette;      /* NULL: gray */
  size_t palette_size;         /* bytes */
  bool gray;                   /* the last palette is none */
  int background;              /* the index around the frame */
  bool interlaced;
  int literal_bits; /* the LZW stream's: 2 to 8 where the specification is kept */
};

static size_t left(const struct gif *gif) { return gif->size - gif->at; }

static int truncated(const struct gif *gif, const char *what, error *e) {
  return fail(e, "truncated inside %s: the file ends at byte %zu", what, gif->size);
}

/* A palette whose colours are their own numbers as gray is none: Pillow calls such pictures "L". */
static bool is_gray_ramp(const uint8_t *palette, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (palette[i] != i / 3) return false;
  }
  return true;
}

static int read_palette(struct gif *gif, int flags, error *e) {
  size_t size = (size_t)3 << ((flags & 7) + 1);
  if (left(gif) < size) return truncated(gif, "a palette", e);
  const uint8_t *palette = gif->bytes + gif->at;
  gif->at += size;
  gif->gray = is_gray_ramp(palette, size);
  /* A gray palette of the frame does not replace a coloured one of the screen: Pillow's, and so ours. */
  if (!gif->gray) {
    gif->palette = palette;
    gif->palette_size = size;
  }
  return OK;
}

static int read_screen(struct gif *gif, error *e) {
  if (left(gif) < SCREEN_SIZE) return truncated(gif, "the header", e);
  const uint8_t *screen = gif->bytes;
  gif->at = SCREEN_SIZE;
  gif->width = little_endian_16(screen + 6);
  gif->height = little_endian_16(screen + 8);
  return screen[10] & 128 ? read_palette(gif, screen[10], e) : OK;
}

struct sub_block {
  const uint8_t *data;
  size_t size; /* 0: the end of a sequence, or of the file */
};

static struct sub_block next_sub_block(struct gif *gif) {
  struct sub_block block = {gif->bytes + gif->at, 0};
  if (left(gif) == 0) return block;
  size_t size = *block.data++;
  gif->at++;
  block.size = size < left(gif) ? size : left(gif);
  gif->at += block.size;
  return block;
}

/* After the 0x21. An empty first sub-block does not end an extension for Pillow unless it is a comment. */
static int read_extension(struct gif *gif, error *e) {
  if (left(gif) == 0) return truncated(gif, "an extension", e);
  int label = gif->bytes[gif->at++];
  struct sub_block block = next_sub_block(gif);
  if (label == GRAPHIC_CONTROL && block.size > 0) {
    bool transparent = block.data[0] & 1;
    if (block.size < (transparent ? 4 : 3)) {
      return fail(e, "the graphic control extension before byte %zu has %zu bytes", gif->at, block.size);
    }
    if (transparent) gif->background = block.data[3];
  } else if (label == COMMENT) {
    while (block.size > 0) block = next_sub_block(gif);
    return OK;
  } else if (label == APPLICATION && block.size >= 11 && memcmp(block.data, "NETSCAPE2.0", 11) == 0) {
    next_sub_block(gif);
  }
  while (next_sub_block(gif).size > 0) {
  }
  return OK;
}

static int read_frame(struct gif *gif, error *e) {
  if (left(gif) < FRAME_SIZE) return truncated(gif, "the frame's header", e);
  const uint8_t *frame = gif->bytes + gif->at;
  gif->at += FRAME_SIZE;
  gif->x = little_endian_16(frame);
  gif->y = little_endian_16(frame + 2);
  gif->columns = little_endian_16(frame + 4);
  gif->rows = little_endian_16(frame + 6);
  gif->interlaced = frame[8] & 64;
  if (gif->columns == 0 || gif->rows == 0) return fail(e, "the frame before byte %zu has no pixels", gif->at);
  if (gif->x + gif->columns > gif->width) gif->width = gif->x + gif->columns;
  if (gif->y + gif->rows > gif->height) gif->height = gif->y + gif->rows;
  if (frame[8] & 128 && read_palette(gif, frame[8], e)) return FAILED;
  if (left(gif) == 0) return truncated(gif, "the frame's header", e);
  gif->literal_bits = gif->bytes[gif->at++];
  return OK;
}

/* Up to the first frame's data. */
static int read_until_data(struct gif *gif, error *e) {
  if (read_screen(gif, e)) return FAILED;
  while (left(gif) > 0) {
    int kind = gif->bytes[gif->at++];
    if (kind == FRAME) return read_frame(gif, e);
    if (kind == TRAILER) return fail(e, "no frame: the end marker is at byte %zu", gif->at - 1);
    if (kind == EXTENSION && read_extension(gif, e)) return FAILED;
  }
  return fail(e, "truncated: no frame before the end of the file at byte %zu", gif->size);
}

/* ---- the picture --------------------------------------------------------------------------------------------- */

static struct palette colours(const struct gif *gif) {
  struct palette palette = {0};
  if (!gif->palette) palette_set_gray(&palette);
  for (size_t i = 0; i < gif->palette_size / 3; i++) memcpy(palette.rgb[i], gif->palette + 3 * i, 3);
  return palette;
}

static void fill(const struct image *image, const uint8_t colour[4]) {
  size_t pixels = (size_t)image->width * (size_t)image->height;
  for (size_t i = 0; i < pixels; i++) memcpy(image->rgb + 3 * i, colour, 3);
}

/* The frame's rows from its first `known` indices. An interlaced frame has every eighth row from 0, then those from 4,
 * every fourth from 2 and every second from 1. */
static void draw(const struct gif *gif, const struct image *image, const struct palette *palette,
                 const uint8_t *indices, size_t known) {
  static const struct { int first, step; } passes[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}}, all_rows = {0, 1};
  size_t columns = (size_t)gif->columns;
  for (int pass = 0; pass < (gif->interlaced ? 4 : 1); pass++) {
    int first = gif->interlaced ? passes[pass].first : all_rows.first;
    int step = gif->interlaced ? passes[pass].step : all_rows.step;
    for (int64_t y = first; y < gif->rows && known > 0; y += step) {
      size_t n = known < columns ? known : columns;
      size_t pixel = (size_t)(gif->y + y) * (size_t)image->width + (size_t)gif->x;
      palette_expand(palette, indices, n, image->rgb + 3 * pixel);
      indices += n;
      known -= n;
    }
  }
}

static int decode_frame(struct gif *gif, struct image *image, const struct decode_options *options, error *e) {
  size_t wanted = (size_t)gif->columns * (size_t)gif->rows, known;
  uint8_t *indices = allocate(wanted + GIF_LZW_SLACK, 1, e);
  if (!indices) return FAILED;
  int status = gif_lzw_decode(gif->bytes, gif->size, gif->at, gif->literal_bits, indices, wanted, &known, e);
  bool partial = status != OK;
  if (partial && options && options->lenient) status = OK;
  if (status == OK) status = image_allocate(image, gif->width, gif->height, options, e);
  if (status == OK) {
    struct palette palette = colours(gif);
    bool covered = !partial && gif->columns == gif->width && gif->rows == gif->height;
    if (!covered) fill(image, palette.rgb[gif->background]);
    draw(gif, image, &palette, indices, known);
    image->mode = gif->gray ? "L" : "P";
    image->partial = partial;
  }
  free(indices);
  return status;
}

int gif_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  if (size < 6 || (memcmp(bytes, "GIF87a", 6) != 0 && memcmp(bytes, "GIF89a", 6) != 0)) {
    return fail(e, "no GIF signature at byte 0");
  }
  struct gif gif = {.bytes = bytes, .size = size, .gray = true};
  if (read_until_data(&gif, e) || image_check_size(gif.width, gif.height, options, e)) return FAILED;
  return decode_frame(&gif, image, options, e);
}
