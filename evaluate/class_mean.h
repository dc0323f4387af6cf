/* The nearest class mean: rows are scaled to length 1, each class is the mean of its training rows, scaled to length 1
 * again, and the nearest by cosine similarity is chosen. */
#ifndef EVALUATE_CLASS_MEAN_H
#define EVALUATE_CLASS_MEAN_H

#include "evaluate/feature_set.h"
#include "evaluate/metrics.h"
#include "kernels/threads.h"

/* All in double. Probabilities are the softmax of similarity / temperature. choices: [n of test], confidences: [n of
 * test]; both may be NULL. The pool must not be NULL. */
int class_mean_run(struct metrics *metrics, const struct feature_set *train, const struct feature_set *test,
                   double temperature, int *choices, double *confidences, struct threads *pool, error *e);

#endif
