/* VP8: intra prediction (RFC 6386, section 12). The neighbours lie around the samples in the plane; where the picture
 * has none, the plane's border stands in for them. */
#include <string.h>

#include "images/vp8_internal.h"
#include "images/vp8_simd.h"

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

enum { CORNER = 4, LAST = 12 }; /* on the edge: the left side from below, the corner, the eight samples above */

static void store(uint8_t *samples, size_t stride, int y, const uint8_t *four) {
  memcpy(samples + (size_t)y * stride, four, 4);
}

static void predict_block_mean(uint8_t *samples, size_t stride) {
  int sum = 4;
  for (ptrdiff_t i = 0; i < 4; i++) sum += samples[i - (ptrdiff_t)stride] + samples[i * (ptrdiff_t)stride - 1];
  fill(samples, stride, 4, sum >> 3);
}

static uint32_t left_from_below(const uint8_t *samples, size_t stride) {
  const uint8_t *left = samples - 1;
  return left[3 * stride] | (uint32_t)left[2 * stride] << 8 | (uint32_t)left[stride] << 16 | (uint32_t)left[0] << 24;
}

/* Every mode but the first two takes its samples from two lines: half[i], the mean of samples i and i + 1 on the edge,
 * and smooth[i], the weighted mean around i. Beyond its ends the edge repeats its last sample. */
void vp8_predict_block(uint8_t *samples, size_t stride, enum vp8_submode mode) {
  if (mode == VP8_B_DC_PRED) {
    predict_block_mean(samples, stride);
    return;
  }
  if (mode == VP8_B_TM_PRED) {
    predict_true_motion(samples, stride, 4);
    return;
  }
  uint8_t half[16], smooth[16];
  bytes16 edge = bytes_push_4(left_from_below(samples, stride), bytes_load(samples - stride - 1));
  bytes16 previous = bytes_previous(edge), next = bytes_next(edge);
  /* The mean of both neighbours must be rounded down for the mean with the sample itself to be right. */
  bytes16 rounded = bytes_and(bytes_xor(previous, next), bytes_repeat(1));
  bytes_store(half, bytes_mean(edge, next));
  bytes_store(smooth, bytes_mean(edge, bytes_subtract(bytes_mean(previous, next), rounded)));
  const uint8_t *h = half + CORNER, *s = smooth + CORNER;
  uint8_t lowest = samples[3 * stride - 1];
  switch (mode) {
    case VP8_B_VE_PRED:
      for (int y = 0; y < 4; y++) store(samples, stride, y, s + 1);
      break;
    case VP8_B_HE_PRED:
      for (int y = 0; y < 4; y++) memset(samples + (size_t)y * stride, s[-1 - y], 4);
      break;
    case VP8_B_LD_PRED:
      smooth[LAST] = (uint8_t)((samples[6 - (ptrdiff_t)stride] + 3 * samples[7 - (ptrdiff_t)stride] + 2) >> 2);
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
      store(samples, stride, 2, (uint8_t[4]){h[-4], s[-4], lowest, lowest});
      memset(samples + 3 * stride, lowest, 4);
      break;
  }
}
