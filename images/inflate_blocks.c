/* Blocks of a DEFLATE stream (RFC 1951, section 3.2.3). */
#include "images/inflate_internal.h"

static bool next_piece(struct bit_reader *r) {
  while (r->next == r->end && r->source) {
    const uint8_t *bytes;
    size_t size;
    if (!r->source->next(r->source, &bytes, &size)) {
      r->source = NULL;
    } else {
      r->next = bytes;
      r->end = bytes + size;
      r->before_end += size;
    }
  }
  return r->next < r->end;
}

void inflate_refill_slowly(struct bit_reader *r) {
  while (r->count < 56) {
    if (r->next < r->end || next_piece(r)) {
      r->bits |= (uint64_t)*r->next++ << r->count;
    } else {
      r->padding += 8;
    }
    r->count += 8;
  }
}

static int broken(const struct bit_reader *r, error *e, const char *what) {
  return fail(e, "%s before byte %zu of the compressed data", what, byte_position(r));
}

/* ---- stored blocks ------------------------------------------------------------------------------------------- */

static int start_stored(struct blocks *b, enum inflate_end *end, error *e) {
  struct bit_reader *r = &b->reader;
  drop(r, r->count % 8);
  refill(r);
  unsigned length = take(r, 16), complement = take(r, 16);
  if (ran_out(r)) {
    *end = INFLATE_CUT;
    return OK;
  }
  if (length != (~complement & 0xffff)) return broken(r, e, "a stored block's length is damaged");
  b->length = length;
  b->state = BLOCK_STORED;
  return OK;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* True when all of the block was copied. */
static bool copy_stored(struct blocks *b, enum inflate_end *end) {
  struct bit_reader *r = &b->reader;
  struct output *out = &b->out;
  while (b->length > 0 && out->next < out->end) {
    if (r->count >= 8) { /* the bit reader was ahead */
      *out->next = (uint8_t)take(r, 8);
      if (ran_out(r)) break;
      out->next++;
      b->length--;
      continue;
    }
    r->bits = 0; /* it holds bits beyond count, too */
    if (r->next == r->end && !next_piece(r)) break;
    size_t n = smaller(b->length, smaller((size_t)(out->end - out->next), (size_t)(r->end - r->next)));
    memcpy(out->next, r->next, n);
    r->next += n;
    out->next += n;
    b->length -= (unsigned)n;
  }
  if (b->length == 0) return true;
  *end = out->next == out->end ? INFLATE_FULL : INFLATE_CUT;
  return false;
}

/* ---- compressed blocks --------------------------------------------------------------------------------------- */

static inline void copy_8(uint8_t *to, const uint8_t *from) { memcpy(to, from, 8); }
static inline void copy_16(uint8_t *to, const uint8_t *from) { memcpy(to, from, 16); }

/* Copy `length` bytes from `distance` back, and up to 32 more. Where the two overlap the bytes repeat, so that the copy
 * so far may be read at twice the distance. */
static inline uint8_t *copy_match(uint8_t *to, unsigned length, unsigned distance) {
  uint8_t *stop = to + length;
  if (distance >= 16) {
    copy_16(to, to - distance);
    copy_16(to + 16, to + 16 - distance);
    for (to += 32; to < stop; to += 16) copy_16(to, to - distance);
    return stop;
  }
  for (; distance < 8; distance *= 2) {
    copy_8(to, to - distance);
    to += distance;
  }
  for (; to < stop; to += 8) copy_8(to, to - distance);
  return stop;
}

/* The same to the byte: as much of the match as there is room for. */
static void copy_pending_match(struct blocks *b) {
  struct output *out = &b->out;
  for (; b->length > 0 && out->next < out->end; b->length--, out->next++) *out->next = *(out->next - b->distance);
}

/* Why decoding of a compressed block stopped. */
enum coded_end {
  CODED_GOES_ON, /* near an end of input or output, or (one symbol) not at all */
  CODED_BLOCK_ENDS,
  CODED_FULL,
  CODED_CUT,
  CODED_INVALID_CODE,
  CODED_INVALID_DISTANCE,
  CODED_TOO_FAR,
};

/* decode_fast()'s state: the reader, where output goes, and the entry at hand. */
struct fast {
  struct bit_reader reader;
  uint8_t *to;
  uint32_t entry;
  uint64_t bits; /* of the stream, at the entry's code */
};

static inline void look_up_literals(struct fast *f, const struct codes *codes) {
  f->entry = codes->literals[low_bits(f->reader.bits, LITERAL_ROOT)];
}

/* 63 instead of 255: the processor's shifts look at no more bits. */
static inline void drop_entry(struct fast *f) {
  f->bits = f->reader.bits;
  f->reader.bits >>= f->entry & 63;
  f->reader.count -= entry_taken(f->entry);
}

static inline void put_literals(struct fast *f, const struct codes *codes, bool has_pairs) {
  uint16_t both = (uint16_t)entry_value(f->entry);
  memcpy(f->to, &both, has_pairs ? 2 : 1);
  f->to += has_pairs ? entry_literals(f->entry) : 1;
  look_up_literals(f, codes);
}

enum { INPUT_MARGIN = 24 /* three refills */, MOST_DISTANCE_BITS = 28 };
#define UNLIKELY(condition) __builtin_expect((condition), 0)

/* As long as neither the end of the piece of input nor that of the output is near, nothing need be checked.
 *
 * An entry waits for the one before and then for memory. So it is looked up as early as there are bits for it, before
 * more are fetched and before the one at hand is done with. Each refill's 56 bits do for three entries of literals and
 * the look for another one, or for two, a length (20) and the look for a distance. */
static inline __attribute__((always_inline)) enum coded_end decode_fast(struct blocks *b, bool has_pairs) {
  const uint8_t *last_in = b->reader.end - INPUT_MARGIN;
  const uint8_t *last_out = b->out.enough ? b->out.enough : b->out.end - OUTPUT_MARGIN;
  const struct codes *codes = &b->codes;
  enum coded_end result = CODED_GOES_ON;
  struct fast f = {.reader = b->reader, .to = b->out.next};
  refill_fast(&f.reader);
  look_up_literals(&f, codes);
  do {
    drop_entry(&f);
    if (entry_literals(f.entry)) {
      put_literals(&f, codes, has_pairs);
      drop_entry(&f);
      if (entry_literals(f.entry)) {
        put_literals(&f, codes, has_pairs);
        drop_entry(&f);
        if (entry_literals(f.entry)) {
          put_literals(&f, codes, has_pairs);
          refill_fast(&f.reader);
          continue;
        }
      }
    }
    if (UNLIKELY(entry_kind(f.entry) != ENTRY_BASE)) {
      if (entry_kind(f.entry) == ENTRY_TABLE) {
        f.entry = codes->literals[entry_value(f.entry) + low_bits(f.reader.bits, entry_code(f.entry))];
        drop_entry(&f);
      }
      if (entry_literals(f.entry)) {
        put_literals(&f, codes, has_pairs);
        refill_fast(&f.reader);
        continue;
      }
      if (entry_kind(f.entry) != ENTRY_BASE) {
        result = entry_kind(f.entry) == ENTRY_END ? CODED_BLOCK_ENDS : CODED_INVALID_CODE;
        break;
      }
    }
    unsigned length = entry_sum(f.entry, f.bits);
    f.entry = codes->distances[low_bits(f.reader.bits, DISTANCE_ROOT)];
    if (UNLIKELY(entry_kind(f.entry) != ENTRY_BASE)) {
      if (f.reader.count < MOST_DISTANCE_BITS + LITERAL_ROOT) refill_fast(&f.reader);
      if (entry_kind(f.entry) == ENTRY_TABLE) {
        drop(&f.reader, DISTANCE_ROOT);
        f.entry = codes->distances[entry_value(f.entry) + low_bits(f.reader.bits, entry_code(f.entry))];
      }
      if (entry_kind(f.entry) != ENTRY_BASE) {
        result = CODED_INVALID_DISTANCE;
        break;
      }
    } else if (f.reader.count < entry_taken(f.entry) + LITERAL_ROOT) {
      refill_fast(&f.reader);
    }
    drop_entry(&f);
    unsigned distance = entry_sum(f.entry, f.bits);
    look_up_literals(&f, codes);
    refill_fast(&f.reader);
    if (distance > (size_t)(f.to - b->out.begin)) {
      result = CODED_TOO_FAR;
      break;
    }
    f.to = copy_match(f.to, length, distance);
  } while (f.reader.next <= last_in && f.to <= last_out);
  b->reader = f.reader;
  b->out.next = f.to;
  return result;
}

#if defined(__x86_64__)
/* Its shifts by variable counts take one operation instead of two or three. */
__attribute__((target("bmi,bmi2"))) static enum coded_end decode_fast_bmi2(struct blocks *b) {
  return b->codes.has_pairs ? decode_fast(b, true) : decode_fast(b, false);
}
#endif

static enum coded_end decode_many(struct blocks *b) {
  if (b->reader.end - b->reader.next < INPUT_MARGIN || b->out.end - b->out.next < OUTPUT_MARGIN) return CODED_GOES_ON;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) return decode_fast_bmi2(b);
#endif
  return b->codes.has_pairs ? decode_fast(b, true) : decode_fast(b, false);
}

