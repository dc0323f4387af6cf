/* The first byte chooses the wrapper, the second how the stream is cut into pieces, the rest is the stream. Taken bit
 * by bit from pieces or all at once it must give the same bytes and the same end. */
#include <stdlib.h>
#include <string.h>

#include "images/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
  struct inflate_source source;
  const uint8_t *next, *end;
  size_t size;
};

static bool next_piece(struct inflate_source *source, const uint8_t **bytes, size_t *size) {
  struct pieces *pieces = (struct pieces *)source;
  size_t left = (size_t)(pieces->end - pieces->next);
  if (left == 0) return false;
  *bytes = pieces->next;
  *size = left < pieces->size ? left : pieces->size;
  pieces->next += *size;
  return true;
}

enum { CAPACITY = 1 << 18 };

static void compare(enum deflate_wrapper wrapper, size_t piece, const uint8_t *in, size_t size, const uint8_t *whole,
                    const struct inflated *result, int status) {
  struct pieces pieces = {{next_piece}, in, in + size, piece};
  const size_t most = 1 + piece * 300;
  error e;
  struct inflater *inflater = inflater_new(wrapper, &pieces.source, most, CAPACITY, &e);
  if (!inflater) abort();
  size_t taken = 0, wanted, got;
  int taken_status;
  do {
    const uint8_t *bytes;
    wanted = CAPACITY - taken < most ? CAPACITY - taken : most;
    taken_status = inflater_take(inflater, wanted, &bytes, &got, &e);
    if (taken + got > result->produced || memcmp(whole + taken, bytes, got) != 0) abort();
    taken += got;
  } while (taken_status == OK && got == wanted && taken < CAPACITY);
  if (taken != result->produced || taken_status != status) abort();
  inflater_free(inflater);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  enum deflate_wrapper wrapper = (enum deflate_wrapper)(data[0] % 3);
  uint8_t *all, *whole = malloc(CAPACITY);
  size_t all_size;
  error e;
  if (!whole) return 0;
  struct inflated result;
  int status = inflate_into(wrapper, data + 2, size - 2, whole, CAPACITY, &result, &e);
  compare(wrapper, 1 + data[1], data + 2, size - 2, whole, &result, status);
  if (inflate_all(wrapper, data + 2, size - 2, CAPACITY, &all, &all_size, &e) == OK) {
    if (memcmp(all, whole, result.produced) != 0 || status != OK || result.end != INFLATE_COMPLETE) abort();
    free(all);
  }
  free(whole);
  return 0;
}
