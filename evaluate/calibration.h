/* Whether probabilities mean what they say, and the temperature that makes them do so. */
#ifndef EVALUATE_CALIBRATION_H
#define EVALUATE_CALIBRATION_H

#include <stdio.h>

#include "evaluate/metrics.h"

/* Images whose first choice has a confidence in the i-th ece_bin(); the last is that of 1. */
struct calibration_bin {
  size_t n;
  double confidence, accuracy; /* means; 0 when the bin is empty */
};

struct calibration {
  double temperature; /* that the scores were divided by */
  double ece;         /* as metrics_compute() has it (Guo et al. 2017) */
  double classwise;   /* the same over every class's probability, mean of the classes (Kull et al. 2019) */
  double nll;         /* mean negative natural logarithm of the label's probability */
  double brier;       /* mean over images of the sum over classes of (probability - truth)^2, 0 to 2 */
  struct calibration_bin bins[ECE_BINS + 1];
};

/* scores: [n, classes] logits, finite; labels: [n]. */
int calibration_compute(struct calibration *calibration, const double *scores, const int *labels, size_t n, int classes,
                        double temperature, error *e);
/* The temperature with the smallest NLL (Guo et al. 2017), within 1e-3 to 1e3: the NLL is convex in its inverse. */
double calibration_fit_temperature(const double *scores, const int *labels, size_t n, int classes);
/* The reliability diagram as SVG: accuracy over confidence, a point a bin (its area the bin's share of the images),
 * before and after. after: NULL for one alone. */
void calibration_draw(const struct calibration *before, const struct calibration *after, FILE *stream);

#endif
