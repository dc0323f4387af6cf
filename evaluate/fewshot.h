/* Few-shot classification: a classifier learns from 1, 2, 4, ... training images a class, drawn several times, and is
 * judged by the whole test set. */
#ifndef EVALUATE_FEWSHOT_H
#define EVALUATE_FEWSHOT_H

#include "evaluate/feature_set.h"
#include "evaluate/logistic.h"
#include "evaluate/metrics.h"

enum { FEWSHOT_REPEATS = 5 };
#define FEWSHOT_CONFIDENCE 0.95

enum fewshot_classifier { FEWSHOT_LOGISTIC, FEWSHOT_CLASS_MEAN };

struct fewshot_options {
  const size_t *shots; /* images a class, rising; none: 1, 2, 4, 8 and 16, as far as the smallest class of train goes */
  size_t shot_count;
  size_t repeats; /* draws of each; the r-th has the seed `seed` + r */
  uint64_t seed;
  enum fewshot_classifier classifier;
  struct logistic_options logistic; /* of the logistic regression */
  bool normalize;                   /* it sees rows of length 1; the class means always do */
};

struct fewshot_draw {
  uint64_t seed;
  struct metrics metrics;
  int iterations; /* of the logistic regression */
  bool converged;
};

/* Mean and deviation over the draws, and Student's 95 % confidence interval of the mean (NaN for a single draw). It
 * covers the choice of training images, not that of the test set. */
struct fewshot_estimate {
  double mean, deviation, low, high;
};

struct fewshot_trial {
  size_t shots;
  struct fewshot_draw *draws; /* [repeats] */
  struct fewshot_estimate top1, mean_per_class, nll;
};

struct fewshot_result {
  struct fewshot_trial *trials; /* one a shot count, rising */
  size_t trial_count, repeats;
  struct fewshot_draw *draws; /* of all trials */
  int *choices;               /* [n of test]: of the first draw of the most shots */
  double *confidences;        /* and their probabilities */
};

/* Images are drawn class by class without replacement; a draw depends on its seed, the class's number and its rows
 * only, is the same on every machine, and holds the draws of fewer shots with the same seed. FAILED when a class has
 * fewer images than the most shots asked for; it is named. The pool must not be NULL. */
int fewshot_run(struct fewshot_result *result, const struct feature_set *train, const struct feature_set *test,
                const struct fewshot_options *options, struct threads *pool, error *e);
void fewshot_free(struct fewshot_result *result);

/* Five draws from seed 0 on, a logistic regression with C = 1 on the rows as they are. */
struct fewshot_options fewshot_defaults(void);

#endif
