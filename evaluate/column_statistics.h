/* Means and variances of features' columns. */
#ifndef EVALUATE_COLUMN_STATISTICS_H
#define EVALUATE_COLUMN_STATISTICS_H

#include "evaluate/logistic.h"

/* mean, variance: [d], over the rows that take part, which are read once. A constant column has a variance of exactly
 * 0; where a value is not finite, the variance is not. The same bits for any number of threads. */
int column_statistics(const struct logistic_data *data, struct threads *pool, double *mean, double *variance, error *e);

#endif
