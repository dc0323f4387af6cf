/* What the parts of inflate share: bits, decoding tables, the state of a stream. */
#ifndef IMAGES_INFLATE_INTERNAL_H
#define IMAGES_INFLATE_INTERNAL_H

#include <string.h>

#include "images/inflate.h"

/* ---- bits, least significant first --------------------------------------------------------------------------- */

/* Past the input's end zeros are read; `padding` tells afterwards whether any were used. */
struct bit_reader {
  const uint8_t *next, *end; /* of the piece of input at hand */
  uint64_t bits;             /* the unread bits, the next one lowest */
  unsigned count;
  unsigned padding;  /* bits of `count` that lie beyond the input's end */
  size_t before_end; /* bytes of input up to `end` */
  struct inflate_source *source;
};

/* refill() where fewer than eight bytes are left of the piece. */
void inflate_refill_slowly(struct bit_reader *r);

/* refill() where there are. More bits than `count` tells may be held, the right ones. */
static inline void refill_fast(struct bit_reader *r) {
  uint64_t eight;
  memcpy(&eight, r->next, 8);
  r->bits |= eight << r->count;
  r->next += (63 - r->count) >> 3;
  r->count |= 56;
}

/* At least 56 bits: enough for a length and a distance with their extra bits (15 + 5 + 15 + 13). */
static inline void refill(struct bit_reader *r) {
  if (r->end - r->next >= 8) {
    refill_fast(r);
  } else {
    inflate_refill_slowly(r);
  }
}

static inline void drop(struct bit_reader *r, unsigned n) {
  r->bits >>= n;
  r->count -= n;
}

static inline unsigned take(struct bit_reader *r, unsigned n) {
  unsigned value = (unsigned)(r->bits & ((1u << n) - 1));
  drop(r, n);
  return value;
}

static inline bool ran_out(const struct bit_reader *r) { return r->count < r->padding; }

/* The first byte of the input of which no bit was used. */
static inline size_t byte_position(const struct bit_reader *r) {
  unsigned unread = r->count > r->padding ? r->count - r->padding : 0;
  return r->before_end - (size_t)(r->end - r->next) - unread / 8;
}

/* ---- Huffman codes ------------------------------------------------------------------------------------------- */

/* A code is looked up by its first `root` bits, and by the rest in a second table when it is longer. An entry holds,
 * from the lowest bit:
 *   8 bits   how many bits of the stream it takes: a code with its extra bits, or two codes
 *   4        of them those of the (first) code
 *   2        how many literals it stands for
 *   2        enum entry_kind, when it stands for none
 *   16       the literals, the first one lowest; or what the extra bits are added to; or where the second table begins
 * so that one look tells a length or a distance, and often two literals. */
enum entry_kind { ENTRY_BASE, ENTRY_INVALID, ENTRY_END, ENTRY_TABLE };
enum {
  MAX_CODE_BITS = 15,
  LITERAL_SYMBOLS = 288,
  DISTANCE_SYMBOLS = 32,
  LITERAL_ROOT = 11,
  DISTANCE_ROOT = 8,
  /* A second table of 2^k entries is filled by a complete code with k + 1 symbols at least: 288 / 5 * 2^4 entries
   * after 2^11, and 32 / 8 * 2^7 after 2^8, are never passed. */
  LITERAL_ENTRIES = 2048 + 928,
  DISTANCE_ENTRIES = 256 + 512,
  END_OF_BLOCK = 256,
};

static inline uint32_t make_entry(unsigned taken, unsigned code, unsigned literals, enum entry_kind kind,
                                  unsigned value) {
  return taken | code << 8 | literals << 12 | (uint32_t)kind << 14 | value << 16;
}
static inline unsigned entry_taken(uint32_t e) { return e & 255; }
static inline unsigned entry_code(uint32_t e) { return e >> 8 & 15; }
static inline unsigned entry_literals(uint32_t e) { return e >> 12 & 3; }
static inline enum entry_kind entry_kind(uint32_t e) { return (enum entry_kind)(e >> 14 & 3); }
static inline unsigned entry_value(uint32_t e) { return e >> 16; }

/* The low n bits. */
static inline uint64_t low_bits(uint64_t bits, unsigned n) { return bits & (((uint64_t)1 << n) - 1); }
/* A length or a distance, `bits` being those of the stream at its code. */
static inline unsigned entry_sum(uint32_t e, uint64_t bits) {
  return entry_value(e) + (unsigned)(low_bits(bits, entry_taken(e)) >> entry_code(e));
}

struct codes {
  uint32_t literals[LITERAL_ENTRIES];
  uint32_t distances[DISTANCE_ENTRIES];
  bool has_pairs; /* entries of two literals */
};

/* Those of a block with dynamic codes, whose description comes next; NULL, or what is wrong with it. */
const char *inflate_read_codes(struct codes *codes, struct bit_reader *r);
/* Those of blocks with the fixed codes. */
void inflate_fixed_codes(struct codes *codes);

/* ---- a stream ------------------------------------------------------------------------------------------------ */

/* Up to 258 bytes of a match, the literals before it, and what wide copies write too much. */
enum { OUTPUT_MARGIN = 320 };

struct output {
  uint8_t *begin; /* as far back as distances reach */
  uint8_t *next;
  uint8_t *end;
  uint8_t *enough; /* here, OUTPUT_MARGIN before the end at most, decoding may stop; NULL: only at the end */
};

enum block_state { BLOCK_HEADER, BLOCK_STORED, BLOCK_CODED, BLOCK_LAST_DONE };

struct blocks {
  struct bit_reader reader;
  struct output out;
  enum block_state state;
  bool is_last, has_fixed_codes;
  unsigned length, distance; /* still to be copied: of a stored block, or of a match when distance is not 0 */
  struct codes codes;
};

/* Decode blocks until the last one ends, the output is full or the input ends; may be called again with more room. */
int inflate_blocks(struct blocks *blocks, enum inflate_end *end, error *e);

#endif
