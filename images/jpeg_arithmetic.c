/* Arithmetic coding (T.81 annex D, F.1.4, F.2.4, G.1.3): the rare SOF9 and SOF10 files.
 *
 * Every decision has a bin that adapts to it. A bin is a byte: the state of its probability estimate (table D.3), and
 * in the top bit the more probable symbol. A symbol that cannot be leaves the rest of the interval undecoded. */
#include <string.h>

#include "images/jpeg_internal.h"

enum {
  MORE_PROBABLE = 0x80,    /* a bin's bit */
  FIXED = 113,             /* the state of even chances that never changes */
  DC_MAGNITUDES = 20,      /* bin X1 of DC (table F.4) */
  AC_MAGNITUDES_LOW = 189, /* bin X2 of AC up to place K, and above (table F.5) */
  AC_MAGNITUDES_HIGH = 217,
  MAGNITUDE_BITS = 14, /* from a magnitude's bin to that of its bits */
  TOO_LARGE = 0x8000,
};

/* Table D.3, and the fixed state. */
static const struct {
  uint16_t less_probable; /* the probability of the less probable symbol, 0.75 = 0x8000 */
  uint8_t after_less, after_more;
  bool exchange;
} states[FIXED + 1] = {
    {0x5a1d, 1, 1, true},      {0x2586, 14, 2, false},    {0x1114, 16, 3, false},    {0x080b, 18, 4, false},
    {0x03d8, 20, 5, false},    {0x01da, 23, 6, false},    {0x00e5, 25, 7, false},    {0x006f, 28, 8, false},
    {0x0036, 30, 9, false},    {0x001a, 33, 10, false},   {0x000d, 35, 11, false},   {0x0006, 9, 12, false},
    {0x0003, 10, 13, false},   {0x0001, 12, 13, false},   {0x5a7f, 15, 15, true},    {0x3f25, 36, 16, false},
    {0x2cf2, 38, 17, false},   {0x207c, 39, 18, false},   {0x17b9, 40, 19, false},   {0x1182, 42, 20, false},
    {0x0cef, 43, 21, false},   {0x09a1, 45, 22, false},   {0x072f, 46, 23, false},   {0x055c, 48, 24, false},
    {0x0406, 49, 25, false},   {0x0303, 51, 26, false},   {0x0240, 52, 27, false},   {0x01b1, 54, 28, false},
    {0x0144, 56, 29, false},   {0x00f5, 57, 30, false},   {0x00b7, 59, 31, false},   {0x008a, 60, 32, false},
    {0x0068, 62, 33, false},   {0x004e, 63, 34, false},   {0x003b, 32, 35, false},   {0x002c, 33, 9, false},
    {0x5ae1, 37, 37, true},    {0x484c, 64, 38, false},   {0x3a0d, 65, 39, false},   {0x2ef1, 67, 40, false},
    {0x261f, 68, 41, false},   {0x1f33, 69, 42, false},   {0x19a8, 70, 43, false},   {0x1518, 72, 44, false},
    {0x1177, 73, 45, false},   {0x0e74, 74, 46, false},   {0x0bfb, 75, 47, false},   {0x09f8, 77, 48, false},
    {0x0861, 78, 49, false},   {0x0706, 79, 50, false},   {0x05cd, 48, 51, false},   {0x04de, 50, 52, false},
    {0x040f, 50, 53, false},   {0x0363, 51, 54, false},   {0x02d4, 52, 55, false},   {0x025c, 53, 56, false},
    {0x01f8, 54, 57, false},   {0x01a4, 55, 58, false},   {0x0160, 56, 59, false},   {0x0125, 57, 60, false},
    {0x00f6, 58, 61, false},   {0x00cb, 59, 62, false},   {0x00ab, 61, 63, false},   {0x008f, 61, 32, false},
    {0x5b12, 65, 65, true},    {0x4d04, 80, 66, false},   {0x412c, 81, 67, false},   {0x37d8, 82, 68, false},
    {0x2fe8, 83, 69, false},   {0x293c, 84, 70, false},   {0x2379, 86, 71, false},   {0x1edf, 87, 72, false},
    {0x1aa9, 87, 73, false},   {0x174e, 72, 74, false},   {0x1424, 72, 75, false},   {0x119c, 74, 76, false},
    {0x0f6b, 74, 77, false},   {0x0d51, 75, 78, false},   {0x0bb6, 77, 79, false},   {0x0a40, 77, 48, false},
    {0x5832, 80, 81, true},    {0x4d1c, 88, 82, false},   {0x438e, 89, 83, false},   {0x3bdd, 90, 84, false},
    {0x34ee, 91, 85, false},   {0x2eae, 92, 86, false},   {0x299a, 93, 87, false},   {0x2516, 86, 71, false},
    {0x5570, 88, 89, true},    {0x4ca9, 95, 90, false},   {0x44d9, 96, 91, false},   {0x3e22, 97, 92, false},
    {0x3824, 99, 93, false},   {0x32b4, 99, 94, false},   {0x2e17, 93, 86, false},   {0x56a8, 95, 96, true},
    {0x4f46, 101, 97, false},  {0x47e5, 102, 98, false},  {0x41cf, 103, 99, false},  {0x3c3d, 104, 100, false},
    {0x375e, 99, 93, false},   {0x5231, 105, 102, false}, {0x4c0f, 106, 103, false}, {0x4639, 107, 104, false},
    {0x415e, 103, 99, false},  {0x5627, 105, 106, true},  {0x50e7, 108, 107, false}, {0x4b85, 109, 103, false},
    {0x5597, 110, 109, false}, {0x504f, 111, 107, false}, {0x5a10, 110, 111, true},  {0x5522, 112, 109, false},
    {0x59eb, 112, 111, true},  {0x5a1d, 113, 113, false},
};

