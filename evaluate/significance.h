/* How far chance reaches: paired bootstrap, McNemar's test, Student's t. */
#ifndef EVALUATE_SIGNIFICANCE_H
#define EVALUATE_SIGNIFICANCE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"
#include "kernels/threads.h"

struct bootstrap_options {
  size_t resamples;
  uint64_t seed;
};

/* values: [n, columns], a row for each photo (or task) and a column for each thing that was measured on it: 1 or 0 for
 * right or wrong, an average precision, ...; NaN where it was not.
 * means: [resamples, columns], the columns' means over n rows drawn with replacement; NaN when none of them has a
 * value. All columns see the same draws, so that differences of two columns are paired. Resample r depends on the seed,
 * on r and on n only. */
void bootstrap_means(const double *values, size_t n, size_t columns, const struct bootstrap_options *options,
                     struct threads *pool, double *means);

/* The interval that leaves out (1 - level) / 2 at both ends, between order statistics as numpy.percentile interpolates.
 * Sorts `values`; NaN are passed over, and none left gives NaN. */
void percentile_interval(double *values, size_t n, double level, double *low, double *high);

/* Two classifiers on the same photos: `first` were right by the first only, `second` by the second only. The two-sided
 * p of the exact test (binomial with 1/2) and its mid-p (Fagerland, Lydersen, Laake 2013), which is less conservative.
 * Without such photos both are 1. */
struct mcnemar {
  double exact, mid;
};
struct mcnemar mcnemar_test(size_t first, size_t second);

/* How far a Student's t of 1 or more degrees of freedom is from 0 with the probability `level`, below 1: 2.776 for 0.95
 * and 4 degrees. The mean of n normal values is known to within this many deviations / sqrt(n) with n - 1 degrees. */
double student_t_bound(double level, size_t freedom);

/* p values of m tests adjusted for their number (Holm 1979): adjusted[i] <= level rejects with that family-wise error.
 */
int holm_adjust(const double *p, size_t m, double *adjusted, error *e);

#endif
