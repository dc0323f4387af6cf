/* VP8: the modes of a macroblock (RFC 6386, sections 9.3, 9.11, 11.2 to 11.4). */
#include <string.h>

#include "images/vp8_internal.h"

/* The tree of section 11.2; p: the probabilities of its inner nodes. */
static uint8_t read_submode(struct vp8_bits *b, const uint8_t *p) {
  if (!vp8_read_bit(b, p[0])) return VP8_B_DC_PRED;
  if (!vp8_read_bit(b, p[1])) return VP8_B_TM_PRED;
  if (!vp8_read_bit(b, p[2])) return VP8_B_VE_PRED;
  if (!vp8_read_bit(b, p[3])) {
    if (!vp8_read_bit(b, p[4])) return VP8_B_HE_PRED;
    return vp8_read_bit(b, p[5]) ? VP8_B_VR_PRED : VP8_B_RD_PRED;
  }
  if (!vp8_read_bit(b, p[6])) return VP8_B_LD_PRED;
  if (!vp8_read_bit(b, p[7])) return VP8_B_VL_PRED;
  return vp8_read_bit(b, p[8]) ? VP8_B_HU_PRED : VP8_B_HD_PRED;
}

static void read_submodes(struct vp8_bits *b, uint8_t *above, uint8_t *left, uint8_t submodes[VP8_LUMA_BLOCKS]) {
  for (int y = 0; y < 4; y++) {
    for (int x = 0; x < 4; x++) {
      above[x] = left[y] = read_submode(b, vp8_submode_probabilities[above[x]][left[y]]);
    }
    memcpy(submodes + 4 * y, above, 4);
  }
}

static enum vp8_mode read_luma_mode(struct vp8_bits *b) {
  if (!vp8_read_bit(b, 145)) return VP8_BY_BLOCK;
  if (vp8_read_bit(b, 156)) return vp8_read_bit(b, 128) ? VP8_TM_PRED : VP8_H_PRED;
  return vp8_read_bit(b, 163) ? VP8_V_PRED : VP8_DC_PRED;
}

static enum vp8_mode read_chroma_mode(struct vp8_bits *b) {
  if (!vp8_read_bit(b, 142)) return VP8_DC_PRED;
  if (!vp8_read_bit(b, 114)) return VP8_V_PRED;
  return vp8_read_bit(b, 183) ? VP8_TM_PRED : VP8_H_PRED;
}

void vp8_read_modes(struct vp8 *v, struct vp8_border *above, struct vp8_macroblock *m) {
  /* What a mode of the whole macroblock means to the blocks beside it. */
  static const uint8_t submode_of_mode[] = {[VP8_DC_PRED] = VP8_B_DC_PRED,
                                            [VP8_V_PRED] = VP8_B_VE_PRED,
                                            [VP8_H_PRED] = VP8_B_HE_PRED,
                                            [VP8_TM_PRED] = VP8_B_TM_PRED};
  struct vp8_bits b = v->header;
  m->segment = 0;
  if (v->segment_map) {
    int high = vp8_read_bit(&b, v->segment_probabilities[0]);
    m->segment = (uint8_t)(2 * high + vp8_read_bit(&b, v->segment_probabilities[1 + high]));
  }
  m->skip = v->skips && vp8_read_bit(&b, v->skip_probability);
  m->luma_mode = (uint8_t)read_luma_mode(&b);
  if (m->luma_mode == VP8_BY_BLOCK) {
    read_submodes(&b, above->submodes, v->left.submodes, m->submodes);
  } else {
    memset(above->submodes, submode_of_mode[m->luma_mode], 4);
    memset(v->left.submodes, submode_of_mode[m->luma_mode], 4);
  }
  m->chroma_mode = (uint8_t)read_chroma_mode(&b);
  v->header = b;
}
