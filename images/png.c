/* PNG (W3C recommendation, third edition): every colour type and depth, interlaced or not; of an animation the still
 * picture.
 *
 * Pixels are Pillow's, see png_rows.c; so is what is forgiven: surplus image data, a lost Adler-32, everything after
 * the image data. Stricter than Pillow: checksums of the chunks that make the picture, their order, unknown critical
 * chunks, rows that are missing, a palette that is missing; none of that when lenient, but for checksums before the
 * image data. More lenient: ancillary chunks (text, profiles, tRNS) are skipped unread, so their damage does not matter
 * and their decompression bombs never go off. */
#include <string.h>

#include "images/byte_order.h"
#include "images/checksum.h"
#include "images/image.h"
#include "images/inflate.h"
#include "images/png_rows.h"

enum { SIGNATURE_SIZE = 8, CHUNK_OVERHEAD = 12 /* length, type, CRC */, DEFLATE_BEST_RATIO = 1032 };

struct chunk {
  char type[5]; /* four letters */
  const uint8_t *data;
  size_t size, position; /* position: of the whole chunk in the file */
};

struct png {
  struct inflate_source source; /* the data of all IDAT chunks, which follow each other */
  const uint8_t *bytes;
  size_t size, at; /* at: the next chunk */
  bool lenient;
  struct png_format format;
  struct chunk idat; /* the first one */
  bool is_idat_taken;
  int status; /* of reading the other ones */
  error damage;
};

/* ---- chunks -------------------------------------------------------------------------------------------------- */

static bool is_chunk(const struct chunk *chunk, const char *type) { return memcmp(chunk->type, type, 4) == 0; }
static bool is_ancillary(const struct chunk *chunk) { return chunk->type[0] & 32; }

static int next_chunk(struct png *png, struct chunk *chunk, error *e) {
  size_t left = png->size - png->at;
  chunk->position = png->at;
  if (left == 0) return fail(e, "truncated: the file ends at byte %zu before the image data do", png->at);
  if (left < 8) return fail(e, "truncated inside the chunk header at byte %zu", png->at);
  const uint8_t *header = png->bytes + png->at;
  chunk->size = big_endian_32(header);
  memcpy(chunk->type, header + 4, 4);
  chunk->type[4] = 0;
  for (int i = 0; i < 4; i++) {
    char lower = (char)(chunk->type[i] | 32);
    if (lower < 'a' || lower > 'z') return fail(e, "no chunk at byte %zu", png->at);
  }
  chunk->data = header + 8;
  bool is_forgiven = is_ancillary(chunk) || (png->lenient && is_chunk(chunk, "IDAT"));
  if (left < CHUNK_OVERHEAD || chunk->size > left - CHUNK_OVERHEAD) {
    if (!png->lenient || !is_chunk(chunk, "IDAT")) {
      return fail(e, "truncated: chunk %s at byte %zu promises %zu bytes and a CRC, the file has %zu bytes more",
                  chunk->type, png->at, chunk->size, left - 8);
    }
    if (chunk->size > left - 8) chunk->size = left - 8;
    png->at = png->size;
    return OK;
  }
  png->at += CHUNK_OVERHEAD + chunk->size;
  if (!is_forgiven && checksum_crc32(0, header + 4, chunk->size + 4) != big_endian_32(chunk->data + chunk->size)) {
    return fail(e, "chunk %s at byte %zu is damaged: its CRC does not match", chunk->type, chunk->position);
  }
  return OK;
}

static int read_header(struct png *png, const struct chunk *chunk, error *e) {
  struct png_format *format = &png->format;
  if (!is_chunk(chunk, "IHDR")) return fail(e, "chunk %s at byte %zu before IHDR", chunk->type, chunk->position);
  if (chunk->size < 13 || (chunk->size > 13 && !png->lenient)) {
    return fail(e, "chunk IHDR at byte %zu has %zu bytes, not 13", chunk->position, chunk->size);
  }
  format->width = big_endian_32(chunk->data);
  format->height = big_endian_32(chunk->data + 4);
  format->depth = chunk->data[8];
  format->colour_type = chunk->data[9];
  format->interlaced = chunk->data[12] != 0;
  /* Which depths each colour type allows, as a mask of 1 << depth. */
  static const uint32_t depths[7] = {0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};
  if (format->colour_type > 6 || format->depth > 16 || !(depths[format->colour_type] >> format->depth & 1)) {
    return fail(e, "chunk IHDR at byte %zu: no such colour type and depth (%d, %d)", chunk->position,
                format->colour_type, format->depth);
  }
  if (chunk->data[11] || ((chunk->data[10] || chunk->data[12] > 1) && !png->lenient)) {
    return fail(e, "chunk IHDR at byte %zu: unknown compression, filter or interlace method (%d, %d, %d)",
                chunk->position, chunk->data[10], chunk->data[11], chunk->data[12]);
  }
  return OK;
}

static int read_palette(struct png *png, const struct chunk *chunk, error *e) {
  enum { MOST = 256 * 3 };
  if (chunk->size >= MOST + 3 || ((chunk->size == 0 || chunk->size % 3) && !png->lenient)) {
    return fail(e, "chunk PLTE at byte %zu has %zu bytes: not 1 to 256 colours", chunk->position, chunk->size);
  }
  struct palette *palette = &png->format.palette;
  memset(palette, 0, sizeof *palette);
  for (size_t i = 0; i < chunk->size / 3; i++) memcpy(palette->rgb[i], chunk->data + 3 * i, 3);
  return OK;
}

