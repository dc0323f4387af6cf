/* The objective of logistic regression and its gradient, in float passes that are fast and in double ones that are
 * exact.
 *
 * Variables u: [classes, d + 1], a class's weights of standardised columns z = x * scale + shift, then its bias:
 *   C * sum over i of -log softmax(u z_i)[label_i] + 1/2 * sum of penalty_j * u_kj^2
 * scale and shift are floats and part of the definition, so that both kinds of pass speak of one problem; a float pass
 * differs by the rounding of its z, u and sums. */
#ifndef EVALUATE_SOFTMAX_OBJECTIVE_H
#define EVALUATE_SOFTMAX_OBJECTIVE_H

#include "evaluate/linear_pass.h"
#include "evaluate/logistic.h"

struct softmax_objective {
  const struct logistic_data *data;
  struct threads *pool;
  double C;
  float *scale, *shift; /* [d] */
  double *penalty;      /* [d] */
  struct linear_pass *pass;
  const struct kernels *kernels;
  float *bias;    /* [classes made up to whole vectors] */
  double *sums;   /* [classes] of the residuals */
  double *losses; /* one a block of rows */
  /* C * sum over i and k of p_ik (1 - p_ik): measured by a float pass when it is asked for. */
  bool measures_curvature;
  double curvature, *curvatures; /* curvatures: one a block of rows */
  int float_passes, exact_passes;
  struct exact_pass *exact;
};

/* penalty of x's own weights: [d]. mean, variance: of the columns, [d]. */
int softmax_objective_open(struct softmax_objective *objective, const struct logistic_data *data, double C,
                           const double *penalty, const double *mean, const double *variance, struct threads *pool,
                           error *e);
void softmax_objective_close(struct softmax_objective *objective);

double softmax_objective_float(struct softmax_objective *objective, const double *u, double *g);
double softmax_objective_exact(struct softmax_objective *objective, const double *u, double *g);

#endif
