#include "evaluate/fewshot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/class_mean.h"
#include "evaluate/knn.h"
#include "evaluate/significance.h"
#include "evaluate/similarity.h"
#include "images/random.h"
#include "kernels/memory.h"

static const size_t usual_shots[] = {1, 2, 4, 8, 16};
enum { USUAL_SHOTS = sizeof usual_shots / sizeof usual_shots[0] };

struct work {
  const struct feature_set *train, *test;
  const struct fewshot_options *options;
  struct threads *pool;
  size_t *by_class; /* rows of train, class by class, rising */
  size_t *begin;    /* [classes + 1]: where a class begins in by_class */
  size_t *order;    /* rows of one class, being drawn */
  float *x;         /* the drawn rows */
  int *labels;
  double *lengths; /* [n of test]: one over the length of a row; NULL: rows are taken as they are */
  double *scores;  /* [n of test, classes] */
};

struct fewshot_options fewshot_defaults(void) {
  return (struct fewshot_options){
      .repeats = FEWSHOT_REPEATS,
      .logistic = {.C = 1, .max_iterations = LOGISTIC_MAX_ITERATIONS, .tolerance = LOGISTIC_TOLERANCE}};
}

/* ---- drawing ------------------------------------------------------------------------------------------------------
 */

static int sort_by_class(struct work *w, error *e) {
  const struct feature_set *train = w->train;
  w->by_class = allocate(train->n, sizeof *w->by_class, e);
  w->begin = allocate_zeroed((size_t)train->classes + 2, sizeof *w->begin, e);
  if (!w->by_class || !w->begin) return FAILED;
  size_t *next = w->begin + 1; /* next[k] becomes the begin of k while rows are placed, then its end */
  for (size_t i = 0; i < train->n; i++) next[train->labels[i] + 1]++;
  for (int k = 0; k < train->classes; k++) next[k + 1] += next[k];
  for (size_t i = 0; i < train->n; i++) w->by_class[next[train->labels[i]]++] = i;
  return OK;
}

static size_t class_rows(const struct work *w, int k) { return w->begin[k + 1] - w->begin[k]; }

static int smallest_class(const struct work *w) {
  int smallest = 0;
  for (int k = 1; k < w->train->classes; k++) {
    if (class_rows(w, k) < class_rows(w, smallest)) smallest = k;
  }
  return smallest;
}

static size_t largest_class(const struct work *w) {
  size_t most = 0;
  for (int k = 0; k < w->train->classes; k++) {
    if (class_rows(w, k) > most) most = class_rows(w, k);
  }
  return most;
}

static void copy_row(const struct work *w, size_t row, size_t to) {
  size_t d = w->train->d;
  const float *from = w->train->x + row * d;
  double scale = w->lengths ? similarity_scale(from, d) : 1;
  for (size_t j = 0; j < d; j++) w->x[to * d + j] = (float)((double)from[j] * scale);
  w->labels[to] = w->train->labels[row];
}

/* The first steps of a Fisher-Yates shuffle: more shots go on where fewer ended. */
static void draw_class(const struct work *w, int k, size_t shots, uint64_t seed) {
  size_t n = class_rows(w, k);
  memcpy(w->order, w->by_class + w->begin[k], n * sizeof *w->order);
  struct random_stream random = stream_begin(seed, "fewshot", (uint64_t)k);
  for (size_t i = 0; i < shots; i++) {
    size_t j = i + (size_t)(stream_bits(&random) % (n - i)), row = w->order[j];
    w->order[j] = w->order[i];
    copy_row(w, row, (size_t)k * shots + i);
  }
}

/* A set of `shots` rows of every class, which borrows the names of train. */
static struct feature_set draw(const struct work *w, size_t shots, uint64_t seed) {
  for (int k = 0; k < w->train->classes; k++) draw_class(w, k, shots, seed);
  struct feature_set few = *w->train;
  few.x = w->x;
  few.labels = w->labels;
  few.n = (size_t)w->train->classes * shots;
  return few;
}

