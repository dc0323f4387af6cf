/* PNG (W3C recommendation, third edition): every colour type and depth, interlaced or not; of an animation the still
 * picture.
 *
 * Pixels are Pillow's, see png_rows.c; so is what is forgiven: surplus image data, a lost Adler-32, everything after
 * the image data. Stricter than Pillow: checksums of the chunks that make the picture, their order, unknown critical
 * chunks, rows that are missing, a palette that is missing. More lenient: ancillary chunks (text, profiles, tRNS) are
 * skipped unread, so their damage does not matter and their decompression bombs never go off. */
#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "images/image.h"
#include "images/inflate.h"
#include "images/png_rows.h"
#include "kernels/memory.h"

enum { SIGNATURE_SIZE = 8, CHUNK_OVERHEAD = 12 /* length, type, CRC */, DEFLATE_BEST_RATIO = 1032 };

struct chunk {
  char type[5]; /* four letters */
  const uint8_t *data;
  size_t size, position; /* position: of the whole chunk in the file */
};

struct png {
  const uint8_t *bytes;
  size_t size, at; /* at: the next chunk */
  struct png_format format;
  size_t first_idat;         /* position, for messages */
  const uint8_t *compressed; /* the data of all IDAT chunks; points into bytes when there is one */
  size_t compressed_size;
  uint8_t *joined;
};

static uint32_t big_endian_32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

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
  if (left < CHUNK_OVERHEAD || chunk->size > left - CHUNK_OVERHEAD) {
    return fail(e, "truncated: chunk %s at byte %zu promises %zu bytes and a CRC, the file has %zu bytes more",
                chunk->type, png->at, chunk->size, left - 8);
  }
  chunk->data = header + 8;
  png->at += CHUNK_OVERHEAD + chunk->size;
  if (is_ancillary(chunk)) return OK;
  if (checksum_crc32(0, header + 4, chunk->size + 4) != big_endian_32(chunk->data + chunk->size)) {
    return fail(e, "chunk %s at byte %zu is damaged: its CRC does not match", chunk->type, chunk->position);
  }
  return OK;
}

static int read_header(struct png_format *format, const struct chunk *chunk, error *e) {
  if (!is_chunk(chunk, "IHDR")) return fail(e, "chunk %s at byte %zu before IHDR", chunk->type, chunk->position);
  if (chunk->size != 13) return fail(e, "chunk IHDR at byte %zu has %zu bytes, not 13", chunk->position, chunk->size);
  format->width = big_endian_32(chunk->data);
  format->height = big_endian_32(chunk->data + 4);
  format->depth = chunk->data[8];
  format->colour_type = chunk->data[9];
  format->interlaced = chunk->data[12] == 1;
  /* Which depths each colour type allows, as a mask of 1 << depth. */
  static const uint32_t depths[7] = {0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};
  if (format->colour_type > 6 || format->depth > 16 || !(depths[format->colour_type] >> format->depth & 1)) {
    return fail(e, "chunk IHDR at byte %zu: no such colour type and depth (%d, %d)", chunk->position,
                format->colour_type, format->depth);
  }
  if (chunk->data[10] || chunk->data[11] || chunk->data[12] > 1) {
    return fail(e, "chunk IHDR at byte %zu: unknown compression, filter or interlace method (%d, %d, %d)",
                chunk->position, chunk->data[10], chunk->data[11], chunk->data[12]);
  }
  return OK;
}

static int read_palette(struct png_format *format, const struct chunk *chunk, error *e) {
  if (chunk->size == 0 || chunk->size % 3 || chunk->size > sizeof format->palette) {
    return fail(e, "chunk PLTE at byte %zu has %zu bytes: not 1 to 256 colours", chunk->position, chunk->size);
  }
  memcpy(format->palette, chunk->data, chunk->size);
  return OK;
}

