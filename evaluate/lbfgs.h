/* Minimising a smooth function of many variables: limited-memory BFGS with a line search for the strong Wolfe
 * conditions. Source: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 7.4, 7.5, 3.5 and 3.6. */
#ifndef EVALUATE_LBFGS_H
#define EVALUATE_LBFGS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/error.h"

/* f(x), and its gradient into g. */
typedef double objective_function(void *context, const double *x, double *g);

struct lbfgs_options {
  int max_iterations;
  /* Ends when no |g_i| is larger than gradient_limit * min(1, |f| / value_scale): where a minimum near 0 is approached
   * (separable classes) the gradient vanishes with f, and a fixed limit would stop far too early. */
  double gradient_limit, value_scale;
};

struct lbfgs_result {
  double value;
  int iterations, evaluations;
  /* The gradient's limit was met, or no further decrease can be told from rounding. */
  bool converged;
};

/* x: the start in, the minimum out. FAILED when memory is short or f is not finite at the start. */
int lbfgs_minimise(objective_function *f, void *context, double *x, size_t n, const struct lbfgs_options *options,
                   struct lbfgs_result *result, error *e);

#endif