/* ---- learning and judging -----------------------------------------------------------------------------------------
 */

/* The scores of rows of length 1, from those of the rows as they are: W x / |x| + b. */
static void normalize_scores(const struct work *w, const double *bias) {
  size_t classes = (size_t)w->train->classes;
  for (size_t i = 0; i < w->test->n; i++) {
    double *scores = w->scores + i * classes;
    for (size_t k = 0; k < classes; k++) scores[k] = (scores[k] - bias[k]) * w->lengths[i] + bias[k];
  }
}

static int judge_logistic(const struct work *w, const struct feature_set *few, struct fewshot_draw *drawn, int *choices,
                          double *confidences, error *e) {
  const struct feature_set *test = w->test;
  int classes = few->classes;
  struct logistic_data known = {.x = few->x, .d = few->d, .labels = few->labels, .n = few->n, .classes = classes};
  struct logistic_data unseen = {.x = test->x, .d = test->d, .labels = test->labels, .n = test->n, .classes = classes};
  struct logistic_model model = {0};
  int status = logistic_fit(&model, &known, &w->options->logistic, w->pool, e);
  if (status == OK) status = logistic_scores(&model, &unseen, w->pool, w->scores, e);
  if (status == OK) {
    if (w->lengths) normalize_scores(w, model.bias);
    drawn->iterations = model.iterations;
    drawn->converged = model.converged;
    status = metrics_compute(&drawn->metrics, w->scores, test->labels, test->n, classes, NULL, choices, confidences, e);
  }
  logistic_free(&model);
  return status;
}

static int judge(const struct work *w, size_t shots, struct fewshot_draw *drawn, int *choices, double *confidences,
                 error *e) {
  struct feature_set few = draw(w, shots, drawn->seed);
  if (w->options->classifier == FEWSHOT_LOGISTIC) return judge_logistic(w, &few, drawn, choices, confidences, e);
  drawn->converged = true;
  return class_mean_run(&drawn->metrics, &few, w->test, KNN_TEMPERATURE, choices, confidences, w->pool, e);
}

static struct fewshot_estimate estimate(const struct fewshot_draw *draws, size_t n,
                                        double (*value)(const struct fewshot_draw *)) {
  struct fewshot_estimate result = {.deviation = NAN, .low = NAN, .high = NAN};
  for (size_t r = 0; r < n; r++) result.mean += value(&draws[r]) / (double)n;
  if (n < 2) return result;
  double square = 0;
  for (size_t r = 0; r < n; r++) square += (value(&draws[r]) - result.mean) * (value(&draws[r]) - result.mean);
  result.deviation = sqrt(square / (double)(n - 1));
  double half = student_t_bound(FEWSHOT_CONFIDENCE, n - 1) * result.deviation / sqrt((double)n);
  result.low = result.mean - half;
  result.high = result.mean + half;
  return result;
}

static double top1_of(const struct fewshot_draw *drawn) { return drawn->metrics.top1; }
static double mean_per_class_of(const struct fewshot_draw *drawn) { return drawn->metrics.mean_per_class; }
static double nll_of(const struct fewshot_draw *drawn) { return drawn->metrics.nll; }

