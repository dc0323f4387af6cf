/* The measurements of `bench --scaling`. */
#ifndef BENCH_SCALING_MEASURE_H
#define BENCH_SCALING_MEASURE_H

#include "bench/machine.h"
#include "bench/scaling_model.h"
#include "bench/subject.h"

/* Microseconds that a threads_run() takes beyond its tasks: waking or reaching the threads, and waiting for the last.
 * Of many calls with a task of 20 us for each thread the first decile, since what other programs add is not the
 * barrier's; 0 for one thread. */
double measure_barrier(struct threads *pool);
/* Seconds a batch, each op split over the pool's threads, for so many seconds and at least three runs. */
int measure_latency(const struct subject *subject, struct threads *pool, int batch, double seconds,
                    struct spread *spread, error *e);
/* Seconds a batch of `threads` workers, each with its own batches. */
int measure_throughput(const struct subject *subject, int threads, int batch, double seconds, struct spread *spread,
                       error *e);
/* Mean seconds of each op of an image on one thread, costs[plan_op_count()], and of what is between the ops. */
int measure_ops(const struct subject *subject, double seconds, struct op_cost *costs, double *serial, error *e);

#endif
