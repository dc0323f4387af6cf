/* Options of a probe that is trained by stochastic gradient descent. */
#ifndef EVALUATE_SGD_OPTIONS_H
#define EVALUATE_SGD_OPTIONS_H

#include "evaluate/options.h"
#include "evaluate/sgd_probe.h"

/* Entries of a command's table of options. */
#define SGD_OPTIONS                                                                                        \
  {"--protocol", 0, "NAME",                                                                                \
   "lbfgs (default): logistic regression to its optimum; sgd: the study's training by batches, to which\n" \
   "the options below belong"},                                                                            \
      {"--optimizer", 0, "NAME", "lars (default), or sgd: plain steps"},                                   \
      {"--epochs", 0, "N", "passes over the photos (default 90)"},                                         \
      {"--warmup", 0, "N", "epochs of a rising learning rate (default 10, at most the epochs)"},           \
      {"--batch", 0, "N", "photos of a step (default 256; of a smaller set all)"},                         \
      {"--lr", 0, "LIST",                                                                                  \
       "learning rate of a batch of 256 (default 0.1; a batch of N has N / 256 of it); of several\n"       \
       "the best on --val is taken. 0.1 is for ImageNet's 450,000 steps: few steps want more"},            \
      {"--momentum", 0, "M", "of the steps (default 0.9)"}, {"--weight-decay", 0, "D", "(default 0)"}, {   \
    "--no-batch-norm", 0, NULL, "no batch norm before the layer: features as they are"                     \
  }

/* Whether --protocol is sgd, and its options. USAGE when one of them is given without it, for numbers out of range and
 * for names that nobody knows. *rates: rising, free() them; none are given when *rate_count is 0. The seed is the
 * caller's. */
int sgd_options_read(const struct arguments *arguments, bool *sgd, struct sgd_options *options, double **rates,
                     size_t *rate_count, error *e);
const char *sgd_optimizer_name(enum sgd_optimizer optimizer);

#endif
