#include "evaluate/logistic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/lbfgs.h"
#include "evaluate/products.h"
#include "kernels/memory.h"

/* The search runs in variables u that make the problem rounder and change nothing else:
 *   features are centred, which only moves the unpenalised bias: W x + b = W (x - mean) + (b + W mean);
 *   every weight is scaled by the root of its diagonal second derivative at W = 0, b = log of the class frequencies:
 *   C * n * variance_j * p_k (1 - p_k) + penalty_j; a bias by that of C * n * p_k (1 - p_k).
 * u: [classes, d + 1], the bias last. */
struct fit {
  const struct logistic_data *data;
  struct threads *pool;
  double C, *penalty, *mean, *scale; /* [d], [d], [classes, d + 1] */
  size_t panels, stride;             /* of packed classes; stride = panels * PRODUCT_CLASSES */
  size_t tiles, chunk;               /* tiles of columns; rows whose residuals are held at a time */
  double *packed;                    /* [panels][d][PRODUCT_CLASSES] */
  double *offset;                    /* [stride] */
  double *residual;                  /* [chunk, stride]: scores, then C * (p - y) */
  double *losses;                    /* [chunk / PRODUCT_ROWS] */
  double *tile_sums;                 /* [tiles][stride, PRODUCT_COLUMNS] */
  double *bias_sums;                 /* [stride] */
  size_t first, count;               /* the rows at work: [first, first + count) of the data */
  double *memory;
};

/* Bytes of residuals that are held at a time: they and their rows should still be in the cache when they are read
 * again. It does not depend on threads, so neither does the order of any sum. */
enum { CHUNK_BYTES = 8 << 20, MIN_CHUNK = 4 * PRODUCT_ROWS, MAX_CHUNK = 256 * PRODUCT_ROWS };

static size_t row_index(const struct logistic_data *data, size_t i) { return data->rows ? data->rows[i] : i; }

static size_t gather_rows(const struct logistic_data *data, size_t begin, size_t end, const float **rows) {
  size_t n = end - begin < PRODUCT_ROWS ? end - begin : PRODUCT_ROWS;
  for (size_t i = 0; i < n; i++) rows[i] = data->x + row_index(data, begin + i) * data->d;
  return n;
}

/* ---- the two passes over a chunk of rows --------------------------------------------------------------------------
 */

/* Scores of a row become C * (softmax - one-hot); returns -log softmax[label]. */
static double softmax_residual(double *scores, const double *offset, size_t classes, size_t label, double C) {
  double most = -INFINITY, sum = 0;
  for (size_t k = 0; k < classes; k++) {
    scores[k] += offset[k];
    if (scores[k] > most) most = scores[k];
  }
  double own = scores[label] - most;
  for (size_t k = 0; k < classes; k++) {
    scores[k] = exp(scores[k] - most);
    sum += scores[k];
  }
  for (size_t k = 0; k < classes; k++) scores[k] *= C / sum;
  scores[label] -= C;
  return log(sum) - own;
}

static void score_block(void *context, size_t block, int thread) {
  struct fit *fit = context;
  const struct logistic_data *data = fit->data;
  const float *rows[PRODUCT_ROWS];
  size_t begin = fit->first + block * PRODUCT_ROWS;
  size_t n = gather_rows(data, begin, fit->first + fit->count, rows);
  double *out = fit->residual + block * PRODUCT_ROWS * fit->stride;
  product_scores(rows, n, data->d, fit->packed, fit->panels, threads_scratch(fit->pool, thread), out);
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    size_t label = (size_t)data->labels[row_index(data, begin + i)];
    loss += softmax_residual(out + i * fit->stride, fit->offset, (size_t)data->classes, label, fit->C);
  }
  fit->losses[block] = loss;
}