static uint32_t look_up(struct bit_reader *r, const uint32_t *table, unsigned root) {
  uint32_t found = table[low_bits(r->bits, root)];
  if (entry_kind(found) == ENTRY_TABLE) {
    drop(r, root);
    found = table[entry_value(found) + low_bits(r->bits, entry_code(found))];
  }
  return found;
}

/* One symbol, if it is all there and fits; what does not is left in the stream, but for a match, which fits in parts.
 */
static enum coded_end decode_one(struct blocks *b) {
  struct bit_reader r = b->reader;
  struct output *out = &b->out;
  refill(&r);
  b->reader = r; /* a piece of input may have ended */
  uint32_t found = look_up(&r, b->codes.literals, LITERAL_ROOT);
  if (entry_literals(found)) {
    drop(&r, entry_code(found));
    if (ran_out(&r)) return CODED_CUT;
    if (out->next == out->end) return CODED_FULL;
    *out->next++ = (uint8_t)entry_value(found);
    b->reader = r;
    return CODED_GOES_ON;
  }
  unsigned length = entry_sum(found, r.bits);
  drop(&r, entry_taken(found));
  if (ran_out(&r)) return CODED_CUT;
  enum entry_kind kind = entry_kind(found);
  unsigned distance = 0;
  if (kind == ENTRY_BASE) {
    found = look_up(&r, b->codes.distances, DISTANCE_ROOT);
    distance = entry_sum(found, r.bits);
    drop(&r, entry_taken(found));
    if (ran_out(&r)) return CODED_CUT;
  }
  b->reader = r;
  if (kind != ENTRY_BASE) return kind == ENTRY_END ? CODED_BLOCK_ENDS : CODED_INVALID_CODE;
  if (entry_kind(found) != ENTRY_BASE) return CODED_INVALID_DISTANCE;
  if (distance > (size_t)(out->next - out->begin)) return CODED_TOO_FAR;
  b->length = length;
  b->distance = distance;
  copy_pending_match(b);
  return b->length > 0 ? CODED_FULL : CODED_GOES_ON;
}

