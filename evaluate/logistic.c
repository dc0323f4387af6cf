/* How a fit goes: the search runs on passes in float, which cost a quarter of those in double, preconditioned by the
 * inverse of the columns' covariance. A double pass at its end tells the true gradient; were the float passes not good
 * enough there, their gradient is shifted to be the true one at that point, and the search goes on (as in iterative
 * refinement: what an error changes over a short way is far smaller than the error). Should that not do, the rest runs
 * on double passes. */
#include "evaluate/logistic.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/column_statistics.h"
#include "evaluate/lbfgs.h"
#include "evaluate/preconditioner.h"
#include "evaluate/products.h"
#include "evaluate/softmax_objective.h"
#include "kernels/memory.h"

enum {
  REFINEMENTS = 4,
  SMALL_PASS = 1 << 20, /* multiply-adds of a product that one thread does sooner than it wakes another */
};
#define FLOAT_NOISE 1e-6
#define DOUBLE_NOISE 1e-13

struct fit {
  const struct logistic_data *data;
  const struct logistic_options *options;
  struct threads *pool;
  struct softmax_objective objective;
  struct preconditioner *preconditioner; /* NULL: the diagonal alone */
  bool exact;                            /* the passes are */
  double *correction, *anchor;           /* [classes, d + 1]: what is added to the float gradient, as of which u */
  double *curvature;                     /* [classes]: C * n * p_k (1 - p_k) by the frequencies of the classes */
  double mean_curvature, *ridge;         /* penalty / mean_curvature, [d] */
  double *mean;                          /* [d + 1]: what all classes share of something */
  float *in, *out;                       /* [classes, d]: for the preconditioner */
  struct lbfgs *search;
  int iterations;
};

static size_t variables_of(const struct fit *fit) { return (size_t)fit->data->classes * (fit->data->d + 1); }

/* ---- checks -------------------------------------------------------------------------------------------------------
 */

static size_t row_index(const struct logistic_data *data, size_t i) { return data->rows ? data->rows[i] : i; }

bool logistic_find_bad(const struct logistic_data *data, size_t *row, size_t *column) {
  for (size_t i = 0; i < data->n; i++) {
    const float *x = data->x + row_index(data, i) * data->d;
    float zero = 0; /* x * 0 is NaN for a NaN or an infinity: one test for the whole row */
    for (size_t j = 0; j < data->d; j++) zero += x[j] * 0.0f;
    for (size_t j = 0; !(zero == 0) && j < data->d; j++) {
      if (isfinite(x[j])) continue;
      *row = row_index(data, i);
      *column = j;
      return true;
    }
  }
  return false;
}

static int check_data(const struct logistic_data *data, const struct logistic_options *options, size_t *counts,
                      error *e) {
  if (!(options->C > 0) || !isfinite(options->C)) return usage_error(e, "C must be a positive number");
  for (size_t i = 0; i < data->n; i++) {
    int label = data->labels[row_index(data, i)];
    if (label < 0 || label >= data->classes) {
      return fail(e, "row %zu has the label %d, outside [0, %d)", row_index(data, i), label, data->classes);
    }
    counts[label]++;
  }
  for (int k = 0; k < data->classes; k++) {
    if (!counts[k]) return fail(e, "class %d has no row to learn from", k);
  }
  return OK;
}

static int report_bad(const struct logistic_data *data, error *e) {
  size_t row, column;
  if (!logistic_find_bad(data, &row, &column)) return fail(e, "the numbers are too large");
  return fail(e, "row %zu, column %zu is %s", row, column,
              isnan(data->x[row * data->d + column]) ? "not a number (NaN)" : "infinite");
}

/* ---- what the search calls ----------------------------------------------------------------------------------------
 */

static double evaluate(void *context, const double *u, double *g) {
  struct fit *fit = context;
  if (fit->exact) return softmax_objective_exact(&fit->objective, u, g);
  size_t n = variables_of(fit);
  double value = softmax_objective_float(&fit->objective, u, g);
  product_add(g, 1, fit->correction, n);
  return value + product_dot(fit->correction, u, n) - product_dot(fit->correction, fit->anchor, n);
}

/* What all classes share changes no probability, and is 0 at the optimum: only the penalty would ever take it away, and
 * slowly. So it never enters. */
static void remove_common(const struct fit *fit, double *u) {
  size_t classes = (size_t)fit->data->classes, width = fit->data->d + 1;
  memset(fit->mean, 0, width * sizeof *fit->mean);
  for (size_t k = 0; k < classes; k++) product_add(fit->mean, 1 / (double)classes, u + k * width, width);
  for (size_t k = 0; k < classes; k++) product_add(u + k * width, -1, fit->mean, width);
}