/* ---- decisions (D.2) ---------------------------------------------------------------------------------------------*/

/* The next byte of the segment; behind the data zeros follow, which is no error. libjpeg does not wait here for an end
 * marker that was added. */
static uint32_t next_byte(struct jpeg_input *in) {
  if (in->marker) return 0;
  if (in->next == in->file_end) {
    in->starved = true;
    return 0;
  }
  uint8_t byte = *in->next++;
  if (byte != 0xff) return byte;
  while (in->next < in->file_end && *in->next == 0xff) in->next++; /* fill bytes */
  if (in->next == in->file_end) {
    in->starved = true;
    return 0;
  }
  if (*in->next == 0) {
    in->next++;
    return 0xff;
  }
  in->marker = *in->next;
  in->next--;
  return 0;
}

static void start(struct jpeg *j) {
  struct jpeg_arithmetic *a = &j->arithmetic;
  a->code = next_byte(&j->in) << 24;
  a->code |= next_byte(&j->in) << 16;
  a->interval = 0x10000;
  a->bits = 0;
  a->is_started = true;
}

static int decide(struct jpeg *j, uint8_t *bin) {
  struct jpeg_arithmetic *a = &j->arithmetic;
  if (!a->is_started) start(j);
  int state = *bin & 0x7f, symbol = *bin >> 7;
  uint32_t less = states[state].less_probable;
  a->interval -= less;
  bool is_upper = a->code >> 16 >= a->interval;
  if (!is_upper && a->interval >= 0x8000) return symbol; /* nothing to adapt */
  /* The larger part belongs to the more probable symbol, whichever part that is. */
  bool is_less = is_upper == (a->interval >= less);
  if (is_upper) {
    a->code -= a->interval << 16;
    a->interval = less;
  }
  if (is_less) {
    *bin = (uint8_t)((*bin ^ (states[state].exchange ? MORE_PROBABLE : 0)) & MORE_PROBABLE) | states[state].after_less;
    symbol ^= 1;
  } else {
    *bin = (uint8_t)(*bin & MORE_PROBABLE) | states[state].after_more;
  }
  do {
    if (a->bits == 0) {
      a->code |= next_byte(&j->in) << 8;
      a->bits = 8;
    }
    a->interval <<= 1;
    a->code <<= 1;
    a->bits--;
  } while (a->interval < 0x8000);
  return symbol;
}

static int decide_evenly(struct jpeg *j) {
  uint8_t bin = FIXED;
  return decide(j, &bin);
}

void jpeg_start_arithmetic(struct jpeg *j) {
  memset(&j->arithmetic, 0, sizeof j->arithmetic);
  for (int i = 0; i < j->component_count; i++) j->components[i].dc_context = 0;
}

/* ---- values (F.1.4) ----------------------------------------------------------------------------------------------*/

/* The magnitude's leading bit, as figure F.23 doubles it along the bins from `bin` on; *bin is left on the last one.
 * 0: it is too large. */
static int magnitude_category(struct jpeg *j, uint8_t **bin, int category) {
  while (decide(j, *bin)) {
    category <<= 1;
    if (category == TOO_LARGE) {
      j->arithmetic.is_broken = true;
      return 0;
    }
    ++*bin;
  }
  return category;
}

