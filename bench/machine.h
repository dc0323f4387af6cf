/* What the machine can do, measured now: the denominators of every share that bench/ prints. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "kernels/kernels.h"
#include "kernels/threads.h"

/* Seconds on a clock that never jumps. */
double now(void);
/* Multiply-adds in registers on every thread of the pool, GFLOP/s (a multiply-add counted as two), best of several
 * runs. */
double measure_peak(const struct kernels *kernels, struct threads *pool);
/* What the steps between products cost, on values that lie in L1: an activation beyond ReLU (infinite where it costs
 * nothing), and softmax; 10^9 values a second. */
double measure_activation(const struct kernels *kernels, struct threads *pool, enum activation activation);
double measure_softmax(const struct kernels *kernels, struct threads *pool);
/* Copying arrays far larger than the caches on every thread, GB/s read plus written, best of several runs. */
double measure_bandwidth(struct threads *pool);
/* Resident memory of this process now, MB. */
double resident_mb(void);
/* Its largest size since the last reset, or the start where the system cannot reset it (not Linux), MB. */
double resident_peak_mb(void);
void resident_peak_reset(void);

/* The middle value, the quartiles and the span of n measurements; sorts them. */
struct spread {
  double median, low, high, q1, q3;
};
struct spread spread_of(double *values, size_t n);
/* The value below which a share of n sorted measurements lies: 0.1, 0.9. */
double quantile(const double *sorted, size_t n, double share);

#endif
