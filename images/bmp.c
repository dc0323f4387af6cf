/* BMP (Microsoft, "Bitmap Storage"): Windows 2 and OS/2 (12 bytes of header), Windows 3 (40), its extensions (52, 56),
 * OS/2 2 (64), Windows 4 and 5 (108, 124); also DIB, which is BMP without the file header.
 *
 * As Pillow: alpha is dropped; a palette that is a ramp of gray is none; of bit fields, only those that make whole
 * bytes, 5-5-5 or 5-6-5. */
#include "images/bmp.h"

#include <stdlib.h>
#include <string.h>

#include "images/byte_order.h"
#include "images/image.h"
#include "images/palette.h"
#include "kernels/memory.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, V2_HEADER = 52, V3_HEADER = 56 };
enum compression { RAW, RLE8, RLE4, BIT_FIELDS };

/* How a pixel lies in its row. */
struct layout {
  const char *mode; /* Pillow's */
  int bits;         /* of a pixel: 1, 4 or 8 are indices */
  int red, green,
      blue; /* the bytes of 24 or 32 bits; of 16 bits, red and blue are the numbers of bits, 5, green 5 or 6 */
};

struct bmp {
  const uint8_t *bytes;
  size_t size, at;
  size_t header; /* where the information header begins */
  uint64_t data; /* where the pixels begin; 0: after the palette */
  uint32_t header_size, bits, compression;
  int64_t width, height;
  bool top_down;
  uint64_t colours; /* entries of the palette */
  size_t entry;     /* bytes of an entry */
  struct layout layout;
  struct palette palette;
};

static size_t left(const struct bmp *bmp) { return bmp->size - bmp->at; }

static int truncated(const struct bmp *bmp, const char *what, error *e) {
  return fail(e, "truncated inside %s: the file ends at byte %zu", what, bmp->size);
}

/* ---- headers ------------------------------------------------------------------------------------------------- */

static bool is_header_size(uint32_t size) {
  static const uint32_t sizes[] = {CORE_HEADER, INFO_HEADER, V2_HEADER, V3_HEADER, 64, 108, 124};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    if (size == sizes[i]) return true;
  }
  return false;
}

static int read_header(struct bmp *bmp, error *e) {
  bmp->header = bmp->at;
  if (left(bmp) < 4) return truncated(bmp, "the header", e);
  const uint8_t *header = bmp->bytes + bmp->at;
  bmp->header_size = little_endian_32(header);
  if (!is_header_size(bmp->header_size)) {
    return fail(e, "no header of %u bytes is known (at byte %zu)", bmp->header_size, bmp->at);
  }
  if (left(bmp) < bmp->header_size) return truncated(bmp, "the header", e);
  bmp->at += bmp->header_size;
  if (bmp->header_size == CORE_HEADER) {
    bmp->width = little_endian_16(header + 4);
    bmp->height = little_endian_16(header + 6);
    bmp->bits = little_endian_16(header + 10);
    bmp->entry = 3;
  } else {
    bmp->width = little_endian_32(header + 4);
    bmp->height = little_endian_32(header + 8);
    bmp->top_down = header[11] == 0xff;
    if (bmp->top_down) bmp->height = ((int64_t)1 << 32) - bmp->height;
    bmp->bits = little_endian_16(header + 14);
    bmp->compression = little_endian_32(header + 16);
    bmp->colours = little_endian_32(header + 32);
    bmp->entry = 4;
  }
  return OK;
}

/* Red, green, blue, alpha. */
static int read_masks(struct bmp *bmp, uint32_t masks[4], error *e) {
  const uint8_t *from = bmp->bytes + bmp->header + INFO_HEADER;
  masks[3] = bmp->header_size >= V3_HEADER ? little_endian_32(from + 12) : 0;
  if (bmp->header_size < V2_HEADER) {
    if (left(bmp) < 12) return truncated(bmp, "the bit fields", e);
    bmp->at += 12;
  }
  for (int i = 0; i < 3; i++) masks[i] = little_endian_32(from + 4 * i);
  return OK;
}