/* The second derivatives of class k are near curvature_k * (S + ridge); those of its bias, curvature_k. */
static void precondition(void *context, const double *v, double *out) {
  struct fit *fit = context;
  size_t d = fit->data->d, classes = (size_t)fit->data->classes;
  for (size_t k = 0; k < classes; k++) {
    const double *row = v + k * (d + 1);
    double share = 1 / fit->curvature[k];
    for (size_t j = 0; j < d; j++) fit->in[k * d + j] = (float)(row[j] * share);
    out[k * (d + 1) + d] = row[d] * share;
  }
  if (fit->preconditioner) {
    preconditioner_apply(fit->preconditioner, fit->in, classes, fit->out);
  } else {
    for (size_t k = 0; k < classes; k++) {
      for (size_t j = 0; j < d; j++) fit->out[k * d + j] = fit->in[k * d + j] / (float)(1 + fit->ridge[j]);
    }
  }
  for (size_t k = 0; k < classes; k++) {
    for (size_t j = 0; j < d; j++) out[k * (d + 1) + j] = (double)fit->out[k * d + j];
  }
  remove_common(fit, out);
}

/* ---- before the search --------------------------------------------------------------------------------------------
 */

/* The penalty weighs the more the smaller the curvature of the losses. */
static int set_ridge(struct fit *fit, double curvature, error *e) {
  fit->mean_curvature = curvature;
  for (size_t j = 0; j < fit->data->d; j++) fit->ridge[j] = fit->objective.penalty[j] / curvature;
  return fit->preconditioner ? preconditioner_invert(fit->preconditioner, fit->ridge, e) : OK;
}

static int measure(struct fit *fit, const size_t *counts, error *e) {
  const struct logistic_data *data = fit->data;
  size_t d = data->d, classes = (size_t)data->classes;
  double *mean = allocate(3 * d, sizeof *mean, e);
  if (!mean) return FAILED;
  double *variance = mean + d, *penalty = variance + d;
  int status = column_statistics(data, fit->pool, mean, variance, e);
  double binary = data->classes == 2 ? 2 : 1; /* see logistic.h */
  for (size_t j = 0; status == OK && j < d; j++) {
    if (!isfinite(variance[j])) status = report_bad(data, e);
    penalty[j] = binary * (fit->options->standardize && variance[j] > 0 ? variance[j] : 1);
  }
  if (status == OK) {
    status = softmax_objective_open(&fit->objective, data, fit->options->C, penalty, mean, variance, fit->pool, e);
  }
  free(mean);
  double curvature = 0;
  for (size_t k = 0; k < classes; k++) {
    double p = (double)counts[k] / (double)data->n;
    fit->curvature[k] = fit->options->C * (double)data->n * p * (1 - p);
    curvature += fit->curvature[k] / (double)classes;
  }
  /* With few rows the penalty makes the problem round. */
  if (status == OK && data->n >= d / 2 && d <= PRECONDITIONER_MOST_FEATURES) {
    struct linear_rows rows = {data->x, data->rows, data->n, fit->objective.scale, fit->objective.shift};
    status = preconditioner_open(&fit->preconditioner, &rows, d, fit->pool, e);
  }
  return status == OK ? set_ridge(fit, curvature, e) : status;
}

static int open_fit(struct fit *fit, const size_t *counts, error *e) {
  size_t d = fit->data->d, classes = (size_t)fit->data->classes, size;
  if (!multiply_size(classes, d + 1, &size) || d >= SIZE_MAX / 64) return fail(e, "out of memory (%zu features)", d);
  fit->correction = allocate_zeroed(size, sizeof(double), e);
  fit->anchor = allocate_zeroed(size, sizeof(double), e);
  fit->curvature = allocate(classes, sizeof(double), e);
  fit->ridge = allocate(d, sizeof(double), e);
  fit->mean = allocate(d + 1, sizeof(double), e);
  fit->in = allocate(size, sizeof(float), e);
  fit->out = allocate(size, sizeof(float), e);
  bool whole = fit->correction && fit->anchor && fit->curvature && fit->ridge && fit->mean && fit->in && fit->out;
  int status = whole ? measure(fit, counts, e) : FAILED;
  struct lbfgs_problem problem = {size, fit, evaluate, precondition};
  return status == OK ? lbfgs_open(&fit->search, &problem, e) : status;
}

static void close_fit(struct fit *fit) {
  lbfgs_close(fit->search);
  preconditioner_close(fit->preconditioner);
  softmax_objective_close(&fit->objective);
  free(fit->correction);
  free(fit->anchor);
  free(fit->curvature);
  free(fit->ridge);
  free(fit->mean);
  free(fit->in);
  free(fit->out);
}

