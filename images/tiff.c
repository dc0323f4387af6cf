/* TIFF 6.0 and BigTIFF: the first picture of a file, in strips or tiles, raw or packed by PackBits, LZW or DEFLATE; the
 * kinds of pixels are those of tiff_layout.c. The picture is turned as its orientation tag says.
 *
 * Pillow reads raw files itself and leaves packed ones to libtiff, and so there are two sets of rules: raw data are
 * taken from where they begin, however long they are said to be, and may be damaged; packed data must be whole. */
#include "images/tiff.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "images/exif.h"
#include "images/image.h"
#include "kernels/memory.h"

struct tiff {
  const uint8_t *bytes;
  size_t size;
  struct tiff_directory directory;
  struct tiff_layout layout;
  bool odd_version;
  int64_t width, height;
  enum tiff_compression compression;
  bool tiled;
  int64_t block_width, block_height; /* of a strip or tile, in pixels */
  struct tiff_field offsets, sizes;
  bool has_sizes;
  struct image *image;
  uint8_t *scratch; /* the packed pixels of a row */
  uint8_t *pixels;  /* four bytes a pixel, when the samples lie in planes */
};

/* ---- tags ---------------------------------------------------------------------------------------------------- */

static int check_compression(int64_t compression, error *e) {
  static const struct {
    int number;
    const char *name;
  } others[] = {{2, "CCITT RLE"},      {3, "CCITT group 3"}, {4, "CCITT group 4"},   {6, "old JPEG"},
                {7, "JPEG"},           {32771, "CCITT RLE"}, {32809, "ThunderScan"}, {34676, "SGI LogLuv"},
                {34677, "SGI LogLuv"}, {34712, "JPEG 2000"}, {34925, "LZMA"},        {50000, "Zstandard"},
                {50001, "WebP"}};
  if (compression == TIFF_RAW || compression == TIFF_PACK_BITS || compression == TIFF_LZW ||
      compression == TIFF_DEFLATE || compression == TIFF_OLD_DEFLATE) {
    return OK;
  }
  const char *name = "unknown";
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (compression == others[i].number) name = others[i].name;
  }
  return fail(e, "compression %lld (%s) is not supported", (long long)compression, name);
}

static int read_tags(struct tiff *tiff, error *e) {
  const struct tiff_directory *d = &tiff->directory;
  int64_t compression;
  if (tiff_get(d, TIFF_WIDTH, 0, &tiff->width, e) || tiff_get(d, TIFF_HEIGHT, 0, &tiff->height, e) ||
      tiff_get(d, TIFF_COMPRESSION, TIFF_RAW, &compression, e) || check_compression(compression, e)) {
    return FAILED;
  }
  tiff->compression = (enum tiff_compression)compression;
  return tiff_choose_layout(&tiff->layout, d, e);
}

static int read_blocks(struct tiff *tiff, error *e) {
  if (tiff->compression != TIFF_RAW && tiff_open_strictly(&tiff->directory, &tiff->directory, e)) return FAILED;
  const struct tiff_directory *d = &tiff->directory;
  struct tiff_field ignored;
  bool strips = tiff_find(d, TIFF_STRIP_OFFSETS, &ignored);
  /* With both, Pillow takes the strips and libtiff the tiles. */
  tiff->tiled = tiff->compression == TIFF_RAW ? !strips : tiff_find(d, TIFF_TILE_WIDTH, &ignored);
  if (!tiff_find(d, tiff->tiled ? TIFF_TILE_OFFSETS : TIFF_STRIP_OFFSETS, &tiff->offsets)) {
    return fail(e, "no tag tells where the pixels are");
  }
  tiff->has_sizes = tiff_find(d, tiff->tiled ? TIFF_TILE_SIZES : TIFF_STRIP_SIZES, &tiff->sizes);
  int64_t width = tiff->width, height = tiff->height;
  if (tiff_get(d, tiff->tiled ? TIFF_TILE_HEIGHT : TIFF_ROWS_PER_STRIP, tiff->tiled ? 0 : height, &height, e) ||
      (tiff->tiled && tiff_get(d, TIFF_TILE_WIDTH, 0, &width, e))) {
    return FAILED;
  }
  if (width <= 0 || height <= 0 || width > INT_MAX) {
    return fail(e, "%s of %lld x %lld pixels", tiff->tiled ? "tiles" : "strips", (long long)width, (long long)height);
  }
  tiff->block_width = width;
  tiff->block_height = height;
  return OK;
}