static int choose_bit_fields(struct bmp *bmp, error *e) {
  static const struct {
    uint32_t masks[4];
    struct layout layout;
  } known[] = {
      {{0xff0000, 0xff00, 0xff, 0}, {"RGB", 32, 2, 1, 0}},
      {{0xff000000, 0xff0000, 0xff00, 0}, {"RGB", 32, 3, 2, 1}},
      {{0xff000000, 0xff00, 0xff, 0}, {"RGB", 32, 3, 1, 0}},
      {{0xff000000, 0xff0000, 0xff00, 0xff}, {"RGBA", 32, 3, 2, 1}},
      {{0xff, 0xff00, 0xff0000, 0xff000000}, {"RGBA", 32, 0, 1, 2}},
      {{0xff0000, 0xff00, 0xff, 0xff000000}, {"RGBA", 32, 2, 1, 0}},
      {{0xff000000, 0xff00, 0xff, 0xff0000}, {"RGBA", 32, 3, 1, 0}},
      {{0, 0, 0, 0}, {"RGBA", 32, 2, 1, 0}},
      {{0xff0000, 0xff00, 0xff, 0}, {"RGB", 24, 2, 1, 0}},
      {{0xf800, 0x7e0, 0x1f, 0}, {"RGB", 16, 5, 6, 5}},
      {{0x7c00, 0x3e0, 0x1f, 0}, {"RGB", 16, 5, 5, 5}},
  };
  uint32_t masks[4];
  if (read_masks(bmp, masks, e)) return FAILED;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    /* Alpha tells nothing of 16 and 24 bits. */
    size_t compared = bmp->bits == 32 ? sizeof masks : 3 * sizeof *masks;
    if (bmp->bits == (uint32_t)known[i].layout.bits && memcmp(masks, known[i].masks, compared) == 0) {
      bmp->layout = known[i].layout;
      return OK;
    }
  }
  return fail(e, "bit fields %08x, %08x, %08x, %08x of %u bits (before byte %zu) are not supported", masks[0], masks[1],
              masks[2], masks[3], bmp->bits, bmp->at);
}

static int choose_layout(struct bmp *bmp, error *e) {
  static const struct layout plain[] = {
      {"P", 1, 0, 0, 0},    {"P", 4, 0, 0, 0},    {"P", 8, 0, 0, 0},
      {"RGB", 16, 5, 5, 5}, {"RGB", 24, 2, 1, 0}, {"RGB", 32, 2, 1, 0},
  };
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    if (bmp->bits == (uint32_t)plain[i].bits) bmp->layout = plain[i];
  }
  if (!bmp->layout.mode) return fail(e, "%u bits a pixel (at byte %zu) are not supported", bmp->bits, bmp->header + 14);
  if (bmp->compression == BIT_FIELDS) return choose_bit_fields(bmp, e);
  if (bmp->compression > BIT_FIELDS) {
    static const char *const names[] = {"JPEG", "PNG"};
    uint32_t name = bmp->compression - BIT_FIELDS - 1;
    return fail(e, "compression %u%s%s%s (at byte %zu) is not supported", bmp->compression, name < 2 ? " (" : "",
                name < 2 ? names[name] : "", name < 2 ? ")" : "", bmp->header + 16);
  }
  return OK;
}

/* ---- the palette --------------------------------------------------------------------------------------------- */

/* Of two colours black and white, of more the levels 0, 1, 2, ... */
static bool is_gray_ramp(const struct bmp *bmp, const uint8_t *entries) {
  if (left(bmp) < bmp->entry * (bmp->colours - 1) + 3) return false;
  for (size_t i = 0; i < bmp->colours; i++) {
    const uint8_t *entry = entries + i * bmp->entry, level = (uint8_t)(bmp->colours == 2 ? 255 * i : i);
    if (entry[0] != level || entry[1] != level || entry[2] != level) return false;
  }
  return true;
}

