/* VP8L: entropy-coded pictures (RFC 9649, sections 3.6 and 3.7.3): literals, copies, and a cache of colours. */
#include <stdlib.h>
#include <string.h>

#include "images/vp8l_internal.h"
#include "kernels/memory.h"

enum { NEAR_DISTANCES = 120 };

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* The numbers of the groups, a pixel of red and green for each block; gives how many groups there are. */
static int read_blocks(struct vp8l_picture *p, struct vp8l_bits *b, size_t *groups, error *e) {
  p->block_bits = 2 + (int)vp8l_read(b, 3);
  p->blocks_across = vp8l_blocks(p->width, p->block_bits);
  int down = vp8l_blocks(p->height, p->block_bits);
  size_t count = (size_t)p->blocks_across * (size_t)down;
  uint32_t *pixels;
  if (vp8l_read_picture(&pixels, b, p->blocks_across, down, e)) return FAILED;
  p->blocks = allocate(count, sizeof *p->blocks, e);
  for (size_t i = 0; i < count && p->blocks; i++) {
    p->blocks[i] = (uint16_t)(pixels[i] >> 8);
    if (p->blocks[i] >= *groups) *groups = (size_t)p->blocks[i] + 1;
  }
  free(pixels);
  return p->blocks ? OK : FAILED;
}

int vp8l_open_picture(struct vp8l_picture *p, struct vp8l_bits *b, int width, int height, bool is_main, error *e) {
  *p = (struct vp8l_picture){.width = width, .height = height};
  if (vp8l_read(b, 1)) {
    p->cache_bits = (int)vp8l_read(b, 4);
    if (p->cache_bits < 1 || p->cache_bits > VP8L_MAX_CACHE_BITS) {
      return fail(e, "a colour cache of %d bits, not 1 to %d", p->cache_bits, VP8L_MAX_CACHE_BITS);
    }
    p->cache = allocate_zeroed((size_t)1 << p->cache_bits, sizeof *p->cache, e);
    if (!p->cache) return FAILED;
  }
  size_t groups = 1;
  if (is_main && vp8l_read(b, 1) && read_blocks(p, b, &groups, e)) return FAILED;
  if (vp8l_read_codes(&p->codes, b, groups, p->cache_bits, e)) return FAILED;
  p->capacity = (size_t)width * (size_t)height;
  size_t window = 2 * (size_t)VP8L_REACH + (size_t)VP8L_ROWS * (size_t)width + VP8L_LONGEST_COPY;
  if (is_main && p->capacity > window) p->capacity = window;
  p->pixels = allocate(p->capacity, sizeof *p->pixels, e);
  return p->pixels ? OK : FAILED;
}

void vp8l_close_picture(struct vp8l_picture *p) {
  vp8l_free_codes(&p->codes);
  free(p->pixels);
  free(p->blocks);
  free(p->cache);
  *p = (struct vp8l_picture){0};
}

