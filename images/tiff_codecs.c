#include <stdlib.h>
#include <string.h>

#include "images/byte_order.h"
#include "images/inflate.h"
#include "images/lzw.h"
#include "images/tiff.h"

/* ---- PackBits (TIFF 6.0, section 9) -------------------------------------------------------------------------- */

static size_t unpack_bits(const uint8_t *in, size_t size, uint8_t *out, size_t wanted) {
  size_t done = 0, at = 0;
  while (done < wanted && at < size) {
    int code = in[at++];
    if (code == 128) continue;
    bool run = code > 128;
    size_t length = (size_t)(run ? 257 - code : code + 1);
    if (length > wanted - done) length = wanted - done;
    if (size - at < (run ? 1 : length)) break;
    if (run) {
      memset(out + done, in[at], length);
    } else {
      memcpy(out + done, in + at, length);
    }
    at += run ? 1 : length;
    done += length;
  }
  return done;
}

/* ---- LZW (TIFF 6.0, section 13) ------------------------------------------------------------------------------ */

/* Codes grow from 9 to 12 bits, the most significant bit first, one code before they must. libtiff before 1993 wrote
 * them the other way round: least significant bit first, and growing when they must. */
struct lzw_stream {
  const uint8_t *next, *end;
  bool old;
  uint64_t bits; /* the next `count` bits, at the top, in the old order at the bottom */
  int count;
};

/* The next code, or -1 at the end. */
static int next_code(struct lzw_stream *s, int width) {
  if (s->count < width) {
    if (s->end - s->next >= 8) {
      uint64_t word = s->old ? little_endian_64(s->next) << s->count : big_endian_64(s->next) >> s->count;
      int bytes = (63 - s->count) >> 3;
      s->bits |= word;
      s->next += bytes;
      s->count += 8 * bytes;
    } else {
      for (; s->next < s->end && s->count <= 56; s->count += 8) {
        s->bits |= (uint64_t)*s->next++ << (s->old ? s->count : 56 - s->count);
      }
      if (s->count < width) return -1;
    }
  }
  int code;
  if (s->old) {
    code = (int)(s->bits & ((1U << width) - 1));
    s->bits >>= width;
  } else {
    code = (int)(s->bits >> (64 - width));
    s->bits <<= width;
  }
  s->count -= width;
  return code;
}

static size_t unpack_lzw(const uint8_t *in, size_t size, uint8_t *out, size_t wanted) {
  enum { CLEAR = 256, END = 257, FIRST = 258, TABLE = 4095 + 1024, LEAST_BITS = 9, MOST_BITS = 12 };
  struct lzw_stream s = {.next = in, .end = in + size, .old = size >= 2 && in[0] == 0 && in[1] & 1};
  /* A code's string is a piece of the output: that of the code before it when it was added, and one byte more. */
  uint32_t string[TABLE];
  uint16_t length[TABLE];
  int width = LEAST_BITS, next = 0, early = s.old ? 0 : 1;
  size_t done = 0, last = 0, last_length = 0;
  while (done < wanted) {
    int code = next_code(&s, width);
    if (code == CLEAR) {
      width = LEAST_BITS;
      next = FIRST;
      last_length = 0;
      continue;
    }
    if (code < 0 || code == END || next == 0) break; /* next is 0 before the first CLEAR, and when the table is full */
    if (last_length > 0) {
      if (code > next) break;
      string[next] = (uint32_t)last;
      length[next] = (uint16_t)(last_length + 1);
      if (++next > (1 << width) - 1 - early && width < MOST_BITS) width++;
    } else if (code > END) {
      break;
    }
    last = done;
    if (code < CLEAR) {
      out[done] = (uint8_t)code;
      last_length = 1;
    } else {
      last_length = length[code];
      lzw_copy(out + done, out + string[code], last_length);
    }
    done += last_length;
    if (next == TABLE) next = 0;
  }
  return done < wanted ? done : wanted;
}

/* ---- all ----------------------------------------------------------------------------------------------------- */

static int unpack_deflate(const uint8_t *in, size_t size, uint8_t *out, size_t wanted, size_t *done, error *e) {
  struct inflated result;
  int status = inflate_into(WRAPPER_ZLIB, in, size, out, wanted, &result, e);
  *done = result.produced;
  return status;
}

int tiff_unpack(enum tiff_compression compression, const uint8_t *in, size_t size, uint8_t *out, size_t wanted,
                error *e) {
  size_t done = 0;
  switch (compression) {
    case TIFF_RAW:
      done = size < wanted ? size : wanted;
      memcpy(out, in, done);
      break;
    case TIFF_PACK_BITS:
      done = unpack_bits(in, size, out, wanted);
      break;
    case TIFF_LZW:
      done = unpack_lzw(in, size, out, wanted);
      break;
    case TIFF_DEFLATE:
    case TIFF_OLD_DEFLATE:
      if (unpack_deflate(in, size, out, wanted, &done, e)) return FAILED;
      break;
  }
  if (done == wanted) return OK;
  return fail(e, "its %zu bytes give %zu of %zu bytes of pixels", size, done, wanted);
}

uint64_t tiff_most_unpacked(enum tiff_compression compression, uint64_t size) {
  switch (compression) {
    case TIFF_PACK_BITS:
      return size * 64; /* 128 bytes for two */
    case TIFF_LZW:
      return size * 4096; /* 5000 bytes for 12 bits, after strings of every length up to there */
    case TIFF_DEFLATE:
    case TIFF_OLD_DEFLATE:
      return size * 1032; /* 258 bytes for two bits */
    case TIFF_RAW:
      break;
  }
  return size;
}

static void undo_long_differences(uint8_t *row, size_t count, size_t samples, size_t bytes, bool big_endian) {
  for (size_t i = samples * bytes; i < count * bytes; i += bytes) {
    unsigned carry = 0;
    for (size_t k = 0; k < bytes; k++) {
      size_t at = i + (big_endian ? bytes - 1 - k : k);
      carry += (unsigned)(row[at] + row[at - samples * bytes]);
      row[at] = (uint8_t)carry;
      carry >>= 8;
    }
  }
}

void tiff_undo_differences(uint8_t *row, size_t count, int samples, int bits, bool big_endian) {
  size_t step = (size_t)samples;
  if (bits > 8) {
    undo_long_differences(row, count, step, (size_t)bits / 8, big_endian);
  } else if (samples == 3) {
    unsigned a = 0, b = 0, c = 0; /* in registers: the usual case */
    for (size_t i = 0; i + 2 < count; i += 3) {
      row[i] = (uint8_t)(a += row[i]);
      row[i + 1] = (uint8_t)(b += row[i + 1]);
      row[i + 2] = (uint8_t)(c += row[i + 2]);
    }
  } else {
    for (size_t i = step; i < count; i++) row[i] = (uint8_t)(row[i] + row[i - step]);
  }
}

void tiff_reverse_bits(const uint8_t *in, size_t size, uint8_t *out) {
  for (size_t i = 0; i < size; i++) {
    unsigned byte = in[i];
    byte = (byte & 0xf0) >> 4 | (byte & 0x0f) << 4;
    byte = (byte & 0xcc) >> 2 | (byte & 0x33) << 2;
    out[i] = (uint8_t)((byte & 0xaa) >> 1 | (byte & 0x55) << 1);
  }
}