/* Samples of gray with less than eight bits are indices, too. */
static void set_gray_levels(struct png_format *format) {
  unsigned levels = 1u << format->depth;
  for (unsigned i = 0; i < levels; i++) memset(format->palette.rgb[i], (int)(i * 255 / (levels - 1)), 3);
}

static bool has_palette(const struct png *png) { return png->format.colour_type == PNG_PALETTE; }

/* A chunk between the header and the image data. */
static int read_between(struct png *png, const struct chunk *chunk, bool *palette_seen, error *e) {
  bool is_palette = is_chunk(chunk, "PLTE");
  if (is_palette && (!*palette_seen || png->lenient)) {
    *palette_seen = true;
    return has_palette(png) ? read_palette(png, chunk, e) : OK;
  }
  if (is_palette || is_chunk(chunk, "IHDR")) {
    return fail(e, "a second chunk %s at byte %zu", chunk->type, chunk->position);
  }
  if (is_chunk(chunk, "IEND")) return fail(e, "chunk IEND at byte %zu before any image data", chunk->position);
  if (!is_ancillary(chunk) && !png->lenient) {
    return fail(e, "unknown critical chunk %s at byte %zu", chunk->type, chunk->position);
  }
  return OK;
}

/* Up to the first IDAT chunk. */
static int read_until_data(struct png *png, const struct decode_options *options, error *e) {
  struct chunk chunk;
  if (next_chunk(png, &chunk, e) || read_header(png, &chunk, e)) return FAILED;
  if (image_check_size(png->format.width, png->format.height, options, e)) return FAILED;
  if (png->format.colour_type == PNG_GRAY && png->format.depth < 8) set_gray_levels(&png->format);
  for (bool palette_seen = false;;) {
    if (next_chunk(png, &chunk, e)) return FAILED;
    if (!is_chunk(&chunk, "IDAT")) {
      if (read_between(png, &chunk, &palette_seen, e)) return FAILED;
      continue;
    }
    if (has_palette(png) && !palette_seen && !png->lenient) {
      return fail(e, "chunk IDAT at byte %zu before the palette (PLTE)", chunk.position);
    }
    png->idat = chunk;
    return OK;
  }
}

static bool next_idat(struct inflate_source *source, const uint8_t **bytes, size_t *size) {
  struct png *png = (struct png *)source;
  struct chunk chunk = png->idat;
  if (png->is_idat_taken) {
    bool follows = png->size - png->at >= 8 && memcmp(png->bytes + png->at + 4, "IDAT", 4) == 0;
    if (follows) png->status = next_chunk(png, &chunk, &png->damage);
    if (!follows || png->status != OK) return false;
  }
  png->is_idat_taken = true;
  *bytes = chunk.data;
  *size = chunk.size;
  return true;
}

/* ---- the picture --------------------------------------------------------------------------------------------- */

static const char *mode_name(const struct png_format *format) {
  switch ((enum png_colour_type)format->colour_type) {
    case PNG_GRAY:
      return format->depth == 1 ? "1" : format->depth == 16 ? "I;16" : "L";
    case PNG_RGB:
      return "RGB";
    case PNG_PALETTE:
      return "P";
    case PNG_GRAY_ALPHA:
      return format->depth == 16 ? "RGBA" : "LA";
    case PNG_RGB_ALPHA:
      break;
  }
  return "RGBA";
}

static int stream_data(struct png *png, struct png_rows *rows, struct row_sink *sink, error *e) {
  size_t most = 1 + png_row_bytes(&png->format, png->format.width), total = png_data_size(&png->format);
  /* No allocation for what the file cannot hold. */
  if (total / DEFLATE_BEST_RATIO > png->size - png->idat.position && !png->lenient) {
    return fail(e, "truncated: %zu bytes (from byte %zu) cannot hold %zu bytes of pixels",
                png->size - png->idat.position, png->idat.position, total);
  }
  rows->data = inflater_new(WRAPPER_ZLIB, &png->source, most, total, e);
  if (!rows->data) return FAILED;
  int status = png_rows_stream(rows, sink, e);
  if (status != OK && rows->data_failed && png->status != OK) {
    fail(e, "%s", png->damage.message);
  } else if (status != OK && rows->data_failed) {
    fail_within(e, "image data (IDAT from byte %zu)", png->idat.position);
  }
  inflater_free(rows->data);
  return status;
}

int png_stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
               const struct decode_options *options, error *e) {
  *about = (struct image){0};
  if (size < SIGNATURE_SIZE || memcmp(bytes, "\211PNG\r\n\032\n", SIGNATURE_SIZE) != 0) {
    return fail(e, "no PNG signature at byte 0");
  }
  struct png png = {.source = {next_idat}, .bytes = bytes, .size = size, .at = SIGNATURE_SIZE};
  png.lenient = options && options->lenient;
  if (read_until_data(&png, options, e) != OK) return FAILED;
  struct png_rows rows = {.format = &png.format, .options = options};
  int status = stream_data(&png, &rows, sink, e);
  *about = (struct image){.width = (int)png.format.width,
                          .height = (int)png.format.height,
                          .mode = mode_name(&png.format),
                          .partial = rows.partial};
  return status;
}

int png_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  return image_collect(png_stream, image, bytes, size, options, e);
}
