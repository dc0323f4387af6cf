#include "evaluate/retrieval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/ranks.h"
#include "evaluate/similarity.h"
#include "kernels/memory.h"

enum { SCORE_BYTES = 256 << 20 };

struct retrieval {
  const struct feature_set *gallery, *queries;
  const struct retrieval_options *options;
  struct retrieval_result *result;
  struct threads *pool;
  bool leave_one_out;
  uint32_t *by_class;   /* rows of the gallery, class by class, rising */
  size_t *class_begin;  /* [classes + 1]: where a class begins in by_class */
  size_t most_relevant; /* rows of the largest class */
  float *scores;        /* [queries of a block, n of the gallery] */
  size_t first;         /* query of the block */
};

/* ---- one query ----------------------------------------------------------------------------------------------------
 */

/* Ranks of the `relevant` rows, rising. */
static void measure(const struct retrieval *t, const uint32_t *ranks, size_t relevant, double *values) {
  const struct retrieval_options *o = t->options;
  for (size_t m = 0; m < t->result->measures; m++) values[m] = 0;
  for (size_t p = 0; p < relevant; p++) {
    double precision = (double)(p + 1) / (double)ranks[p];
    values[RETRIEVAL_AP] += precision;
    if (ranks[p] <= relevant) values[RETRIEVAL_AP_AT_R] += precision;
    for (size_t i = o->k_count; i-- > 0 && ranks[p] <= o->k[i];) values[retrieval_precision(i)]++;
  }
  values[RETRIEVAL_AP] /= (double)relevant;
  values[RETRIEVAL_AP_AT_R] /= (double)relevant;
  values[RETRIEVAL_RR] = 1 / (double)ranks[0];
  for (size_t i = 0; i < o->k_count; i++) {
    values[retrieval_recall(i)] = values[retrieval_precision(i)] / (double)relevant;
    values[retrieval_precision(i)] /= (double)o->k[i];
  }
}

/* A thread's scratch: the keys of the nearest, or what the ranks need. */
static size_t scratch_bytes(const struct retrieval *t) {
  size_t nearest = NEAREST_ROOM(t->result->nearest_count) * sizeof(uint64_t);
  size_t ranks = ranks_scratch_bytes(t->most_relevant);
  return nearest > ranks ? nearest : ranks;
}

static void judge_query(void *context, size_t i, int thread) {
  struct retrieval *t = context;
  struct retrieval_result *result = t->result;
  size_t query = t->first + i, n = t->gallery->n, self = t->leave_one_out ? query : SIZE_MAX;
  const float *scores = t->scores + i * n;
  void *scratch = threads_scratch(t->pool, thread);
  const size_t *begin = t->class_begin + t->queries->labels[query];
  double *values = result->values + query * result->measures;
  size_t relevant;
  const uint32_t *ranks = ranks_find(scores, n, self, t->by_class + begin[0], begin[1] - begin[0], scratch, &relevant);
  if (relevant) {
    measure(t, ranks, relevant, values);
  } else {
    for (size_t m = 0; m < result->measures; m++) values[m] = t->options->empty_as_zero ? 0 : NAN;
  }
  if (result->nearest_count == 0) return;
  struct nearest nearest = {.keys = scratch, .most = result->nearest_count};
  nearest_clear(&nearest);
  nearest_offer(&nearest, 0, scores, n, self);
  nearest_take(&nearest, result->nearest + query * nearest.most);
}

static void keep_scores(void *context, size_t query, size_t first, const float *scores, size_t n) {
  struct retrieval *t = context;
  memcpy(t->scores + query * t->gallery->n + first, scores, n * sizeof *scores);
}

/* ---- all queries --------------------------------------------------------------------------------------------------
 */

static int sort_by_class(struct retrieval *t, error *e) {
  const struct feature_set *gallery = t->gallery;
  size_t classes = (size_t)gallery->classes;
  t->by_class = allocate(gallery->n, sizeof *t->by_class, e);
  t->class_begin = allocate_zeroed(classes + 2, sizeof *t->class_begin, e);
  if (!t->by_class || !t->class_begin) return FAILED;
  size_t *next = t->class_begin + 1; /* next[k] becomes the begin of k while rows are placed, then its end */
  for (size_t i = 0; i < gallery->n; i++) next[gallery->labels[i] + 1]++;
  for (size_t k = 0; k < classes; k++) {
    if (next[k + 1] > t->most_relevant) t->most_relevant = next[k + 1];
    next[k + 1] += next[k];
  }
  for (size_t i = 0; i < gallery->n; i++) t->by_class[next[gallery->labels[i]]++] = (uint32_t)i;
  return OK;
}

