#include "images/deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "kernels/memory.h"

enum {
  WINDOW = 32768,
  SHORTEST = 3,
  LONGEST = 258,
  HASH_BITS = 15,
  MOST_TRIES = 32, /* candidates looked at for each match */
};

struct writer {
  uint8_t *out;
  size_t size;
  uint64_t bits;
  int count;
};

static void put_bits(struct writer *w, unsigned value, int n) {
  w->bits |= (uint64_t)value << w->count;
  w->count += n;
  while (w->count >= 8) {
    w->out[w->size++] = (uint8_t)w->bits;
    w->bits >>= 8;
    w->count -= 8;
  }
}

/* Huffman codes are sent with their first bit first. */
static unsigned reversed(unsigned code, int n) {
  unsigned result = 0;
  for (int i = 0; i < n; i++) result |= (code >> i & 1) << (n - 1 - i);
  return result;
}

/* The fixed code of a literal or length symbol (RFC 1951, 3.2.6). */
static void put_symbol(struct writer *w, unsigned symbol) {
  if (symbol < 144)
    put_bits(w, reversed(0x30 + symbol, 8), 8);
  else if (symbol < 256)
    put_bits(w, reversed(0x190 + symbol - 144, 9), 9);
  else if (symbol < 280)
    put_bits(w, reversed(symbol - 256, 7), 7);
  else
    put_bits(w, reversed(0xc0 + symbol - 280, 8), 8);
}

/* A length or distance is a class, four classes to each power of two for lengths and two for distances, and extra bits.
 */
static void put_length(struct writer *w, unsigned length) {
  if (length == LONGEST) {
    put_symbol(w, 285);
    return;
  }
  unsigned rest = length - SHORTEST;
  if (rest < 8) {
    put_symbol(w, 257 + rest);
    return;
  }
  int extra = 31 - __builtin_clz(rest) - 2;
  put_symbol(w, 257 + 4 * (unsigned)extra + (rest >> extra));
  put_bits(w, rest & ((1u << extra) - 1), extra);
}

static void put_distance(struct writer *w, unsigned distance) {
  unsigned rest = distance - 1;
  if (rest < 4) {
    put_bits(w, reversed(rest, 5), 5);
    return;
  }
  int extra = 31 - __builtin_clz(rest) - 1;
  put_bits(w, reversed(2 * (unsigned)extra + (rest >> extra), 5), 5);
  put_bits(w, rest & ((1u << extra) - 1), extra);
}

struct matcher {
  const uint8_t *bytes;
  size_t size;
  int32_t *head;     /* [1 << HASH_BITS] the last position of each hash, -1: none */
  int32_t *previous; /* [WINDOW] the position before with the same hash */
};

static unsigned hash_at(const uint8_t *p) {
  uint32_t three = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
  return three * 2654435761u >> (32 - HASH_BITS);
}

static void remember(struct matcher *m, size_t at) {
  if (m->size - at < SHORTEST) return;
  unsigned hash = hash_at(m->bytes + at);
  m->previous[at % WINDOW] = m->head[hash];
  m->head[hash] = (int32_t)at;
}

static unsigned longest_match(const struct matcher *m, size_t at, unsigned *distance) {
  unsigned best = 0, most = m->size - at < LONGEST ? (unsigned)(m->size - at) : LONGEST;
  if (most < SHORTEST) return 0;
  int32_t candidate = m->head[hash_at(m->bytes + at)];
  for (int tries = 0; tries < MOST_TRIES && candidate >= 0 && at - (size_t)candidate < WINDOW; tries++) {
    const uint8_t *there = m->bytes + candidate, *here = m->bytes + at;
    unsigned length = 0;
    while (length < most && there[length] == here[length]) length++;
    if (length > best) {
      best = length;
      *distance = (unsigned)(at - (size_t)candidate);
      if (best == most) break;
    }
    candidate = m->previous[(size_t)candidate % WINDOW];
  }
  return best >= SHORTEST ? best : 0;
}

static void compress_all(struct matcher *m, struct writer *w) {
  for (size_t at = 0; at < m->size;) {
    unsigned distance = 0, length = longest_match(m, at, &distance);
    remember(m, at);
    /* A longer match one byte on is worth a literal. */
    if (length && length < LONGEST / 4 && at + 1 < m->size) {
      unsigned other = 0;
      if (longest_match(m, at + 1, &other) > length) length = 0;
    }
    if (!length) {
      put_symbol(w, m->bytes[at++]);
      continue;
    }
    put_length(w, length);
    put_distance(w, distance);
    for (unsigned i = 1; i < length; i++) remember(m, at + i);
    at += length;
  }
}

int zlib_deflate(const uint8_t *bytes, size_t size, uint8_t **out, size_t *out_size, error *e) {
  *out = NULL;
  *out_size = 0;
  if (size > INT32_MAX) return fail(e, "more than 2 GB to compress");
  struct matcher m = {.bytes = bytes, .size = size};
  m.head = allocate((size_t)1 << HASH_BITS, sizeof *m.head, e);
  m.previous = allocate(WINDOW, sizeof *m.previous, e);
  /* A literal takes nine bits at most. */
  struct writer w = {.out = allocate(size + size / 8 + 64, 1, e)};
  int status = m.head && m.previous && w.out ? OK : FAILED;
  if (status == OK) {
    for (int i = 0; i < 1 << HASH_BITS; i++) m.head[i] = -1;
    put_bits(&w, 0x78, 8); /* a window of 32 kB */
    put_bits(&w, 0x01, 8); /* the check bits for it */
    put_bits(&w, 1, 1);    /* the last block */
    put_bits(&w, 1, 2);    /* fixed codes */
    compress_all(&m, &w);
    put_symbol(&w, 256);
    if (w.count) put_bits(&w, 0, 8 - w.count);
    uint32_t check = checksum_adler32(1, bytes, size);
    for (int shift = 24; shift >= 0; shift -= 8) put_bits(&w, check >> shift & 255, 8);
    *out = w.out;
    *out_size = w.size;
  } else {
    free(w.out);
  }
  free(m.head);
  free(m.previous);
  return status;
}
