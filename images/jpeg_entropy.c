/* Entropy decoding: bits, Huffman codes, and the four kinds of progressive scan (T.81 sections F.2 and G.2).
 *
 * Broken data is treated as libjpeg does: a bad code counts as zero, missing bits are zeros, an interval that ran out
 * of data leaves its remaining blocks as they are, and a restart marker puts things right again. */
#include <string.h>

#include "images/jpeg_internal.h"

const uint8_t jpeg_natural_order[JPEG_BLOCK] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                                12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                                35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                                58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* ---- bits ---------------------------------------------------------------------------------------------------------
 */

static void fill(struct jpeg_bits *b) {
  /* Six bytes at once where none of them is 0xff. */
  if (b->count <= 8 && b->end - b->next >= 8) {
    uint64_t word;
    memcpy(&word, b->next, sizeof word);
    uint64_t inverted = ~word & 0x0000ffffffffffffu; /* a byte 0xff becomes 0 */
    bool has_ff = ((inverted - 0x0000010101010101u) & word & 0x0000808080808080u) != 0;
    if (!has_ff) {
      b->buffer |= __builtin_bswap64(word) >> 16 << 16 >> b->count;
      b->count += 48;
      b->next += 6;
      return;
    }
  }
  while (b->count <= 56 && !b->at_marker) {
    if (b->next >= b->end) {
      b->at_marker = true;
      break;
    }
    uint8_t byte = *b->next;
    if (byte == 0xff) {
      const uint8_t *after = b->next + 1;
      while (after < b->end && *after == 0xff) after++; /* fill bytes */
      if (after >= b->end || *after != 0) {
        b->at_marker = true;
        break;
      }
      b->next = after;
    }
    b->next++;
    b->buffer |= (uint64_t)byte << (56 - b->count);
    b->count += 8;
  }
}

/* Make n bits available; beyond the data they are zeros. */
static inline void need(struct jpeg_bits *b, int n) {
  if (b->count >= n) return;
  fill(b);
  if (b->count < n) {
    if (b->phantom) b->insufficient = true; /* those that were given are used up */
    b->phantom = b->phantom ? 64 : 64 - b->count;
    b->count = 64; /* zeros below the valid bits already */
  }
}

static inline int peek(const struct jpeg_bits *b, int n) { return (int)(b->buffer >> (64 - n)); }

static inline void drop(struct jpeg_bits *b, int n) {
  b->buffer <<= n;
  b->count -= n;
}

static inline int take(struct jpeg_bits *b, int n) {
  if (n == 0) return 0;
  need(b, n);
  int value = peek(b, n);
  drop(b, n);
  return value;
}

/* The value whose n low bits were sent (T.81 table F.1). */
static inline int extend(int value, int n) { return n && value < 1 << (n - 1) ? value - (1 << n) + 1 : value; }

static inline int decode_symbol(struct jpeg_bits *b, const struct jpeg_huffman *code) {
  need(b, 16);
  unsigned entry = code->lookahead[peek(b, JPEG_LOOKAHEAD)];
  if (entry) {
    drop(b, (int)(entry >> 8));
    return (int)(entry & 255);
  }
  int length = JPEG_LOOKAHEAD + 1, value = peek(b, length);
  while (length <= 16 && value > code->max_code[length]) {
    length++;
    value = length <= 16 ? peek(b, length) : 0;
  }
  if (length > 16) { /* no such code */
    drop(b, 16);
    return 0;
  }
  drop(b, length);
  return code->symbols[(value + code->value_offset[length]) & 255];
}

/* ---- blocks -------------------------------------------------------------------------------------------------------
 */

static inline void decode_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  int size = decode_symbol(&j->bits, &j->dc[c->dc_table]) & 15;
  int difference = extend(take(&j->bits, size), size);
  c->previous_dc = (int)((unsigned)c->previous_dc + (unsigned)difference);
  block[0] = (int16_t)((unsigned)c->previous_dc << j->low);
}

static void decode_baseline(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  decode_dc(j, c, block);
  const struct jpeg_huffman *code = &j->ac[c->ac_table];
  for (int k = 1; k < JPEG_BLOCK; k++) {
    int symbol = decode_symbol(&j->bits, code), run = symbol >> 4, size = symbol & 15;
    if (size == 0) {
      if (run != 15) break;
      k += 15;
      continue;
    }
    k += run;
    int value = extend(take(&j->bits, size), size);
    block[jpeg_natural_order[k < JPEG_BLOCK ? k : JPEG_BLOCK - 1]] = (int16_t)value;
  }
}

static void refine_dc(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  (void)c;
  if (take(&j->bits, 1)) block[0] = (int16_t)(block[0] | (1 << j->low));
}

static void first_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->eob_run > 0) {
    j->eob_run--;
    return;
  }
  const struct jpeg_huffman *code = &j->ac[c->ac_table];
  for (int k = j->spectral_start; k <= j->spectral_end; k++) {
    int symbol = decode_symbol(&j->bits, code), run = symbol >> 4, size = symbol & 15;
    if (size == 0) {
      if (run != 15) {
        j->eob_run = (1 << run) - 1 + take(&j->bits, run);
        break;
      }
      k += 15;
      continue;
    }
    k += run;
    int value = extend(take(&j->bits, size), size);
    block[jpeg_natural_order[k < JPEG_BLOCK ? k : JPEG_BLOCK - 1]] = (int16_t)((unsigned)value << j->low);
  }
}

/* A correction bit for a coefficient that is known to be nonzero. */
static inline void correct(struct jpeg *j, int16_t *coefficient) {
  int bit = 1 << j->low;
  if (take(&j->bits, 1) && (*coefficient & bit) == 0)
    *coefficient = (int16_t)(*coefficient + (*coefficient >= 0 ? bit : -bit));
}

