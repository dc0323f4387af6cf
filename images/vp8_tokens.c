/* VP8: the coefficients of a macroblock (RFC 6386, section 13). */
#include <string.h>

#include "images/vp8_internal.h"

static const uint8_t zigzag[16] = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};

/* A magnitude of 2 or more, section 13.2; p: the probabilities of its context. */
static inline int read_magnitude(struct vp8_bits *b, const uint8_t *p) {
  if (!vp8_read_bit(b, p[3])) {
    if (!vp8_read_bit(b, p[4])) return 2;
    return 3 + vp8_read_bit(b, p[5]);
  }
  if (!vp8_read_bit(b, p[6])) {
    if (!vp8_read_bit(b, p[7])) return 5 + vp8_read_bit(b, 159);
    int high = vp8_read_bit(b, 165);
    return 7 + 2 * high + vp8_read_bit(b, 145);
  }
  static const struct {
    int base;
    uint8_t probabilities[12]; /* of the extra bits; ends with 0 */
  } categories[4] = {{11, {173, 148, 140}},
                     {19, {176, 155, 140, 135}},
                     {35, {180, 157, 141, 134, 130}},
                     {67, {254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}}};
  int high = vp8_read_bit(b, p[8]), category = 2 * high + vp8_read_bit(b, p[9 + high]), extra = 0;
  for (const uint8_t *q = categories[category].probabilities; *q; q++) extra = 2 * extra + vp8_read_bit(b, *q);
  return categories[category].base + extra;
}

/* A block's coefficients from position `first` on, times their quantiser; returns the position after the last one (or
 * `first`). 16-bit words wrap, as everybody's do: only absurd files notice. */
static int read_block(struct vp8_bits *bits, vp8_probabilities probabilities, int context, int first,
                      const int quantiser[2], int16_t *out) {
  struct vp8_bits b = *bits;
  const uint8_t *p = probabilities[first][context];
  int at = first;
  while (at < 16 && vp8_read_bit(&b, p[0])) {
    while (!vp8_read_bit(&b, p[1])) { /* zeros; an end cannot follow them */
      p = probabilities[++at][0];
      if (at == 16) goto end;
    }
    int magnitude = 1;
    if (vp8_read_bit(&b, p[2])) {
      magnitude = read_magnitude(&b, p);
      p = probabilities[at + 1][2];
    } else {
      p = probabilities[at + 1][1];
    }
    out[zigzag[at]] = (int16_t)(vp8_read_sign(&b, magnitude) * quantiser[at > 0]);
    at++;
  }
end:
  *bits = b;
  return at;
}

static enum vp8_extent extent_of(int end, int16_t dc) {
  return end > 3 ? VP8_FULL : end > 1 ? VP8_FIRST_THREE : dc != 0 ? VP8_DC_ONLY : VP8_NOTHING;
}

/* size x size blocks of one plane; `above` and `left`: whether the blocks there had coefficients. */
static void read_plane(struct vp8_bits *bits, vp8_probabilities probabilities, const int quantiser[2], int first,
                       int size, uint8_t *above, uint8_t *left, struct vp8_macroblock *m, int block) {
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++, block++) {
      int16_t *out = m->coefficients[block];
      int end = read_block(bits, probabilities, above[x] + left[y], first, quantiser, out);
      above[x] = left[y] = end > first;
      m->extents[block] = (uint8_t)extent_of(end, out[0]);
    }
  }
}

bool vp8_read_coefficients(struct vp8 *v, struct vp8_bits *bits, struct vp8_border *above, struct vp8_macroblock *m) {
  uint8_t *up = above->coded, *left = v->left.coded;
  const struct vp8_quantiser *q = &v->quantisers[m->segment];
  bool by_block = m->luma_mode == VP8_BY_BLOCK;
  if (m->skip) {
    memset(up, 0, by_block ? 8 : 9);
    memset(left, 0, by_block ? 8 : 9);
    return false;
  }
  memset(m->coefficients, 0, sizeof m->coefficients);
  if (!by_block) {
    int16_t dc[16] = {0};
    int end = read_block(bits, v->probabilities[VP8_LUMA_DC], up[8] + left[8], 0, q->luma_dc, dc);
    up[8] = left[8] = end > 0;
    vp8_inverse_walsh(dc, m->coefficients);
  }
  read_plane(bits, v->probabilities[by_block ? VP8_LUMA_WITH_DC : VP8_LUMA_AFTER_DC], q->luma, by_block ? 0 : 1, 4, up,
             left, m, 0);
  read_plane(bits, v->probabilities[VP8_CHROMA], q->chroma, 0, 2, up + 4, left + 4, m, 16);
  read_plane(bits, v->probabilities[VP8_CHROMA], q->chroma, 0, 2, up + 6, left + 6, m, 20);
  uint64_t extents[VP8_BLOCKS / 8];
  memcpy(extents, m->extents, sizeof extents);
  return (extents[0] | extents[1] | extents[2]) != 0;
}
