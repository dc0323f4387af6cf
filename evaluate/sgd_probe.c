#include "evaluate/sgd_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/linear_pass.h"
#include "evaluate/products.h"
#include "images/random.h"
#include "kernels/memory.h"

static const double batch_norm_epsilon = 1e-6, batch_norm_momentum = 0.1, trust = 0.001, weights_deviation = 0.01;
enum {
  RATE_BATCH = 256,
  VECTOR = 16,  /* floats of the widest vector */
  COLUMNS = 64, /* whose statistics are taken together: four cache lines of a row */
};

struct training {
  const struct logistic_data *data;
  const struct sgd_options *options;
  struct threads *pool;
  struct linear_pass *pass;
  size_t photos, batch, per_epoch;              /* batch: rows; per_epoch: steps */
  size_t *order, *rows;                         /* [photos], [batch]: of the epoch, of the step */
  double *weights, *gradient, *momentum;        /* [classes, d] */
  double *bias, *bias_gradient, *bias_momentum; /* [classes] */
  double *weight_squares, *gradient_squares;    /* [classes]: sums of squares */
  double *running_mean, *running_var;           /* [d] */
  float *scale, *shift;                         /* [d]: of the step's batch norm */
  float *bias_float;                            /* [classes made up]: -infinity beyond the last */
  double *losses;                               /* [blocks of a batch] */
  double rate, factor;                          /* of the step: the rate, and LARS's factor of the gradient */
};

struct sgd_options sgd_defaults(void) {
  return (struct sgd_options){.optimizer = SGD_LARS,
                              .learning_rate = 0.1,
                              .momentum = 0.9,
                              .epochs = 90,
                              .warmup = 10,
                              .batch = RATE_BATCH,
                              .views = 1,
                              .batch_norm = true};
}

double sgd_rate(const struct sgd_options *options, size_t step, size_t per_epoch) {
  double epoch = (double)step / (double)per_epoch, warmup = options->warmup;
  double highest = options->learning_rate * (double)options->batch / RATE_BATCH;
  if (epoch < warmup) return highest * epoch / warmup;
  return highest * 0.5 * (1 + cos(acos(-1) * (epoch - warmup) / (options->epochs - warmup)));
}

/* ---- one step -----------------------------------------------------------------------------------------------------
 */

/* Every epoch has its own order (Fisher and Yates), from the photos' own. */
static void draw_order(struct training *t, size_t epoch) {
  struct random_stream stream = stream_begin(t->options->seed, "order", epoch);
  for (size_t i = 0; i < t->photos; i++) t->order[i] = i;
  for (size_t i = t->photos; i > 1; i--) {
    size_t j = (size_t)(stream_bits(&stream) % i), photo = t->order[j];
    t->order[j] = t->order[i - 1];
    t->order[i - 1] = photo;
  }
}

static void choose_rows(struct training *t, size_t step) {
  size_t epoch = step / t->per_epoch, first = step % t->per_epoch * t->batch, views = t->options->views;
  if (first == 0) draw_order(t, epoch);
  for (size_t i = 0; i < t->batch; i++) {
    size_t photo = t->order[first + i];
    size_t index = t->data->rows ? t->data->rows[photo] : photo;
    t->rows[i] = index * views + (photo + epoch) % views;
  }
}

/* The batch norm of some columns: statistics of the batch, and the running ones. */
static void normalise_columns(void *context, size_t part, int thread) {
  (void)thread;
  struct training *t = context;
  size_t d = t->data->d, begin = part * COLUMNS, count = d - begin < COLUMNS ? d - begin : COLUMNS, n = t->batch;
  double mean[COLUMNS] = {0}, variance[COLUMNS] = {0};
  for (size_t i = 0; i < n; i++) {
    const float *x = t->data->x + t->rows[i] * d + begin;
    for (size_t j = 0; j < count; j++) mean[j] += (double)x[j];
  }
  for (size_t j = 0; j < count; j++) mean[j] /= (double)n;
  for (size_t i = 0; i < n; i++) {
    const float *x = t->data->x + t->rows[i] * d + begin;
    for (size_t j = 0; j < count; j++) {
      double difference = (double)x[j] - mean[j];
      variance[j] += difference * difference;
    }
  }
  for (size_t j = 0; j < count; j++) {
    double *running_mean = t->running_mean + begin + j, *running_var = t->running_var + begin + j;
    *running_mean += batch_norm_momentum * (mean[j] - *running_mean);
    *running_var += batch_norm_momentum * (variance[j] / (double)(n - 1) - *running_var);
    float scale = (float)(1 / sqrt(variance[j] / (double)n + batch_norm_epsilon));
    t->scale[begin + j] = scale;
    t->shift[begin + j] = (float)(-mean[j] * (double)scale);
  }
}

