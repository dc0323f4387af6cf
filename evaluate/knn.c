#include "evaluate/knn.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/neighbours.h"

struct voting {
  const struct feature_set *train, *test;
  size_t classes;
  const struct neighbour *nearest; /* [n of test, most] */
  size_t most, k;
  double temperature;
  double *scores; /* [n of test, classes]: logarithms of shares of votes */
  bool *in_top5;  /* [n of test] */
};

/* Classes with more votes than the label's, or as many and a smaller index. */
static bool is_in_top5(const double *votes, size_t classes, size_t label) {
  size_t before = 0;
  for (size_t c = 0; c < classes; c++) before += votes[c] > votes[label] || (c < label && votes[c] >= votes[label]);
  return votes[label] > 0 && before < 5;
}

static void vote(void *context, size_t i, int thread) {
  (void)thread;
  struct voting *v = context;
  const struct neighbour *nearest = v->nearest + i * v->most;
  double *votes = v->scores + i * v->classes, total = 0;
  memset(votes, 0, v->classes * sizeof *votes);
  for (size_t j = 0; j < v->k; j++) {
    /* Relative to the nearest: shares stay the same, and nothing overflows. */
    double weight = exp(((double)nearest[j].score - (double)nearest[0].score) / v->temperature);
    votes[v->train->labels[nearest[j].index]] += weight;
    total += weight;
  }
  v->in_top5[i] = is_in_top5(votes, v->classes, (size_t)v->test->labels[i]);
  for (size_t c = 0; c < v->classes; c++) votes[c] = log(fmax(votes[c] / total, DBL_EPSILON));
}

/* Judge one k; its choices and confidences take the place of the best's when it is better. */
static int judge(struct knn_result *result, struct voting *v, struct threads *pool, int *choices, double *confidences,
                 error *e) {
  size_t n = v->test->n, in_top5 = 0;
  struct knn_trial *trial = &result->trials[result->trial_count];
  trial->k = v->k;
  threads_run(pool, n, vote, v);
  int status =
      metrics_compute(&trial->metrics, v->scores, v->test->labels, n, (int)v->classes, NULL, choices, confidences, e);
  if (status != OK) return status;
  for (size_t i = 0; i < n; i++) in_top5 += v->in_top5[i];
  trial->metrics.top5 = (double)in_top5 / (double)n;
  const struct metrics *metrics = &trial->metrics, *best = &result->trials[result->best].metrics;
  bool better = metrics->correct != best->correct ? metrics->correct > best->correct : metrics->nll < best->nll;
  if (result->trial_count == 0 || better) {
    result->best = result->trial_count;
    memcpy(result->choices, choices, n * sizeof *choices);
    memcpy(result->confidences, confidences, n * sizeof *confidences);
  }
  result->trial_count++;
  return OK;
}

static int judge_all(struct knn_result *result, struct voting *v, const size_t *k, size_t k_count, struct threads *pool,
                     error *e) {
  size_t n = v->test->n, cells;
  if (!multiply_size(n, v->classes, &cells)) return fail(e, "out of memory (%zu samples)", n);
  result->trials = allocate_zeroed(k_count, sizeof *result->trials, e);
  result->choices = allocate(n, sizeof *result->choices, e);
  result->confidences = allocate(n, sizeof *result->confidences, e);
  v->scores = allocate(cells, sizeof *v->scores, e);
  v->in_top5 = allocate(n, sizeof *v->in_top5, e);
  int *choices = allocate(n, sizeof *choices, e);
  double *confidences = allocate(n, sizeof *confidences, e);
  bool good = result->trials && result->choices && result->confidences && v->scores && v->in_top5;
  int status = good && choices && confidences ? OK : FAILED;
  for (size_t i = 0; status == OK && i < k_count; i++) {
    v->k = k[i];
    status = judge(result, v, pool, choices, confidences, e);
  }
  free(v->scores);
  free(v->in_top5);
  free(choices);
  free(confidences);
  return status;
}

/* The list of k that is used, and its length. */
static size_t choose_k(const struct knn_options *options, size_t n, size_t k[4], const size_t **list) {
  static const size_t usual[4] = {10, 20, 100, 200};
  *list = options->k_count ? options->k : k;
  if (options->k_count) return options->k_count;
  size_t count = 0;
  for (size_t i = 0; i < 4 && (usual[i] <= n || count == 0); i++) k[count++] = usual[i] < n ? usual[i] : n;
  return count;
}

int knn_run(struct knn_result *result, const struct feature_set *train, const struct feature_set *test,
            const struct knn_options *options, struct threads *pool, error *e) {
  *result = (struct knn_result){0};
  if (!(options->temperature > 0)) return usage_error(e, "the temperature must be greater than 0");
  if (feature_set_check_classes(train, e) != OK || feature_sets_match(train, test, e) != OK) return FAILED;
  size_t usual[4], cells;
  const size_t *k;
  size_t k_count = choose_k(options, train->n, usual, &k), most = k[k_count - 1];
  if (most > train->n) return fail(e, "%s: has %zu rows, fewer than %zu neighbours", train->folder, train->n, most);
  struct neighbour *nearest = NULL;
  if (multiply_size(test->n, most, &cells)) {
    nearest = allocate(cells, sizeof *nearest, e);
  } else {
    fail(e, "out of memory (%zu neighbours)", most);
  }
  struct neighbours_search search = {
      .queries = test->x, .query_count = test->n, .gallery = train->x, .n = train->n, .d = train->d, .k = most};
  struct voting voting = {.train = train,
                          .test = test,
                          .classes = (size_t)train->classes,
                          .nearest = nearest,
                          .most = most,
                          .temperature = options->temperature};
  int status = nearest ? neighbours_find(nearest, &search, pool, e) : FAILED;
  if (status == OK) status = judge_all(result, &voting, k, k_count, pool, e);
  free(nearest);
  return status;
}

void knn_free(struct knn_result *result) {
  free(result->trials);
  free(result->choices);
  free(result->confidences);
  *result = (struct knn_result){0};
}
