#include "evaluate/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/holdout.h"

enum { SCORE_BYTES = 16 << 20, MIN_SCORE_ROWS = 64 }; /* of scores that are held at a time */

/* The sweep's grid: C = 10^(SWEEP_LOWEST + place / SWEEP_STEPS) for places 0 to SWEEP_PLACES. */
enum {
  SWEEP_LOWEST = -6,
  SWEEP_STEPS = 8, /* a decade */
  SWEEP_PLACES = 96,
  SWEEP_STRIDE = 16, /* in the beginning; halved four times */
  SWEEP_TRIALS = SWEEP_PLACES / SWEEP_STRIDE + 1 + 2 * 4,
};

/* ---- the held-out fifth -------------------------------------------------------------------------------------------
 */

struct split {
  size_t *fit, *held; /* rows, rising */
  size_t fit_count, held_count;
};

/* A fifth of every class is held out; at least one row when it has two or more, none when it has one. */
static int split_rows(struct split *split, const struct feature_set *train, uint64_t seed, error *e) {
  bool *held = allocate(train->n, sizeof *held, e);
  split->fit = allocate(2 * train->n, sizeof *split->fit, e);
  int status = held && split->fit ? holdout_draw(held, train->labels, train->n, train->classes, 0.2, seed, e) : FAILED;
  if (status == OK) {
    split->held = split->fit + train->n;
    for (size_t i = 0; i < train->n; i++) {
      if (held[i])
        split->held[split->held_count++] = i;
      else
        split->fit[split->fit_count++] = i;
    }
  }
  free(held);
  if (status != OK || split->held_count) return status;
  return fail(e, "%s: has one row a class, so none can be held out to choose C: give --val or a single C",
              train->folder);
}

/* ---- fitting and judging ------------------------------------------------------------------------------------------
 */

static struct logistic_data data_of(const struct feature_set *set, const size_t *rows, size_t n, int classes) {
  return (struct logistic_data){
      .x = set->x, .d = set->d, .labels = set->labels, .rows = rows, .n = n, .classes = classes};
}

/* `count` rows from `first` on of those that take part. */
static struct logistic_data part_of(const struct logistic_data *data, size_t first, size_t count) {
  struct logistic_data part = *data;
  part.n = count;
  if (data->rows) {
    part.rows += first;
  } else {
    part.x += first * data->d;
    part.labels += first;
  }
  return part;
}

/* Scores of some rows at a time: never those of all. */
static int evaluate(struct metrics *metrics, const struct logistic_model *model, const struct logistic_data *data,
                    struct threads *pool, int *choices, double *confidences, error *e) {
  size_t classes = (size_t)model->classes, rows = SCORE_BYTES / sizeof(double) / classes;
  if (rows < MIN_SCORE_ROWS) rows = MIN_SCORE_ROWS;
  if (rows > data->n) rows = data->n;
  double *scores = allocate(rows * classes, sizeof *scores, e);
  int *labels = allocate(rows, sizeof *labels, e);
  struct metrics_sums *sums = NULL;
  int status = scores && labels ? metrics_open(&sums, model->classes, e) : FAILED;
  for (size_t first = 0; status == OK && first < data->n; first += rows) {
    struct logistic_data part = part_of(data, first, data->n - first < rows ? data->n - first : rows);
    for (size_t i = 0; i < part.n; i++) labels[i] = part.labels[part.rows ? part.rows[i] : i];
    status = logistic_scores(model, &part, pool, scores, e);
    if (status == OK) {
      metrics_add(sums, scores, labels, part.n, NULL, choices ? choices + first : NULL,
                  confidences ? confidences + first : NULL);
    }
  }
  if (status == OK) status = metrics_read(sums, metrics, e);
  metrics_close(sums);
  free(scores);
  free(labels);
  return status;
}

/* ---- the choice of C or of the rate
 * ---------------------------------------------------------------------------------------------
 */

