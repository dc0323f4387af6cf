#include "images/inflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "kernels/memory.h"

/* ---- bits, least significant first --------------------------------------------------------------------------- */

/* Past the input's end zeros are read; `count` tells afterwards whether any were used. */
struct bit_reader {
  const uint8_t *begin, *next, *end;
  uint64_t bits; /* the unread bits, the next one lowest */
  unsigned count;
  unsigned padding; /* bits of `count` that lie beyond the input's end */
};

/* At least 56 bits: enough for a length and a distance with their extra bits (15 + 5 + 15 + 13). */
static inline void refill(struct bit_reader *r) {
  if (r->end - r->next >= 8) {
    uint64_t eight;
    memcpy(&eight, r->next, 8);
    r->bits |= eight << r->count;
    r->next += (63 - r->count) >> 3;
    r->count |= 56;
    return;
  }
  while (r->count < 56) {
    if (r->next < r->end) {
      r->bits |= (uint64_t)*r->next++ << r->count;
    } else {
      r->padding += 8;
    }
    r->count += 8;
  }
}

static inline void drop(struct bit_reader *r, unsigned n) {
  r->bits >>= n;
  r->count -= n;
}

static inline unsigned peek(const struct bit_reader *r, unsigned n) { return (unsigned)(r->bits & ((1u << n) - 1)); }

static inline unsigned take(struct bit_reader *r, unsigned n) {
  unsigned value = peek(r, n);
  drop(r, n);
  return value;
}

static inline bool ran_out(const struct bit_reader *r) { return r->count < r->padding; }

/* The first byte of which no bit was used. */
static size_t byte_position(const struct bit_reader *r) {
  unsigned unread = r->count > r->padding ? r->count - r->padding : 0;
  return (size_t)(r->next - r->begin) - unread / 8;
}

/* ---- Huffman codes ------------------------------------------------------------------------------------------- */

/* A code is looked up by its first `root` bits, and by the rest in a second table when it is longer. An entry holds
 * from the lowest bit: 4 bits of code length to drop, 4 of kind, 8 of extra bits, 16 of value. */
enum { ENTRY_INVALID, ENTRY_LITERAL, ENTRY_BASE, ENTRY_END, ENTRY_TABLE };
enum {
  MAX_CODE_BITS = 15,
  LITERAL_SYMBOLS = 288,
  DISTANCE_SYMBOLS = 32,
  LENGTH_SYMBOLS = 19,
  LITERAL_ROOT = 11,
  DISTANCE_ROOT = 8,
  LENGTH_ROOT = 7,
  /* A second table of 2^k entries is filled by a complete code with k + 1 symbols at least: 288 / 5 * 2^4 entries
   * after 2^11, and 32 / 8 * 2^7 after 2^8, are never passed. */
  LITERAL_ENTRIES = 2048 + 928,
  DISTANCE_ENTRIES = 256 + 512,
  LENGTH_ENTRIES = 128,
};

static inline uint32_t entry(unsigned length, unsigned kind, unsigned extra, unsigned value) {
  return length | kind << 4 | extra << 8 | value << 16;
}
static inline unsigned entry_length(uint32_t e) { return e & 15; }
static inline unsigned entry_kind(uint32_t e) { return e >> 4 & 15; }
static inline unsigned entry_extra(uint32_t e) { return e >> 8 & 255; }
static inline unsigned entry_value(uint32_t e) { return e >> 16; }

struct codes {
  uint32_t literals[LITERAL_ENTRIES];
  uint32_t distances[DISTANCE_ENTRIES];
};