/* Columns of the weights' gradient; the last task sums the bias's. */
static void gradient_tile(void *context, size_t tile, int thread) {
  struct fit *fit = context;
  const struct logistic_data *data = fit->data;
  if (tile == fit->tiles) {
    for (size_t i = 0; i < fit->count; i++) {
      for (size_t k = 0; k < (size_t)data->classes; k++) fit->bias_sums[k] += fit->residual[i * fit->stride + k];
    }
    return;
  }
  for (size_t i = 0; i < fit->count; i += PRODUCT_ROWS) {
    const float *rows[PRODUCT_ROWS];
    size_t n = gather_rows(data, fit->first + i, fit->first + fit->count, rows);
    product_gradient(rows, n, data->d, tile * PRODUCT_COLUMNS, fit->residual + i * fit->stride, fit->stride,
                     (size_t)data->classes, threads_scratch(fit->pool, thread),
                     fit->tile_sums + tile * fit->stride * PRODUCT_COLUMNS);
  }
}

/* ---- the objective in u -------------------------------------------------------------------------------------------
 */

/* Weights to panels, and what a row's scores lack: offset = bias - W mean (the bias of centred features). */
static void pack_weights(double *packed, double *offset, const double *u, const double *scale, const double *mean,
                         size_t d, size_t classes) {
  for (size_t k = 0; k < classes; k++) {
    double *panel = packed + k / PRODUCT_CLASSES * d * PRODUCT_CLASSES + k % PRODUCT_CLASSES, shift = 0;
    const double *row = u + k * (d + 1), *row_scale = scale + k * (d + 1);
    for (size_t j = 0; j < d; j++) {
      double weight = row[j] / row_scale[j];
      panel[j * PRODUCT_CLASSES] = weight;
      shift += weight * mean[j];
    }
    offset[k] = row[d] / row_scale[d] - shift;
  }
}

static double objective(void *context, const double *u, double *g) {
  struct fit *fit = context;
  const struct logistic_data *data = fit->data;
  size_t d = data->d, classes = (size_t)data->classes;
  pack_weights(fit->packed, fit->offset, u, fit->scale, fit->mean, d, classes);
  memset(fit->tile_sums, 0, fit->tiles * fit->stride * PRODUCT_COLUMNS * sizeof(double));
  memset(fit->bias_sums, 0, fit->stride * sizeof(double));
  double loss = 0, norm = 0;
  for (fit->first = 0; fit->first < data->n; fit->first += fit->chunk) {
    fit->count = data->n - fit->first < fit->chunk ? data->n - fit->first : fit->chunk;
    size_t blocks = (fit->count + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
    threads_run(fit->pool, blocks, score_block, fit);
    for (size_t b = 0; b < blocks; b++) loss += fit->losses[b];
    threads_run(fit->pool, fit->tiles + 1, gradient_tile, fit);
  }
  for (size_t k = 0; k < classes; k++) {
    const double *row = u + k * (d + 1), *scale = fit->scale + k * (d + 1);
    double *to = g + k * (d + 1), bias = fit->bias_sums[k];
    for (size_t j = 0; j < d; j++) {
      double sum = fit->tile_sums[(j / PRODUCT_COLUMNS * fit->stride + k) * PRODUCT_COLUMNS + j % PRODUCT_COLUMNS];
      double weight = row[j] / scale[j];
      norm += fit->penalty[j] * weight * weight;
      to[j] = (sum - bias * fit->mean[j] + fit->penalty[j] * weight) / scale[j];
    }
    to[d] = bias / scale[d];
  }
  return fit->C * loss + 0.5 * norm;
}

/* ---- statistics of the columns ------------------------------------------------------------------------------------
 */

struct statistics {
  const struct logistic_data *data;
  double *mean, *variance; /* [d] */
};

/* Means, then variances about them, of a tile of columns. Differences to the first row keep a constant column's
 * variance exactly 0. */
static void column_statistics(void *context, size_t tile, int thread) {
  struct statistics *s = context;
  const struct logistic_data *data = s->data;
  (void)thread;
  size_t begin = tile * PRODUCT_COLUMNS, left = data->d - begin,
         width = left < PRODUCT_COLUMNS ? left : PRODUCT_COLUMNS;
  double sums[PRODUCT_COLUMNS] = {0}, squares[PRODUCT_COLUMNS] = {0};
  const float *origin = data->x + row_index(data, 0) * data->d + begin;
  for (size_t i = 1; i < data->n; i++) {
    const float *row = data->x + row_index(data, i) * data->d + begin;
    for (size_t c = 0; c < width; c++) sums[c] += (double)row[c] - (double)origin[c];
  }
  for (size_t c = 0; c < width; c++) sums[c] /= (double)data->n;
  for (size_t i = 0; i < data->n; i++) {
    const float *row = data->x + row_index(data, i) * data->d + begin;
    for (size_t c = 0; c < width; c++) {
      double difference = (double)row[c] - (double)origin[c] - sums[c];
      squares[c] += difference * difference;
    }
  }
  for (size_t c = 0; c < width; c++) {
    s->mean[begin + c] = (double)origin[c] + sums[c];
    s->variance[begin + c] = squares[c] / (double)data->n;
  }
}

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

/* ---- fitting ------------------------------------------------------------------------------------------------------
 */

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
  size_t row, column;
  if (logistic_find_bad(data, &row, &column)) {
    return fail(e, "row %zu, column %zu is %s", row, column,
                isnan(data->x[row * data->d + column]) ? "not a number (NaN)" : "infinite");
  }
  return OK;
}

