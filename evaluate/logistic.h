/* Multinomial logistic regression on features that are used in place.
 *
 * Minimises   C * sum_i -log softmax(W x_i + b)[label_i]  +  1/2 * ||W||^2   over W [classes, d] and b [classes],
 * b unpenalised, in double precision: scikit-learn's LogisticRegression and its C. With two classes scikit-learn fits
 * one vector w = W_1 - W_0 and penalises 1/2 * ||w||^2; here that is ||W||^2 (instead of half of it), so that the
 * probabilities are the same.
 *
 * The optimum is the same bits for any number of threads. */
#ifndef EVALUATE_LOGISTIC_H
#define EVALUATE_LOGISTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"
#include "kernels/threads.h"

struct logistic_data {
  const float *x; /* [., d], only read */
  size_t d;
  const int *labels;  /* [.] in [0, classes) */
  const size_t *rows; /* which rows take part, NULL: rows 0 to n - 1 */
  size_t n;
  int classes;
};

struct logistic_options {
  double C;         /* > 0 */
  bool standardize; /* penalise the weights of (x - mean) / deviation instead of those of x */
  int max_iterations;
  double tolerance; /* ends when ten iterations together lower the objective by less than this part of it */
};

enum { LOGISTIC_MAX_ITERATIONS = 5000 };
#define LOGISTIC_TOLERANCE 1e-9

struct logistic_model {
  int classes;
  size_t d;
  double *weights; /* [classes, d], for the features as they are, standardised or not */
  double *bias;    /* [classes], mean zero */
  double objective;
  int iterations;
  int passes, exact_passes; /* over the rows, for the gradient: in float, in double */
  bool converged;
};

/* USAGE when C is not positive; FAILED for features that are not finite (row and column are named), fewer than two
 * classes, or a class without a row. A model that holds weights of the same shape is where the search starts. */
int logistic_fit(struct logistic_model *model, const struct logistic_data *data, const struct logistic_options *options,
                 struct threads *pool, error *e);
void logistic_free(struct logistic_model *model);

/* scores[i, k] = W x + b for n rows (data->rows or the first n): [n, classes]. Labels are not looked at. */
int logistic_scores(const struct logistic_model *model, const struct logistic_data *data, struct threads *pool,
                    double *scores, error *e);
/* The first entry that is NaN or infinite, row by row; false when there is none. */
bool logistic_find_bad(const struct logistic_data *data, size_t *row, size_t *column);

#endif