static int64_t blocks_across(const struct tiff *t) { return (t->width - 1) / t->block_width + 1; }
static int64_t blocks_down(const struct tiff *t) { return (t->height - 1) / t->block_height + 1; }

/* ---- drawing ------------------------------------------------------------------------------------------------- */

/* Bytes of a row of `width` pixels in one plane. */
static size_t row_size(const struct tiff_layout *layout, int64_t width) {
  size_t bits = (size_t)(layout->planes > 1 ? layout->bits : tiff_pixel_bits(layout));
  return ((size_t)width * bits + 7) / 8;
}

static int prepare_picture(struct tiff *tiff, const struct decode_options *options, error *e) {
  tiff->scratch = allocate(row_size(&tiff->layout, tiff->width), 1, e);
  if (!tiff->scratch) return FAILED;
  if (tiff->layout.planes > 1) {
    tiff->pixels = allocate_zeroed((size_t)tiff->width * (size_t)tiff->height, 4, e);
    if (!tiff->pixels) return FAILED;
  }
  return image_allocate(tiff->image, tiff->width, tiff->height, options, e);
}

struct piece {
  int64_t x, y, columns, rows;
  int plane;
  uint64_t offset;
  size_t stride, number;
};

/* Rows of packed pixels to their place. */
static void draw(struct tiff *tiff, const struct piece *piece, const uint8_t *packed, int64_t rows) {
  for (int64_t row = 0; row < rows; row++, packed += piece->stride) {
    size_t pixel = (size_t)(piece->y + row) * (size_t)tiff->width + (size_t)piece->x;
    if (tiff->pixels) {
      tiff_expand_plane(&tiff->layout, packed, (size_t)piece->columns, piece->plane, tiff->pixels + 4 * pixel);
    } else {
      tiff_expand_row(&tiff->layout, packed, (size_t)piece->columns, tiff->scratch, tiff->image->rgb + 3 * pixel);
    }
  }
}

static void finish_planes(struct tiff *tiff) {
  for (int64_t y = 0; tiff->pixels && y < tiff->height; y++) {
    size_t pixel = (size_t)y * (size_t)tiff->width;
    tiff_expand_planes(&tiff->layout, tiff->pixels + 4 * pixel, (size_t)tiff->width, tiff->image->rgb + 3 * pixel);
  }
}

/* What Pillow shows where a file has no pixels: zeros, which are not always black. */
static void fill_background(struct tiff *tiff) {
  const struct tiff_layout *layout = &tiff->layout;
  bool palette = layout->mode[0] == 'P', ink = layout->kind == TIFF_INK;
  if (tiff->pixels || (!palette && !ink)) return;
  static const uint8_t white[3] = {255, 255, 255};
  const uint8_t *colour = palette ? layout->palette.rgb[0] : white;
  size_t pixels = (size_t)tiff->width * (size_t)tiff->height;
  for (size_t i = 0; i < pixels; i++) memcpy(tiff->image->rgb + 3 * i, colour, 3);
}

/* ---- raw data ------------------------------------------------------------------------------------------------ */

/* How Pillow reads raw planes: always bits of black and white, or bytes, in the usual order. */
static int choose_raw_planes(struct tiff_layout *layout, error *e) {
  bool inverted = layout->kind == TIFF_INDEX && layout->palette.rgb[0][0] == 255 && layout->mode[0] == 'L';
  bool indices = layout->mode[0] == 'P' && layout->bits < 8;
  if (layout->reversed && !layout->planar && (indices || (inverted && layout->bits == 8))) {
    return fail(e, "raw samples of %d bits and mode %s with fill order 2 are not supported", layout->bits,
                layout->mode);
  }
  if (!layout->planar) return OK;
  bool several = layout->planes > 1;
  if (layout->kind == TIFF_LEVEL || layout->samples > layout->planes ||
      (several && (layout->kind == TIFF_INDEX || layout->premultiplied))) {
    return fail(e, "raw planes of mode %s are not supported", layout->mode);
  }
  layout->reversed = false;
  if (!several && strcmp(layout->mode, "1") == 0) {
    memset(layout->palette.rgb[0], 0, 4);
    memset(layout->palette.rgb[1], 255, 4);
    return OK;
  }
  layout->bits = 8;
  if (strcmp(layout->mode, "L") == 0) palette_set_gray(&layout->palette);
  return OK;
}

