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

/* A range that became small doubles until it is 128 or more: how often, and what it is then, less 1. */
static const uint8_t vp8_doublings[256] = {
    8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};
static const uint8_t vp8_normalised[256] = {
    0,   127, 127, 191, 127, 159, 191, 223, 127, 143, 159, 175, 191, 207, 223, 239, 127, 135, 143, 151, 159, 167,
    175, 183, 191, 199, 207, 215, 223, 231, 239, 247, 127, 131, 135, 139, 143, 147, 151, 155, 159, 163, 167, 171,
    175, 179, 183, 187, 191, 195, 199, 203, 207, 211, 215, 219, 223, 227, 231, 235, 239, 243, 247, 251, 127, 129,
    131, 133, 135, 137, 139, 141, 143, 145, 147, 149, 151, 153, 155, 157, 159, 161, 163, 165, 167, 169, 171, 173,
    175, 177, 179, 181, 183, 185, 187, 189, 191, 193, 195, 197, 199, 201, 203, 205, 207, 209, 211, 213, 215, 217,
    219, 221, 223, 225, 227, 229, 231, 233, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253, 127, 128, 129, 130,
    131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152,
    153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174,
    175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196,
    197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218,
    219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240,
    241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254};

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

/* The first byte is asked for at once. */
static inline struct vp8_bits vp8_bits_open(const uint8_t *bytes, size_t size) {
  struct vp8_bits b = {.count = -8, .range = 254, .next = bytes, .end = bytes + size};
  vp8_bits_load(&b);
  return b;
}

/* One decision; probability / 256 is that of a 0. */
static inline __attribute__((always_inline)) int vp8_read_bit(struct vp8_bits *b, int probability) {
  if (b->count < 0) vp8_bits_load(b);
  uint32_t split = (uint32_t)(b->range * probability) >> 8;
  if ((uint32_t)(b->value >> b->count) > split) {
    b->value -= (uint64_t)(split + 1) << b->count;
    uint32_t range = (uint32_t)b->range - split;
    b->range = vp8_normalised[range];
    b->count -= vp8_doublings[range];
    return 1;
  }
  b->range = vp8_normalised[split + 1];
  b->count -= vp8_doublings[split + 1];
  return 0;
}

/* value or -value, as a plain bit says: the range halves and doubles. */
static inline __attribute__((always_inline)) int vp8_read_sign(struct vp8_bits *b, int value) {
  if (b->count < 0) vp8_bits_load(b);
  uint32_t split = (uint32_t)b->range >> 1;
  int minus = -(int)((split - (uint32_t)(b->value >> b->count)) >> 31);
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
