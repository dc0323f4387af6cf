#include "evaluate/class_mean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/products.h"
#include "evaluate/similarity.h"
#include "kernels/memory.h"

enum { COLUMNS = 64 /* of the means, summed by one task */ };

struct work {
  const struct feature_set *train, *test;
  struct threads *pool;
  double temperature;
  size_t classes, panels;
  double *scales; /* [n of train]: what makes rows of length 1 */
  double *means;  /* [classes, d] */
  double *packed; /* [panels][d][PRODUCT_CLASSES]: the means, of length 1 */
  double *scores; /* [n of test, classes] */
};

static void measure(void *context, size_t i, int thread) {
  (void)thread;
  struct work *w = context;
  w->scales[i] = similarity_scale(w->train->x + i * w->train->d, w->train->d);
}

/* Some columns of all means, rows in rising order. Sums will do: only directions count. */
static void sum_columns(void *context, size_t task, int thread) {
  (void)thread;
  struct work *w = context;
  size_t d = w->train->d, begin = task * COLUMNS, end = begin + COLUMNS < d ? begin + COLUMNS : d;
  for (size_t i = 0; i < w->train->n; i++) {
    const float *row = w->train->x + i * d;
    double *mean = w->means + (size_t)w->train->labels[i] * d;
    for (size_t j = begin; j < end; j++) mean[j] += (double)row[j] * w->scales[i];
  }
}

static void pack_mean(void *context, size_t k, int thread) {
  (void)thread;
  struct work *w = context;
  size_t d = w->train->d;
  const double *mean = w->means + k * d;
  double *panel = w->packed + k / PRODUCT_CLASSES * d * PRODUCT_CLASSES + k % PRODUCT_CLASSES, norm = 0;
  for (size_t j = 0; j < d; j++) norm += mean[j] * mean[j];
  double scale = norm > 0 ? 1 / sqrt(norm) : 0;
  for (size_t j = 0; j < d; j++) panel[j * PRODUCT_CLASSES] = mean[j] * scale;
}

static size_t padded_classes(const struct work *w) { return w->panels * PRODUCT_CLASSES; }

static void score_rows(void *context, size_t block, int thread) {
  struct work *w = context;
  const float *rows[PRODUCT_ROWS];
  size_t d = w->test->d, first = block * PRODUCT_ROWS;
  size_t n = w->test->n - first < PRODUCT_ROWS ? w->test->n - first : PRODUCT_ROWS;
  double *scratch = threads_scratch(w->pool, thread), *out = scratch + PRODUCT_SCRATCH;
  for (size_t i = 0; i < n; i++) rows[i] = w->test->x + (first + i) * d;
  product_scores(rows, n, d, w->packed, w->panels, scratch, out);
  for (size_t i = 0; i < n; i++) {
    double scale = similarity_scale(rows[i], d) / w->temperature;
    for (size_t k = 0; k < w->classes; k++) {
      w->scores[(first + i) * w->classes + k] = out[i * padded_classes(w) + k] * scale;
    }
  }
}

static int allocate_work(struct work *w, error *e) {
  size_t d = w->train->d, padded = padded_classes(w), weights, scores;
  if (!multiply_size(padded, d, &weights) || !multiply_size(w->test->n, w->classes, &scores)) {
    return fail(e, "out of memory (%zu classes)", w->classes);
  }
  w->scales = allocate(w->train->n, sizeof *w->scales, e);
  w->means = allocate_zeroed(weights, sizeof *w->means, e);
  w->packed = allocate_aligned(weights, sizeof *w->packed, e);
  w->scores = allocate(scores, sizeof *w->scores, e);
  if (!w->scales || !w->means || !w->packed || !w->scores) return FAILED;
  memset(w->packed, 0, weights * sizeof *w->packed);
  return threads_reserve_scratch(w->pool, (PRODUCT_SCRATCH + PRODUCT_ROWS * padded) * sizeof(double), e);
}

int class_mean_run(struct metrics *metrics, const struct feature_set *train, const struct feature_set *test,
                   double temperature, int *choices, double *confidences, struct threads *pool, error *e) {
  if (!(temperature > 0)) return usage_error(e, "the temperature must be greater than 0");
  if (feature_set_check_classes(train, e) != OK || feature_sets_match(train, test, e) != OK) return FAILED;
  struct work w = {.train = train,
                   .test = test,
                   .pool = pool,
                   .temperature = temperature,
                   .classes = (size_t)train->classes,
                   .panels = ((size_t)train->classes + PRODUCT_CLASSES - 1) / PRODUCT_CLASSES};
  int status = allocate_work(&w, e);
  if (status == OK) {
    threads_run(pool, train->n, measure, &w);
    threads_run(pool, (train->d + COLUMNS - 1) / COLUMNS, sum_columns, &w);
    threads_run(pool, w.classes, pack_mean, &w);
    threads_run(pool, (test->n + PRODUCT_ROWS - 1) / PRODUCT_ROWS, score_rows, &w);
    status = metrics_compute(metrics, w.scores, test->labels, test->n, train->classes, NULL, choices, confidences, e);
  }
  free(w.scales);
  free(w.means);
  release_aligned(w.packed);
  free(w.scores);
  return status;
}
