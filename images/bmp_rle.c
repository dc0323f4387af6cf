/* The runs are read as Pillow reads them: rows follow each other without a gap, so that what an absolute run has beyond
 * its row begins the next one; encoded runs are cut at the row's end. A file must give every pixel, be it by skipping
 * it. Absolute runs of an odd number of nibbles lose the last one, and their bytes are padded from the file's begin. */
#include "images/bmp.h"

#include <string.h>

struct runs {
  const uint8_t *bytes;
  size_t size, at;
  uint8_t *indices;
  size_t width, total, done; /* indices: of a row, in all, so far (this may pass the total) */
  size_t column;             /* where the run at hand begins: not done % width after an absolute run that passes it */
};

static size_t left(const struct runs *r) { return r->size - r->at; }

static void put(struct runs *r, uint8_t index) {
  if (r->done < r->total) r->indices[r->done] = index;
  r->done++;
}

static void encoded_run(struct runs *r, size_t length, uint8_t byte, bool nibbles) {
  size_t room = r->column < r->width ? r->width - r->column : 0;
  if (length > room) length = room;
  for (size_t i = 0; i < length; i++) put(r, !nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
  r->column += length;
}

/* False at the end of the file. */
static bool absolute_run(struct runs *r, size_t length, bool nibbles) {
  size_t bytes = nibbles ? length / 2 : length;
  bool whole = bytes <= left(r);
  if (!whole) bytes = left(r);
  for (const uint8_t *end = r->bytes + r->at + bytes, *in = r->bytes + r->at; in < end; in++) {
    if (nibbles) put(r, *in >> 4);
    put(r, nibbles ? *in & 15 : *in);
  }
  r->at += bytes;
  r->column += length;
  if (r->at % 2 && left(r) > 0) r->at++;
  return whole;
}

/* Skip to the next row (unless at the begin of one), or by an offset. False at the end of the file. */
static bool skip(struct runs *r, bool by_offset) {
  if (!by_offset) {
    r->done += (r->width - r->done % r->width) % r->width;
    r->column = 0;
    return true;
  }
  if (left(r) < 2) return false;
  r->done += r->bytes[r->at] + r->bytes[r->at + 1] * r->width;
  r->column = r->done % r->width;
  r->at += 2;
  return true;
}

int bmp_rle_decode(const uint8_t *bytes, size_t size, size_t from, bool nibbles, size_t width, size_t height,
                   uint8_t *indices, error *e) {
  enum { END_OF_LINE = 0, END = 1, OFFSET = 2 };
  struct runs r = {.bytes = bytes, .size = size, .at = from, .indices = indices, .width = width};
  r.total = width * height;
  bool more = from <= size;
  while (more && r.done < r.total && left(&r) >= 2) {
    size_t length = bytes[r.at];
    uint8_t code = bytes[r.at + 1];
    r.at += 2;
    if (length > 0) {
      encoded_run(&r, length, code, nibbles);
    } else if (code == END_OF_LINE || code == OFFSET) {
      more = skip(&r, code == OFFSET);
    } else {
      more = code != END && absolute_run(&r, code, nibbles);
    }
  }
  if (r.done >= r.total) return OK;
  return fail(e, "truncated: the runs (from byte %zu) end before byte %zu, after %zu of %zu pixels", from, r.at, r.done,
              r.total);
}
