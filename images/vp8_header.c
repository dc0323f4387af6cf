/* VP8: everything before the first macroblock (RFC 6386, sections 9.1 to 9.11 and 19.2). */
#include <string.h>

#include "images/byte_order.h"
#include "images/vp8_internal.h"

enum { TAG_SIZE = 10 /* frame tag, start code, size */, MAX_QUANTISER = 127, MAX_FILTER_LEVEL = 63 };

static int clip(int value, int most) { return value < 0 ? 0 : value > most ? most : value; }

static size_t first_partition_size(const struct webp_chunk *chunk) { return little_endian_24(chunk->bytes) >> 5; }

int vp8_read_size(const struct webp_chunk *chunk, int *width, int *height, error *e) {
  const uint8_t *p = chunk->bytes;
  if (chunk->padded_size < TAG_SIZE) {
    return fail(e, "the VP8 frame at byte %zu has %zu bytes, fewer than its header", chunk->position, chunk->size);
  }
  if (p[3] != 0x9d || p[4] != 0x01 || p[5] != 0x2a) {
    return fail(e, "no VP8 start code at byte %zu", chunk->position + 3);
  }
  if (p[0] & 1) return fail(e, "the VP8 frame at byte %zu is no key frame", chunk->position);
  if ((p[0] >> 1 & 7) > 3) {
    return fail(e, "the VP8 frame at byte %zu has the unknown version %d", chunk->position, p[0] >> 1 & 7);
  }
  if (!(p[0] & 16)) return fail(e, "the VP8 frame at byte %zu is not to be shown", chunk->position);
  if (first_partition_size(chunk) >= chunk->size) {
    return fail(e, "truncated: the first partition of the VP8 frame at byte %zu has %zu bytes, the frame %zu",
                chunk->position, first_partition_size(chunk), chunk->size);
  }
  /* The two bits above each are a scale for the display. */
  *width = (p[7] << 8 | p[6]) & 0x3fff;
  *height = (p[9] << 8 | p[8]) & 0x3fff;
  if (*width == 0 || *height == 0) {
    return fail(e, "the VP8 frame at byte %zu is empty: %d x %d pixels", chunk->position, *width, *height);
  }
  return OK;
}

/* ---- sections 9.3 and 9.6: segments, and the loop filter ------------------------------------------------------- */

struct segmentation {
  bool absolute; /* else relative to the frame's values */
  int quantisers[VP8_SEGMENTS], filter_levels[VP8_SEGMENTS];
};

static int read_optional(struct vp8_bits *b, int n) { return vp8_read_flag(b) ? vp8_read_signed(b, n) : 0; }

static void read_segmentation(struct vp8 *v, struct segmentation *s) {
  struct vp8_bits *b = &v->header;
  *s = (struct segmentation){.absolute = true};
  v->segmented = vp8_read_flag(b);
  if (!v->segmented) return;
  v->segment_map = vp8_read_flag(b);
  if (vp8_read_flag(b)) {
    s->absolute = vp8_read_flag(b);
    for (int i = 0; i < VP8_SEGMENTS; i++) s->quantisers[i] = read_optional(b, 7);
    for (int i = 0; i < VP8_SEGMENTS; i++) s->filter_levels[i] = read_optional(b, 6);
  }
  for (int i = 0; i < 3 && v->segment_map; i++) {
    v->segment_probabilities[i] = vp8_read_flag(b) ? (uint8_t)vp8_read_number(b, 8) : 255;
  }
}

/* Sections 9.6 and 15.2. */
static struct vp8_filter filter_of_level(int level, int sharpness) {
  if (level == 0) return (struct vp8_filter){0};
  int interior = sharpness == 0 ? level : level >> (sharpness > 4 ? 2 : 1);
  if (sharpness > 0 && interior > 9 - sharpness) interior = 9 - sharpness;
  if (interior < 1) interior = 1;
  return (struct vp8_filter){.limit = (uint8_t)(2 * level + interior),
                             .interior = (uint8_t)interior,
                             .high_edge = level >= 40   ? 2
                                          : level >= 15 ? 1
                                                        : 0};
}

static void read_filter(struct vp8 *v, const struct segmentation *s) {
  struct vp8_bits *b = &v->header;
  v->simple_filter = vp8_read_flag(b);
  int frame_level = vp8_read_number(b, 6), sharpness = vp8_read_number(b, 3);
  int deltas[8] = {0}; /* by reference frame: 0 is this one; by mode: 4 is prediction by block */
  bool with_deltas = vp8_read_flag(b);
  if (with_deltas && vp8_read_flag(b)) {
    for (int i = 0; i < 8; i++) deltas[i] = read_optional(b, 6);
  }
  v->filtered = frame_level > 0;
  for (int i = 0; i < VP8_SEGMENTS; i++) {
    int level = frame_level;
    if (v->segmented) level = s->filter_levels[i] + (s->absolute ? 0 : frame_level);
    for (int by_block = 0; by_block < 2; by_block++) {
      int adjusted = clip(level + deltas[0] + (by_block ? deltas[4] : 0), MAX_FILTER_LEVEL);
      v->filters[i][by_block] = filter_of_level(adjusted, sharpness);
      v->filters[i][by_block].inner = by_block;
    }
  }
}

/* ---- section 9.5: partitions ----------------------------------------------------------------------------------- */

