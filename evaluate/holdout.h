/* Which samples are held out to judge by, when a set is not divided already. */
#ifndef EVALUATE_HOLDOUT_H
#define EVALUATE_HOLDOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* A share of every class is drawn (of n rows floor(n * share), at least one when it has two or more, never all), the
 * same for a seed on every machine. labels: [n] in [0, classes); held: [n], set true or false. */
int holdout_draw(bool *held, const int *labels, size_t n, int classes, double share, uint64_t seed, error *e);

#endif
