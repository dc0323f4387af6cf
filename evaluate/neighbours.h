/* The k nearest rows by cosine similarity: exact, the same for any number of threads, ties by the smaller index. */
#ifndef EVALUATE_NEIGHBOURS_H
#define EVALUATE_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels/threads.h"

struct neighbour {
  uint32_t index; /* of the gallery's row */
  float score;    /* the cosine of the angle between the two rows */
};

struct neighbours_search {
  const float *queries; /* finite [query_count, d] */
  size_t query_count;
  const float *gallery; /* finite [n, d] */
  size_t n, d;
  size_t k;           /* 1 to n, or to n - 1 with leave_one_out */
  bool leave_one_out; /* query i is row i of the gallery and not its own neighbour */
};

/* nearest: [query_count, k], every query's in the order of falling score, then rising index. Memory beside it is
 * bounded (a quarter of a gigabyte, or what one query needs). The pool must not be NULL. */
int neighbours_find(struct neighbour *nearest, const struct neighbours_search *search, struct threads *pool, error *e);

/* ---- the best of a stream, for others who go through similarities -------------------------------------------------
 */

/* An order of (score, index) as one number: the larger comes first. Both zeros are the same score. */
static inline uint64_t neighbour_key(float score, uint32_t index) {
  score += 0.0F; /* -0 becomes 0 */
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | 0x80000000U; /* as unsigned numbers in the order of the floats */
  return (uint64_t)bits << 32 | (UINT32_MAX - index);
}
static inline struct neighbour neighbour_of(uint64_t key) {
  uint32_t bits = (uint32_t)(key >> 32);
  struct neighbour neighbour = {.index = UINT32_MAX - (uint32_t)key};
  bits = bits >> 31 ? bits & 0x7FFFFFFFU : ~bits;
  memcpy(&neighbour.score, &bits, sizeof bits);
  return neighbour;
}

/* The `most` largest keys of what was offered, and some that are not refused yet. */
#define NEAREST_ROOM(most) (2 * (most))
struct nearest {
  uint64_t *keys; /* [NEAREST_ROOM(most)] */
  size_t most, count;
  float threshold; /* scores up to here come after `most` others */
};
/* Make it empty: before the first offer. */
void nearest_clear(struct nearest *nearest);
/* Offer the scores of rows [first, first + n), one after the other with rising index; row `except` is passed over. */
void nearest_offer(struct nearest *nearest, size_t first, const float *scores, size_t n, size_t except);
/* Write the best in their order; empties `nearest`. Returns how many there were. */
size_t nearest_take(struct nearest *nearest, struct neighbour *out);
/* Sort keys, the largest first, in place. */
void neighbour_keys_sort(uint64_t *keys, size_t n);

#endif