static int by_offset(const void *a, const void *b) {
  const struct piece *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->number < y->number ? -1 : 1;
}

static bool same_place(const struct piece *a, const struct piece *b) {
  return a->x == b->x && a->y == b->y && a->columns == b->columns && a->rows == b->rows && a->plane == b->plane &&
         a->stride == b->stride;
}

/* Bytes from one row to the next; of blocks that pass the right edge, Pillow counts them so. */
static size_t raw_stride(const struct tiff *tiff, const struct piece *piece, int pixel_bits) {
  if (piece->x + tiff->block_width <= tiff->width) return row_size(&tiff->layout, piece->columns);
  int shares = tiff->layout.unexplained && tiff->layout.planar ? 3 : tiff->layout.planes;
  return (size_t)tiff->block_width * (size_t)pixel_bits / (size_t)(8 * shares);
}

/* The pieces in the order of their offsets. More than the picture needs begin again at its top. */
static int list_raw_pieces(struct tiff *tiff, int pixel_bits, struct piece **pieces, size_t *count, error *e) {
  uint64_t needed = (uint64_t)blocks_across(tiff) * (uint64_t)blocks_down(tiff) * (uint64_t)tiff->layout.planes;
  uint64_t first = 0, given = tiff->offsets.count;
  /* Every one would cover the whole picture. */
  bool whole = tiff->block_width == tiff->width && tiff->block_height == tiff->height && !tiff->layout.planar;
  if (whole) first = given - 1;
  if (given - first > 2 * needed || (tiff->layout.planar && given > needed)) {
    return fail(e, "%llu strips or tiles for a picture of %llu", (unsigned long long)given, (unsigned long long)needed);
  }
  *pieces = allocate((size_t)(given - first), sizeof **pieces, e);
  if (!*pieces) return FAILED;
  struct piece next = {0};
  for (*count = 0; *count < given - first; ++*count) {
    int64_t offset, left = tiff->width - next.x, below = tiff->height - next.y;
    if (!tiff_integer(&tiff->directory, &tiff->offsets, first + *count, &offset)) {
      return fail(e, "offset %zu of the pixels is no whole number", *count);
    }
    next.columns = tiff->block_width < left ? tiff->block_width : left;
    next.rows = tiff->block_height < below ? tiff->block_height : below;
    next.offset = (uint64_t)offset;
    next.number = *count;
    next.stride = raw_stride(tiff, &next, pixel_bits);
    (*pieces)[*count] = next;
    next.x += next.columns;
    if (next.x < tiff->width) continue;
    next.x = 0;
    next.y += next.rows;
    if (next.y < tiff->height) continue;
    next.y = 0;
    next.plane += tiff->layout.planar;
  }
  qsort(*pieces, *count, sizeof **pieces, by_offset);
  return OK;
}

/* How many of its rows the file holds. */
static int64_t rows_there(const struct tiff *tiff, const struct piece *piece) {
  size_t row = row_size(&tiff->layout, piece->columns);
  size_t there = piece->offset < tiff->size ? tiff->size - (size_t)piece->offset : 0;
  if (there < row) return 0;
  size_t rows = piece->stride == 0 ? SIZE_MAX : (there - row) / piece->stride + 1;
  return rows < (uint64_t)piece->rows ? (int64_t)rows : piece->rows;
}