static int run_trial(struct fewshot_result *result, const struct work *w, struct fewshot_trial *trial, bool most,
                     error *e) {
  for (size_t r = 0; r < result->repeats; r++) {
    bool kept = most && r == 0;
    trial->draws[r].seed = w->options->seed + r;
    int status =
        judge(w, trial->shots, &trial->draws[r], kept ? result->choices : NULL, kept ? result->confidences : NULL, e);
    if (status != OK) return status;
  }
  trial->top1 = estimate(trial->draws, result->repeats, top1_of);
  trial->mean_per_class = estimate(trial->draws, result->repeats, mean_per_class_of);
  trial->nll = estimate(trial->draws, result->repeats, nll_of);
  return OK;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

/* The shot counts that are used, and how many. */
static size_t choose_shots(const struct work *w, const size_t **shots) {
  *shots = w->options->shot_count ? w->options->shots : usual_shots;
  if (w->options->shot_count) return w->options->shot_count;
  size_t count = 0, least = class_rows(w, smallest_class(w));
  while (count < USUAL_SHOTS && usual_shots[count] <= least) count++;
  return count;
}

static int check_shots(const struct work *w, size_t most, error *e) {
  int k = smallest_class(w);
  size_t n = class_rows(w, k);
  if (most <= n) return OK;
  char number[16];
  snprintf(number, sizeof number, "%d", k);
  return fail(e, "%s: the class %s has %zu image%s, fewer than %zu shots", w->train->folder,
              w->train->names ? w->train->names[k] : number, n, n == 1 ? "" : "s", most);
}

static int allocate_work(struct work *w, size_t most_shots, error *e) {
  size_t classes = (size_t)w->train->classes, cells, drawn = classes * most_shots; /* not more than train has */
  if (!multiply_size(w->test->n, classes, &cells)) return fail(e, "out of memory (%zu samples)", w->test->n);
  w->order = allocate(largest_class(w), sizeof *w->order, e);
  w->x = allocate(drawn * w->train->d, sizeof *w->x, e);
  w->labels = allocate(drawn, sizeof *w->labels, e);
  w->scores = allocate(cells, sizeof *w->scores, e);
  if (!w->order || !w->x || !w->labels || !w->scores) return FAILED;
  if (!w->options->normalize) return OK;
  w->lengths = allocate(w->test->n, sizeof *w->lengths, e);
  for (size_t i = 0; w->lengths && i < w->test->n; i++) {
    w->lengths[i] = similarity_scale(w->test->x + i * w->test->d, w->test->d);
  }
  return w->lengths ? OK : FAILED;
}

static int allocate_result(struct fewshot_result *result, size_t trials, size_t repeats, size_t n, error *e) {
  size_t draws;
  if (!multiply_size(trials, repeats, &draws)) return fail(e, "out of memory (%zu draws)", repeats);
  result->trials = allocate_zeroed(trials, sizeof *result->trials, e);
  result->draws = allocate_zeroed(draws, sizeof *result->draws, e);
  result->choices = allocate(n, sizeof *result->choices, e);
  result->confidences = allocate(n, sizeof *result->confidences, e);
  result->repeats = repeats;
  return result->trials && result->draws && result->choices && result->confidences ? OK : FAILED;
}

static int run_all(struct fewshot_result *result, struct work *w, error *e) {
  const size_t *shots;
  size_t count = choose_shots(w, &shots), most = shots[count - 1];
  int status = check_shots(w, most, e);
  if (status == OK) status = allocate_work(w, most, e);
  if (status == OK) status = allocate_result(result, count, w->options->repeats, w->test->n, e);
  for (size_t i = 0; status == OK && i < count; i++) {
    struct fewshot_trial *trial = &result->trials[i];
    *trial = (struct fewshot_trial){.shots = shots[i], .draws = result->draws + i * result->repeats};
    status = run_trial(result, w, trial, i + 1 == count, e);
    result->trial_count += status == OK;
  }
  return status;
}

int fewshot_run(struct fewshot_result *result, const struct feature_set *train, const struct feature_set *test,
                const struct fewshot_options *options, struct threads *pool, error *e) {
  *result = (struct fewshot_result){0};
  if (options->repeats == 0) return usage_error(e, "no draw is asked for");
  if (feature_set_check_classes(train, e) != OK || feature_sets_match(train, test, e) != OK) return FAILED;
  struct work w = {.train = train, .test = test, .options = options, .pool = pool};
  int status = sort_by_class(&w, e);
  if (status == OK) status = run_all(result, &w, e);
  free(w.by_class);
  free(w.begin);
  free(w.order);
  free(w.x);
  free(w.labels);
  free(w.lengths);
  free(w.scores);
  return status;
}

void fewshot_free(struct fewshot_result *result) {
  free(result->trials);
  free(result->draws);
  free(result->choices);
  free(result->confidences);
  *result = (struct fewshot_result){0};
}
