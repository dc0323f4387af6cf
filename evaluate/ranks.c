/* The scores are never sorted. The relevant ones are, and every row is counted into the gap between relevant rows where
 * it stands: sums of these counts are the ranks. A table of buckets leads to the gap in a few steps. */
#include "evaluate/ranks.h"

#include <math.h>
#include <string.h>

#include "evaluate/neighbours.h"

enum { LEAST_BUCKETS = 64, MOST_BUCKETS = 1 << 16, DIGIT = 256 };

struct relevant {
  uint64_t *keys; /* [count + 1]: of relevant rows, in their order; 0 at the end */
  uint64_t *copy; /* [count + 1]: for sorting */
  size_t count, buckets;
  float high, low, scale; /* scores of the first and the last; buckets per score */
  uint32_t *begin;        /* [buckets + 1]: how many relevant rows lie in buckets before this one */
  uint32_t *counts;       /* [count + 1]: rows between the relevant row before and this one, it included */
};

static size_t bucket_count(size_t relevant) {
  size_t buckets = LEAST_BUCKETS;
  while (buckets < MOST_BUCKETS && buckets < 8 * relevant) buckets *= 2;
  return buckets;
}

size_t ranks_scratch_bytes(size_t most) {
  return 2 * (most + 1) * sizeof(uint64_t) + (most + 1 + bucket_count(most) + 1) * sizeof(uint32_t);
}

/* Radix sort by falling score, a byte at a time. It is stable, and rows come with rising index: so do those that tie.
 */
static void sort_keys(struct relevant *r) {
  for (int shift = 32; shift < 64; shift += 8) {
    size_t places[DIGIT] = {0}, place = 0;
    for (size_t i = 0; i < r->count; i++) places[r->keys[i] >> shift & 0xFF]++;
    if (places[r->keys[0] >> shift & 0xFF] == r->count) continue;
    for (size_t digit = DIGIT; digit-- > 0;) {
      size_t n = places[digit];
      places[digit] = place;
      place += n;
    }
    for (size_t i = 0; i < r->count; i++) r->copy[places[r->keys[i] >> shift & 0xFF]++] = r->keys[i];
    uint64_t *sorted = r->copy;
    r->copy = r->keys;
    r->keys = sorted;
  }
}

/* Scores from high to low are cut into equal buckets: the difference and the product round monotonically. */
static size_t bucket_of(const struct relevant *r, float score) { return (size_t)(int)((r->high - score) * r->scale); }

static void fill_buckets(struct relevant *r) {
  size_t filled = 0;
  r->buckets = bucket_count(r->count);
  r->high = neighbour_of(r->keys[0]).score;
  r->low = neighbour_of(r->keys[r->count - 1]).score;
  r->scale = r->high > r->low ? (float)(r->buckets - 1) / (r->high - r->low) : 0;
  if (!isfinite(r->scale)) r->scale = 0; /* nearly all the same: one bucket */
  for (size_t p = 0; p < r->count; p++) {
    size_t bucket = bucket_of(r, neighbour_of(r->keys[p]).score);
    while (filled <= bucket) r->begin[filled++] = (uint32_t)p;
  }
  while (filled <= r->buckets) r->begin[filled++] = (uint32_t)r->count;
}

/* How many of keys[begin, end) are larger, and begin. */
static size_t place_among(const uint64_t *keys, size_t begin, size_t end, uint64_t key) {
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    if (keys[middle] > key)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

static void count_rows(const struct relevant *r, const float *scores, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    float score = scores[i], inside = score < r->high ? score : r->high;
    inside = inside > r->low ? inside : r->low;
    uint64_t key = neighbour_key(score, (uint32_t)i);
    size_t bucket = bucket_of(r, inside), place = r->begin[bucket];
    /* Relevant rows from here on come in falling order, in this bucket and after: two steps without a branch, which
     * could not be predicted, are enough for nearly all. */
    place += r->keys[place] > key;
    place += r->keys[place] > key;
    if (r->keys[place] > key) place = place_among(r->keys, place, r->begin[bucket + 1], key);
    r->counts[place]++;
  }
}

const uint32_t *ranks_find(const float *scores, size_t n, size_t except, const uint32_t *relevant, size_t count,
                           void *scratch, size_t *found) {
  struct relevant r = {.keys = scratch};
  for (size_t i = 0; i < count; i++) {
    if (relevant[i] != except) r.keys[r.count++] = neighbour_key(scores[relevant[i]], relevant[i]);
  }
  r.copy = r.keys + r.count + 1;
  r.counts = (uint32_t *)(void *)(r.copy + r.count + 1);
  r.begin = r.counts + r.count + 1;
  *found = r.count;
  memset(r.counts, 0, (r.count + 1) * sizeof *r.counts);
  if (r.count == 0) return r.counts;
  sort_keys(&r);
  r.keys[r.count] = 0; /* smaller than any key of a number */
  fill_buckets(&r);
  count_rows(&r, scores, 0, except < n ? except : n);
  if (except < n) count_rows(&r, scores, except + 1, n);
  for (size_t p = 1; p < r.count; p++) r.counts[p] += r.counts[p - 1];
  return r.counts;
}