/* The last one has what is left; one that promises more than there is gets what there is. */
static int read_partitions(struct vp8 *v, const uint8_t *bytes, size_t size, size_t position, error *e) {
  v->partition_count = 1 << vp8_read_number(&v->header, 2);
  size_t sizes = 3 * ((size_t)v->partition_count - 1);
  if (size <= sizes) {
    return fail(e, "truncated: no coefficients at byte %zu, where %d partitions begin", position, v->partition_count);
  }
  const uint8_t *at = bytes + sizes, *end = bytes + size;
  size_t n = 0;
  for (int i = 0; i < v->partition_count; i++, at += n) {
    n = (size_t)(end - at);
    if (i < v->partition_count - 1) {
      size_t promised = little_endian_24(bytes + 3 * (size_t)i);
      n = promised < n ? promised : n;
    }
    v->partitions[i] = vp8_bits_open(at, n);
  }
  if (n == 0) {
    return fail(e, "truncated: the partitions from byte %zu on leave nothing for the last of %d", position,
                v->partition_count);
  }
  return OK;
}

/* ---- sections 9.6 and 14.1: quantisers ------------------------------------------------------------------------- */

static void read_quantisers(struct vp8 *v, const struct segmentation *s) {
  struct vp8_bits *b = &v->header;
  int frame = vp8_read_number(b, 7);
  int luma_dc = read_optional(b, 4), second_dc = read_optional(b, 4), second_ac = read_optional(b, 4);
  int chroma_dc = read_optional(b, 4), chroma_ac = read_optional(b, 4);
  for (int i = 0; i < VP8_SEGMENTS; i++) {
    int q = frame;
    if (v->segmented) q = s->quantisers[i] + (s->absolute ? 0 : frame);
    struct vp8_quantiser *to = &v->quantisers[i];
    to->luma[0] = vp8_dc_quantisers[clip(q + luma_dc, MAX_QUANTISER)];
    to->luma[1] = vp8_ac_quantisers[clip(q, MAX_QUANTISER)];
    to->luma_dc[0] = 2 * vp8_dc_quantisers[clip(q + second_dc, MAX_QUANTISER)];
    to->luma_dc[1] = vp8_ac_quantisers[clip(q + second_ac, MAX_QUANTISER)] * 155 / 100;
    if (to->luma_dc[1] < 8) to->luma_dc[1] = 8;
    to->chroma[0] = vp8_dc_quantisers[clip(q + chroma_dc, 117)]; /* 132 at most */
    to->chroma[1] = vp8_ac_quantisers[clip(q + chroma_ac, MAX_QUANTISER)];
  }
}

/* ---- sections 9.9 to 9.11: probabilities ----------------------------------------------------------------------- */

static void read_probabilities(struct vp8 *v) {
  /* Section 13.3. */
  static const uint8_t band_of_position[16 + 1] = {0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0};
  uint8_t bands[VP8_BANDS][VP8_CONTEXTS][VP8_PROBABILITIES];
  struct vp8_bits *b = &v->header;
  for (int plane = 0; plane < VP8_PLANES; plane++) {
    for (int band = 0; band < VP8_BANDS; band++) {
      for (int context = 0; context < VP8_CONTEXTS; context++) {
        for (int i = 0; i < VP8_PROBABILITIES; i++) {
          bool update = vp8_read_bit(b, vp8_update_probabilities[plane][band][context][i]);
          bands[band][context][i] =
              update ? (uint8_t)vp8_read_number(b, 8) : vp8_default_probabilities[plane][band][context][i];
        }
      }
    }
    for (int i = 0; i <= 16; i++) {
      memcpy(v->probabilities[plane][i], bands[band_of_position[i]], sizeof bands[0]);
    }
  }
  v->skips = vp8_read_flag(b);
  if (v->skips) v->skip_probability = vp8_read_number(b, 8);
}

int vp8_read_header(struct vp8 *v, const struct webp_chunk *chunk, error *e) {
  if (vp8_read_size(chunk, &v->width, &v->height, e)) return FAILED;
  v->position = chunk->position;
  v->columns = (v->width + 15) / 16;
  v->rows = (v->height + 15) / 16;
  size_t first = first_partition_size(chunk), left = chunk->padded_size - TAG_SIZE;
  if (first > left) {
    return fail(e, "truncated: the first partition of the VP8 frame at byte %zu has %zu bytes, %zu are left",
                v->position, first, left);
  }
  v->header = vp8_bits_open(chunk->bytes + TAG_SIZE, first);
  vp8_read_flag(&v->header); /* the colour space, of which there is one */
  vp8_read_flag(&v->header); /* a promise that nothing needs clamping; it is clamped anyway */
  struct segmentation segmentation;
  read_segmentation(v, &segmentation);
  read_filter(v, &segmentation);
  size_t begin = TAG_SIZE + first;
  if (read_partitions(v, chunk->bytes + begin, left - first, v->position + begin, e)) return FAILED;
  read_quantisers(v, &segmentation);
  vp8_read_flag(&v->header); /* whether the probabilities are for this frame only */
  read_probabilities(v);
  if (v->header.ended) {
    return fail(e, "truncated: the VP8 header at byte %zu passes the end of its partition of %zu bytes", v->position,
                first);
  }
  return OK;
}