struct choice {
  const struct logistic_data *fit, *judge;
  const struct probe_options *options;
  struct threads *pool;
  struct probe_result *result;
  size_t best;                /* of result->trials */
  struct logistic_model last; /* of the last trial; result->model is the best one's */
};

static int copy_model(struct logistic_model *to, const struct logistic_model *from, error *e) {
  size_t weights = (size_t)from->classes * from->d, classes = (size_t)from->classes;
  logistic_free(to);
  *to = *from;
  to->weights = allocate(weights, sizeof(double), e);
  to->bias = allocate(classes, sizeof(double), e);
  if (!to->weights || !to->bias) return FAILED;
  memcpy(to->weights, from->weights, weights * sizeof(double));
  memcpy(to->bias, from->bias, classes * sizeof(double));
  return OK;
}

/* Of equals the lower NLL, then the smaller C. */
static bool is_better(const struct probe_trial *a, const struct probe_trial *b) {
  if (a->metrics.correct != b->metrics.correct) return a->metrics.correct > b->metrics.correct;
  return a->metrics.nll != b->metrics.nll ? a->metrics.nll < b->metrics.nll : a->C < b->C || a->rate < b->rate;
}

/* Judge choice->last; keep it if it is the best so far. */
static int judge(struct choice *choice, double C, double rate, error *e) {
  struct probe_result *result = choice->result;
  struct probe_trial *trial = &result->trials[result->trial_count];
  int status = evaluate(&trial->metrics, &choice->last, choice->judge, choice->pool, NULL, NULL, e);
  if (status != OK) return status;
  trial->C = C;
  trial->rate = rate;
  trial->iterations = choice->last.iterations;
  trial->converged = choice->last.converged;
  if (result->trial_count++ == 0 || is_better(trial, &result->trials[choice->best])) {
    choice->best = result->trial_count - 1;
    return copy_model(&result->model, &choice->last, e);
  }
  return OK;
}

/* One more C, from the last optimum or from that of the best so far. */
static int try_C(struct choice *choice, double C, bool from_best, error *e) {
  const struct probe_options *options = choice->options;
  struct logistic_options fitting = {C, options->standardize, options->max_iterations, options->tolerance};
  if (from_best && copy_model(&choice->last, &choice->result->model, e) != OK) return FAILED;
  int status = logistic_fit(&choice->last, choice->fit, &fitting, choice->pool, e);
  return status == OK ? judge(choice, C, NAN, e) : status;
}

static int train_by(struct logistic_model *model, const struct logistic_data *data, const struct probe_options *options,
                    double rate, size_t views, struct threads *pool, error *e) {
  struct sgd_options training = options->training;
  training.learning_rate = rate;
  training.seed = options->seed;
  training.views = views;
  return sgd_probe_fit(model, data, &training, pool, e);
}