/* The value whose sign is known, and whose magnitude - 1 has this leading bit (figure F.24). */
static int magnitude_bits(struct jpeg *j, uint8_t *bin, int category, bool is_negative) {
  int magnitude = category;
  for (int bit = category >> 1; bit; bit >>= 1) {
    if (decide(j, bin + MAGNITUDE_BITS)) magnitude |= bit;
  }
  return is_negative ? -(magnitude + 1) : magnitude + 1;
}

/* The next DC value into c->dc_prediction; the size of its difference conditions the next one. */
static void decode_dc(struct jpeg *j, struct jpeg_component *c) {
  uint8_t *bins = j->arithmetic.dc[c->dc_table], *bin = bins + c->dc_context;
  if (!decide(j, bin)) {
    c->dc_context = 0;
    return;
  }
  bool is_negative = decide(j, bin + 1);
  bin += 2 + is_negative;
  int category = decide(j, bin);
  if (category) {
    bin = bins + DC_MAGNITUDES;
    category = magnitude_category(j, &bin, category);
    if (j->arithmetic.is_broken) return;
  }
  int low = 1 << j->dc_low[c->dc_table] >> 1, high = 1 << j->dc_high[c->dc_table] >> 1;
  c->dc_context = category < low ? 0 : (category > high ? 12 : 4) + 4 * is_negative;
  c->dc_prediction = (int16_t)(c->dc_prediction + magnitude_bits(j, bin, category, is_negative));
}

/* The coefficients from `first` to `last`, scaled by 2^low. */
static void decode_ac(struct jpeg *j, const struct jpeg_component *c, int first, int last, int low, int16_t *block) {
  uint8_t *bins = j->arithmetic.ac[c->ac_table];
  for (int k = first; k <= last; k++) {
    uint8_t *bin = bins + 3 * (k - 1);
    if (decide(j, bin)) return; /* end of block */
    while (!decide(j, bin + 1)) {
      bin += 3;
      k++;
      if (k > last) {
        j->arithmetic.is_broken = true;
        return;
      }
    }
    bool is_negative = decide_evenly(j);
    bin += 2;
    int category = decide(j, bin);
    if (category && decide(j, bin)) {
      bin = bins + (k <= j->ac_border[c->ac_table] ? AC_MAGNITUDES_LOW : AC_MAGNITUDES_HIGH);
      category = magnitude_category(j, &bin, category << 1);
      if (j->arithmetic.is_broken) return;
    }
    int value = magnitude_bits(j, bin, category, is_negative);
    block[jpeg_natural_order[k]] = (int16_t)((unsigned)value << low);
  }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------*/

void jpeg_arithmetic_block(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->arithmetic.is_broken) return;
  decode_dc(j, c);
  if (j->arithmetic.is_broken) return;
  block[0] = (int16_t)c->dc_prediction;
  decode_ac(j, c, 1, JPEG_BLOCK - 1, 0, block);
}

void jpeg_arithmetic_first_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->arithmetic.is_broken) return;
  decode_dc(j, c);
  if (!j->arithmetic.is_broken) block[0] = (int16_t)((unsigned)c->dc_prediction << j->low);
}

void jpeg_arithmetic_refine_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  (void)c;
  if (decide_evenly(j)) block[0] = (int16_t)(block[0] | 1 << j->low);
}

void jpeg_arithmetic_first_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (!j->arithmetic.is_broken) decode_ac(j, c, j->spectral_start, j->spectral_end, j->low, block);
}

void jpeg_arithmetic_refine_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->arithmetic.is_broken) return;
  int bit = 1 << j->low, end = j->spectral_end; /* end: the last that is known not to be zero */
  while (end > 0 && !block[jpeg_natural_order[end]]) end--;
  for (int k = j->spectral_start; k <= j->spectral_end; k++) {
    uint8_t *bin = j->arithmetic.ac[c->ac_table] + 3 * (k - 1);
    if (k > end && decide(j, bin)) return; /* end of block */
    for (;; k++, bin += 3) {
      if (k > j->spectral_end) {
        j->arithmetic.is_broken = true;
        return;
      }
      int16_t *coefficient = &block[jpeg_natural_order[k]];
      if (*coefficient) {
        if (decide(j, bin + 2)) *coefficient = (int16_t)(*coefficient + (*coefficient < 0 ? -bit : bit));
        break;
      }
      if (decide(j, bin + 1)) {
        *coefficient = (int16_t)(decide_evenly(j) ? -bit : bit);
        break;
      }
    }
  }
}