/* What each symbol means, without its code length (RFC 1951, section 3.2.5). */
static uint32_t literal_meaning(unsigned symbol) {
  static const uint16_t bases[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                     31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  if (symbol < 256) return entry(0, ENTRY_LITERAL, 0, symbol);
  if (symbol == 256) return entry(0, ENTRY_END, 0, 0);
  symbol -= 257;
  if (symbol >= 29) return entry(0, ENTRY_INVALID, 0, 0);
  unsigned extra = symbol < 8 || symbol == 28 ? 0 : symbol / 4 - 1;
  return entry(0, ENTRY_BASE, extra, bases[symbol]);
}

static uint32_t distance_meaning(unsigned symbol) {
  if (symbol >= 30) return entry(0, ENTRY_INVALID, 0, 0);
  if (symbol < 2) return entry(0, ENTRY_BASE, 0, symbol + 1);
  unsigned extra = symbol / 2 - 1;
  return entry(0, ENTRY_BASE, extra, 1 + ((2 + symbol % 2) << extra));
}

static uint32_t length_meaning(unsigned symbol) { return entry(0, ENTRY_LITERAL, 0, symbol); }

static unsigned reverse_bits(unsigned code, unsigned length) {
  unsigned reversed = 0;
  for (unsigned i = 0; i < length; i++) reversed |= (code >> i & 1) << (length - 1 - i);
  return reversed;
}

/* Fill a table from code lengths (0: unused). False when they are no prefix code: over-subscribed, or incomplete other
 * than a single code of one bit, which the format allows for distances. */
static bool build_table(uint32_t *table, unsigned root, const uint8_t *lengths, unsigned symbols,
                        uint32_t (*meaning)(unsigned symbol)) {
  unsigned counts[MAX_CODE_BITS + 1] = {0}, next[MAX_CODE_BITS + 1], longest = 0;
  for (unsigned s = 0; s < symbols; s++) counts[lengths[s]]++;
  int left = 1;
  for (unsigned n = 1, code = 0; n <= MAX_CODE_BITS; n++) {
    next[n] = code;
    code = (code + counts[n]) << 1;
    left = 2 * left - (int)counts[n];
    if (left < 0) return false;
    if (counts[n]) longest = n;
  }
  if (left > 0 && longest > 1) return false;
  memset(table, 0, sizeof *table << root);

  /* The size of each second table: the longest code that shares its first bits. */
  uint8_t second_bits[1 << LITERAL_ROOT];
  if (longest > root) {
    unsigned code[MAX_CODE_BITS + 1];
    memcpy(code, next, sizeof code);
    memset(second_bits, 0, (size_t)1 << root);
    for (unsigned s = 0; s < symbols; s++) {
      unsigned n = lengths[s];
      if (n == 0) continue;
      unsigned prefix = reverse_bits(code[n]++, n) & ((1u << root) - 1);
      if (n > root && n - root > second_bits[prefix]) second_bits[prefix] = (uint8_t)(n - root);
    }
  }
  unsigned used = 1u << root;
  for (unsigned s = 0; s < symbols; s++) {
    unsigned n = lengths[s];
    if (n == 0) continue;
    unsigned code = reverse_bits(next[n]++, n), step = 1u << n, size = 1u << root, length = n;
    uint32_t *target = table;
    if (n > root) {
      uint32_t *first = &table[code & (size - 1)];
      unsigned bits = second_bits[code & (size - 1)];
      if (*first == 0) {
        *first = entry(root, ENTRY_TABLE, bits, used);
        used += 1u << bits;
      }
      target = table + entry_value(*first);
      code >>= root;
      length = n - root;
      step = 1u << length;
      size = 1u << bits;
    }
    for (unsigned i = code; i < size; i += step) target[i] = meaning(s) | length;
  }
  return true;
}

static inline uint32_t decode(struct bit_reader *r, const uint32_t *table, unsigned root) {
  uint32_t found = table[peek(r, root)];
  if (entry_kind(found) == ENTRY_TABLE) {
    drop(r, root);
    found = table[entry_value(found) + peek(r, entry_extra(found))];
  }
  drop(r, entry_length(found));
  return found;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

struct output {
  uint8_t *begin, *next, *end;
};

enum block_end { BLOCK_DONE, BLOCK_FULL, BLOCK_CUT, BLOCK_BROKEN };

static enum block_end broken(const struct bit_reader *r, error *e, const char *what) {
  fail(e, "%s before byte %zu of the compressed data", what, byte_position(r));
  return BLOCK_BROKEN;
}

static enum block_end stored_block(struct bit_reader *r, struct output *out, error *e) {
  drop(r, r->count % 8);
  refill(r);
  unsigned length = take(r, 16), complement = take(r, 16);
  if (ran_out(r)) return BLOCK_CUT;
  if (length != (~complement & 0xffff)) return broken(r, e, "a stored block's length is damaged");
  r->next = r->begin + byte_position(r);
  r->bits = 0;
  r->count = r->padding = 0;
  size_t available = (size_t)(r->end - r->next), room = (size_t)(out->end - out->next), n = length;
  if (n > available) n = available;
  if (n > room) n = room;
  if (n) memcpy(out->next, r->next, n);
  r->next += n;
  out->next += n;
  if (n == length) return BLOCK_DONE;
  return n == room ? BLOCK_FULL : BLOCK_CUT;
}

/* Copy `length` bytes from `distance` back; the two may overlap, then the bytes repeat. */
static inline uint8_t *copy_match(uint8_t *to, const uint8_t *end, unsigned length, unsigned distance) {
  const uint8_t *from = to - distance;
  if (distance >= 8 && end - to >= (ptrdiff_t)length + 8) {
    uint8_t *stop = to + length;
    for (; to < stop; to += 8, from += 8) memcpy(to, from, 8);
    return stop;
  }
  for (unsigned i = 0; i < length; i++) to[i] = from[i];
  return to + length;
}

static enum block_end compressed_block(struct bit_reader *r, struct output *output, const struct codes *codes,
                                       error *e) {
  struct output out = *output;
  enum block_end result;
  for (;;) {
    refill(r);
    uint32_t found = decode(r, codes->literals, LITERAL_ROOT);
    if (entry_kind(found) == ENTRY_LITERAL) {
      if (ran_out(r)) {
        result = BLOCK_CUT;
        break;
      }
      if (out.next == out.end) {
        result = BLOCK_FULL;
        break;
      }
      *out.next++ = (uint8_t)entry_value(found);
      continue;
    }
    if (entry_kind(found) != ENTRY_BASE) {
      if (ran_out(r)) {
        result = BLOCK_CUT;
      } else if (entry_kind(found) == ENTRY_END) {
        result = BLOCK_DONE;
      } else {
        result = broken(r, e, "a code that stands for nothing");
      }
      break;
    }
    unsigned length = entry_value(found) + take(r, entry_extra(found));
    found = decode(r, codes->distances, DISTANCE_ROOT);
    unsigned distance = entry_value(found) + take(r, entry_extra(found));
    if (ran_out(r)) {
      result = BLOCK_CUT;
      break;
    }
    if (entry_kind(found) != ENTRY_BASE) {
      result = broken(r, e, "a distance code that stands for nothing");
      break;
    }
    if (distance > (size_t)(out.next - out.begin)) {
      result = broken(r, e, "a distance that reaches before the beginning");
      break;
    }
    size_t room = (size_t)(out.end - out.next);
    out.next = copy_match(out.next, out.end, length <= room ? length : (unsigned)room, distance);
    if (length > room) {
      result = BLOCK_FULL;
      break;
    }
  }
  *output = out;
  return result;
}

/* The codes of a dynamic block: their lengths are themselves Huffman coded (RFC 1951, section 3.2.7). */
static enum block_end read_codes(struct bit_reader *r, struct codes *codes, error *e) {
  static const uint8_t order[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  refill(r);
  unsigned literals = 257 + take(r, 5), distances = 1 + take(r, 5), lengths_sent = 4 + take(r, 4);
  if (ran_out(r)) return BLOCK_CUT;
  if (literals > 286 || distances > 30) return broken(r, e, "too many symbols in a block's codes");
  uint8_t lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS] = {0};
  for (unsigned i = 0; i < lengths_sent; i++) {
    refill(r);
    lengths[order[i]] = (uint8_t)take(r, 3);
  }
  uint32_t table[LENGTH_ENTRIES];
  if (ran_out(r)) return BLOCK_CUT;
  if (!build_table(table, LENGTH_ROOT, lengths, LENGTH_SYMBOLS, length_meaning)) {
    return broken(r, e, "a block's code of code lengths is invalid");
  }
  memset(lengths, 0, LENGTH_SYMBOLS);
  for (unsigned i = 0; i < literals + distances;) {
    refill(r);
    uint32_t found = decode(r, table, LENGTH_ROOT);
    unsigned symbol = entry_value(found), repeat = 1;
    uint8_t length = (uint8_t)symbol;
    if (symbol >= 16) {
      length = symbol == 16 && i > 0 ? lengths[i - 1] : 0;
      repeat = symbol == 16 ? 3 + take(r, 2) : symbol == 17 ? 3 + take(r, 3) : 11 + take(r, 7);
    }
    if (ran_out(r)) return BLOCK_CUT;
    if (entry_kind(found) == ENTRY_INVALID || (symbol == 16 && i == 0) || repeat > literals + distances - i) {
      return broken(r, e, "a block's code lengths are invalid");
    }
    memset(lengths + i, length, repeat);
    i += repeat;
  }
  if (lengths[256] == 0 || !build_table(codes->literals, LITERAL_ROOT, lengths, literals, literal_meaning) ||
      !build_table(codes->distances, DISTANCE_ROOT, lengths + literals, distances, distance_meaning)) {
    return broken(r, e, "a block's codes are invalid");
  }
  return BLOCK_DONE;
}

static void fixed_codes(struct codes *codes) {
  uint8_t lengths[LITERAL_SYMBOLS];
  memset(lengths, 8, 144);
  memset(lengths + 144, 9, 112);
  memset(lengths + 256, 7, 24);
  memset(lengths + 280, 8, 8);
  build_table(codes->literals, LITERAL_ROOT, lengths, LITERAL_SYMBOLS, literal_meaning);
  memset(lengths, 5, DISTANCE_SYMBOLS);
  build_table(codes->distances, DISTANCE_ROOT, lengths, DISTANCE_SYMBOLS, distance_meaning);
}

static enum block_end inflate_blocks(struct bit_reader *r, struct output *out, error *e) {
  struct codes fixed, dynamic;
  bool fixed_ready = false;
  for (bool last = false; !last;) {
    refill(r);
    last = take(r, 1);
    unsigned type = take(r, 2);
    if (ran_out(r)) return BLOCK_CUT;
    enum block_end end = BLOCK_DONE;
    if (type == 3) return broken(r, e, "a block of an unknown type");
    if (type == 0) {
      end = stored_block(r, out, e);
    } else if (type == 1) {
      if (!fixed_ready) fixed_codes(&fixed);
      fixed_ready = true;
      end = compressed_block(r, out, &fixed, e);
    } else {
      end = read_codes(r, &dynamic, e);
      if (end == BLOCK_DONE) end = compressed_block(r, out, &dynamic, e);
    }
    if (end != BLOCK_DONE) return end;
  }
  return BLOCK_DONE;
}

/* ---- wrappers ------------------------------------------------------------------------------------------------ */

static uint32_t little_endian_32(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint32_t big_endian_32(const uint8_t *p) {
  return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

/* Bytes of the gzip header (RFC 1952, section 2.3), or 0 when it is cut off or (with a message) is none. */
static size_t gzip_header(const uint8_t *in, size_t size, bool *malformed, error *e) {
  enum { check_flag = 2, extra_flag = 4, name_flag = 8, comment_flag = 16, reserved_flags = 0xe0 };
  static const uint8_t magic[3] = {0x1f, 0x8b, 8};
  *malformed = memcmp(in, magic, size < 3 ? size : 3) != 0 || (size >= 4 && in[3] & reserved_flags);
  if (*malformed) {
    fail(e, "not a gzip stream");
    return 0;
  }
  if (size < 10) return 0;
  unsigned flags = in[3];
  size_t at = 10;
  if (flags & extra_flag) {
    if (size - at < 2) return 0;
    size_t extra = in[at] | (size_t)in[at + 1] << 8;
    if (size - at - 2 < extra) return 0;
    at += 2 + extra;
  }
  for (int text = 0; text < 2; text++) {
    if (!(flags & (text == 0 ? name_flag : comment_flag))) continue;
    const uint8_t *terminator = memchr(in + at, 0, size - at);
    if (!terminator) return 0;
    at = (size_t)(terminator - in) + 1;
  }
  if (flags & check_flag) at += 2;
  return at < size ? at : 0;
}

static int zlib_header(const uint8_t *in, size_t size, error *e) {
  if (size >= 1 && ((in[0] & 15) != 8 || in[0] >> 4 > 7)) return fail(e, "not a zlib stream");
  if (size >= 2 && (in[0] * 256 + in[1]) % 31 != 0) return fail(e, "the zlib header is damaged");
  if (size >= 2 && in[1] & 32) return fail(e, "the zlib stream wants a preset dictionary");
  return OK;
}

/* The checksum after the stream: fills result->end and result->consumed. */
static int check_trailer(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, const uint8_t *out,
                         struct inflated *result, error *e) {
  size_t at = result->consumed, trailer = wrapper == WRAPPER_NONE ? 0 : wrapper == WRAPPER_ZLIB ? 4 : 8;
  if (size - at < trailer) {
    result->end = INFLATE_CUT;
    result->consumed = size;
    return OK;
  }
  result->end = INFLATE_COMPLETE;
  result->consumed = at + trailer;
  if (wrapper == WRAPPER_ZLIB && big_endian_32(in + at) != checksum_adler32(1, out, result->produced)) {
    return fail(e, "the data's Adler-32 checksum at byte %zu of the compressed data does not match", at);
  }
  if (wrapper == WRAPPER_GZIP && (little_endian_32(in + at) != checksum_crc32(0, out, result->produced) ||
                                  little_endian_32(in + at + 4) != (uint32_t)result->produced)) {
    return fail(e, "the data's CRC-32 or length at byte %zu of the compressed data does not match", at);
  }
  return OK;
}

int inflate_into(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, uint8_t *out, size_t capacity,
                 struct inflated *result, error *e) {
  *result = (struct inflated){.end = INFLATE_CUT, .consumed = size};
  size_t header = 0;
  if (wrapper == WRAPPER_ZLIB) {
    if (zlib_header(in, size, e)) return FAILED;
    if (size < 2) return OK;
    header = 2;
  } else if (wrapper == WRAPPER_GZIP) {
    bool malformed;
    header = gzip_header(in, size, &malformed, e);
    if (header == 0) return malformed ? FAILED : OK;
  }
  struct bit_reader reader = {.begin = in, .next = in + header, .end = in + size};
  struct output output = {out, out, out + capacity};
  enum block_end end = inflate_blocks(&reader, &output, e);
  result->produced = (size_t)(output.next - out);
  result->consumed = byte_position(&reader);
  switch (end) {
    case BLOCK_BROKEN:
      return FAILED;
    case BLOCK_FULL:
      result->end = INFLATE_FULL;
      return OK;
    case BLOCK_CUT:
      return OK;
    case BLOCK_DONE:
      break;
  }
  return check_trailer(wrapper, in, size, out, result, e);
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

/* One stream appended to *out, which grows until it fits. */
static int append_stream(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, size_t max_output, uint8_t **out,
                         size_t *capacity, size_t filled, struct inflated *result, error *e) {
  for (;;) {
    if (inflate_into(wrapper, in, size, *out + filled, *capacity - filled, result, e)) return FAILED;
    if (result->end == INFLATE_CUT) {
      return fail(e, "the compressed data are cut off (after %zu bytes of output)", filled + result->produced);
    }
    if (result->end == INFLATE_COMPLETE) return OK;
    if (*capacity >= max_output) return fail(e, "the decompressed data pass the limit of %zu bytes", max_output);
    size_t wanted = *capacity > max_output / 4 ? max_output : *capacity * 4;
    uint8_t *larger = realloc(*out, wanted);
    if (!larger) return out_of_memory(e, wanted);
    *out = larger;
    *capacity = wanted;
  }
}

int inflate_all(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, size_t max_output, uint8_t **out,
                size_t *out_size, error *e) {
  *out = NULL;
  *out_size = 0;
  /* Streams often shrink to a quarter, and a gzip stream ends with its member's length: a guess that may lie. More room
   * is found by trying again with four times as much, a third of the work repeated at most. */
  enum { best_ratio = 1032 }; /* 258 bytes for two bits */
  size_t capacity = size < max_output / 4 ? size * 4 + 64 : max_output;
  if (wrapper == WRAPPER_GZIP && size >= 4) {
    size_t told = little_endian_32(in + size - 4);
    if (told / best_ratio <= size && told > capacity) capacity = told;
  }
  if (capacity > max_output) capacity = max_output;
  uint8_t *bytes = allocate(capacity, 1, e);
  if (!bytes) return FAILED;
  size_t filled = 0, at = 0;
  do {
    struct inflated result;
    if (append_stream(wrapper, in + at, size - at, max_output, &bytes, &capacity, filled, &result, e)) {
      free(bytes);
      return FAILED;
    }
    filled += result.produced;
    at += result.consumed;
    while (wrapper == WRAPPER_GZIP && at < size && in[at] == 0) at++;
  } while (wrapper == WRAPPER_GZIP && at < size);
  *out = bytes;
  *out_size = filled;
  return OK;
}
