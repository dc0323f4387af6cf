/* The linear probe: logistic regression on extracted features, its C chosen on data that it has not seen. */
#ifndef EVALUATE_PROBE_H
#define EVALUATE_PROBE_H

#include "evaluate/feature_set.h"
#include "evaluate/logistic.h"
#include "evaluate/metrics.h"

/* CLIP's sweep (Radford et al. 2021, appendix A.3): C = 1e-6, 1e-4, ..., 1e6, then the middles of the intervals beside
 * the best, and again until steps are an eighth of a decade; at most 1000 iterations a fit. */
enum { PROBE_SWEEP_ITERATIONS = 1000 };

struct probe_options {
  bool sweep;      /* choose by the sweep: C is not looked at */
  const double *C; /* tried in rising order; one is taken as it is */
  size_t C_count;
  bool standardize;
  int max_iterations;
  double tolerance;
  uint64_t seed; /* of the split when a fifth of train is held out */
};

/* One C of the list, fitted on train (or four fifths of it), judged on val (or the held-out fifth). */
struct probe_trial {
  double C;
  struct metrics metrics;
  int iterations;
  bool converged;
};

struct probe_result {
  struct logistic_model model; /* fitted on all of train with the chosen C */
  double C;
  struct probe_trial *trials; /* in rising order of C; empty when there was nothing to choose */
  size_t trial_count;
  struct metrics test;
  int *choices;        /* [n of test]: first choices */
  double *confidences; /* and their probabilities */
};

/* One fit with a C that needs no choosing, on a set with at least a row of every class. */
int probe_fit(struct logistic_model *model, const struct feature_set *train, double C, struct threads *pool, error *e);

/* Choose C (the highest top-1; of equals the lowest NLL, then the smallest C), fit, evaluate. val may be NULL. */
int probe_run(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
              const struct feature_set *test, const struct probe_options *options, struct threads *pool, error *e);
void probe_free(struct probe_result *result);

#endif