static enum coded_end decode_coded(struct blocks *b) {
  copy_pending_match(b);
  for (;;) {
    enum coded_end end = decode_many(b);
    if (end == CODED_GOES_ON) {
      if (b->length > 0 || (b->out.enough && b->out.next >= b->out.enough)) return CODED_FULL;
      end = decode_one(b);
    }
    if (end != CODED_GOES_ON) return end;
  }
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static int start_block(struct blocks *b, enum inflate_end *end, error *e) {
  struct bit_reader *r = &b->reader;
  refill(r);
  b->is_last = take(r, 1);
  unsigned type = take(r, 2);
  if (!ran_out(r) && type == 0) return start_stored(b, end, e);
  const char *wrong = NULL;
  if (!ran_out(r) && type == 3) wrong = "a block of an unknown type";
  if (!ran_out(r) && type == 2) wrong = inflate_read_codes(&b->codes, r);
  if (ran_out(r)) {
    *end = INFLATE_CUT;
    return OK;
  }
  if (wrong) return broken(r, e, wrong);
  if (type == 1 && !b->has_fixed_codes) inflate_fixed_codes(&b->codes);
  b->has_fixed_codes = type == 1;
  b->length = b->distance = 0;
  b->state = BLOCK_CODED;
  return OK;
}

int inflate_blocks(struct blocks *b, enum inflate_end *end, error *e) {
  static const char *const complaints[] = {
      [CODED_INVALID_CODE] = "a code that stands for nothing",
      [CODED_INVALID_DISTANCE] = "a distance code that stands for nothing",
      [CODED_TOO_FAR] = "a distance that reaches before the beginning",
  };
  *end = INFLATE_COMPLETE;
  while (b->state != BLOCK_LAST_DONE) {
    bool is_done = false;
    if (b->state == BLOCK_HEADER) {
      if (start_block(b, end, e) != OK) return FAILED;
    } else if (b->state == BLOCK_STORED) {
      is_done = copy_stored(b, end);
    } else {
      enum coded_end coded = decode_coded(b);
      if (coded > CODED_CUT) return broken(&b->reader, e, complaints[coded]);
      is_done = coded == CODED_BLOCK_ENDS;
      if (!is_done) *end = coded == CODED_FULL ? INFLATE_FULL : INFLATE_CUT;
    }
    if (*end != INFLATE_COMPLETE) return OK;
    if (is_done) b->state = b->is_last ? BLOCK_LAST_DONE : BLOCK_HEADER;
  }
  return OK;
}
