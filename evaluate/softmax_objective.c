#include "evaluate/softmax_objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/exact_pass.h"
#include "kernels/memory.h"

enum { VECTOR = 16 }; /* floats of the widest vector */

int softmax_objective_open(struct softmax_objective *o, const struct logistic_data *data, double C,
                           const double *penalty, const double *mean, const double *variance, struct threads *pool,
                           error *e) {
  size_t d = data->d, classes = (size_t)data->classes, padded = (classes + VECTOR - 1) / VECTOR * VECTOR;
  size_t blocks = (data->n + LINEAR_PASS_BLOCK - 1) / LINEAR_PASS_BLOCK;
  *o = (struct softmax_objective){.data = data, .pool = pool, .C = C};
  o->scale = allocate(d, sizeof *o->scale, e);
  o->shift = allocate(d, sizeof *o->shift, e);
  o->penalty = allocate(d, sizeof *o->penalty, e);
  o->bias = allocate(padded, sizeof *o->bias, e);
  o->sums = allocate(classes, sizeof *o->sums, e);
  o->losses = allocate(blocks, sizeof *o->losses, e);
  o->curvatures = allocate(blocks, sizeof *o->curvatures, e);
  int status = o->scale && o->shift && o->penalty && o->bias && o->sums && o->losses && o->curvatures ? OK : FAILED;
  if (status == OK) status = linear_pass_open(&o->pass, d, classes, pool, e);
  if (status == OK) status = exact_pass_open(&o->exact, data, pool, e);
  if (status != OK) {
    softmax_objective_close(o);
    return FAILED;
  }
  o->kernels = linear_pass_kernels(o->pass);
  for (size_t j = 0; j < d; j++) {
    /* Beyond floats' range no scale is needed to be exact. */
    double deviation = fmin(fmax(sqrt(variance[j]), 1e-30), 1e30);
    o->scale[j] = variance[j] > 0 ? (float)(1 / deviation) : 1;
    o->shift[j] = (float)(-mean[j] * (double)o->scale[j]);
    o->penalty[j] = penalty[j] * (double)o->scale[j] * (double)o->scale[j];
  }
  for (size_t k = classes; k < padded; k++) o->bias[k] = -INFINITY;
  return OK;
}

void softmax_objective_close(struct softmax_objective *o) {
  linear_pass_close(o->pass);
  exact_pass_close(o->exact);
  free(o->scale);
  free(o->shift);
  free(o->penalty);
  free(o->bias);
  free(o->sums);
  free(o->losses);
  free(o->curvatures);
  *o = (struct softmax_objective){0};
}

/* Adds the penalty to C times the gradient of the losses; returns it. */
static double add_penalty(const struct softmax_objective *o, const double *u, double *g) {
  size_t d = o->data->d;
  double norm = 0;
  for (size_t k = 0; k < (size_t)o->data->classes; k++) {
    const double *row = u + k * (d + 1);
    double *to = g + k * (d + 1);
    for (size_t j = 0; j < d; j++) {
      norm += o->penalty[j] * row[j] * row[j];
      to[j] = o->C * to[j] + o->penalty[j] * row[j];
    }
    to[d] *= o->C;
  }
  return 0.5 * norm;
}

/* ---- in float -----------------------------------------------------------------------------------------------------
 */

/* Of a row's p - y: |r| is p or 1 - p. */
static double row_curvature(const float *residuals, size_t classes) {
  double sum = 0;
  for (size_t k = 0; k < classes; k++) {
    double size = fabs((double)residuals[k]);
    sum += size * (1 - size);
  }
  return sum;
}

static void residual_block(void *context, size_t first, size_t count, float *values, size_t stride) {
  struct softmax_objective *o = context;
  const struct logistic_data *data = o->data;
  double loss = 0, curvature = 0;
  for (size_t i = 0; i < count; i++) {
    int label = data->labels[data->rows ? data->rows[first + i] : first + i];
    loss += o->kernels->cross_entropy_row(values + i * stride, o->bias, data->classes, label);
    if (o->measures_curvature) curvature += row_curvature(values + i * stride, (size_t)data->classes);
  }
  o->losses[first / LINEAR_PASS_BLOCK] = loss;
  o->curvatures[first / LINEAR_PASS_BLOCK] = curvature;
}

double softmax_objective_float(struct softmax_objective *o, const double *u, double *g) {
  const struct logistic_data *data = o->data;
  size_t d = data->d, classes = (size_t)data->classes, blocks = (data->n + LINEAR_PASS_BLOCK - 1) / LINEAR_PASS_BLOCK;
  struct linear_rows rows = {data->x, data->rows, data->n, o->scale, o->shift};
  for (size_t k = 0; k < classes; k++) o->bias[k] = (float)u[k * (d + 1) + d];
  linear_pass_run(o->pass, &rows, u, d + 1, classes, residual_block, o, g, o->sums);
  for (size_t k = 0; k < classes; k++) g[k * (d + 1) + d] = o->sums[k];
  double loss = 0, curvature = 0;
  for (size_t b = 0; b < blocks; b++) {
    loss += o->losses[b];
    curvature += o->curvatures[b];
  }
  if (o->measures_curvature) o->curvature = o->C * curvature;
  o->float_passes++;
  return o->C * loss + add_penalty(o, u, g);
}

/* ---- exactly ------------------------------------------------------------------------------------------------------
 */

double softmax_objective_exact(struct softmax_objective *o, const double *u, double *g) {
  size_t d = o->data->d, classes = (size_t)o->data->classes;
  double *offset = exact_pass_offset(o->exact);
  for (size_t k = 0; k < classes; k++) {
    const double *row = u + k * (d + 1);
    offset[k] = row[d];
    for (size_t j = 0; j < d; j++) {
      exact_pass_set_weight(o->exact, k, j, row[j] * (double)o->scale[j]);
      offset[k] += row[j] * (double)o->shift[j];
    }
  }
  double loss = exact_pass_run(o->exact, g);
  for (size_t k = 0; k < classes; k++) {
    double *row = g + k * (d + 1);
    for (size_t j = 0; j < d; j++) row[j] = row[j] * (double)o->scale[j] + row[d] * (double)o->shift[j];
  }
  o->exact_passes++;
  return o->C * loss + add_penalty(o, u, g);
}