static int try_rate(struct choice *choice, double rate, size_t views, error *e) {
  int status = train_by(&choice->last, choice->fit, choice->options, rate, views, choice->pool, e);
  return status == OK ? judge(choice, NAN, rate, e) : status;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int try_list(struct choice *choice, error *e) {
  size_t count = choice->options->C_count;
  double *C = allocate(count, sizeof *C, e);
  int status = C ? OK : FAILED;
  if (C) {
    memcpy(C, choice->options->C, count * sizeof *C);
    qsort(C, count, sizeof *C, by_value);
  }
  for (size_t i = 0; status == OK && i < count; i++) status = try_C(choice, C[i], false, e);
  free(C);
  return status;
}

static double swept_C(int place) { return pow(10, SWEEP_LOWEST + place / (double)SWEEP_STEPS); }

static int sweep(struct choice *choice, error *e) {
  int status = OK, place[SWEEP_TRIALS];
  for (int at = 0; status == OK && at <= SWEEP_PLACES; at += SWEEP_STRIDE) {
    place[choice->result->trial_count] = at;
    status = try_C(choice, swept_C(at), false, e);
  }
  for (int step = SWEEP_STRIDE / 2; status == OK && step > 0; step /= 2) {
    int middle = place[choice->best];
    for (int side = -1; status == OK && side <= 1; side += 2) {
      int at = middle + side * step;
      if (at < 0 || at > SWEEP_PLACES) continue;
      place[choice->result->trial_count] = at;
      status = try_C(choice, swept_C(at), true, e);
    }
  }
  return status;
}

static int by_C(const void *a, const void *b) {
  const struct probe_trial *x = a, *y = b;
  return by_value(&x->C, &y->C);
}

static int try_rates(struct choice *choice, size_t views, error *e) {
  const struct probe_options *options = choice->options;
  int status = OK;
  for (size_t i = 0; status == OK && i < options->rate_count; i++) {
    status = try_rate(choice, options->rates[i], views, e);
  }
  return status;
}

/* Leaves the best trial's model in result->model. */
static int choose(struct choice *choice, size_t views, error *e) {
  struct probe_result *result = choice->result;
  const struct probe_options *options = choice->options;
  size_t trials = options->sgd ? options->rate_count : options->sweep ? SWEEP_TRIALS : options->C_count;
  result->trials = allocate_zeroed(trials, sizeof *result->trials, e);
  int status = result->trials ? OK : FAILED;
  if (status == OK) {
    status = options->sgd ? try_rates(choice, views, e) : options->sweep ? sweep(choice, e) : try_list(choice, e);
  }
  if (status == OK) {
    result->C = result->trials[choice->best].C;
    result->rate = result->trials[choice->best].rate;
    if (!options->sgd) qsort(result->trials, result->trial_count, sizeof *result->trials, by_C);
  }
  logistic_free(&choice->last);
  return status;
}

static int choose_on_unseen(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
                            const struct probe_options *options, struct threads *pool, error *e) {
  result->C = result->rate = NAN;
  if (options->sgd ? options->rate_count == 1 : !options->sweep && options->C_count == 1) {
    *(options->sgd ? &result->rate : &result->C) = options->sgd ? options->rates[0] : options->C[0];
    return OK;
  }
  if (train->views > 1 && !val) {
    return fail(e, "%s: holds augmented views: photos to choose the learning rate by have to be given (--val)",
                train->folder);
  }
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
  if (status == OK) {
    struct choice choice = {.fit = &fit, .judge = &judge, .options = options, .pool = pool, .result = result};
    status = choose(&choice, train->views, e);
  }
  free(split.fit);
  return status;
}

/* On all of train. */
static int fit_chosen(struct probe_result *result, const struct feature_set *train, const struct probe_options *options,
                      struct threads *pool, error *e) {
  struct logistic_data all = data_of(train, NULL, train->n, train->classes);
  if (options->sgd) return train_by(&result->model, &all, options, result->rate, train->views, pool, e);
  struct logistic_options fitting = {result->C, options->standardize, options->max_iterations, options->tolerance};
  return logistic_fit(&result->model, &all, &fitting, pool, e);
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
  if (options->sgd && options->rate_count == 0) return usage_error(e, "no learning rate is given");
  if (!options->sgd && !options->sweep && options->C_count == 0) return usage_error(e, "no C is given");
  for (size_t i = 0; !options->sgd && !options->sweep && i < options->C_count; i++) {
    if (!(options->C[i] > 0)) return usage_error(e, "C must be a positive number");
  }
  int status = feature_set_check_classes(train, e);
  if (status == OK) status = feature_sets_match(train, test, e);
  if (status == OK && val) status = feature_sets_match(train, val, e);
  if (status == OK) status = choose_on_unseen(result, train, val, options, pool, e);
  if (status != OK) return status;

  struct logistic_data unseen = data_of(test, NULL, test->n, train->classes);
  result->choices = allocate(test->n, sizeof *result->choices, e);
  result->confidences = allocate(test->n, sizeof *result->confidences, e);
  if (!result->choices || !result->confidences) return FAILED;
  status = fit_chosen(result, train, options, pool, e);
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