/* u of a model's weights, or of none: W = 0 and the bias that fits the frequencies. W x = (W / scale) (z - shift). */
static void encode(const struct fit *fit, const struct logistic_model *model, const size_t *counts, double *u) {
  size_t d = fit->data->d;
  for (size_t k = 0; k < (size_t)fit->data->classes; k++) {
    bool known = model->weights;
    double *row = u + k * (d + 1), bias = known ? model->bias[k] : log((double)counts[k] / (double)fit->data->n);
    for (size_t j = 0; j < d; j++) {
      row[j] = known ? model->weights[k * d + j] / (double)fit->objective.scale[j] : 0;
      bias -= row[j] * (double)fit->objective.shift[j];
    }
    row[d] = bias;
  }
  remove_common(fit, u);
}

static void decode(const struct fit *fit, const double *u, struct logistic_model *model) {
  size_t d = fit->data->d, classes = (size_t)fit->data->classes;
  double mean = 0;
  for (size_t k = 0; k < classes; k++) {
    const double *row = u + k * (d + 1);
    double bias = row[d];
    for (size_t j = 0; j < d; j++) {
      model->weights[k * d + j] = row[j] * (double)fit->objective.scale[j];
      bias += row[j] * (double)fit->objective.shift[j];
    }
    model->bias[k] = bias;
    mean += bias / (double)classes;
  }
  /* A constant added to all biases changes nothing: take the one of mean zero. */
  for (size_t k = 0; k < classes; k++) model->bias[k] -= mean;
}

/* ---- the search ---------------------------------------------------------------------------------------------------
 */

static int iterations_left(const struct fit *fit) { return fit->options->max_iterations - fit->iterations; }

static bool run_search(struct fit *fit, int most, int window, double noise) {
  struct lbfgs_options options = {.max_iterations = most < iterations_left(fit) ? most : iterations_left(fit),
                                  .window = window,
                                  .tolerance = fit->options->tolerance,
                                  .noise = noise};
  struct lbfgs_result result;
  lbfgs_run(fit->search, &options, &result);
  fit->iterations += result.iterations;
  return result.converged;
}

/* On float passes from where the search is. As classes come apart the losses' curvature falls, and the preconditioner
 * with it: it is looked at in the beginning and twice more. */
static int search_in_float(struct fit *fit, const double *u, bool again, bool *converged, error *e) {
  static const int legs[] = {10, 20, INT_MAX};
  enum { LEGS = sizeof legs / sizeof legs[0] };
  int status = OK;
  *converged = false;
  fit->exact = false;
  for (int leg = again ? LEGS - 1 : 0; status == OK && leg < LEGS && !*converged && iterations_left(fit) > 0; leg++) {
    fit->objective.measures_curvature = true;
    status = lbfgs_start(fit->search, leg == 0 ? u : NULL, e);
    fit->objective.measures_curvature = false;
    double curvature = fit->objective.curvature / (double)fit->data->classes;
    if (status == OK && curvature > 0 && curvature < 0.5 * fit->mean_curvature) status = set_ridge(fit, curvature, e);
    if (status == OK) *converged = run_search(fit, legs[leg], again ? 3 : 10, FLOAT_NOISE);
  }
  return status;
}

/* Make the float gradient the true one where the search is. The order: the last gradient was a float one, then the
 * search is started there on a double pass. */
static int correct(struct fit *fit, error *e) {
  size_t n = variables_of(fit);
  memcpy(fit->anchor, lbfgs_point(fit->search), n * sizeof(double));
  product_add(fit->correction, -1, lbfgs_gradient(fit->search), n);
  fit->exact = true;
  int status = lbfgs_start(fit->search, NULL, e);
  if (status == OK) product_add(fit->correction, 1, lbfgs_gradient(fit->search), n);
  return status;
}

static int search(struct fit *fit, const double *u, bool *converged, error *e) {
  for (int round = 0; round < REFINEMENTS; round++) {
    bool settled;
    if (search_in_float(fit, u, round > 0, &settled, e) != OK) break;
    if (correct(fit, e) != OK) return FAILED;
    *converged = lbfgs_promise(fit->search) <= fit->options->tolerance * fabs(lbfgs_value(fit->search));
    if (*converged || iterations_left(fit) <= 0) {
      *converged = *converged && settled;
      return OK;
    }
  }
  fit->exact = true;
  if (lbfgs_start(fit->search, fit->iterations ? NULL : u, e) != OK) return FAILED;
  *converged = run_search(fit, INT_MAX, 10, DOUBLE_NOISE);
  return OK;
}

