/* The linear probe: logistic regression on extracted features, its C chosen on data that it has not seen. */
#ifndef EVALUATE_PROBE_H
#define EVALUATE_PROBE_H

#include "evaluate/logistic.h"
#include "evaluate/metrics.h"
#include "evaluate/npy.h"

/* A folder as `features` writes it: features.npy [n, d], labels.npy [n], classes.txt (a name a line; without it the
 * labels count the classes) and meta.json (may be absent). */
struct feature_set {
  char *folder;
  struct npy array;
  const float *x; /* [n, d], in the mapped file when it holds float32 */
  void *owned;
  int *labels;
  size_t n, d;
  char **names; /* of classes; NULL when there is no classes.txt */
  int classes;
  char *weights, *kind; /* SHA-256 of the backbone's file and what was taken of it, by meta.json; NULL: unknown */
};

/* Refuses shapes that do not fit together, samples without a label, labels without a class and numbers that are not
 * finite; each message names the file and the place. */
int feature_set_open(struct feature_set *set, const char *folder, error *e);
void feature_set_close(struct feature_set *set);
/* Both sets have the same width, the same classes and, as far as is known, come from the same backbone; else the
 * message says what differs. */
int feature_sets_match(const struct feature_set *train, const struct feature_set *other, error *e);

struct probe_options {
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
  struct probe_trial *trials; /* empty when there was nothing to choose */
  size_t trial_count;
  struct metrics test;
  int *choices;        /* [n of test]: first choices */
  double *confidences; /* and their probabilities */
};

/* Choose C (the highest top-1; of equals the lowest NLL, then the smallest C), fit, evaluate. val may be NULL. */
int probe_run(struct probe_result *result, const struct feature_set *train, const struct feature_set *val,
              const struct feature_set *test, const struct probe_options *options, struct threads *pool, error *e);
void probe_free(struct probe_result *result);

#endif
