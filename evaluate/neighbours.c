#include "evaluate/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/similarity.h"
#include "kernels/memory.h"

enum { QUERY_BYTES = 128 << 20 /* of a block of queries: their rows and their best */ };

/* ---- sorting ------------------------------------------------------------------------------------------------------
 */

/* Put `key` where it belongs below the hole at `at` of a heap with the smallest key on top. */
static void sift_down(uint64_t *keys, size_t n, size_t at, uint64_t key) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n) child += keys[child + 1] < keys[child];
    if (keys[child] >= key) break;
    keys[at] = keys[child];
  }
  keys[at] = key;
}

/* Heap sort: no memory, no worst case. */
void neighbour_keys_sort(uint64_t *keys, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift_down(keys, n, i, keys[i]);
  while (n > 1) {
    uint64_t last = keys[--n];
    keys[n] = keys[0];
    sift_down(keys, n, 0, last);
  }
}

/* ---- the best of a stream -----------------------------------------------------------------------------------------
 */

typedef float four_floats __attribute__((vector_size(16)));
typedef int32_t four_masks __attribute__((vector_size(16)));
enum { GROUP = 16, CHUNK = 256 };

/* Whether one of GROUP scores is above: nearly always none is. */
static inline bool any_above(const float *scores, float threshold) {
  four_floats v[GROUP / 4], limit = {threshold, threshold, threshold, threshold};
  memcpy(v, scores, sizeof v);
  four_masks above = (v[0] > limit) | (v[1] > limit) | (v[2] > limit) | (v[3] > limit);
  uint64_t halves[2];
  memcpy(halves, &above, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

/* Bring the `most` largest of n keys to the front, the smallest of these to their end (Hoare's FIND; the pivots are
 * drawn so that no order of the input is a bad one). */
static void select_largest(uint64_t *keys, size_t n, size_t most) {
  uint64_t random = n;
  size_t low = 0, high = n;
  while (high - low > 1) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    size_t chosen = low + (size_t)((random >> 33) % (high - low)), at = low;
    uint64_t pivot = keys[chosen];
    keys[chosen] = keys[--high];
    for (size_t i = low; i < high; i++) { /* no branch: it could not be predicted */
      uint64_t key = keys[i];
      keys[i] = keys[at];
      keys[at] = key;
      at += key > pivot;
    }
    keys[high++] = keys[at];
    keys[at] = pivot;
    if (at == most - 1) return;
    if (at < most - 1)
      low = at + 1;
    else
      high = at;
  }
}

static void drop_surplus(struct nearest *nearest) {
  if (nearest->count <= nearest->most) return;
  select_largest(nearest->keys, nearest->count, nearest->most);
  nearest->count = nearest->most;
  nearest->threshold = neighbour_of(nearest->keys[nearest->most - 1]).score;
}

/* The places of at most CHUNK scores that are above the threshold. */
static size_t pick(uint32_t *picked, const float *scores, size_t n, float threshold) {
  size_t count = 0;
  for (size_t i = 0; i < n; i += GROUP) {
    if (i + GROUP <= n && !any_above(scores + i, threshold)) continue;
    for (size_t j = i, end = n - i < GROUP ? n : i + GROUP; j < end; j++) {
      picked[count] = (uint32_t)j;
      count += scores[j] > threshold; /* no branch, as above */
    }
  }
  return count;
}

void nearest_offer(struct nearest *nearest, size_t first, const float *scores, size_t n, size_t except) {
  uint32_t picked[CHUNK];
  for (size_t begin = 0; begin < n; begin += CHUNK) {
    /* An equal score with a larger index comes after what is kept. */
    size_t count = pick(picked, scores + begin, n - begin < CHUNK ? n - begin : CHUNK, nearest->threshold);
    for (size_t p = 0; p < count; p++) {
      size_t i = begin + picked[p];
      if (first + i == except) continue;
      if (nearest->count == NEAREST_ROOM(nearest->most)) drop_surplus(nearest);
      nearest->keys[nearest->count++] = neighbour_key(scores[i], (uint32_t)(first + i));
    }
  }
}

void nearest_clear(struct nearest *nearest) {
  nearest->count = 0;
  nearest->threshold = -INFINITY;
}

size_t nearest_take(struct nearest *nearest, struct neighbour *out) {
  drop_surplus(nearest);
  size_t count = nearest->count;
  neighbour_keys_sort(nearest->keys, count);
  for (size_t i = 0; i < count; i++) out[i] = neighbour_of(nearest->keys[i]);
  nearest_clear(nearest);
  return count;
}

/* ---- the search ---------------------------------------------------------------------------------------------------
 */

struct search {
  const struct neighbours_search *search;
  struct nearest *nearest; /* of the block's queries */
  struct neighbour *out;   /* of the block */
  size_t first;            /* query of the block */
};

static void visit(void *context, size_t query, size_t first, const float *scores, size_t n) {
  struct search *s = context;
  size_t except = s->search->leave_one_out ? s->first + query : SIZE_MAX;
  nearest_offer(&s->nearest[query], first, scores, n, except);
}

static void take(void *context, size_t query, int thread) {
  (void)thread;
  struct search *s = context;
  nearest_take(&s->nearest[query], s->out + query * s->search->k);
}

static int check(const struct neighbours_search *s, error *e) {
  size_t most = s->n - (s->leave_one_out && s->n > 0);
  if (s->n >= UINT32_MAX) return fail(e, "%zu rows to search: fewer than 2^32 are possible", s->n);
  if (s->leave_one_out && s->query_count != s->n) return fail(e, "%zu queries of %zu rows", s->query_count, s->n);
  if (s->k >= 1 && s->k <= most) return OK;
  return fail(e, "%zu nearest of %zu rows: from 1 to %zu are possible", s->k, s->n, most);
}

int neighbours_find(struct neighbour *nearest, const struct neighbours_search *search, struct threads *pool, error *e) {
  if (check(search, e) != OK) return FAILED;
  size_t room = NEAREST_ROOM(search->k);
  size_t block = QUERY_BYTES / (search->d * sizeof(float) + room * sizeof(uint64_t)), key_count;
  if (block < 1) block = 1;
  if (block > search->query_count) block = search->query_count;
  if (!multiply_size(block, room, &key_count)) return fail(e, "out of memory (%zu nearest rows)", search->k);
  struct similarity *similarity = NULL;
  struct search s = {.search = search, .nearest = allocate(block, sizeof *s.nearest, e)};
  uint64_t *keys = allocate(key_count, sizeof *keys, e);
  int status = s.nearest && keys ? OK : FAILED;
  if (status == OK) status = similarity_open(&similarity, search->gallery, search->n, search->d, block, pool, e);
  for (size_t i = 0; status == OK && i < block; i++) {
    s.nearest[i] = (struct nearest){.keys = keys + i * room, .most = search->k};
    nearest_clear(&s.nearest[i]);
  }
  for (; status == OK && s.first < search->query_count; s.first += block) {
    size_t count = search->query_count - s.first < block ? search->query_count - s.first : block;
    s.out = nearest + s.first * search->k;
    similarity_run(similarity, search->queries + s.first * search->d, count, visit, &s);
    threads_run(pool, count, take, &s);
  }
  similarity_close(similarity);
  free(s.nearest);
  free(keys);
  return status;
}