static int allocate_model(struct logistic_model *model, const struct logistic_data *data, error *e) {
  size_t size;
  *model = (struct logistic_model){.classes = data->classes, .d = data->d};
  if (!multiply_size((size_t)data->classes, data->d, &size)) return fail(e, "out of memory (%zu features)", data->d);
  model->weights = allocate(size, sizeof(double), e);
  model->bias = model->weights ? allocate((size_t)data->classes, sizeof(double), e) : NULL;
  if (model->bias) return OK;
  logistic_free(model);
  return FAILED;
}

static int run(struct fit *fit, struct logistic_model *model, const size_t *counts, error *e) {
  double *u = allocate(variables_of(fit), sizeof *u, e);
  int status = u ? OK : FAILED;
  if (status == OK) {
    encode(fit, model, counts, u);
    if (!model->weights) status = allocate_model(model, fit->data, e);
  }
  if (status == OK) status = search(fit, u, &model->converged, e);
  if (status == OK) {
    decode(fit, lbfgs_point(fit->search), model);
    model->objective = lbfgs_value(fit->search);
    model->iterations = fit->iterations;
    model->passes = fit->objective.float_passes;
    model->exact_passes = fit->objective.exact_passes;
  }
  free(u);
  return status;
}

int logistic_fit(struct logistic_model *model, const struct logistic_data *data, const struct logistic_options *options,
                 struct threads *pool, error *e) {
  if (data->classes < 2) return fail(e, "one class only: a classifier needs two or more");
  if (data->n == 0 || data->d == 0) return fail(e, "no features to learn from");
  size_t *counts = allocate_zeroed((size_t)data->classes, sizeof *counts, e);
  struct threads *alone = data->n <= SMALL_PASS / (size_t)data->classes / data->d ? threads_start(1, e) : NULL;
  struct fit fit = {.data = data, .options = options, .pool = alone ? alone : pool};
  int status = counts ? check_data(data, options, counts, e) : FAILED;
  if (status == OK) status = open_fit(&fit, counts, e);
  if (status == OK) status = run(&fit, model, counts, e);
  close_fit(&fit);
  threads_stop(alone);
  free(counts);
  return status;
}

void logistic_free(struct logistic_model *model) {
  free(model->weights);
  free(model->bias);
  *model = (struct logistic_model){0};
}

/* ---- using a model ------------------------------------------------------------------------------------------------
 */

struct scoring {
  const struct logistic_model *model;
  const struct logistic_data *data;
  struct threads *pool;
  size_t panels;
  double *packed, *blocks; /* blocks: [threads][PRODUCT_ROWS, panels * PRODUCT_CLASSES] */
  double *scores;
};

static void scoring_block(void *context, size_t block, int thread) {
  struct scoring *s = context;
  size_t classes = (size_t)s->model->classes, stride = s->panels * PRODUCT_CLASSES, begin = block * PRODUCT_ROWS;
  const float *rows[PRODUCT_ROWS];
  size_t n = s->data->n - begin < PRODUCT_ROWS ? s->data->n - begin : PRODUCT_ROWS;
  for (size_t i = 0; i < n; i++) rows[i] = s->data->x + row_index(s->data, begin + i) * s->data->d;
  double *out = s->blocks + (size_t)thread * PRODUCT_ROWS * stride;
  product_scores(rows, n, s->data->d, s->packed, s->panels, threads_scratch(s->pool, thread), out);
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < classes; k++) {
      s->scores[(begin + i) * classes + k] = out[i * stride + k] + s->model->bias[k];
    }
  }
}

int logistic_scores(const struct logistic_model *model, const struct logistic_data *data, struct threads *pool,
                    double *scores, error *e) {
  size_t d = model->d, panels = ((size_t)model->classes + PRODUCT_CLASSES - 1) / PRODUCT_CLASSES;
  struct scoring s = {model, data, pool, panels, NULL, NULL, scores};
  s.packed = allocate_aligned(panels * PRODUCT_CLASSES, d * sizeof(double), e);
  s.blocks = allocate_aligned((size_t)threads_count(pool) * PRODUCT_ROWS, panels * PRODUCT_CLASSES * sizeof(double), e);
  int status = s.packed && s.blocks ? threads_reserve_scratch(pool, PRODUCT_SCRATCH * sizeof(double), e) : FAILED;
  if (status == OK) {
    memset(s.packed, 0, panels * PRODUCT_CLASSES * d * sizeof(double));
    for (size_t k = 0; k < (size_t)model->classes; k++) {
      double *panel = s.packed + k / PRODUCT_CLASSES * d * PRODUCT_CLASSES + k % PRODUCT_CLASSES;
      for (size_t j = 0; j < d; j++) panel[j * PRODUCT_CLASSES] = model->weights[k * d + j];
    }
    threads_run(pool, (data->n + PRODUCT_ROWS - 1) / PRODUCT_ROWS, scoring_block, &s);
  }
  release_aligned(s.packed);
  release_aligned(s.blocks);
  return status;
}