static int draw_raw_pieces(struct tiff *tiff, const struct piece *pieces, size_t count,
                           const struct decode_options *options, error *e) {
  bool partial = false;
  for (size_t i = 0; i < count; i++) {
    const struct piece *piece = &pieces[i];
    if (i + 1 < count && same_place(piece, piece + 1)) continue; /* only the last counts */
    if (piece->stride < row_size(&tiff->layout, piece->columns)) {
      return fail(e, "rows of %zu bytes in tiles of %lld pixels", piece->stride, (long long)tiff->block_width);
    }
    int64_t rows = rows_there(tiff, piece);
    if (rows == piece->rows) continue;
    partial = true;
    if (options && options->lenient) continue;
    return fail(e, "truncated: the pixels from byte %llu end at byte %zu, after %lld of %lld rows",
                (unsigned long long)piece->offset, tiff->size, (long long)rows, (long long)piece->rows);
  }
  if (prepare_picture(tiff, options, e)) return FAILED;
  if (partial || count < (uint64_t)blocks_across(tiff) * (uint64_t)blocks_down(tiff)) fill_background(tiff);
  for (size_t i = 0; i < count; i++) {
    if (i + 1 < count && same_place(&pieces[i], &pieces[i + 1])) continue;
    int64_t rows = rows_there(tiff, &pieces[i]);
    if (rows > 0) draw(tiff, &pieces[i], tiff->bytes + pieces[i].offset, rows);
  }
  tiff->image->partial = partial;
  return OK;
}

static int decode_raw(struct tiff *tiff, const struct decode_options *options, error *e) {
  int pixel_bits = tiff_pixel_bits(&tiff->layout);
  if (choose_raw_planes(&tiff->layout, e)) return FAILED;
  struct piece *pieces = NULL;
  size_t count = 0;
  int status = list_raw_pieces(tiff, pixel_bits, &pieces, &count, e);
  if (status == OK) status = draw_raw_pieces(tiff, pieces, count, options, e);
  free(pieces);
  return status;
}

/* ---- packed data --------------------------------------------------------------------------------------------- */

struct packed {
  size_t row, block;    /* bytes of a row of a block and of all its rows */
  uint8_t *rows;        /* [block], unpacked */
  uint8_t *reversed;    /* packed bytes with their bits in the usual order, when they are not */
  size_t reversed_size; /* its room */
  uint64_t total, most; /* packed bytes read so far, and how many may be read */
  bool differences;     /* predictor 2 */
  bool big_endian;      /* samples */
};

/* What libtiff reads again. */
static int check_order(struct tiff *tiff, error *e) {
  int64_t planar, fill_order;
  if (tiff_get(&tiff->directory, TIFF_PLANAR, 1, &planar, e) ||
      tiff_get(&tiff->directory, TIFF_FILL_ORDER, 1, &fill_order, e)) {
    return FAILED;
  }
  tiff->layout.reversed = fill_order == 2;
  if (planar == (tiff->layout.planar ? 2 : 1)) return OK;
  return fail(e, "planar configuration %lld is not supported", (long long)planar);
}

static int check_predictor(struct tiff *tiff, struct packed *packed, error *e) {
  if (tiff->compression == TIFF_PACK_BITS) return OK;
  int64_t predictor;
  if (tiff_get(&tiff->directory, TIFF_PREDICTOR, 1, &predictor, e)) return FAILED;
  packed->differences = predictor == 2;
  if (predictor == 1 || (predictor == 2 && tiff->layout.bits % 8 == 0)) return OK;
  return fail(e, "predictor %lld of samples of %d bits is not supported", (long long)predictor, tiff->layout.bits);
}

/* Where block `number` lies: [*offset, *offset + *size) is within the file. */
static int find_block(const struct tiff *tiff, const struct packed *packed, uint64_t number, uint64_t blocks,
                      uint64_t *offset, uint64_t *size, error *e) {
  int64_t from, length = 0;
  if (!tiff_integer(&tiff->directory, &tiff->offsets, number, &from) ||
      (tiff->has_sizes && !tiff_integer(&tiff->directory, &tiff->sizes, number, &length))) {
    return fail(e, "no tag tells where strip or tile %llu is", (unsigned long long)number);
  }
  *offset = (uint64_t)from;
  *size = (uint64_t)length;
  bool only = blocks == 1 && (!tiff->has_sizes || (length == 0 && !tiff->tiled));
  if (only && *offset < tiff->size) *size = tiff->size - *offset;
  /* Sizes out of proportion are not believed. */
  enum { LARGE = 1 << 20, MARGIN = 4096 };
  if (*size > LARGE && (*size - MARGIN) / 10 > packed->block) *size = 10 * packed->block + MARGIN;
  if (*size > 0 && *size <= tiff->size && *offset <= tiff->size - *size) return OK;
  return fail(e, "strip or tile %llu: bytes %llu to %llu are not in the file, which ends at byte %zu",
              (unsigned long long)number, (unsigned long long)*offset, (unsigned long long)(*offset + *size),
              tiff->size);
}