static int read_palette(struct bmp *bmp, error *e) {
  enum { MOST_COLOURS = 65536 };
  if (bmp->colours > MOST_COLOURS) {
    return fail(e, "a palette of %llu colours (at byte %zu)", (unsigned long long)bmp->colours, bmp->header + 32);
  }
  const uint8_t *entries = bmp->bytes + bmp->at;
  size_t size = bmp->entry * (size_t)bmp->colours;
  if (size > left(bmp)) size = left(bmp);
  bool gray = is_gray_ramp(bmp, entries);
  bmp->at += size;
  if (gray) {
    /* Pillow then reads whole bytes, or bits, whatever the header says. */
    bool bilevel = bmp->colours == 2;
    bmp->layout = (struct layout){.mode = bilevel ? "1" : "L", .bits = bilevel ? 1 : 8};
    palette_set_gray(&bmp->palette);
    if (bilevel) memset(bmp->palette.rgb[1], 255, 4);
    return OK;
  }
  size_t count = size / bmp->entry;
  if (count > 256) return fail(e, "a palette of %zu colours (at byte %zu)", count, bmp->header + 32);
  for (size_t i = 0; i < count; i++) {
    for (size_t c = 0; c < 3; c++) bmp->palette.rgb[i][c] = entries[i * bmp->entry + 2 - c];
  }
  return OK;
}

static int read_headers(struct bmp *bmp, error *e) {
  if (read_header(bmp, e)) return FAILED;
  if (choose_layout(bmp, e)) return FAILED;
  if (bmp->bits > 8) {
    if (bmp->data == 0) bmp->data = bmp->at;
    return OK;
  }
  if (bmp->colours == 0) bmp->colours = (uint64_t)1 << bmp->bits;
  /* Files that count the pixels' place without the palette. */
  if (bmp->data == bmp->header + bmp->header_size && bmp->header > 0) bmp->data += bmp->entry * bmp->colours;
  if (read_palette(bmp, e)) return FAILED;
  if (bmp->data == 0) bmp->data = bmp->at;
  return OK;
}

/* ---- pixels -------------------------------------------------------------------------------------------------- */

static void expand_16(const struct bmp *bmp, const uint8_t *in, uint8_t *rgb) {
  uint32_t green_bits = (uint32_t)bmp->layout.green, most_green = (1U << green_bits) - 1;
  for (int64_t x = 0; x < bmp->width; x++, in += 2, rgb += 3) {
    uint32_t pixel = little_endian_16(in);
    rgb[0] = (uint8_t)((pixel >> (5 + green_bits) & 31) * 255 / 31);
    rgb[1] = (uint8_t)((pixel >> 5 & most_green) * 255 / most_green);
    rgb[2] = (uint8_t)((pixel & 31) * 255 / 31);
  }
}

static void expand_bytes(const struct bmp *bmp, const uint8_t *in, uint8_t *rgb) {
  const struct layout layout = bmp->layout;
  size_t step = (size_t)layout.bits / 8;
  for (int64_t x = 0; x < bmp->width; x++, in += step, rgb += 3) {
    uint8_t red = in[layout.red], green = in[layout.green], blue = in[layout.blue];
    rgb[0] = red, rgb[1] = green, rgb[2] = blue;
  }
}

static uint8_t *row_of(const struct bmp *bmp, const struct image *image, int64_t number) {
  int64_t y = bmp->top_down ? number : bmp->height - 1 - number;
  return image->rgb + (size_t)y * (size_t)bmp->width * 3;
}

