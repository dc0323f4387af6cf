/* Smoothing between blocks (T.81 K.8, as libjpeg-turbo 2.1 and later extend it): where a progressive file ends before
 * the first AC coefficients are sent in full, they are estimated from the DC values of the 5 x 5 blocks around, so that
 * an early picture is smooth instead of blocky. */
#include <string.h>

#include "images/jpeg_internal.h"

enum { AROUND = 5, DC_VALUES = AROUND * AROUND };

/* Weights of the 25 DC values; an estimate in units of the DC quantiser is their sum / 256. */
struct estimate {
  int zigzag;
  int8_t weights[DC_VALUES];
};

/* Where a band of AC is known in part. */
static const struct estimate partial[] = {
    {1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {2, {0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0}},
    {3, {0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0}},
    {4, {0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0}},
    {5, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
};
/* Where nothing of AC is known: a kernel like Gauss's. */
static const struct estimate dc_only[] = {
    {1, {-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1}},
    {2, {-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1}},
    {3, {0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0}},
    {4, {-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1}},
    {5, {0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0}},
    {6, {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0}},
    {7, {0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0}},
    {8, {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0}},
    {9, {0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0}},
};
static const int16_t dc_kernel[DC_VALUES] = {-2, -6, -8, -6, -2, -6, 6,  42, 6,  -6, -8, 42, 152,
                                             42, -8, -6, 6,  42, 6,  -6, -2, -6, -8, -6, -2};

bool jpeg_can_smooth(const struct jpeg *j) {
  if (!j->progressive) return false;
  bool useful = false;
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    if (!c->has_quantisation || c->known_bits[0] < 0) return false;
    for (int k = 0; k < JPEG_SMOOTHED; k++) {
      if (c->quantisation[jpeg_natural_order[k]] == 0) return false;
      if (k > 0 && c->known_bits[k] != 0) useful = true;
    }
  }
  return useful;
}

/* numerator / (256 * quantiser), rounded, below the bit that is known. */
static int16_t rounded(int64_t numerator, int quantiser, int known_bit) {
  int64_t size = numerator < 0 ? -numerator : numerator;
  int value = (int)((((int64_t)quantiser << 7) + size) / ((int64_t)quantiser << 8));
  if (known_bit > 0 && value >= 1 << known_bit) value = (1 << known_bit) - 1;
  return (int16_t)(numerator < 0 ? -value : value);
}

static void smooth_block(const struct jpeg_component *c, const int *known, bool only_dc, const int dc[DC_VALUES],
                         int16_t *block) {
  const struct estimate *estimates = only_dc ? dc_only : partial;
  size_t count = only_dc ? sizeof dc_only / sizeof *dc_only : sizeof partial / sizeof *partial;
  for (size_t i = 0; i < count; i++) {
    int zigzag = estimates[i].zigzag, place = jpeg_natural_order[zigzag];
    if (known[zigzag] == 0 || block[place] != 0) continue;
    int64_t sum = 0;
    for (int k = 0; k < DC_VALUES; k++) sum += estimates[i].weights[k] * dc[k];
    block[place] = rounded(sum * c->quantisation[0], c->quantisation[place], known[zigzag]);
  }
  if (only_dc) {
    int64_t sum = 0;
    for (int k = 0; k < DC_VALUES; k++) sum += dc_kernel[k] * dc[k];
    block[0] = rounded(sum * c->quantisation[0], c->quantisation[0], 0);
  }
}

static const int16_t *block_line(const struct jpeg_component *c, int line) {
  return c->coefficients + (size_t)line * (size_t)c->stored_wide * JPEG_BLOCK;
}

/* The lines of blocks two above to two below; beyond the picture the nearest one counts. libjpeg-turbo counts the
 * picture's lines from those of this MCU row, so that near a last row with fewer of them the border lies elsewhere. */
static void choose_lines(const struct jpeg *j, const struct jpeg_component *c, int row, int line,
                         const int16_t *lines[AROUND]) {
  int in_row = c->v;
  if (row == j->mcus_high - 1 && c->blocks_high % c->v) in_row = c->blocks_high % c->v;
  int counted = row * in_row + line, all = j->mcus_high * in_row, own = row * c->v + line;
  lines[2] = block_line(c, own);
  lines[1] = counted > 0 ? block_line(c, own - 1) : lines[2];
  lines[0] = counted > 1 ? block_line(c, own - 2) : lines[1];
  lines[3] = counted < all - 1 ? block_line(c, own + 1) : lines[2];
  lines[4] = counted < all - 2 ? block_line(c, own + 2) : lines[3];
}

void jpeg_smooth_blocks(const struct jpeg *j, const struct jpeg_component *c, int row, int line, int16_t *blocks) {
  const int16_t *lines[AROUND];
  choose_lines(j, c, row, line, lines);
  memcpy(blocks, lines[2], (size_t)c->blocks_wide * JPEG_BLOCK * sizeof *blocks);
  /* Below the last row of the last scan's data, what the scans before it brought counts. */
  static const int nothing[JPEG_SMOOTHED] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  const int *known = row <= j->last_good_row ? c->known_bits : j->scans > 1 ? c->known_bits_before : nothing;
  bool only_dc = true;
  for (int k = 1; k < JPEG_SMOOTHED; k++) only_dc = only_dc && known[k] == -1;
  for (int x = 0; x < c->blocks_wide; x++) {
    int dc[DC_VALUES];
    for (int dy = 0; dy < AROUND; dy++) {
      for (int dx = 0; dx < AROUND; dx++) {
        int column = x + dx - 2;
        column = column < 0 ? 0 : column >= c->blocks_wide ? c->blocks_wide - 1 : column;
        dc[dy * AROUND + dx] = lines[dy][(size_t)column * JPEG_BLOCK];
      }
    }
    smooth_block(c, known, only_dc, dc, blocks + (size_t)x * JPEG_BLOCK);
  }
}
