/* The linear probe of "Battle of the Backbones" (Goldblum et al. 2023), which is that of MAE (He et al. 2022, appendix
 * A.1) and MoCo v3: a linear layer behind a batch norm without scale and shift, trained by LARS or plain SGD with
 * momentum on batches of features, the learning rate warmed up and then lowered along a cosine to 0.
 *
 *   z = (x - mean) / sqrt(variance + 1e-6)      of the batch; when judged, running means (momentum 0.1)
 *   loss = mean over the batch of -log softmax(W z + b)[label]
 *
 * W begins normal with deviation 0.01, b at 0. LARS (You, Gitman and Ginsburg 2017) scales the step of W by
 * 0.001 ||W|| / ||gradient||; b takes plain steps. An epoch is one pass over the photos in an order drawn anew, without
 * the last batch where it is not whole; with several views of a photo it sees one of them, another in the next epoch.
 * The result is the same bits for any number of threads. */
#ifndef EVALUATE_SGD_PROBE_H
#define EVALUATE_SGD_PROBE_H

#include "evaluate/logistic.h"

enum sgd_optimizer { SGD_LARS, SGD_PLAIN };

struct sgd_options {
  enum sgd_optimizer optimizer;
  double learning_rate; /* for batches of 256 rows: it grows with the batch */
  double momentum, weight_decay;
  int epochs, warmup; /* warmup: epochs of a rising rate, at most `epochs` */
  size_t batch;       /* rows; of a smaller set, all of them */
  size_t views;       /* rows of a photo, one after the other */
  bool batch_norm;
  uint64_t seed; /* of W and the orders */
};

/* The study's: LARS, rate 0.1, momentum 0.9, 90 epochs of which 10 warm up, batches of 256, batch norm. */
struct sgd_options sgd_defaults(void);

/* The learning rate at a step, as MAE's schedule has it; `per_epoch` steps make an epoch. */
double sgd_rate(const struct sgd_options *options, size_t step, size_t per_epoch);

/* Train on the n photos of data: x is [n, views, d], labels [n], data->rows which photos take part. The model is for
 * features as they are: the batch norm is folded into it. objective: the mean loss of the last epoch's batches;
 * iterations: steps. Features are finite; FAILED for a batch of one row under batch norm, or a loss that is no longer
 * finite. */
int sgd_probe_fit(struct logistic_model *model, const struct logistic_data *data, const struct sgd_options *options,
                  struct threads *pool, error *e);

#endif