static int unpack_block(struct tiff *tiff, struct packed *packed, uint64_t offset, uint64_t size, size_t wanted,
                        error *e) {
  packed->total += size;
  if (packed->total > packed->most) return fail(e, "more packed bytes than the file has: strips or tiles overlap");
  if (tiff_most_unpacked(tiff->compression, size) < wanted) {
    return fail(e, "%llu packed bytes cannot be %zu bytes of pixels", (unsigned long long)size, wanted);
  }
  if (!packed->rows) packed->rows = allocate(packed->block + TIFF_SLACK, 1, e);
  if (!packed->rows) return FAILED;
  const uint8_t *in = tiff->bytes + offset;
  if (tiff->layout.reversed) {
    if (packed->reversed_size < size) {
      free(packed->reversed);
      packed->reversed = allocate((size_t)size, 1, e);
      packed->reversed_size = packed->reversed ? (size_t)size : 0;
      if (!packed->reversed) return FAILED;
    }
    tiff_reverse_bits(in, (size_t)size, packed->reversed);
    in = packed->reversed;
  }
  if (tiff_unpack(tiff->compression, in, (size_t)size, packed->rows, wanted, e)) return FAILED;
  const struct tiff_layout *layout = &tiff->layout;
  int samples = layout->planes > 1 ? 1 : layout->samples;
  size_t in_row = (size_t)tiff->block_width * (size_t)samples;
  for (size_t at = 0; packed->differences && at < wanted; at += packed->row) {
    tiff_undo_differences(packed->rows + at, in_row, samples, layout->bits, packed->big_endian);
  }
  return OK;
}

static int decode_block(struct tiff *tiff, struct packed *packed, struct piece *piece, error *e) {
  uint64_t across = (uint64_t)blocks_across(tiff), in_plane = across * (uint64_t)blocks_down(tiff);
  uint64_t number = (uint64_t)piece->plane * in_plane + (uint64_t)(piece->y / tiff->block_height) * across +
                    (uint64_t)(piece->x / tiff->block_width);
  int64_t left = tiff->width - piece->x, below = tiff->height - piece->y;
  piece->columns = tiff->block_width < left ? tiff->block_width : left;
  piece->rows = tiff->block_height < below ? tiff->block_height : below;
  uint64_t size = 0;
  if (find_block(tiff, packed, number, in_plane * (uint64_t)tiff->layout.planes, &piece->offset, &size, e))
    return FAILED;
  size_t wanted = tiff->tiled ? packed->block : packed->row * (size_t)piece->rows;
  if (unpack_block(tiff, packed, piece->offset, size, wanted, e)) {
    return fail_within(e, "strip or tile %llu at byte %llu", (unsigned long long)number,
                       (unsigned long long)piece->offset);
  }
  bool reversed = tiff->layout.reversed;
  tiff->layout.reversed = false; /* the packed bytes were */
  draw(tiff, piece, packed->rows, piece->rows);
  tiff->layout.reversed = reversed;
  return OK;
}

static int decode_blocks(struct tiff *tiff, struct packed *packed, error *e) {
  for (int64_t y = 0; y < tiff->height; y += tiff->block_height) {
    for (int plane = 0; plane < tiff->layout.planes; plane++) {
      for (int64_t x = 0; x < tiff->width; x += tiff->block_width) {
        struct piece piece = {.x = x, .y = y, .plane = plane, .stride = packed->row};
        if (decode_block(tiff, packed, &piece, e)) return FAILED;
      }
    }
  }
  return OK;
}

