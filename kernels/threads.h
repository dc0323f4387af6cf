/* A fixed pool of threads. Each begins with a contiguous share of the work, the same every time, and then helps the
 * others with theirs: one that another program interrupts holds nobody up for longer than a task. On a machine with
 * several NUMA nodes the threads that a pool starts are spread evenly over them, and each stays in its own. */
#ifndef KERNELS_THREADS_H
#define KERNELS_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

struct threads;

/* Cores that this process may use: the affinity mask, lowered by the cgroup's CPU quota (rounded up), at least 1. */
int usable_cores(void);
/* What they are made of: cores in the affinity mask; CPU time a second that the cgroup and its ancestors grant (v2's
 * cpu.max, v1's cfs quota), in cores, 0 when there is no limit. */
int affinity_cores(void);
double quota_cores(void);

/* A pool of n threads, the caller's counted in (n - 1 are started); n = 0: usable_cores(). NULL with a message. */
struct threads *threads_start(int n, error *e);
void threads_stop(struct threads *pool);
/* Threads in the pool; a NULL pool counts as the caller alone. */
int threads_count(const struct threads *pool);

/* Call task(context, i, thread) for every i in [0, count), in any order and on any thread; thread < threads_count()
 * tells tasks apart that run at the same time. Returns when all are done. Workers spin briefly, then sleep. A NULL pool
 * runs everything on the caller. Not re-entrant. */
typedef void thread_task(void *context, size_t index, int thread);
void threads_run(struct threads *pool, size_t count, thread_task *task, void *context);

/* From now on tell the observer of every threads_run() on this pool and its count, before it begins and on the caller;
 * NULL: nobody. To learn how work is split. */
typedef void threads_observer(void *context, size_t count);
void threads_observe(struct threads *pool, threads_observer *observer, void *context);

/* `bytes` of 64-byte-aligned scratch for each thread, kept until the pool stops; grows only. The pool must not be
 * NULL. */
int threads_reserve_scratch(struct threads *pool, size_t bytes, error *e);
void *threads_scratch(const struct threads *pool, int thread);
/* Beside it a word of the thread's own, 0 when a threads_run() begins: for a task to note what it leaves in scratch, so
 * that the thread's next one need not make the same again. */
uint64_t *threads_note(const struct threads *pool, int thread);

/* Inside of a task on `thread` of a pool: that thread as a pool of one, with its scratch, for what would be split over
 * threads were it not one of several that run side by side. Ends with the pool. */
struct threads *threads_alone(struct threads *pool, int thread);

#endif