/* Scores to p - y; the losses of a block. */
static void residual_block(void *context, size_t first, size_t count, float *values, size_t stride) {
  struct training *t = context;
  const struct kernels *kernels = linear_pass_kernels(t->pass);
  double loss = 0;
  for (size_t i = 0; i < count; i++) {
    int label = t->data->labels[t->rows[first + i] / t->options->views];
    loss += kernels->cross_entropy_row(values + i * stride, t->bias_float, t->data->classes, label);
  }
  t->losses[first / LINEAR_PASS_BLOCK] = loss;
}

static void measure_class(void *context, size_t k, int thread) {
  (void)thread;
  struct training *t = context;
  size_t d = t->data->d;
  double *gradient = t->gradient + k * d;
  const double *weights = t->weights + k * d;
  for (size_t j = 0; j < d; j++) gradient[j] /= (double)t->batch;
  if (t->options->weight_decay > 0) product_add(gradient, t->options->weight_decay, weights, d);
  t->weight_squares[k] = product_dot(weights, weights, d);
  t->gradient_squares[k] = product_dot(gradient, gradient, d);
}

static void move_class(void *context, size_t k, int thread) {
  (void)thread;
  struct training *t = context;
  size_t d = t->data->d;
  double *momentum = t->momentum + k * d, *weights = t->weights + k * d;
  const double *gradient = t->gradient + k * d;
  for (size_t j = 0; j < d; j++) {
    momentum[j] = t->options->momentum * momentum[j] + t->factor * gradient[j];
    weights[j] -= t->rate * momentum[j];
  }
  t->bias_momentum[k] = t->options->momentum * t->bias_momentum[k] + t->bias_gradient[k] / (double)t->batch;
  t->bias[k] -= t->rate * t->bias_momentum[k];
}

static double lars_factor(const struct training *t) {
  double weights = 0, gradient = 0;
  for (size_t k = 0; k < (size_t)t->data->classes; k++) {
    weights += t->weight_squares[k];
    gradient += t->gradient_squares[k];
  }
  return weights > 0 && gradient > 0 ? trust * sqrt(weights) / sqrt(gradient) : 1;
}

/* The mean loss of the batch, before the step. */
static int take_step(struct training *t, size_t step, double *loss, error *e) {
  const struct logistic_data *data = t->data;
  size_t d = data->d, classes = (size_t)data->classes;
  choose_rows(t, step);
  if (t->options->batch_norm) threads_run(t->pool, (d + COLUMNS - 1) / COLUMNS, normalise_columns, t);
  for (size_t k = 0; k < classes; k++) t->bias_float[k] = (float)t->bias[k];
  struct linear_rows rows = {data->x, t->rows, t->batch, t->scale, t->shift};
  linear_pass_run(t->pass, &rows, t->weights, d, classes, residual_block, t, t->gradient, t->bias_gradient);
  *loss = 0;
  for (size_t b = 0; b * LINEAR_PASS_BLOCK < t->batch; b++) *loss += t->losses[b];
  *loss /= (double)t->batch;
  t->rate = sgd_rate(t->options, step, t->per_epoch);
  threads_run(t->pool, classes, measure_class, t);
  t->factor = t->options->optimizer == SGD_LARS ? lars_factor(t) : 1;
  threads_run(t->pool, classes, move_class, t);
  if (isfinite(*loss)) return OK;
  return fail(e, "the loss is no longer finite in epoch %zu: the learning rate %g is too high", step / t->per_epoch + 1,
              t->options->learning_rate);
}

/* ---- all of them --------------------------------------------------------------------------------------------------
 */

static int check(const struct logistic_data *data, const struct sgd_options *o, error *e) {
  if (o->epochs < 1 || o->warmup < 0 || o->warmup > o->epochs) {
    return usage_error(e, "%d epochs of which %d warm up", o->epochs, o->warmup);
  }
  if (!(o->learning_rate > 0) || !(o->momentum >= 0 && o->momentum < 1) || !(o->weight_decay >= 0) || o->batch < 1 ||
      o->views < 1 || data->n < 1) {
    return usage_error(e, "the learning rate, the momentum, the weight decay or the batch is out of range");
  }
  if (o->batch_norm && (o->batch == 1 || data->n == 1)) {
    return fail(e, "a batch of one row has no variance for the batch norm to divide by");
  }
  return OK;
}

