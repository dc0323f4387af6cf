/* The parts of the TIFF decoder: directories (tiff_ifd.h), what a pixel is (tiff_layout.c), how strips and tiles are
 * packed (tiff_codecs.c), where they lie (tiff.c). */
#ifndef IMAGES_TIFF_H
#define IMAGES_TIFF_H

#include "images/palette.h"
#include "images/tiff_ifd.h"
#include "kernels/error.h"

enum { TIFF_MOST_SAMPLES = 6, TIFF_MOST_PLANES = 4 };

enum tiff_tag {
  TIFF_WIDTH = 256,
  TIFF_HEIGHT = 257,
  TIFF_BITS = 258,
  TIFF_COMPRESSION = 259,
  TIFF_PHOTOMETRIC = 262,
  TIFF_FILL_ORDER = 266,
  TIFF_STRIP_OFFSETS = 273,
  TIFF_SAMPLES = 277,
  TIFF_ROWS_PER_STRIP = 278,
  TIFF_STRIP_SIZES = 279,
  TIFF_PLANAR = 284,
  TIFF_PREDICTOR = 317,
  TIFF_COLOUR_MAP = 320,
  TIFF_TILE_WIDTH = 322,
  TIFF_TILE_HEIGHT = 323,
  TIFF_TILE_OFFSETS = 324,
  TIFF_TILE_SIZES = 325,
  TIFF_EXTRA_SAMPLES = 338,
  TIFF_SAMPLE_FORMAT = 339,
  TIFF_XMP = 700,
};

/* ---- what a pixel is ----------------------------------------------------------------------------------------- */

struct tiff_layout {
  const char *mode; /* Pillow's */
  enum { TIFF_INDEX, TIFF_COLOUR, TIFF_INK, TIFF_LEVEL } kind;
  int samples, bits;      /* of a pixel; bits of each sample */
  bool reversed;          /* each byte has its bits in the other order */
  bool premultiplied;     /* TIFF_COLOUR: by the fourth sample */
  bool unexplained;       /* TIFF_COLOUR: no tag tells what the fourth sample is */
  bool big_endian;        /* samples of 16 bits */
  bool is_signed;         /* TIFF_LEVEL */
  bool planar;            /* samples of a kind lie together, even when there is but one kind */
  int planes;             /* 1, or as many as samples when these lie apart from each other */
  struct palette palette; /* TIFF_INDEX: of its first sample; other samples do not matter */
};

/* What the tags say, or FAILED when Pillow does not open such files, or we do not (the message names it). */
int tiff_choose_layout(struct tiff_layout *layout, const struct tiff_directory *directory, error *e);

/* n pixels to rgb[3n]. `scratch` has room for the packed pixels. */
void tiff_expand_row(const struct tiff_layout *layout, const uint8_t *packed, size_t n, uint8_t *scratch, uint8_t *rgb);
/* n samples of one plane to pixels[4i + plane], 8 bits each. */
void tiff_expand_plane(const struct tiff_layout *layout, const uint8_t *packed, size_t n, int plane, uint8_t *pixels);
/* Such pixels, when all planes are there, to rgb[3n]. */
void tiff_expand_planes(const struct tiff_layout *layout, const uint8_t *pixels, size_t n, uint8_t *rgb);

static inline int tiff_pixel_bits(const struct tiff_layout *layout) { return layout->samples * layout->bits; }

/* A whole number, `otherwise` without the tag; FAILED when it is no number. */
int tiff_get(const struct tiff_directory *directory, int tag, int64_t otherwise, int64_t *value, error *e);

/* ---- how they are packed ------------------------------------------------------------------------------------- */

enum tiff_compression {
  TIFF_RAW = 1,
  TIFF_LZW = 5,
  TIFF_DEFLATE = 8,
  TIFF_PACK_BITS = 32773,
  TIFF_OLD_DEFLATE = 32946
};

enum {
  /* How far beyond the wanted bytes tiff_unpack() may write. */
  TIFF_SLACK = 5120 + 16,
};

/* Unpack in[size] into out[wanted] with TIFF_SLACK behind it. FAILED unless all wanted bytes are there; what follows
 * them is ignored. */
int tiff_unpack(enum tiff_compression compression, const uint8_t *in, size_t size, uint8_t *out, size_t wanted,
                error *e);
/* How many bytes may come of `size` bytes at most. */
uint64_t tiff_most_unpacked(enum tiff_compression compression, uint64_t size);

/* Undo horizontal differencing (predictor 2): each sample is the difference from the one `samples` before it. */
void tiff_undo_differences(uint8_t *row, size_t count, int samples, int bits, bool big_endian);

void tiff_reverse_bits(const uint8_t *in, size_t size, uint8_t *out);

#endif
