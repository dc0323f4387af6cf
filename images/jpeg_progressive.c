/* The blocks of progressive scans (T.81 annex G): the first bits of DC and of a band of AC, and one more bit of each.
 */
#include "images/jpeg_bits.h"

bool jpeg_is_flat(const int16_t *block) {
  uint64_t words[JPEG_BLOCK / 4], others = 0;
  memcpy(words, block, sizeof words);
  for (int i = 1; i < JPEG_BLOCK / 4; i++) others |= words[i];
  return !others && !block[1] && !block[2] && !block[3];
}

void jpeg_first_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  struct window w = open_window(&j->in);
  refill(&j->in, &w, SYMBOL_BITS);
  int size = decode_symbol(&w, &j->dc[c->dc_table]);
  int difference = size ? extend(take(&w, size), size) : 0;
  if (__builtin_add_overflow(c->dc_prediction, difference, &c->dc_prediction)) j->in.overflow = true;
  block[0] = (int16_t)((unsigned)c->dc_prediction << j->low);
  close_window(&j->in, &w);
}

void jpeg_refine_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  (void)c;
  struct window w = open_window(&j->in);
  refill(&j->in, &w, 1);
  if (take(&w, 1)) block[0] = (int16_t)(block[0] | 1 << j->low);
  close_window(&j->in, &w);
}

/* The number of blocks, this one included, whose band ends here: symbol (run, 0), T.81 G.1.2.2. */
static int ended_blocks(struct jpeg_input *in, struct window *w, int run) {
  if (run == 0) return 1;
  refill(in, w, run);
  return (1 << run) + take(w, run);
}

void jpeg_first_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->eob_run > 0) {
    j->eob_run--;
    return;
  }
  const struct jpeg_code *code = &j->ac[c->ac_table];
  struct window w = open_window(&j->in);
  for (int k = j->spectral_start; k <= j->spectral_end; k++) {
    refill(&j->in, &w, SYMBOL_BITS);
    struct jpeg_entry entry = look_up(&w, code);
    int run = entry.symbol >> 4, size = entry.symbol & 15;
    if (size == 0 && run < 15) {
      drop(&w, entry.length);
      j->eob_run = ended_blocks(&j->in, &w, run) - 1;
      break;
    }
    k += run;
    int value = value_of(&w, entry);
    drop(&w, entry.total);
    if (size == 0) continue;
    block[jpeg_natural_order[k]] = (int16_t)((unsigned)value << j->low);
  }
  close_window(&j->in, &w);
}

/* A correction bit: whether the magnitude of a coefficient that is known not to be zero grows by `bit`. */
static inline void correct(struct jpeg_input *in, struct window *w, int16_t *coefficient, int bit) {
  refill(in, w, 1);
  if (take(w, 1) && (*coefficient & bit) == 0) {
    *coefficient = (int16_t)(*coefficient + (*coefficient >= 0 ? bit : -bit));
  }
}

void jpeg_refine_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->eob_run > 0 && jpeg_is_flat(block)) { /* nothing to correct */
    j->eob_run--;
    return;
  }
  const struct jpeg_code *code = &j->ac[c->ac_table];
  struct window w = open_window(&j->in);
  int bit = 1 << j->low, k = j->spectral_start;
  for (; j->eob_run == 0 && k <= j->spectral_end; k++) {
    refill(&j->in, &w, SYMBOL_BITS);
    int symbol = decode_symbol(&w, code), run = symbol >> 4, value = 0;
    if (symbol & 15) { /* the size is 1, or the data is broken */
      value = take(&w, 1) ? bit : -bit;
    } else if (run < 15) {
      j->eob_run = ended_blocks(&j->in, &w, run);
      break;
    }
    /* Pass `run` coefficients that are still zero, and correct those that are not, up to the place of the new one. */
    for (; k <= j->spectral_end; k++) {
      int16_t *coefficient = &block[jpeg_natural_order[k]];
      if (*coefficient) {
        correct(&j->in, &w, coefficient, bit);
      } else if (--run < 0) {
        break;
      }
    }
    if (value) block[jpeg_natural_order[k]] = (int16_t)value;
  }
  if (j->eob_run > 0) {
    for (; k <= j->spectral_end; k++) {
      int16_t *coefficient = &block[jpeg_natural_order[k]];
      if (*coefficient) correct(&j->in, &w, coefficient, bit);
    }
    j->eob_run--;
  }
  close_window(&j->in, &w);
}