static void refine_ac(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  const struct jpeg_huffman *code = &j->ac[c->ac_table];
  int k = j->spectral_start;
  if (j->eob_run == 0) {
    for (; k <= j->spectral_end; k++) {
      int symbol = decode_symbol(&j->bits, code), run = symbol >> 4, value = 0;
      if (symbol & 15) { /* size is 1, or the data is broken */
        value = take(&j->bits, 1) ? 1 << j->low : -(1 << j->low);
      } else if (run != 15) {
        j->eob_run = (1 << run) + take(&j->bits, run);
        break;
      }
      /* Pass `run` coefficients that are still zero; correct those that are not. */
      for (; k <= j->spectral_end; k++) {
        int16_t *coefficient = &block[jpeg_natural_order[k]];
        if (*coefficient)
          correct(j, coefficient);
        else if (--run < 0)
          break;
      }
      if (value) block[jpeg_natural_order[k < JPEG_BLOCK ? k : JPEG_BLOCK - 1]] = (int16_t)value;
    }
  }
  if (j->eob_run > 0) {
    for (; k <= j->spectral_end; k++) {
      int16_t *coefficient = &block[jpeg_natural_order[k]];
      if (*coefficient) correct(j, coefficient);
    }
    j->eob_run--;
  }
}

/* ---- intervals and the scan ---------------------------------------------------------------------------------------
 */

static void begin_interval(struct jpeg *j) {
  for (int i = 0; i < j->scan_count; i++) j->scan[i]->previous_dc = 0;
  j->eob_run = 0;
  j->bits.buffer = 0;
  j->bits.count = 0;
  j->bits.phantom = 0;
  j->bits.insufficient = false;
  j->bits.at_marker = false;
}

/* The next marker's code, with `next` left on its 0xff; 0 at the end of the data. */
static int find_marker(struct jpeg_bits *b) {
  for (; b->end - b->next >= 2; b->next++) {
    if (b->next[0] == 0xff && b->next[1] != 0 && b->next[1] != 0xff) return b->next[1];
  }
  b->next = b->end;
  return 0;
}

/* Go to the restart marker that should come now. One that was lost or doubled is handled as in libjpeg: a marker
 * slightly ahead is left for its turn (this interval is lost), one slightly behind is skipped. */
static void restart(struct jpeg *j, int expected) {
  struct jpeg_bits *b = &j->bits;
  for (;;) {
    int marker = find_marker(b);
    if (marker == 0xd0 + expected) {
      b->next += 2;
      begin_interval(j);
      return;
    }
    bool is_restart = marker >= 0xd0 && marker <= 0xd7;
    int ahead = is_restart ? (marker - 0xd0 - expected) & 7 : 0;
    if (marker >= 0xc0 && (!is_restart || ahead == 1 || ahead == 2)) { /* leave it */
      begin_interval(j);
      b->at_marker = true;
      return;
    }
    if (marker == 0) {
      begin_interval(j);
      b->at_marker = true;
      return;
    }
    b->next += 2;
    if (is_restart && ahead != 6 && ahead != 7) { /* far away: as good as the one expected */
      begin_interval(j);
      return;
    }
  }
}

typedef void block_decoder(struct jpeg *j, struct jpeg_component *c, int16_t *block);

static block_decoder *choose_decoder(const struct jpeg *j) {
  if (!j->progressive) return decode_baseline;
  if (j->spectral_start == 0) return j->high ? refine_dc : decode_dc;
  return j->high ? refine_ac : first_ac;
}

static int16_t *block_at(struct jpeg_component *c, int y, int x) {
  return c->coefficients + ((size_t)y * (size_t)c->stored_wide + (size_t)x) * JPEG_BLOCK;
}

static void decode_mcu(struct jpeg *j, block_decoder *decode, int my, int mx) {
  if (j->scan_count == 1) {
    decode(j, j->scan[0], block_at(j->scan[0], my, mx));
    return;
  }
  for (int i = 0; i < j->scan_count; i++) {
    struct jpeg_component *c = j->scan[i];
    for (int y = 0; y < c->v; y++) {
      for (int x = 0; x < c->h; x++) decode(j, c, block_at(c, my * c->v + y, mx * c->h + x));
    }
  }
}

int jpeg_decode_scan(struct jpeg *j, error *e) {
  bool alone = j->scan_count == 1;
  int wide = alone ? j->scan[0]->blocks_wide : j->mcus_wide, high = alone ? j->scan[0]->blocks_high : j->mcus_high;
  j->bits.next = j->bytes + j->at;
  j->bits.end = j->bytes + j->size;
  begin_interval(j);
  block_decoder *decode = choose_decoder(j);
  int left = j->restart_interval, expected = 0;
  for (int my = 0; my < high; my++) {
    for (int mx = 0; mx < wide; mx++) {
      if (j->restart_interval && left == 0) {
        restart(j, expected);
        expected = (expected + 1) & 7;
        left = j->restart_interval;
      }
      left--;
      if (!j->bits.insufficient)
        decode_mcu(j, decode, my, mx);
      else if (j->bits.next >= j->bits.end)
        break;
      if (j->bits.count < j->bits.phantom) j->bits.insufficient = true;
    }
  }
  bool truncated = j->bits.insufficient && j->bits.next >= j->bits.end;
  /* Bits that were read ahead never pass a marker, so that `next` is at or before the one that ends the scan. */
  find_marker(&j->bits);
  j->at = (size_t)(j->bits.next - j->bytes);
  return truncated ? fail(e, "byte %zu: the picture's data ends too early", j->size) : OK;
}
