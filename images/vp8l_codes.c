/* VP8L: prefix codes (RFC 9649, section 3.7.2) and their tables. */
#include <stdlib.h>
#include <string.h>

#include "images/vp8l_internal.h"
#include "kernels/memory.h"

enum { CODE_LENGTHS = 19, MAX_CODE_LENGTH_BITS = 7, DEFAULT_LENGTH = 8 };

void vp8l_free_codes(struct vp8l_codes *codes) {
  free(codes->entries);
  free(codes->groups);
  *codes = (struct vp8l_codes){0};
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static int add_entries(struct vp8l_codes *codes, size_t count, error *e) {
  while (codes->capacity < codes->used + count) {
    void *entries = codes->entries;
    if (grow(&entries, &codes->capacity, codes->capacity, sizeof *codes->entries, e)) return FAILED;
    codes->entries = entries;
  }
  codes->used += count;
  return OK;
}

static uint32_t reversed(uint32_t code, int bits) {
  uint32_t out = 0;
  for (int i = 0; i < bits; i++) out |= (code >> i & 1) << (bits - 1 - i);
  return out;
}

/* The size of the second table that begins with a code of `length` bits: as many bits as make it full. */
static int second_table_bits(const int counts[VP8L_MAX_LENGTH + 1], int length) {
  int free_codes = 1 << (length - VP8L_ROOT_BITS);
  for (; length < VP8L_MAX_LENGTH; length++) {
    free_codes -= counts[length];
    if (free_codes <= 0) break;
    free_codes <<= 1;
  }
  return length - VP8L_ROOT_BITS;
}

/* The tables of a canonical code that is complete. sorted: symbols by length, then by value; counts: symbols of each
 * length, counted down here. */
static int fill_tables(struct vp8l_codes *codes, struct vp8l_code *code, int counts[VP8L_MAX_LENGTH + 1],
                       const uint16_t *sorted, error *e) {
  int longest = VP8L_MAX_LENGTH;
  while (counts[longest] == 0) longest--;
  int root_bits = longest < VP8L_ROOT_BITS ? longest : VP8L_ROOT_BITS;
  *code = (struct vp8l_code){(uint32_t)codes->used, (1u << root_bits) - 1};
  if (add_entries(codes, (size_t)1 << root_bits, e)) return FAILED;
  uint32_t next = 0, root = UINT32_MAX; /* the next code; the root of the current second table */
  size_t table = 0, table_size = 0;
  for (int length = 1; length <= longest; length++, next <<= 1) {
    for (; counts[length] > 0; counts[length]--, next++) {
      struct vp8l_entry entry = {*sorted++, (uint16_t)length};
      uint32_t key = reversed(next, length);
      if (length <= root_bits) {
        struct vp8l_entry *to = codes->entries + code->first;
        for (size_t i = key; i <= code->mask; i += (size_t)1 << length) to[i] = entry;
        continue;
      }
      if ((key & code->mask) != root) {
        int bits = second_table_bits(counts, length);
        root = key & code->mask;
        table = codes->used;
        table_size = (size_t)1 << bits;
        if (add_entries(codes, table_size, e)) return FAILED;
        codes->entries[code->first + root] =
            (struct vp8l_entry){(uint16_t)(table - code->first), (uint16_t)(VP8L_ROOT_BITS + bits)};
      }
      for (size_t i = key >> VP8L_ROOT_BITS; i < table_size; i += (size_t)1 << (length - VP8L_ROOT_BITS)) {
        codes->entries[table + i] = entry;
      }
    }
  }
  return OK;
}

static int bad_code(error *e, const char *what) { return fail(e, "a prefix code %s", what); }

/* The code whose symbols have these lengths (0: none). One symbol alone has a code of no bits, whatever its length. */
static int build_code(struct vp8l_codes *codes, struct vp8l_code *code, const uint8_t *lengths, int alphabet,
                      error *e) {
  int counts[VP8L_MAX_LENGTH + 1] = {0}, offsets[VP8L_MAX_LENGTH + 2] = {0}, used = 0;
  uint16_t sorted[VP8L_MAX_ALPHABET];
  for (int i = 0; i < alphabet; i++) counts[lengths[i]]++;
  used = alphabet - counts[0];
  if (used == 0) return bad_code(e, "has no symbols");
  counts[0] = 0;
  int32_t left = 1; /* codes of the current length that are not taken */
  for (int i = 1; i <= VP8L_MAX_LENGTH; i++) {
    left = 2 * left - counts[i];
    if (left < 0 && used > 1) return bad_code(e, "has too many short codes");
    offsets[i + 1] = offsets[i] + counts[i];
  }
  if (left > 0 && used > 1) return bad_code(e, "is incomplete");
  for (int i = 0; i < alphabet; i++) {
    if (lengths[i]) sorted[offsets[lengths[i]]++] = (uint16_t)i;
  }
  if (used > 1) return fill_tables(codes, code, counts, sorted, e);
  *code = (struct vp8l_code){(uint32_t)codes->used, 0};
  if (add_entries(codes, 1, e)) return FAILED;
  codes->entries[code->first] = (struct vp8l_entry){sorted[0], 0};
  return OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* One or two symbols, of one bit each; those that the alphabet does not have do not count. */
static void read_simple_lengths(struct vp8l_bits *b, uint8_t *lengths) {
  bool two = vp8l_read(b, 1);
  int bits = vp8l_read(b, 1) ? 8 : 1;
  lengths[vp8l_read(b, bits)] = 1;
  if (two) lengths[vp8l_read(b, 8)] = 1;
}

/* Lengths that a prefix code of their own codes. */
static int read_coded_lengths(struct vp8l_codes *codes, struct vp8l_bits *b, uint8_t *lengths, int alphabet, error *e) {
  static const uint8_t order[CODE_LENGTHS] = {17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  uint8_t code_lengths[CODE_LENGTHS] = {0};
  int count = 4 + (int)vp8l_read(b, 4);
  for (int i = 0; i < count; i++) code_lengths[order[i]] = (uint8_t)vp8l_read(b, 3);
  struct vp8l_code code;
  size_t used = codes->used;
  if (build_code(codes, &code, code_lengths, CODE_LENGTHS, e)) return FAILED;
  codes->used = used; /* its table is only needed here */
  int tokens = alphabet;
  if (vp8l_read(b, 1)) {
    int bits = 2 + 2 * (int)vp8l_read(b, 3);
    tokens = 2 + (int)vp8l_read(b, bits);
    if (tokens > alphabet) return bad_code(e, "has more lengths than symbols");
  }
  int previous = DEFAULT_LENGTH;
  for (int i = 0; i < alphabet && tokens > 0; tokens--) {
    vp8l_refill(b);
    int token = vp8l_symbol(b, codes->entries, &code);
    if (token <= VP8L_MAX_LENGTH) {
      lengths[i++] = (uint8_t)token;
      if (token) previous = token;
      continue;
    }
    static const struct {
      int bits, base;
    } repeats[3] = {{2, 3}, {3, 3}, {7, 11}}; /* of the length before; of 0; of 0 */
    int repeat = repeats[token - 16].base + (int)vp8l_take(b, repeats[token - 16].bits);
    if (repeat > alphabet - i) return bad_code(e, "repeats a length beyond its last symbol");
    memset(lengths + i, token == 16 ? previous : 0, (size_t)repeat);
    i += repeat;
  }
  return OK;
}

static int read_code(struct vp8l_codes *codes, struct vp8l_code *code, struct vp8l_bits *b, int alphabet, error *e) {
  uint8_t lengths[VP8L_MAX_ALPHABET];
  memset(lengths, 0, (size_t)(alphabet < VP8L_LITERALS ? VP8L_LITERALS : alphabet));
  if (vp8l_read(b, 1)) {
    read_simple_lengths(b, lengths);
  } else if (read_coded_lengths(codes, b, lengths, alphabet, e)) {
    return FAILED;
  }
  if (vp8l_ended(b)) return fail(e, "truncated: the data end within the prefix codes");
  return build_code(codes, code, lengths, alphabet, e);
}

static int read_group(struct vp8l_codes *codes, struct vp8l_group *group, struct vp8l_bits *b, int cache_size,
                      error *e) {
  const int alphabets[VP8L_CODES] = {VP8L_LITERALS + VP8L_LENGTHS + cache_size, VP8L_LITERALS, VP8L_LITERALS,
                                     VP8L_LITERALS, VP8L_DISTANCES};
  for (int i = 0; i < VP8L_CODES; i++) {
    if (read_code(codes, &group->codes[i], b, alphabets[i], e)) return FAILED;
  }
  uint32_t only[VP8L_CODES];
  for (int i = 0; i < VP8L_CODES; i++) only[i] = codes->entries[group->codes[i].first].value;
  const struct vp8l_code *c = group->codes;
  group->one_colour = !c[VP8L_RED].mask && !c[VP8L_BLUE].mask && !c[VP8L_ALPHA].mask;
  group->literal = only[VP8L_ALPHA] << 24 | only[VP8L_RED] << 16 | only[VP8L_BLUE];
  group->constant = group->one_colour && !c[VP8L_GREEN].mask && only[VP8L_GREEN] < VP8L_LITERALS;
  if (group->constant) group->literal |= only[VP8L_GREEN] << 8;
  return OK;
}

int vp8l_read_codes(struct vp8l_codes *codes, struct vp8l_bits *b, size_t count, int cache_bits, error *e) {
  /* A code has four bits at least: no allocation for what the file cannot hold. */
  size_t bytes = (size_t)(b->end - b->next) + sizeof b->bits;
  if (count > 1 && count * VP8L_CODES * 4 / 8 > bytes) {
    return fail(e, "truncated: %zu bytes cannot hold %zu groups of prefix codes", bytes, count);
  }
  codes->groups = allocate_zeroed(count, sizeof *codes->groups, e);
  if (!codes->groups) return FAILED;
  codes->group_count = count;
  for (size_t i = 0; i < count; i++) {
    if (read_group(codes, &codes->groups[i], b, cache_bits ? 1 << cache_bits : 0, e)) return FAILED;
  }
  return OK;
}
