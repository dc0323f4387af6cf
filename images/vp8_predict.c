/* VP8: intra prediction (RFC 6386, section 12). The neighbours lie around the samples in the plane; where the picture
 * has none, the plane's border stands in for them. */
#include <string.h>

#include "images/vp8_internal.h"

static inline uint8_t clamp(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

static void fill(uint8_t *samples, size_t stride, int size, int value) {
  for (int y = 0; y < size; y++) memset(samples + (size_t)y * stride, value, (size_t)size);
}

static void predict_mean(uint8_t *samples, size_t stride, int size, bool has_above, bool has_left) {
  int sum = 0, count = (has_above ? size : 0) + (has_left ? size : 0);
  for (int x = 0; x < size && has_above; x++) sum += samples[x - (ptrdiff_t)stride];
  for (int y = 0; y < size && has_left; y++) sum += samples[y * (ptrdiff_t)stride - 1];
  fill(samples, stride, size, count == 0 ? 128 : (sum + count / 2) / count);
}

/* What is above, plus how the left differs from the corner. */
static inline __attribute__((always_inline)) void predict_true_motion(uint8_t *samples, size_t stride, int size) {
  const uint8_t *above = samples - stride;
  int corner = above[-1];
  for (int y = 0; y < size; y++, samples += stride) {
    int16_t difference = (int16_t)(samples[-1] - corner);
    for (int x = 0; x < size; x++) {
      int16_t sum = (int16_t)(above[x] + difference);
      sum = sum < 0 ? 0 : sum;
      samples[x] = (uint8_t)(sum > 255 ? 255 : sum);
    }
  }
}

void vp8_predict(uint8_t *samples, size_t stride, int size, enum vp8_mode mode, bool has_above, bool has_left) {
  switch (mode) {
    case VP8_V_PRED:
      for (int y = 0; y < size; y++) memcpy(samples + (size_t)y * stride, samples - stride, (size_t)size);
      break;
    case VP8_H_PRED:
      for (int y = 0; y < size; y++, samples += stride) memset(samples, samples[-1], (size_t)size);
      break;
    case VP8_TM_PRED:
      if (size == 16) {
        predict_true_motion(samples, stride, 16);
      } else {
        predict_true_motion(samples, stride, 8);
      }
      break;
    default:
      predict_mean(samples, stride, size, has_above, has_left);
      break;
  }
}

/* ---- 4x4 blocks ------------------------------------------------------------------------------------------------ */

enum {
  CORNER = 4,
  EDGE = 13
}; /* an edge: the left side from below, the corner, the upper side and what is right of it */

static void store(uint8_t *samples, size_t stride, int y, const uint8_t *four) {
  memcpy(samples + (size_t)y * stride, four, 4);
}

static void predict_block_mean(const uint8_t *edge, uint8_t *samples, size_t stride) {
  int sum = 4;
  for (int i = 0; i < 4; i++) sum += edge[i] + edge[CORNER + 1 + i];
  fill(samples, stride, 4, sum >> 3);
}

static void predict_block_true_motion(const uint8_t *edge, uint8_t *samples, size_t stride) {
  for (int y = 0; y < 4; y++, samples += stride) {
    int difference = edge[3 - y] - edge[CORNER];
    for (int x = 0; x < 4; x++) samples[x] = clamp(edge[CORNER + 1 + x] + difference);
  }
}

/* Every other mode takes its samples from two lines: the means of two neighbours on the edge, and the weighted means
 * of three. half[i] = of i and i + 1, smooth[i] = around i. */
void vp8_predict_block(uint8_t *samples, size_t stride, enum vp8_submode mode) {
  uint8_t edge[16], half[16], smooth[16];
  for (int i = 0; i < 4; i++) edge[i] = samples[(3 - i) * (ptrdiff_t)stride - 1];
  memcpy(edge + CORNER, samples - stride - 1, EDGE - CORNER);
  if (mode == VP8_B_DC_PRED) {
    predict_block_mean(edge, samples, stride);
    return;
  }
  if (mode == VP8_B_TM_PRED) {
    predict_block_true_motion(edge, samples, stride);
    return;
  }
  /* Beyond its ends the edge repeats its last sample where a mode looks there. */
  uint8_t padded[1 + 16] = {edge[0]};
  memcpy(padded + 1, edge, EDGE);
  memset(padded + 1 + EDGE, edge[EDGE - 1], 16 - EDGE);
  for (int i = 0; i < 15; i++) {
    half[i] = (uint8_t)((padded[i + 1] + padded[i + 2] + 1) >> 1);
    smooth[i] = (uint8_t)((padded[i] + 2 * padded[i + 1] + padded[i + 2] + 2) >> 2);
  }
  const uint8_t *h = half + CORNER, *s = smooth + CORNER;
  switch (mode) {
    case VP8_B_VE_PRED:
      for (int y = 0; y < 4; y++) store(samples, stride, y, s + 1);
      break;
    case VP8_B_HE_PRED:
      for (int y = 0; y < 4; y++) memset(samples + (size_t)y * stride, s[-1 - y], 4);
      break;
    case VP8_B_LD_PRED:
      for (int y = 0; y < 4; y++) store(samples, stride, y, s + 2 + y);
      break;
    case VP8_B_RD_PRED:
      for (int y = 0; y < 4; y++) store(samples, stride, y, s - y);
      break;
    case VP8_B_VR_PRED:
      store(samples, stride, 0, h);
      store(samples, stride, 1, s);
      store(samples, stride, 2, (uint8_t[4]){s[-1], h[0], h[1], h[2]});
      store(samples, stride, 3, (uint8_t[4]){s[-2], s[0], s[1], s[2]});
      break;
    case VP8_B_VL_PRED:
      store(samples, stride, 0, h + 1);
      store(samples, stride, 1, s + 2);
      store(samples, stride, 2, (uint8_t[4]){h[2], h[3], h[4], s[6]});
      store(samples, stride, 3, (uint8_t[4]){s[3], s[4], s[5], s[7]});
      break;
    case VP8_B_HD_PRED:
      store(samples, stride, 0, (uint8_t[4]){h[-1], s[0], s[1], s[2]});
      store(samples, stride, 1, (uint8_t[4]){h[-2], s[-1], h[-1], s[0]});
      store(samples, stride, 2, (uint8_t[4]){h[-3], s[-2], h[-2], s[-1]});
      store(samples, stride, 3, (uint8_t[4]){h[-4], s[-3], h[-3], s[-2]});
      break;
    default: /* VP8_B_HU_PRED */
      store(samples, stride, 0, (uint8_t[4]){h[-2], s[-2], h[-3], s[-3]});
      store(samples, stride, 1, (uint8_t[4]){h[-3], s[-3], h[-4], s[-4]});
      store(samples, stride, 2, (uint8_t[4]){h[-4], s[-4], edge[0], edge[0]});
      memset(samples + 3 * stride, edge[0], 4);
      break;
  }
}