static int prepare(struct fit *fit, error *e) {
  const struct logistic_data *data = fit->data;
  size_t d = data->d, classes = (size_t)data->classes;
  fit->panels = (classes + PRODUCT_CLASSES - 1) / PRODUCT_CLASSES;
  fit->stride = fit->panels * PRODUCT_CLASSES;
  fit->tiles = (d + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
  size_t rows = CHUNK_BYTES / (fit->stride * sizeof(double) + d * sizeof(float));
  if (rows < MIN_CHUNK) rows = MIN_CHUNK;
  if (rows > MAX_CHUNK) rows = MAX_CHUNK;
  fit->chunk = rows / PRODUCT_ROWS * PRODUCT_ROWS;
  /* Sizes are rounded to 8 doubles so that every part is aligned to 64 bytes. */
  double **parts[] = {&fit->packed, &fit->residual,  &fit->tile_sums, &fit->scale, &fit->offset,
                      &fit->losses, &fit->bias_sums, &fit->penalty,   &fit->mean};
  size_t widths[] = {d, fit->chunk, fit->tiles * PRODUCT_COLUMNS, d + 1, 1, 1, 1, 1, 1};
  size_t heights[] = {
      fit->stride, fit->stride, fit->stride, classes, fit->stride, fit->chunk / PRODUCT_ROWS, fit->stride, d, d};
  enum { PARTS = sizeof parts / sizeof parts[0] };
  size_t begins[PARTS], total = 0;
  for (size_t i = 0; i < PARTS; i++) {
    size_t size;
    if (!multiply_size(widths[i], heights[i], &size) || !add_size(size, 7, &size)) size = SIZE_MAX / 2;
    begins[i] = total;
    if (!add_size(total, size & ~(size_t)7, &total)) return fail(e, "out of memory (%zu features)", d);
  }
  fit->memory = allocate_aligned(total, sizeof(double), e);
  if (!fit->memory) return FAILED;
  for (size_t i = 0; i < PARTS; i++) *parts[i] = fit->memory + begins[i];
  /* Classes beyond the last stay zero. */
  memset(fit->packed, 0, fit->stride * d * sizeof(double));
  memset(fit->offset, 0, fit->stride * sizeof(double));
  return threads_reserve_scratch(fit->pool, PRODUCT_SCRATCH * sizeof(double), e);
}

/* Means, penalties and the scale of every variable. */
static int measure(struct fit *fit, const size_t *counts, bool standardize, error *e) {
  const struct logistic_data *data = fit->data;
  size_t d = data->d;
  double *variance = allocate(d, sizeof *variance, e);
  if (!variance) return FAILED;
  struct statistics s = {data, fit->mean, variance};
  threads_run(fit->pool, fit->tiles, column_statistics, &s);
  double binary = data->classes == 2 ? 2 : 1; /* see logistic.h */
  for (size_t j = 0; j < d; j++) fit->penalty[j] = binary * (standardize && variance[j] > 0 ? variance[j] : 1);
  for (size_t k = 0; k < (size_t)data->classes; k++) {
    double p = (double)counts[k] / (double)data->n, curvature = fit->C * (double)data->n * p * (1 - p);
    double *scale = fit->scale + k * (d + 1);
    for (size_t j = 0; j < d; j++) scale[j] = sqrt(curvature * variance[j] + fit->penalty[j]);
    scale[d] = sqrt(curvature);
  }
  free(variance);
  return OK;
}

/* u of a model's weights, or of none: W = 0 and the bias that fits the frequencies. */
static void encode(const struct fit *fit, const struct logistic_model *model, const size_t *counts, double *u) {
  size_t d = fit->data->d;
  for (size_t k = 0; k < (size_t)fit->data->classes; k++) {
    const double *scale = fit->scale + k * (d + 1);
    double *row = u + k * (d + 1), bias = model ? model->bias[k] : log((double)counts[k] / (double)fit->data->n);
    for (size_t j = 0; j < d; j++) {
      double weight = model ? model->weights[k * d + j] : 0;
      row[j] = weight * scale[j];
      bias += weight * fit->mean[j];
    }
    row[d] = bias * scale[d];
  }
}

static void decode(const struct fit *fit, const double *u, struct logistic_model *model) {
  size_t d = fit->data->d, classes = (size_t)fit->data->classes;
  double mean = 0;
  for (size_t k = 0; k < classes; k++) {
    const double *row = u + k * (d + 1), *scale = fit->scale + k * (d + 1);
    double bias = row[d] / scale[d];
    for (size_t j = 0; j < d; j++) {
      model->weights[k * d + j] = row[j] / scale[j];
      bias -= model->weights[k * d + j] * fit->mean[j];
    }
    model->bias[k] = bias;
    mean += bias / (double)classes;
  }
  /* A constant added to all biases changes nothing: take the one of mean zero. */
  for (size_t k = 0; k < classes; k++) model->bias[k] -= mean;
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

static int run(struct fit *fit, struct logistic_model *model, const struct logistic_options *options,
               const size_t *counts, error *e) {
  const struct logistic_data *data = fit->data;
  size_t variables;
  if (!multiply_size((size_t)data->classes, data->d + 1, &variables)) {
    return fail(e, "out of memory (%zu features)", data->d);
  }
  double *u = allocate(variables, sizeof *u, e), *g = allocate(variables, sizeof *g, e);
  int status = u && g ? OK : FAILED;
  if (status == OK) {
    encode(fit, NULL, counts, u);
    double value = objective(fit, u, g), most = 0;
    for (size_t i = 0; i < variables; i++) most = fmax(most, fabs(g[i]));
    struct lbfgs_options search = {options->max_iterations, options->tolerance * most, value};
    struct lbfgs_result result;
    if (model->weights) {
      encode(fit, model, counts, u);
    } else {
      status = allocate_model(model, data, e);
    }
    if (status == OK) status = lbfgs_minimise(objective, fit, u, variables, &search, &result, e);
    if (status == OK) {
      decode(fit, u, model);
      model->objective = result.value;
      model->iterations = result.iterations;
      model->evaluations = result.evaluations + 1;
      model->converged = result.converged;
    }
  }
  free(u);
  free(g);
  return status;
}

int logistic_fit(struct logistic_model *model, const struct logistic_data *data, const struct logistic_options *options,
                 struct threads *pool, error *e) {
  if (data->classes < 2) return fail(e, "one class only: a classifier needs two or more");
  if (data->n == 0 || data->d == 0) return fail(e, "no features to learn from");
  size_t *counts = allocate_zeroed((size_t)data->classes, sizeof *counts, e);
  struct fit fit = {.data = data, .pool = pool, .C = options->C};
  int status = counts ? check_data(data, options, counts, e) : FAILED;
  if (status == OK) status = prepare(&fit, e);
  if (status == OK) status = measure(&fit, counts, options->standardize, e);
  if (status == OK) status = run(&fit, model, options, counts, e);
  release_aligned(fit.memory);
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
  size_t n = gather_rows(s->data, begin, s->data->n, rows);
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
