/* One pass over rows of features for a linear map, in float: scores out, derivatives back.
 *
 *   z_i = x_i * scale + shift         each row as the map sees it
 *   s_i = W z_i                       its scores
 *   r_i                               what the caller makes of s_i
 *   G   = sum over i of r_i z_i^T     and the sum of r_i
 *
 * Rows are read once, in place, and copied into tiles a chunk at a time, on which both products run as GEMM; sums over
 * a chunk are float, those over chunks double. Memory grows with d and the number of outputs, not with the number of
 * rows. The results are the same bits for any number of threads, on one instruction set. */
#ifndef EVALUATE_LINEAR_PASS_H
#define EVALUATE_LINEAR_PASS_H

#include "kernels/kernels.h"
#include "kernels/threads.h"

enum { LINEAR_PASS_BLOCK = 64, LINEAR_PASS_MOST_FEATURES = 1 << 24, LINEAR_PASS_MOST_OUTPUTS = 1 << 20 };

struct linear_rows {
  const float *x;     /* [., d] */
  const size_t *rows; /* which rows take part, NULL: 0 to n - 1 */
  size_t n;
  const float *scale, *shift; /* [d] */
};

/* Rows i from `first` on, at most LINEAR_PASS_BLOCK and all of one multiple of it, of those that take part:
 * values[i - first, outputs], rows `stride` floats apart, hold their scores and shall hold r. Beyond the outputs a row
 * has zeros up to a whole number of 16, which shall stay. Called from several threads at once. */
typedef void linear_function(void *context, size_t first, size_t count, float *values, size_t stride);

struct linear_pass;
/* For rows of d features and at most `outputs` outputs. The pool must not be NULL. */
int linear_pass_open(struct linear_pass **pass, size_t d, size_t outputs, struct threads *pool, error *e);
void linear_pass_close(struct linear_pass *pass);
const struct kernels *linear_pass_kernels(const struct linear_pass *pass);

/* weights: [outputs, d], rows `stride` doubles apart, rounded to float, or NULL: no scores are made. gradient: likewise
 * G; sums: [outputs], the sum of r_i. */
void linear_pass_run(struct linear_pass *pass, const struct linear_rows *rows, const double *weights, size_t stride,
                     size_t outputs, linear_function *f, void *context, double *gradient, double *sums);

#endif
