/* Minimising a smooth function of many variables: limited-memory BFGS with a line search for the strong Wolfe
 * conditions. Sources: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 7.4, 7.5, 3.5 and 3.6; where
 * rounding hides a decrease, the approximate condition of Hager and Zhang, SIAM J. Optim. 16 (2005). */
#ifndef EVALUATE_LBFGS_H
#define EVALUATE_LBFGS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/error.h"

struct lbfgs_problem {
  size_t n; /* variables */
  void *context;
  /* f(x), and its gradient into g. */
  double (*evaluate)(void *context, const double *x, double *g);
  /* out = H v with H near the inverse of the second derivatives (but for a factor), or NULL: the identity. H may change
   * from one lbfgs_run() to the next. */
  void (*precondition)(void *context, const double *v, double *out);
};

enum { LBFGS_WINDOW = 10 };

struct lbfgs_options {
  int max_iterations; /* of this run */
  int window;         /* 1..LBFGS_WINDOW */
  /* Ends when `window` iterations together promised to lower f by less than this part of |f|. */
  double tolerance;
  double noise; /* what part of |f| may be an error of its evaluation */
};

struct lbfgs_result {
  int iterations;
  /* The tolerance was met, or no further decrease can be told from noise. */
  bool converged;
};

/* A search: where it is, and the last steps. Its memory is bounded: with very many variables it remembers fewer steps
 * than ten. */
struct lbfgs;
int lbfgs_open(struct lbfgs **search, const struct lbfgs_problem *problem, error *e);
void lbfgs_close(struct lbfgs *search);

/* Go to x (or stay there: NULL) and evaluate f: FAILED when it is not finite. Steps of an earlier run are remembered:
 * f may have changed a little in between. */
int lbfgs_start(struct lbfgs *search, const double *x, error *e);
void lbfgs_run(struct lbfgs *search, const struct lbfgs_options *options, struct lbfgs_result *result);

/* Where the search is, f and its gradient there, and how much lower the model of f that the search has puts its
 * minimum. */
const double *lbfgs_point(const struct lbfgs *search);
const double *lbfgs_gradient(const struct lbfgs *search);
double lbfgs_value(const struct lbfgs *search);
double lbfgs_promise(struct lbfgs *search);

#endif
