/* The stream is read as Pillow reads it, which forgives more than others: everything after the last wanted index is
 * ignored; when the wanted indices are not complete, neither the sub-block of length 0 nor, in long files, the end code
 * ends the stream. */
#include "images/gif_lzw.h"

#include <stdbool.h>
#include <string.h>

#include "images/lzw.h"

enum { TABLE = 4096, MOST_CODE_BITS = 12, MOST_LITERAL_BITS = 12 };
/* Pillow reads files in pieces of this size; an end code ends the piece at hand. */
enum { PIECE = 65536 };

/* ---- bits ---------------------------------------------------------------------------------------------------- */

struct stream {
  const uint8_t *bytes;
  size_t size, at;
  size_t piece_end;  /* a sub-block is entered only when all of it lies before */
  size_t block_left; /* bytes of the sub-block at hand */
  uint64_t bits;     /* the next `count` bits; above them lie zeros or the bits that follow */
  int count;
};

static bool next_piece(struct stream *s) {
  if (s->piece_end == s->size) return false;
  size_t left = s->size - s->piece_end;
  s->piece_end += left < PIECE ? left : PIECE;
  return true;
}

/* At least `wanted` (at most 13) bits, or false at the end of the file. */
static bool refill(struct stream *s, int wanted) {
  for (;;) {
    if (s->block_left >= 8) {
      uint64_t word;
      memcpy(&word, s->bytes + s->at, sizeof word);
      s->bits |= word << s->count;
      int bytes = (63 - s->count) >> 3;
      s->at += (size_t)bytes;
      s->block_left -= (size_t)bytes;
      s->count += 8 * bytes;
      return true;
    }
    for (; s->block_left > 0 && s->count <= 56; s->block_left--, s->count += 8) {
      s->bits |= (uint64_t)s->bytes[s->at++] << s->count;
    }
    if (s->count >= wanted) return true;
    while (s->at == s->piece_end || s->bytes[s->at] >= s->piece_end - s->at) {
      if (!next_piece(s)) return false;
    }
    s->block_left = s->bytes[s->at++];
  }
}

/* ---- strings ------------------------------------------------------------------------------------------------- */

/* A code's string is a piece of the output: the string of the code before it when it was added, and one index more. */
struct table {
  const uint8_t *string[TABLE + 3]; /* of codes from clear + 2 on; 12 literal bits make a code 4098 */
  uint16_t length[TABLE + 3];
};

static int damaged(const struct stream *s, int code, error *e) {
  return fail(e, "damaged image data: code %d before byte %zu is not in the table", code, s->at);
}

int gif_lzw_decode(const uint8_t *bytes, size_t size, size_t from, int literal_bits, uint8_t *indices, size_t wanted,
                   size_t *known, error *e) {
  *known = 0;
  if (literal_bits > MOST_LITERAL_BITS) return fail(e, "codes of %d bits at byte %zu", literal_bits + 1, from - 1);
  const int clear = 1 << literal_bits, end = clear + 1;
  struct stream s = {.bytes = bytes, .size = size, .at = from, .piece_end = from};
  struct table table;
  int width = literal_bits + 1, next = clear + 2, previous = -1;
  uint8_t *out = indices, *const stop = indices + wanted, *last = out;
  size_t last_length = 0;
  while (out < stop) {
    if (s.count < width && !refill(&s, width)) {
      *known = (size_t)(out - indices);
      return fail(e, "truncated: the image data (from byte %zu) end at byte %zu, after %zu of %zu pixels", from, size,
                  *known, wanted);
    }
    int code = (int)(s.bits & ((1U << width) - 1));
    s.bits >>= width;
    s.count -= width;
    if (code == clear) {
      width = literal_bits + 1;
      next = clear + 2;
      previous = -1;
      continue;
    }
    if (code == end) {
      if (next_piece(&s)) continue;
      *known = (size_t)(out - indices);
      return fail(e, "the image data end with a code before byte %zu, after %zu of %zu pixels", s.at, *known, wanted);
    }
    if (code > (previous < 0 ? clear : next) || (code >= TABLE && previous >= TABLE)) {
      *known = (size_t)(out - indices);
      return damaged(&s, code, e);
    }
    if (previous >= 0) {
      table.string[next] = last;
      table.length[next] = (uint16_t)(last_length + 1);
    }
    last_length = 1;
    if (code < clear) {
      *out = (uint8_t)code;
    } else {
      last_length = table.length[code];
      lzw_copy(out, table.string[code], last_length);
    }
    last = out;
    out += last_length;
    if (previous >= 0 && next < TABLE) {
      if (next == (1 << width) - 1 && width < MOST_CODE_BITS) width++;
      next++;
    }
    previous = code;
  }
  *known = wanted;
  return OK;
}
