/* How a plan's ops are split into tasks on a number of threads. */
#ifndef BENCH_OP_SPLITS_H
#define BENCH_OP_SPLITS_H

#include "bench/scaling_model.h"
#include "bench/subject.h"

/* Run one image on a pool of so many threads, more than there are cores if need be, and count the tasks of every op:
 * splits[plan_op_count()]. *jobs: calls of threads_run() in all. */
int op_splits_count(const struct subject *subject, int threads, struct op_split *splits, size_t *jobs, error *e);
/* The calls of threads_run() that a batch takes on one thread: a batch that runs in k parts takes k times an image's.
 */
int jobs_of_batch(const struct subject *subject, int batch, size_t *jobs, error *e);

#endif
