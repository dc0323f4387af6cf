#include "evaluate/probe.h"

#include <stdlib.h>
#include <string.h>

/* ---- the held-out fifth -------------------------------------------------------------------------------------------
 */

/* splitmix64 (Steele, Lea, Flood 2014): the same split for a seed on every machine. */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

struct split {
  size_t *fit, *held; /* rows, rising */
  size_t fit_count, held_count;
};

/* A fifth of every class is held out; at least one row when it has two or more, none when it has one. */
static int split_rows(struct split *split, const struct feature_set *train, uint64_t seed, error *e) {
  size_t classes = (size_t)train->classes;
  size_t *memory = allocate_zeroed(3 * train->n + classes + 1, sizeof *memory, e);
  if (!memory) return FAILED;
  split->fit = memory;
  split->held = memory + train->n;
  size_t *by_class = memory + 2 * train->n, *begin = memory + 3 * train->n;
  for (size_t i = 0; i < train->n; i++) begin[train->labels[i] + 1]++;
  for (size_t k = 0; k < classes; k++) begin[k + 1] += begin[k];
  for (size_t i = 0; i < train->n; i++) by_class[begin[train->labels[i]]++] = i; /* begin[k] ends at its class's end */
  /* held[] serves as flags first: it is as long as train. */
  for (size_t k = 0, first = 0; k < classes; first = begin[k++]) {
    size_t *rows = by_class + first, n = begin[k] - first, wanted = n >= 2 && n < 5 ? 1 : n / 5;
    for (size_t i = 0; i < wanted; i++) {
      size_t j = i + (size_t)(next_random(&seed) % (n - i)), row = rows[j];
      rows[j] = rows[i];
      rows[i] = row;
      split->held[row] = 1;
    }
  }
  for (size_t i = 0; i < train->n; i++) {
    if (split->held[i]) {
      split->held[split->held_count++] = i;
    } else {
      split->fit[split->fit_count++] = i;
    }
  }
  if (split->held_count) return OK;
  return fail(e, "%s: has one row a class, so none can be held out to choose C: give --val or a single C",
              train->folder);
}

/* ---- fitting and judging ------------------------------------------------------------------------------------------
 */

static struct logistic_data data_of(const struct feature_set *set, const size_t *rows, size_t n, int classes) {
  return (struct logistic_data){
      .x = set->x, .d = set->d, .labels = set->labels, .rows = rows, .n = n, .classes = classes};
}

static int evaluate(struct metrics *metrics, const struct logistic_model *model, const struct logistic_data *data,
                    struct threads *pool, int *choices, double *confidences, error *e) {
  double *scores = NULL;
  int *labels = allocate(data->n, sizeof *labels, e);
  size_t size;
  if (labels && multiply_size(data->n, (size_t)model->classes, &size)) {
    scores = allocate(size, sizeof *scores, e);
  } else if (labels) {
    fail(e, "out of memory (%zu samples)", data->n);
  }
  int status = scores ? logistic_scores(model, data, pool, scores, e) : FAILED;
  if (status == OK) {
    for (size_t i = 0; i < data->n; i++) labels[i] = data->labels[data->rows ? data->rows[i] : i];
    status = metrics_compute(metrics, scores, labels, data->n, model->classes, NULL, choices, confidences, e);
  }
  free(scores);
  free(labels);
  return status;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static bool is_better(const struct metrics *a, const struct metrics *b) {
  return a->correct != b->correct ? a->correct > b->correct : a->nll < b->nll;
}

/* Fit every C in rising order, each from the optimum of the one before, and keep the best. */
static int choose(struct probe_result *result, const struct logistic_data *fit, const struct logistic_data *judge,
                  const struct probe_options *options, struct threads *pool, error *e) {
  result->trials = allocate_zeroed(options->C_count, sizeof *result->trials, e);
  double *C = allocate(options->C_count, sizeof *C, e);
  int status = result->trials && C ? OK : FAILED;
  struct logistic_model model = {0};
  size_t best = 0;
  if (status == OK) {
    memcpy(C, options->C, options->C_count * sizeof *C);
    qsort(C, options->C_count, sizeof *C, by_value);
  }
  for (size_t i = 0; status == OK && i < options->C_count; i++) {
    struct logistic_options fitting = {C[i], options->standardize, options->max_iterations, options->tolerance};
    struct probe_trial *trial = &result->trials[i];
    status = logistic_fit(&model, fit, &fitting, pool, e);
    if (status == OK) status = evaluate(&trial->metrics, &model, judge, pool, NULL, NULL, e);
    if (status != OK) break;
    trial->C = C[i];
    trial->iterations = model.iterations;
    trial->converged = model.converged;
    result->trial_count++;
    if (is_better(&trial->metrics, &result->trials[best].metrics)) best = i;
  }
  if (status == OK) result->C = result->trials[best].C;
  logistic_free(&model);
  free(C);
  return status;
}

static int choose_C(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
                    const struct probe_options *options, struct threads *pool, error *e) {
  result->C = options->C[0];
  if (options->C_count == 1) return OK;
  struct logistic_data fit, judge;
  struct split split = {0};
  int status = OK;
  if (val) {
    fit = data_of(train, NULL, train->n, train->classes);
    judge = data_of(val, NULL, val->n, train->classes);
  } else {
    status = split_rows(&split, train, options->seed, e);
    fit = data_of(train, split.fit, split.fit_count, train->classes);
    judge = data_of(train, split.held, split.held_count, train->classes);
  }
  if (status == OK) status = choose(result, &fit, &judge, options, pool, e);
  free(split.fit);
  return status;
}

int probe_fit(struct logistic_model *model, const struct feature_set *train, double C, struct threads *pool, error *e) {
  struct logistic_options options = {
      .C = C, .max_iterations = LOGISTIC_MAX_ITERATIONS, .tolerance = LOGISTIC_TOLERANCE};
  struct logistic_data data = data_of(train, NULL, train->n, train->classes);
  return logistic_fit(model, &data, &options, pool, e);
}

int probe_run(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
              const struct feature_set *test, const struct probe_options *options, struct threads *pool, error *e) {
  *result = (struct probe_result){0};
  if (options->C_count == 0) return usage_error(e, "no C is given");
  for (size_t i = 0; i < options->C_count; i++) {
    if (!(options->C[i] > 0)) return usage_error(e, "C must be a positive number");
  }
  int status = feature_set_check_classes(train, e);
  if (status == OK) status = feature_sets_match(train, test, e);
  if (status == OK && val) status = feature_sets_match(train, val, e);
  if (status == OK) status = choose_C(result, train, val, options, pool, e);
  if (status != OK) return status;

  struct logistic_options fitting = {result->C, options->standardize, options->max_iterations, options->tolerance};
  struct logistic_data all = data_of(train, NULL, train->n, train->classes);
  struct logistic_data unseen = data_of(test, NULL, test->n, train->classes);
  result->choices = allocate(test->n, sizeof *result->choices, e);
  result->confidences = allocate(test->n, sizeof *result->confidences, e);
  if (!result->choices || !result->confidences) return FAILED;
  status = logistic_fit(&result->model, &all, &fitting, pool, e);
  if (status != OK) return status;
  return evaluate(&result->test, &result->model, &unseen, pool, result->choices, result->confidences, e);
}

void probe_free(struct probe_result *result) {
  logistic_free(&result->model);
  free(result->trials);
  free(result->choices);
  free(result->confidences);
  *result = (struct probe_result){0};
}
