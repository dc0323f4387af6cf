/* What the files of the VP8L decoder share. Sections named in comments are those of RFC 9649. */
#ifndef IMAGES_VP8L_INTERNAL_H
#define IMAGES_VP8L_INTERNAL_H

#include "images/vp8l_bits.h"
#include "images/webp_internal.h"

enum {
  VP8L_LITERALS = 256,
  VP8L_LENGTHS = 24, /* prefixes of copies' lengths, coded with the green literals */
  VP8L_DISTANCES = 40,
  VP8L_MAX_CACHE_BITS = 11,
  VP8L_MAX_ALPHABET = VP8L_LITERALS + VP8L_LENGTHS + (1 << VP8L_MAX_CACHE_BITS),
  VP8L_MAX_LENGTH = 15, /* of a code */
  VP8L_ROOT_BITS = 8,   /* of the first table of a long code */
  VP8L_TRANSFORMS = 4,
  VP8L_REACH = 1 << 20, /* how far back copies reach, in pixels; and how long they are */
  VP8L_LONGEST_COPY = 4096,
  VP8L_ROWS = 16, /* that are decoded at a time */
};

/* A picture's pixels are 0xAARRGGBB throughout. */

/* ---- vp8l_codes.c: prefix codes --------------------------------------------------------------------------------- */

/* What the next bits mean: a symbol whose code has `bits` bits; or, where `bits` exceeds VP8L_ROOT_BITS in the first
 * table, a second table at `value` for the bits behind those of the root. */
struct vp8l_entry {
  uint16_t value, bits;
};

/* A code's first table: 1 << min(longest code, VP8L_ROOT_BITS) entries; one entry of no bits if there is one symbol. */
struct vp8l_code {
  uint32_t first; /* among all entries */
  uint32_t mask;
};

enum vp8l_channel { VP8L_GREEN, VP8L_RED, VP8L_BLUE, VP8L_ALPHA, VP8L_DISTANCE, VP8L_CODES };

/* The five codes that hold in a block of the picture. */
struct vp8l_group {
  struct vp8l_code codes[VP8L_CODES];
  bool one_colour;  /* red, blue and alpha have one symbol each: */
  uint32_t literal; /* those, and green's if it has one symbol that is a literal (then `constant` is set) */
  bool constant;
};

struct vp8l_codes {
  struct vp8l_entry *entries;
  size_t used, capacity;
  struct vp8l_group *groups;
  size_t group_count;
};

/* `count` groups, where the stream is. */
int vp8l_read_codes(struct vp8l_codes *codes, struct vp8l_bits *b, size_t count, int cache_bits, error *e);
void vp8l_free_codes(struct vp8l_codes *codes);

/* The next symbol, whose bits are in the window. */
static inline __attribute__((always_inline)) int vp8l_symbol(struct vp8l_bits *b, const struct vp8l_entry *entries,
                                                             const struct vp8l_code *code) {
  const struct vp8l_entry *table = entries + code->first;
  struct vp8l_entry entry = table[b->bits & code->mask];
  if (__builtin_expect(entry.bits > VP8L_ROOT_BITS, 0)) {
    uint64_t behind = b->bits >> VP8L_ROOT_BITS;
    entry = table[entry.value + (behind & (((uint64_t)1 << (entry.bits - VP8L_ROOT_BITS)) - 1))];
  }
  vp8l_drop(b, entry.bits);
  return entry.value;
}

/* ---- vp8l_pixels.c: an entropy-coded picture --------------------------------------------------------------------- */

struct vp8l_picture {
  int width, height;
  size_t decoded; /* pixels */
  int x, y;       /* of the next one */
  /* Those from number `dropped` on. No copy reaches further back than VP8L_REACH, so that the picture itself, which is
   * taken row by row, need not be in memory; data of transforms are there as a whole. */
  uint32_t *pixels;
  size_t dropped, capacity;

  struct vp8l_codes codes;
  uint16_t *blocks; /* the number of each block's group, or NULL: one group */
  int block_bits, blocks_across;

  int cache_bits; /* 0: no cache of colours */
  uint32_t *cache;
  size_t cached; /* pixels that went into it */
};

/* Everything before the pixels. is_main: the picture itself, which may have several groups of codes; else data of a
 * transform or the numbers of groups. */
int vp8l_open_picture(struct vp8l_picture *p, struct vp8l_bits *b, int width, int height, bool is_main, error *e);
/* Decode to the end of row `rows` - 1 at least: VP8L_ROWS rows more than before at most. Until the next call they are
 * at vp8l_row(). */
int vp8l_read_rows(struct vp8l_picture *p, struct vp8l_bits *b, int rows, error *e);
static inline const uint32_t *vp8l_row(const struct vp8l_picture *p, int y) {
  return p->pixels + ((size_t)y * (size_t)p->width - p->dropped);
}
/* A whole picture of a transform; the caller frees the pixels. */
int vp8l_read_picture(uint32_t **pixels, struct vp8l_bits *b, int width, int height, error *e);
void vp8l_close_picture(struct vp8l_picture *p);

/* ---- vp8l_transform.c -------------------------------------------------------------------------------------------- */

enum vp8l_transform_type { VP8L_PREDICTOR, VP8L_COLOUR, VP8L_SUBTRACT_GREEN, VP8L_COLOUR_INDEXING };

struct vp8l_transform {
  enum vp8l_transform_type type;
  int width;       /* of the picture that it gives */
  int bits;        /* log2 of the size of a block; with VP8L_COLOUR_INDEXING of the pixels in one */
  uint32_t *data;  /* a pixel a block; or the palette, of 256 colours */
  uint32_t *above; /* with VP8L_PREDICTOR: the row before, from its pixel -1 on; [width + 2] */
};

static inline int vp8l_blocks(int size, int bits) { return (size + (1 << bits) - 1) >> bits; }

/* The transform's data, where the stream is. *width: of the picture that it gives; becomes that of what it is given. */
int vp8l_read_transform(struct vp8l_transform *t, struct vp8l_bits *b, int *width, int height, error *e);
void vp8l_free_transform(struct vp8l_transform *t);
/* Undo it in row y, in place; rows come in order. */
void vp8l_undo_transform(const struct vp8l_transform *t, int y, uint32_t *row);

#endif
