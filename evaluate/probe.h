/* The linear probe: logistic regression on extracted features, its C chosen on data that it has not seen, or a layer
 * trained as the study does. */
#ifndef EVALUATE_PROBE_H
#define EVALUATE_PROBE_H

#include "evaluate/feature_set.h"
#include "evaluate/logistic.h"
#include "evaluate/metrics.h"
#include "evaluate/sgd_probe.h"

/* CLIP's sweep (Radford et al. 2021, appendix A.3): C = 1e-6, 1e-4, ..., 1e6, then the middles of the intervals beside
 * the best, and again until steps are an eighth of a decade; at most 1000 iterations a fit. */
enum { PROBE_SWEEP_ITERATIONS = 1000 };

struct probe_options {
  bool sgd;                    /* train by these; what follows but the seed is of the logistic regression */
  struct sgd_options training; /* its rate, seed and views are filled in */
  const double *rates;         /* learning rates, of which the best is taken; one is taken as it is */
  size_t rate_count;
  bool sweep;      /* choose by the sweep: C is not looked at */
  const double *C; /* tried in rising order; one is taken as it is */
  size_t C_count;
  bool standardize;
  int max_iterations;
  double tolerance;
  uint64_t seed; /* of the split when a fifth of train is held out, or of the training */
};

/* One C (or learning rate) of the list, fitted on train (or four fifths of it), judged on val (or the held-out fifth).
 */
struct probe_trial {
  double C, rate; /* NaN: the other one was tried */
  struct metrics metrics;
  int iterations;
  bool converged;
};

struct probe_result {
  struct logistic_model model; /* fitted on all of train with the choice */
  double C, rate;              /* NaN: the other one was chosen */
  struct probe_trial *trials;  /* in rising order; empty when there was nothing to choose */
  size_t trial_count;
  struct metrics test;
  int *choices;        /* [n of test]: first choices */
  double *confidences; /* and their probabilities */
};

/* One fit with a C that needs no choosing, on a set with at least a row of every class. */
int probe_fit(struct logistic_model *model, const struct feature_set *train, double C, struct threads *pool, error *e);

/* Choose C or the learning rate (the highest top-1; of equals the lowest NLL, then the smallest), fit, evaluate. val
 * may be NULL: a fifth of train is held out to choose by; of a train with several views of a photo that is refused. */
int probe_run(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
              const struct feature_set *test, const struct probe_options *options, struct threads *pool, error *e);
void probe_free(struct probe_result *result);

#endif
