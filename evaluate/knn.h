/* Weighted k-nearest-neighbour classification, the protocol of DINO (Caron et al. 2021, after Wu et al. 2018): each of
 * the k training rows of the largest cosine similarity s votes for its class with the weight exp(s / temperature). */
#ifndef EVALUATE_KNN_H
#define EVALUATE_KNN_H

#include "evaluate/feature_set.h"
#include "evaluate/metrics.h"
#include "kernels/threads.h"

#define KNN_TEMPERATURE 0.07

struct knn_options {
  const size_t *k; /* rising; none: 10, 20, 100 and 200, as far as there are training rows */
  size_t k_count;
  double temperature;
};

struct knn_trial {
  size_t k;
  struct metrics metrics;
};

struct knn_result {
  struct knn_trial *trials; /* one a k */
  size_t trial_count;
  size_t best;         /* the trial with the highest top-1; of equals the lowest NLL, then the smallest k */
  int *choices;        /* [n of test]: its choices */
  double *confidences; /* and their probabilities */
};

/* Probabilities are shares of the votes. A class without a vote has probability 2^-52 in the NLL (as scikit-learn's
 * log_loss clips doubles) and is in no top five. A k beyond the training rows is an error. */
int knn_run(struct knn_result *result, const struct feature_set *train, const struct feature_set *test,
            const struct knn_options *options, struct threads *pool, error *e);
void knn_free(struct knn_result *result);

#endif