static int allocate_result(struct retrieval *t, error *e) {
  struct retrieval_result *r = t->result;
  size_t classes = (size_t)t->gallery->classes, values, nearest, of_classes;
  size_t most = t->gallery->n - t->leave_one_out;
  r->queries = t->queries->n;
  r->measures = RETRIEVAL_AT_K + 2 * t->options->k_count;
  r->nearest_count = t->options->nearest < most ? t->options->nearest : most;
  if (!multiply_size(r->queries, r->measures, &values) || !multiply_size(classes, r->measures, &of_classes) ||
      !multiply_size(r->queries, r->nearest_count, &nearest)) {
    return fail(e, "out of memory (%zu queries)", r->queries);
  }
  r->values = allocate(values, sizeof *r->values, e);
  r->means = allocate_zeroed(r->measures, sizeof *r->means, e);
  r->class_n = allocate_zeroed(classes, sizeof *r->class_n, e);
  r->class_means = allocate_zeroed(of_classes, sizeof *r->class_means, e);
  r->nearest = allocate(nearest, sizeof *r->nearest, e);
  return r->values && r->means && r->class_n && r->class_means && r->nearest ? OK : FAILED;
}

static int judge_all(struct retrieval *t, error *e) {
  size_t n = t->gallery->n, d = t->gallery->d, block = SCORE_BYTES / (n * sizeof(float));
  if (block < 1) block = 1;
  if (block > t->queries->n) block = t->queries->n;
  struct similarity *similarity = NULL;
  t->scores = allocate_aligned(block * n, sizeof *t->scores, e);
  int status = t->scores ? similarity_open(&similarity, t->gallery->x, n, d, block, t->pool, e) : FAILED;
  if (status == OK) status = threads_reserve_scratch(t->pool, scratch_bytes(t), e);
  for (t->first = 0; status == OK && t->first < t->queries->n; t->first += block) {
    size_t count = t->queries->n - t->first < block ? t->queries->n - t->first : block;
    similarity_run(similarity, t->queries->x + t->first * d, count, keep_scores, t);
    threads_run(t->pool, count, judge_query, t);
  }
  similarity_close(similarity);
  release_aligned(t->scores);
  return status;
}

/* Sums over queries in their order, then means. */
static void take_means(const struct retrieval *t) {
  struct retrieval_result *r = t->result;
  for (size_t i = 0; i < r->queries; i++) {
    const double *values = r->values + i * r->measures;
    size_t k = (size_t)t->queries->labels[i];
    size_t relevant = t->class_begin[k + 1] - t->class_begin[k] - t->leave_one_out;
    r->without += relevant == 0;
    if (relevant == 0 && !t->options->empty_as_zero) continue;
    r->n++;
    r->class_n[k]++;
    for (size_t m = 0; m < r->measures; m++) {
      r->means[m] += values[m];
      r->class_means[k * r->measures + m] += values[m];
    }
  }
  for (size_t m = 0; m < r->measures; m++) {
    r->means[m] /= (double)r->n; /* 0 / 0 is NaN */
    for (size_t k = 0; k < (size_t)t->gallery->classes; k++)
      r->class_means[k * r->measures + m] /= (double)r->class_n[k];
  }
}

int retrieval_run(struct retrieval_result *result, const struct feature_set *gallery, const struct feature_set *queries,
                  const struct retrieval_options *options, struct threads *pool, error *e) {
  *result = (struct retrieval_result){0};
  if (queries && feature_sets_match(gallery, queries, e) != OK) return FAILED;
  if (gallery->n >= UINT32_MAX) return fail(e, "%s: has %zu rows: too many", gallery->folder, gallery->n);
  struct retrieval t = {.gallery = gallery,
                        .queries = queries ? queries : gallery,
                        .options = options,
                        .result = result,
                        .pool = pool,
                        .leave_one_out = !queries};
  int status = sort_by_class(&t, e);
  if (status == OK) status = allocate_result(&t, e);
  if (status == OK) status = judge_all(&t, e);
  if (status == OK) take_means(&t);
  free(t.by_class);
  free(t.class_begin);
  return status;
}

void retrieval_free(struct retrieval_result *result) {
  free(result->values);
  free(result->means);
  free(result->class_n);
  free(result->class_means);
  free(result->nearest);
  *result = (struct retrieval_result){0};
}