static int decode_packed(struct tiff *tiff, const struct decode_options *options, error *e) {
  struct tiff_layout *layout = &tiff->layout;
  struct packed packed = {.big_endian = layout->big_endian};
  if (tiff->odd_version) return fail(e, "packed pixels in a file whose version (at byte 2) is in the wrong byte order");
  if (check_order(tiff, e) || check_predictor(tiff, &packed, e)) return FAILED;
  /* What libtiff makes of planes: a fourth sample of unknown meaning is alpha, multiplied. And Pillow swaps the bytes
   * of signed samples a second time. */
  struct tiff_field extra;
  if (layout->planes > 1 && layout->unexplained) {
    layout->premultiplied = !tiff_find(&tiff->directory, TIFF_EXTRA_SAMPLES, &extra);
  }
  if (layout->samples > layout->planes && layout->planar && !tiff->tiled) {
    return fail(e, "strips of %d planes are not supported", layout->samples);
  }
  if (layout->is_signed) layout->big_endian = false;
  if (!tiff->tiled && tiff->block_height > tiff->height) tiff->block_height = tiff->height;
  int64_t padded_width = blocks_across(tiff) * tiff->block_width,
          padded_height = blocks_down(tiff) * tiff->block_height;
  if (tiff->tiled && image_check_size(padded_width, padded_height, options, e)) return fail_within(e, "with its tiles");
  packed.row = row_size(layout, tiff->block_width);
  if (packed.row > INT_MAX / (size_t)tiff->block_height) return fail(e, "strips or tiles of 2 GB or more");
  packed.block = packed.row * (size_t)tiff->block_height;
  /* Pillow's test of tiles, which those of the specification, 16, 32, 48, ... pixels wide, pass. */
  size_t bits = (size_t)(tiff_pixel_bits(layout) / layout->planes);
  if (tiff->tiled && packed.block > ((size_t)tiff->block_height * bits + 7) / 8 * (size_t)tiff->block_width) {
    return fail(e, "tiles of %lld pixels, which are not whole bytes", (long long)tiff->block_width);
  }
  uint64_t blocks = (uint64_t)blocks_across(tiff) * (uint64_t)blocks_down(tiff) * (uint64_t)layout->planes;
  enum { OVERHEAD = 256 }; /* of a packed block, beyond twice its size */
  packed.most = tiff->size + blocks * (2 * packed.block + OVERHEAD);
  int status = prepare_picture(tiff, options, e);
  if (status == OK) status = decode_blocks(tiff, &packed, e);
  free(packed.rows);
  free(packed.reversed);
  return status;
}

/* ---- the picture --------------------------------------------------------------------------------------------- */

static int orientation_of(const struct tiff_directory *directory) {
  bool present;
  int orientation = tiff_orientation(directory, &present);
  struct tiff_field xmp;
  if (present || !tiff_find(directory, TIFF_XMP, &xmp) || (xmp.type != TIFF_BYTE && xmp.type != TIFF_UNDEFINED)) {
    return orientation;
  }
  return xmp_orientation(xmp.data, (size_t)xmp.count);
}

static int decode(struct tiff *tiff, const struct decode_options *options, error *e) {
  if (read_tags(tiff, e) || image_check_size(tiff->width, tiff->height, options, e)) return FAILED;
  int orientation = orientation_of(&tiff->directory);
  if (read_blocks(tiff, e)) return FAILED;
  int status = tiff->compression == TIFF_RAW ? decode_raw(tiff, options, e) : decode_packed(tiff, options, e);
  if (status == OK) finish_planes(tiff);
  free(tiff->scratch);
  free(tiff->pixels);
  if (status == OK) status = image_orient(tiff->image, orientation, e);
  if (status == OK) {
    tiff->image->mode = tiff->layout.mode;
  } else {
    image_free(tiff->image);
  }
  return status;
}

int tiff_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                error *e) {
  *image = (struct image){0};
  struct tiff_header header;
  if (!tiff_read_header(&header, bytes, size)) return fail(e, "no TIFF header at byte 0");
  struct tiff tiff = {.bytes = bytes, .size = size, .image = image};
  tiff.odd_version = header.odd_version;
  tiff.directory = tiff_open_directory(&header, bytes, size, header.directory);
  if (header.directory == 0 || tiff.directory.count == 0) {
    return fail(e, "no directory at byte %llu", (unsigned long long)header.directory);
  }
  return decode(&tiff, options, e);
}
