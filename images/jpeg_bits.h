/* Bits of entropy-coded JPEG data, most significant first.
 *
 * A decoder works on a copy of the buffer in a `struct window` (registers), made by open_window() and put back by
 * close_window(). refill() leaves at least 32 bits, enough for the longest symbol (17 bits when it is none) and its
 * value (15 bits). Behind the data (at a marker, or where the file ends) zeros follow; how many of them are in the
 * buffer is counted, so that the caller can tell afterwards whether they were used. */
#ifndef IMAGES_JPEG_BITS_H
#define IMAGES_JPEG_BITS_H

#include <string.h>

#include "images/jpeg_internal.h"

enum {
  WINDOW_MINIMUM = 32, /* bits that refill() guarantees */
  SYMBOL_BITS = 8,     /* what libjpeg wants to see before it decodes a symbol: a file that ends earlier is truncated */
};

struct window {
  uint64_t bits; /* the next bits at the top */
  const uint8_t *next;
  int count;
};

static inline struct window open_window(const struct jpeg_input *in) {
  return (struct window){in->buffer, in->next, in->count};
}

static inline void close_window(struct jpeg_input *in, const struct window *w) {
  in->buffer = w->bits;
  in->next = w->next;
  in->count = w->count;
}

/* refill() where a byte 0xff or the end is near. wanted: real bits that the next step needs. */
struct window jpeg_refill_slowly(struct jpeg_input *in, struct window w, int wanted);

static inline __attribute__((always_inline)) void refill(struct jpeg_input *in, struct window *w, int wanted) {
  if (w->count >= WINDOW_MINIMUM) return;
  if (in->end - w->next >= 8) {
    uint64_t word;
    memcpy(&word, w->next, sizeof word);
    uint64_t ff = (~word - 0x0101010101010101u) & word & 0x8080808080808080u; /* not 0: a byte is 0xff */
    if (__builtin_expect(ff == 0, 1)) {
      /* Whole bytes are taken; the bits of the next one that get into the buffer too are or'ed in again, the same. */
      w->bits |= __builtin_bswap64(word) >> w->count;
      w->next += (63 - w->count) >> 3;
      w->count |= 56;
      return;
    }
  }
  struct window filled = jpeg_refill_slowly(in, *w, wanted);
  w->bits = filled.bits;
  w->next = filled.next;
  w->count = filled.count;
}

static inline void drop(struct window *w, int n) {
  w->bits <<= n;
  w->count -= n;
}

/* The next n bits, 1 <= n <= 15, which must be there. */
static inline int take(struct window *w, int n) {
  int value = (int)(w->bits >> (64 - n));
  drop(w, n);
  return value;
}

/* The value whose n low bits were sent, n >= 1 (T.81 table F.1): those with a leading 0 are negative. */
static inline int extend(int value, int n) { return value - (value < 1 << (n - 1) ? (1 << n) - 1 : 0); }

/* What the next bits begin with where the code is longer than the lookahead. */
struct jpeg_entry jpeg_long_entry(const struct jpeg_code *code, uint64_t bits);

static inline __attribute__((always_inline)) struct jpeg_entry look_up(const struct window *w,
                                                                       const struct jpeg_code *code) {
  struct jpeg_entry entry = code->lookahead[w->bits >> (64 - JPEG_LOOKAHEAD)];
  return __builtin_expect(entry.length == 0, 0) ? jpeg_long_entry(code, w->bits) : entry;
}

/* The next symbol; refill() first. */
static inline int decode_symbol(struct window *w, const struct jpeg_code *code) {
  struct jpeg_entry entry = look_up(w, code);
  drop(w, entry.length);
  return entry.symbol;
}

/* The value of the coefficient that the next bits begin with, without a branch: bits of the value are the top ones
 * behind the code; if the first of them is 0 it is negative. No bits are the value 0. */
static inline int value_of(const struct window *w, struct jpeg_entry entry) {
  int size = entry.total - entry.length;
  uint64_t rest = w->bits << entry.length;
  int value = (int)(rest >> 1 >> (63 - size)), negative = (int)(~rest >> 63);
  return value - (-negative & ((1 << size) - 1));
}

#endif
