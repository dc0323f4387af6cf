/* Bits of a VP8L stream, least significant first.
 *
 * Behind the data zeros follow; whether any of them was used is asked afterwards. A stream shorter than a word of 64
 * bits may use what is missing to it, as with libwebp. Hot loops work on a copy (registers) and put it back. */
#ifndef IMAGES_VP8L_BITS_H
#define IMAGES_VP8L_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vp8l_bits {
  uint64_t bits; /* the next bits at the bottom */
  int count;
  const uint8_t *next, *end;
  size_t zeros; /* bytes that were made up */
  int free_bits;
};

enum { VP8L_WINDOW = 56 /* bits that vp8l_refill() guarantees */ };

static inline struct vp8l_bits vp8l_bits_open(const uint8_t *bytes, size_t size) {
  return (struct vp8l_bits){.next = bytes, .end = bytes + size, .free_bits = size < 8 ? 8 * (8 - (int)size) : 0};
}

static inline __attribute__((always_inline)) void vp8l_refill(struct vp8l_bits *b) {
  if (__builtin_expect(b->end - b->next >= 8, 1)) {
    /* Whole bytes are taken; the bits of the next one that get into the buffer too are or'ed in again, the same. */
    uint64_t word;
    memcpy(&word, b->next, sizeof word);
    b->bits |= word << b->count;
    b->next += (63 - b->count) >> 3;
    b->count |= 56;
    return;
  }
  while (b->count < VP8L_WINDOW) {
    if (b->next < b->end) {
      b->bits |= (uint64_t)*b->next++ << b->count;
    } else {
      b->zeros++;
    }
    b->count += 8;
  }
}

static inline void vp8l_drop(struct vp8l_bits *b, int n) {
  b->bits >>= n;
  b->count -= n;
}

/* The next n bits, 0 <= n <= 32, which must be in the window. */
static inline uint32_t vp8l_take(struct vp8l_bits *b, int n) {
  uint32_t value = (uint32_t)(b->bits & (((uint64_t)1 << n) - 1));
  vp8l_drop(b, n);
  return value;
}

static inline uint32_t vp8l_read(struct vp8l_bits *b, int n) {
  vp8l_refill(b);
  return vp8l_take(b, n);
}

/* More bits were used than there are. */
static inline bool vp8l_ended(const struct vp8l_bits *b) {
  return 8 * (int64_t)b->zeros > (int64_t)b->count + b->free_bits;
}

#endif
