/* How good scores are against labels. */
#ifndef EVALUATE_METRICS_H
#define EVALUATE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

enum { ECE_BINS = 15 };
/* The bin of a probability: b of [b / 15, (b + 1) / 15), ECE_BINS of 1. What is a bin's begin but for rounding in
 * single precision, as a share of votes such as 3 / 15 can be, is taken for it. */
size_t ece_bin(double probability);

struct metrics {
  size_t n, correct;     /* correct: of the first choice */
  double top1, top5;     /* fractions; with fewer than six classes top5 is 1 */
  double mean_per_class; /* mean of the recalls of the classes that occur among the labels */
  double nll;            /* mean negative natural logarithm of the label's probability */
  double ece;            /* expected calibration error, a fraction */
};

/* scores: [n, classes] logits (or logarithms of probabilities: softmax is applied). labels: [n] in [0, classes).
 *
 * Ties go to the smaller class index, as numpy.argmax has it: a label is among the first k when fewer than k classes
 * come before it in the order of falling score, then rising index. A score that is NaN comes before all, a label whose
 * score is NaN after all.
 * ECE: the confidence of the first choice falls into one of 15 equal bins [lower, upper), 1 into a bin of its own; sum
 * over bins of (share of samples) * |accuracy - mean confidence|, as torchmetrics' "l1" norm has it. confusion:
 * [classes, classes] counts, row: label, column: first choice, or NULL. choices: [n] first choices, or NULL;
 * confidences: [n] their probabilities, or NULL. */
int metrics_compute(struct metrics *metrics, const double *scores, const int *labels, size_t n, int classes,
                    int64_t *confusion, int *choices, double *confidences, error *e);

/* The same for scores that come in parts: open, add every part in order, read (FAILED when none came), close. */
struct metrics_sums;
int metrics_open(struct metrics_sums **sums, int classes, error *e);
void metrics_add(struct metrics_sums *sums, const double *scores, const int *labels, size_t n, int64_t *confusion,
                 int *choices, double *confidences);
int metrics_read(const struct metrics_sums *sums, struct metrics *metrics, error *e);
void metrics_close(struct metrics_sums *sums);

#endif
