/* A fixed pool of threads and static partition of work: no queue, no stealing, the same split every time. */
#ifndef KERNELS_THREADS_H
#define KERNELS_THREADS_H

#include <stddef.h>

#include "kernels/error.h"

struct threads;

/* Cores that this process may use: the affinity mask, lowered by the cgroup's CPU quota (rounded up), at least 1. */
int usable_cores(void);

/* A pool of n threads, the caller's counted in (n - 1 are started); n = 0: usable_cores(). NULL with a message. */
struct threads *threads_start(int n, error *e);
void threads_stop(struct threads *pool);
/* Threads in the pool; a NULL pool counts as the caller alone. */
int threads_count(const struct threads *pool);

/* Call task(context, i, thread) for every i in [0, count); thread t takes the t-th contiguous share. Returns when all
 * are done. Workers spin briefly, then sleep. A NULL pool runs everything on the caller. Not re-entrant. */
typedef void thread_task(void *context, size_t index, int thread);
void threads_run(struct threads *pool, size_t count, thread_task *task, void *context);
/* The same for few and long tasks: a thread takes the next one when it is free, so that none waits long for one that
 * was interrupted. */
void threads_run_long(struct threads *pool, size_t count, thread_task *task, void *context);

/* `bytes` of 64-byte-aligned scratch for each thread, kept until the pool stops; grows only. The pool must not be
 * NULL. */
int threads_reserve_scratch(struct threads *pool, size_t bytes, error *e);
void *threads_scratch(const struct threads *pool, int thread);

#endif