int vp8l_read_picture(uint32_t **pixels, struct vp8l_bits *b, int width, int height, error *e) {
  struct vp8l_picture p;
  int status = vp8l_open_picture(&p, b, width, height, false, e);
  if (status == OK) status = vp8l_read_rows(&p, b, height, e);
  *pixels = p.pixels;
  p.pixels = NULL;
  if (status) {
    free(*pixels);
    *pixels = NULL;
  }
  vp8l_close_picture(&p);
  return status;
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* Section 3.6.2.2: a length or a distance; small ones are their prefix, others have more bits. */
static inline uint32_t prefixed_value(struct vp8l_bits *b, int prefix) {
  if (prefix < 4) return (uint32_t)prefix + 1;
  int extra = (prefix - 2) >> 1;
  return ((2 + ((uint32_t)prefix & 1)) << extra) + vp8l_take(b, extra) + 1;
}

/* The first codes are the pixels nearby in two dimensions, as x and rows up. */
static size_t distance_in_pixels(uint32_t code, int width) {
  static const int8_t near[NEAR_DISTANCES][2] = {
      {0, 1},  {1, 0},  {1, 1},  {-1, 1}, {0, 2},  {2, 0},  {1, 2},  {-1, 2}, {2, 1},  {-2, 1}, {2, 2}, {-2, 2},
      {0, 3},  {3, 0},  {1, 3},  {-1, 3}, {3, 1},  {-3, 1}, {2, 3},  {-2, 3}, {3, 2},  {-3, 2}, {0, 4}, {4, 0},
      {1, 4},  {-1, 4}, {4, 1},  {-4, 1}, {3, 3},  {-3, 3}, {2, 4},  {-2, 4}, {4, 2},  {-4, 2}, {0, 5}, {3, 4},
      {-3, 4}, {4, 3},  {-4, 3}, {5, 0},  {1, 5},  {-1, 5}, {5, 1},  {-5, 1}, {2, 5},  {-2, 5}, {5, 2}, {-5, 2},
      {4, 4},  {-4, 4}, {3, 5},  {-3, 5}, {5, 3},  {-5, 3}, {0, 6},  {6, 0},  {1, 6},  {-1, 6}, {6, 1}, {-6, 1},
      {2, 6},  {-2, 6}, {6, 2},  {-6, 2}, {4, 5},  {-4, 5}, {5, 4},  {-5, 4}, {3, 6},  {-3, 6}, {6, 3}, {-6, 3},
      {0, 7},  {7, 0},  {1, 7},  {-1, 7}, {5, 5},  {-5, 5}, {7, 1},  {-7, 1}, {4, 6},  {-4, 6}, {6, 4}, {-6, 4},
      {2, 7},  {-2, 7}, {7, 2},  {-7, 2}, {3, 7},  {-3, 7}, {7, 3},  {-7, 3}, {5, 6},  {-5, 6}, {6, 5}, {-6, 5},
      {8, 0},  {4, 7},  {-4, 7}, {7, 4},  {-7, 4}, {8, 1},  {8, 2},  {6, 6},  {-6, 6}, {8, 3},  {5, 7}, {-5, 7},
      {7, 5},  {-7, 5}, {8, 4},  {6, 7},  {-6, 7}, {7, 6},  {-7, 6}, {8, 5},  {7, 7},  {-7, 7}, {8, 6}, {8, 7}};
  if (code > NEAR_DISTANCES) return code - NEAR_DISTANCES;
  int distance = near[code - 1][0] + near[code - 1][1] * width;
  return distance < 1 ? 1 : (size_t)distance;
}

static void copy_pixels(uint32_t *to, size_t distance, size_t length) {
  const uint32_t *from = to - distance;
  if (distance >= length) {
    memcpy(to, from, length * sizeof *to);
  } else if (distance == 1) {
    for (size_t i = 0; i < length; i++) to[i] = from[0];
  } else {
    for (size_t i = 0; i < length; i++) to[i] = from[i];
  }
}

/* The pixels before `end` that have not been put into the cache of colours yet go there now. */
static void fill_cache(struct vp8l_picture *p, const uint32_t *end) {
  for (const uint32_t *pixel = p->pixels + (p->cached - p->dropped); pixel < end; pixel++) {
    p->cache[(0x1e35a7bdu * *pixel) >> (32 - p->cache_bits)] = *pixel;
  }
  p->cached = p->dropped + (size_t)(end - p->pixels);
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static const struct vp8l_group *group_here(const struct vp8l_picture *p) {
  if (!p->blocks) return p->codes.groups;
  int block = (p->y >> p->block_bits) * p->blocks_across + (p->x >> p->block_bits);
  return &p->codes.groups[p->blocks[block]];
}

/* How many pixels in a row one group codes from here on. */
static size_t pixels_of_group(const struct vp8l_picture *p, size_t left) {
  if (!p->blocks) return left;
  int in_block = (1 << p->block_bits) - (p->x & ((1 << p->block_bits) - 1)), in_row = p->width - p->x;
  return (size_t)(in_block < in_row ? in_block : in_row);
}

static void advance(struct vp8l_picture *p, size_t pixels) {
  p->decoded += pixels;
  if (pixels < (size_t)(p->width - p->x)) {
    p->x += (int)pixels;
    return;
  }
  p->x = (int)(p->decoded % (size_t)p->width);
  p->y = (int)(p->decoded / (size_t)p->width);
}

/* A copy, whose length has this prefix, to `to`; gives its length. */
static int read_copy(struct vp8l_picture *p, struct vp8l_bits *b, const struct vp8l_group *group, int prefix,
                     uint32_t *to, size_t *length, error *e) {
  *length = prefixed_value(b, prefix);
  int distance_prefix = vp8l_symbol(b, p->codes.entries, &group->codes[VP8L_DISTANCE]);
  vp8l_refill(b);
  size_t distance = distance_in_pixels(prefixed_value(b, distance_prefix), p->width);
  size_t before = p->dropped + (size_t)(to - p->pixels), left = (size_t)p->width * (size_t)p->height - before;
  if (distance > before || *length > left) {
    return fail(e, "pixel %zu of %d x %d copies %zu pixels from %zu before it", before, p->width, p->height, *length,
                distance);
  }
  copy_pixels(to, distance, *length);
  return OK;
}

/* Pixels of one group, from `to` to `end` or, when a copy ends them, further. */
static int read_run(struct vp8l_picture *p, struct vp8l_bits *bits, uint32_t *to, const uint32_t *end, error *e) {
  const struct vp8l_group group = *group_here(p);
  const struct vp8l_entry *entries = p->codes.entries;
  const uint32_t *start = to;
  if (group.constant) {
    while (to < end) *to++ = group.literal;
    advance(p, (size_t)(to - start));
    return OK;
  }
  struct vp8l_bits b = *bits;
  int status = OK;
  while (to < end) {
    vp8l_refill(&b);
    int symbol = vp8l_symbol(&b, entries, &group.codes[VP8L_GREEN]);
    if (symbol < VP8L_LITERALS) {
      uint32_t pixel = group.literal | (uint32_t)symbol << 8;
      if (!group.one_colour) {
        uint32_t red = (uint32_t)vp8l_symbol(&b, entries, &group.codes[VP8L_RED]);
        uint32_t blue = (uint32_t)vp8l_symbol(&b, entries, &group.codes[VP8L_BLUE]);
        if (b.count < VP8L_MAX_LENGTH) vp8l_refill(&b);
        uint32_t alpha = (uint32_t)vp8l_symbol(&b, entries, &group.codes[VP8L_ALPHA]);
        pixel = alpha << 24 | red << 16 | (uint32_t)symbol << 8 | blue;
      }
      *to++ = pixel;
    } else if (symbol < VP8L_LITERALS + VP8L_LENGTHS) {
      size_t length;
      status = read_copy(p, &b, &group, symbol - VP8L_LITERALS, to, &length, e);
      if (status) break;
      to += length;
      if (to >= end || p->blocks) break; /* perhaps in another block */
    } else {
      fill_cache(p, to);
      *to++ = p->cache[symbol - VP8L_LITERALS - VP8L_LENGTHS];
    }
  }
  *bits = b;
  advance(p, (size_t)(to - start));
  return status;
}

/* Drop old pixels if there is no room for `wanted` of all and a copy behind them. */
static void make_room(struct vp8l_picture *p, size_t wanted) {
  size_t pixels = (size_t)p->width * (size_t)p->height, most = wanted + VP8L_LONGEST_COPY;
  if ((most < pixels ? most : pixels) - p->dropped <= p->capacity) return;
  if (p->cache_bits) fill_cache(p, p->pixels + (p->decoded - p->dropped));
  size_t kept = VP8L_REACH, first = p->decoded - kept;
  memmove(p->pixels, p->pixels + (first - p->dropped), kept * sizeof *p->pixels);
  p->dropped = first;
}

int vp8l_read_rows(struct vp8l_picture *p, struct vp8l_bits *b, int rows, error *e) {
  size_t wanted = (size_t)rows * (size_t)p->width;
  make_room(p, wanted);
  while (p->decoded < wanted) {
    uint32_t *at = p->pixels + (p->decoded - p->dropped);
    size_t run = pixels_of_group(p, wanted - p->decoded);
    if (run > wanted - p->decoded) run = wanted - p->decoded;
    if (read_run(p, b, at, at + run, e)) return FAILED;
  }
  if (vp8l_ended(b)) return fail(e, "truncated: the data end in row %d of %d", p->y + 1, p->height);
  return OK;
}