static void close_training(struct training *t) {
  linear_pass_close(t->pass);
  free(t->order);
  free(t->weights);
  free(t->bias);
  free(t->running_mean);
  free(t->scale);
  free(t->losses);
}

static int open_training(struct training *t, error *e) {
  size_t d = t->data->d, classes = (size_t)t->data->classes, size;
  size_t padded = (classes + VECTOR - 1) / VECTOR * VECTOR, blocks = t->batch / LINEAR_PASS_BLOCK + 1;
  if (!multiply_size(classes, d, &size)) return fail(e, "out of memory (%zu features)", d);
  if (linear_pass_open(&t->pass, d, classes, t->pool, e) != OK) return FAILED;
  t->order = allocate(t->photos + t->batch, sizeof *t->order, e);
  t->weights = allocate_zeroed(size, 3 * sizeof(double), e);
  t->bias = allocate_zeroed(classes, 5 * sizeof(double), e);
  t->running_mean = allocate_zeroed(d, 2 * sizeof(double), e);
  t->scale = allocate(2 * d + padded, sizeof(float), e);
  t->losses = allocate(blocks, sizeof *t->losses, e);
  if (!t->order || !t->weights || !t->bias || !t->running_mean || !t->scale || !t->losses) return FAILED;
  t->rows = t->order + t->photos;
  t->gradient = t->weights + size;
  t->momentum = t->gradient + size;
  double **parts[] = {&t->bias_gradient, &t->bias_momentum, &t->weight_squares, &t->gradient_squares};
  for (size_t i = 0; i < 4; i++) *parts[i] = t->bias + (i + 1) * classes;
  t->running_var = t->running_mean + d;
  t->shift = t->scale + d;
  t->bias_float = t->shift + d;
  for (size_t k = classes; k < padded; k++) t->bias_float[k] = -INFINITY;
  for (size_t j = 0; j < d; j++) {
    t->scale[j] = 1;
    t->shift[j] = 0;
    t->running_var[j] = 1;
  }
  struct random_stream stream = stream_begin(t->options->seed, "weights", 0);
  for (size_t i = 0; i < size; i++) t->weights[i] = weights_deviation * stream_normal(&stream);
  return OK;
}

/* W z + b with z of the running statistics, as a map of x. */
static int fold(struct logistic_model *model, const struct training *t, error *e) {
  size_t d = t->data->d, classes = (size_t)t->data->classes;
  logistic_free(model);
  *model = (struct logistic_model){.classes = t->data->classes, .d = d, .converged = true};
  model->weights = allocate(classes, d * sizeof(double), e);
  model->bias = allocate(classes, sizeof(double), e);
  if (!model->weights || !model->bias) {
    logistic_free(model);
    return FAILED;
  }
  for (size_t k = 0; k < classes; k++) {
    model->bias[k] = t->bias[k];
    for (size_t j = 0; j < d; j++) {
      double scale = t->options->batch_norm ? 1 / sqrt(t->running_var[j] + batch_norm_epsilon) : 1;
      double weight = t->weights[k * d + j] * scale;
      model->weights[k * d + j] = weight;
      if (t->options->batch_norm) model->bias[k] -= weight * t->running_mean[j];
    }
  }
  return OK;
}

int sgd_probe_fit(struct logistic_model *model, const struct logistic_data *data, const struct sgd_options *options,
                  struct threads *pool, error *e) {
  int status = check(data, options, e);
  if (status != OK) return status;
  struct training t = {.data = data, .options = options, .pool = pool, .photos = data->n};
  t.batch = options->batch < t.photos ? options->batch : t.photos;
  t.per_epoch = t.photos / t.batch;
  status = open_training(&t, e);
  size_t steps = (size_t)options->epochs * t.per_epoch;
  double total = 0, loss = 0;
  for (size_t step = 0; status == OK && step < steps; step++) {
    status = take_step(&t, step, &loss, e);
    if (step >= steps - t.per_epoch) total += loss;
  }
  if (status == OK) status = fold(model, &t, e);
  if (status == OK) {
    model->objective = total / (double)t.per_epoch;
    model->iterations = (int)(steps < INT32_MAX ? steps : INT32_MAX);
  }
  close_training(&t);
  return status;
}