/* Up to the first IDAT chunk, which is left in `chunk`. */
static int read_until_data(struct png *png, struct chunk *chunk, const struct decode_options *options, error *e) {
  if (next_chunk(png, chunk, e) || read_header(&png->format, chunk, e)) return FAILED;
  if (image_check_size(png->format.width, png->format.height, options, e)) return FAILED;
  for (bool palette = false;;) {
    if (next_chunk(png, chunk, e)) return FAILED;
    if (is_chunk(chunk, "IDAT")) {
      if (png->format.colour_type == PNG_PALETTE && !palette) {
        return fail(e, "chunk IDAT at byte %zu before the palette (PLTE)", chunk->position);
      }
      return OK;
    }
    if (is_chunk(chunk, "PLTE") && !palette) {
      if (read_palette(&png->format, chunk, e)) return FAILED;
      palette = true;
    } else if (is_chunk(chunk, "PLTE") || is_chunk(chunk, "IHDR")) {
      return fail(e, "a second chunk %s at byte %zu", chunk->type, chunk->position);
    } else if (is_chunk(chunk, "IEND")) {
      return fail(e, "chunk IEND at byte %zu before any image data", chunk->position);
    } else if (!is_ancillary(chunk)) {
      return fail(e, "unknown critical chunk %s at byte %zu", chunk->type, chunk->position);
    }
  }
}

/* Join the IDAT chunks, which follow each other. What comes after them is not looked at. */
static int collect_data(struct png *png, struct chunk first, error *e) {
  png->first_idat = first.position;
  size_t after_first = png->at, count = 1, total = first.size;
  struct chunk chunk;
  while (png->size - png->at >= 8 && memcmp(png->bytes + png->at + 4, "IDAT", 4) == 0) {
    if (next_chunk(png, &chunk, e)) return FAILED;
    total += chunk.size;
    count++;
  }
  png->compressed = first.data;
  png->compressed_size = total;
  if (count == 1) return OK;
  png->joined = allocate(total, 1, e);
  if (!png->joined) return FAILED;
  uint8_t *to = png->joined;
  memcpy(to, first.data, first.size);
  to += first.size;
  const uint8_t *from = png->bytes + after_first;
  for (size_t i = 1; i < count; i++) {
    size_t size = big_endian_32(from);
    memcpy(to, from + 8, size);
    to += size;
    from += CHUNK_OVERHEAD + size;
  }
  png->compressed = png->joined;
  return OK;
}

/* ---- the picture --------------------------------------------------------------------------------------------- */

static int too_short(const struct png *png, size_t produced, size_t wanted, error *e) {
  return fail(e, "truncated: the image data (IDAT from byte %zu) give %zu of %zu bytes of pixels", png->first_idat,
              produced, wanted);
}

static int decode_data(struct png *png, struct image *image, const struct decode_options *options, error *e) {
  size_t wanted = png_data_size(&png->format);
  /* No allocation for what the file cannot hold. */
  if (wanted / DEFLATE_BEST_RATIO > png->compressed_size) return too_short(png, 0, wanted, e);
  uint8_t *data = allocate(wanted, 1, e);
  if (!data) return FAILED;
  struct inflated result;
  int status = inflate_into(WRAPPER_ZLIB, png->compressed, png->compressed_size, data, wanted, &result, e);
  if (status) {
    fail_within(e, "image data (IDAT from byte %zu)", png->first_idat);
  } else if (result.produced < wanted) {
    status = too_short(png, result.produced, wanted, e);
  } else {
    status = image_allocate(image, png->format.width, png->format.height, options, e);
  }
  if (status == OK && png_rows_decode(&png->format, data, image, e)) {
    status = fail_within(e, "image data (IDAT from byte %zu)", png->first_idat);
  }
  free(data);
  if (status) image_free(image);
  return status;
}

int png_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  if (size < SIGNATURE_SIZE || memcmp(bytes, "\211PNG\r\n\032\n", SIGNATURE_SIZE) != 0) {
    return fail(e, "no PNG signature at byte 0");
  }
  struct png png = {.bytes = bytes, .size = size, .at = SIGNATURE_SIZE};
  struct chunk chunk;
  int status = read_until_data(&png, &chunk, options, e);
  if (status == OK) status = collect_data(&png, chunk, e);
  if (status == OK) status = decode_data(&png, image, options, e);
  free(png.joined);
  return status;
}