static int decode_rows(struct bmp *bmp, struct image *image, const struct decode_options *options, error *e) {
  size_t stride = ((size_t)bmp->width * bmp->bits + 31) / 32 * 4;
  size_t row = ((size_t)bmp->width * (size_t)bmp->layout.bits + 7) / 8;
  size_t there = bmp->data < bmp->size ? bmp->size - (size_t)bmp->data : 0;
  int64_t rows = there < row ? 0 : (int64_t)((there - row) / stride) + 1;
  if (row > stride) {
    return fail(e, "a gray palette (at byte %zu) for pixels of %u bits", bmp->header + bmp->header_size, bmp->bits);
  }
  bool partial = rows < bmp->height;
  if (partial && !(options && options->lenient)) {
    return fail(e, "truncated: the pixels (from byte %llu) end at byte %zu, after %lld of %lld rows",
                (unsigned long long)bmp->data, bmp->size, (long long)rows, (long long)bmp->height);
  }
  if (rows > bmp->height) rows = bmp->height;
  if (image_allocate(image, bmp->width, bmp->height, options, e)) return FAILED;
  for (int64_t i = 0; i < rows; i++) {
    const uint8_t *in = bmp->bytes + bmp->data + (size_t)i * stride;
    uint8_t *rgb = row_of(bmp, image, i);
    if (bmp->layout.bits <= 8) {
      palette_expand_packed(&bmp->palette, in, bmp->layout.bits, (size_t)bmp->width, rgb);
    } else if (bmp->layout.bits == 16) {
      expand_16(bmp, in, rgb);
    } else {
      expand_bytes(bmp, in, rgb);
    }
  }
  /* Missing pixels have index 0. */
  for (int64_t i = rows; i < bmp->height && bmp->layout.bits <= 8; i++) {
    uint8_t *rgb = row_of(bmp, image, i);
    for (int64_t x = 0; x < bmp->width; x++) memcpy(rgb + 3 * x, bmp->palette.rgb[0], 3);
  }
  image->partial = partial;
  return OK;
}

static int decode_runs(struct bmp *bmp, struct image *image, const struct decode_options *options, error *e) {
  if (bmp->bits > 8 || strcmp(bmp->layout.mode, "1") == 0) {
    return fail(e, "runs of pixels of %u bits and mode %s (at byte %zu)", bmp->bits, bmp->layout.mode,
                bmp->header + 16);
  }
  size_t width = (size_t)bmp->width, height = (size_t)bmp->height;
  uint8_t *indices = allocate_zeroed(width * height, 1, e);
  if (!indices) return FAILED;
  int status = bmp_rle_decode(bmp->bytes, bmp->size, bmp->data < bmp->size ? (size_t)bmp->data : bmp->size,
                              bmp->compression == RLE4, width, height, indices, e);
  if (status == OK) status = image_allocate(image, bmp->width, bmp->height, options, e);
  for (int64_t i = 0; i < bmp->height && status == OK; i++) {
    palette_expand(&bmp->palette, indices + (size_t)i * width, width, row_of(bmp, image, i));
  }
  free(indices);
  return status;
}

static int decode(struct bmp *bmp, struct image *image, const struct decode_options *options, error *e) {
  if (read_headers(bmp, e) || image_check_size(bmp->width, bmp->height, options, e)) return FAILED;
  bool runs = bmp->compression == RLE8 || bmp->compression == RLE4;
  int status = runs ? decode_runs(bmp, image, options, e) : decode_rows(bmp, image, options, e);
  if (status == OK) image->mode = bmp->layout.mode;
  return status;
}

int bmp_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  if (size < 2 || memcmp(bytes, "BM", 2) != 0) return fail(e, "no BMP signature at byte 0");
  struct bmp bmp = {.bytes = bytes, .size = size, .at = FILE_HEADER};
  if (size < FILE_HEADER) return fail(e, "truncated inside the file header: the file ends at byte %zu", size);
  bmp.data = little_endian_32(bytes + 10);
  return decode(&bmp, image, options, e);
}

int dib_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  struct bmp bmp = {.bytes = bytes, .size = size};
  return decode(&bmp, image, options, e);
}

bool dib_matches(const uint8_t *bytes, size_t size) { return size >= 4 && is_header_size(little_endian_32(bytes)); }
