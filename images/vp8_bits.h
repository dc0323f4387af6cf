/* The boolean entropy decoder (RFC 6386, section 7).
 *
 * Like libwebp's, it looks at the next byte only when a bit is asked for that needs it, so that both find the same data
 * truncated. Hot loops work on a copy of the state (registers) and put it back. */
#ifndef IMAGES_VP8_BITS_H
#define IMAGES_VP8_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vp8_bits {
  uint64_t value; /* the bits that were loaded; those that are used up are taken off */
  int count;      /* how many of them are still to come, less the 8 that a decision needs */
  int range;      /* 127..254: the range of the next decision, less 1 */
  const uint8_t *next, *end;
  bool ended; /* a bit beyond the end was asked for: all that is read now is worthless */
};

enum { VP8_HALF = 128 /* the probability of a plain bit */ };

/* How often a range doubles until it is 128 or more. */
static const uint8_t vp8_doublings[256] = {
    8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};

static inline struct vp8_bits vp8_bits_open(const uint8_t *bytes, size_t size) {
  return (struct vp8_bits){.count = -8, .range = 254, .next = bytes, .end = bytes + size};
}

/* Load seven bytes, or near the end one: count becomes 0 or more. */
static inline __attribute__((always_inline)) void vp8_bits_load(struct vp8_bits *b) {
  if (__builtin_expect(b->end - b->next >= 8, 1)) {
    uint64_t word;
    memcpy(&word, b->next, sizeof word);
    b->value = b->value << 56 | __builtin_bswap64(word) >> 8;
    b->next += 7;
    b->count += 56;
  } else if (b->next < b->end) {
    b->value = b->value << 8 | *b->next++;
    b->count += 8;
  } else {
    b->count = 0;
    b->ended = true;
  }
}

/* One decision; probability / 256 is that of a 0. */
static inline __attribute__((always_inline)) int vp8_read_bit(struct vp8_bits *b, int probability) {
  if (b->count < 0) vp8_bits_load(b);
  uint32_t split = (uint32_t)(b->range * probability) >> 8, range = split + 1;
  int bit = 0;
  if ((uint32_t)(b->value >> b->count) > split) {
    b->value -= (uint64_t)range << b->count;
    range = (uint32_t)b->range - split;
    bit = 1;
  }
  int shift = vp8_doublings[range];
  b->range = (int)(range << shift) - 1;
  b->count -= shift;
  return bit;
}

/* value or -value, as a plain bit says: the range halves and doubles. */
static inline __attribute__((always_inline)) int vp8_read_sign(struct vp8_bits *b, int value) {
  if (b->count < 0) vp8_bits_load(b);
  uint32_t split = (uint32_t)b->range >> 1;
  int minus = (int32_t)(split - (uint32_t)(b->value >> b->count)) >> 31;
  b->value -= (uint64_t)((split + 1) & (uint32_t)minus) << b->count;
  b->range = (b->range + minus) | 1;
  b->count--;
  return (value ^ minus) - minus;
}

/* A number of n plain bits, most significant first. */
static inline int vp8_read_number(struct vp8_bits *b, int n) {
  int number = 0;
  while (n-- > 0) number = 2 * number + vp8_read_bit(b, VP8_HALF);
  return number;
}

/* A magnitude of n bits and a sign. */
static inline int vp8_read_signed(struct vp8_bits *b, int n) {
  int number = vp8_read_number(b, n);
  return vp8_read_bit(b, VP8_HALF) ? -number : number;
}

static inline bool vp8_read_flag(struct vp8_bits *b) { return vp8_read_bit(b, VP8_HALF); }

#endif
