#include "bench/scaling_measure.h"

#include <stdlib.h>

#include "kernels/memory.h"
#include "models/plan.h"

enum { LEAST_RUNS = 3, MOST_RUNS = 100000 };

/* Empty tasks would measure nothing: the caller takes them all before another thread has looked. */
static const double task_seconds = 20e-6;

static void pass_time(void *context, size_t index, int thread) {
  (void)context;
  (void)index;
  (void)thread;
  for (double begin = now(); now() - begin < task_seconds;) continue;
}

double measure_barrier(struct threads *pool) {
  enum { CALLS = 15000 };
  size_t threads = (size_t)threads_count(pool);
  double times[CALLS];
  if (threads < 2) return 0;
  for (int i = -CALLS / 10; i < CALLS; i++) { /* the first warm up */
    double begin = now();
    threads_run(pool, threads, pass_time, NULL);
    if (i >= 0) times[i] = now() - begin - task_seconds;
  }
  spread_of(times, CALLS); /* sorted */
  double least = quantile(times, CALLS, 0.1);
  return least > 0 ? least * 1e6 : 0;
}

/* The times of a worker's batches. */
struct worker {
  struct threads *pool; /* of one, where it is the worker's own */
  struct trial trial;
  double *times;
  size_t count, capacity;
  double seconds;
  bool failed;
};

/* Warm up once, then run until the time is up. */
static void run_batches(struct worker *worker) {
  trial_run(&worker->trial, NULL);
  double begin = now();
  while (worker->count < MOST_RUNS && (worker->count < LEAST_RUNS || now() - begin < worker->seconds)) {
    if (grow((void **)&worker->times, &worker->capacity, worker->count, sizeof *worker->times, NULL) != OK) {
      worker->failed = true;
      return;
    }
    worker->times[worker->count++] = trial_run(&worker->trial, NULL);
  }
}

int measure_latency(const struct subject *subject, struct threads *pool, int batch, double seconds,
                    struct spread *spread, error *e) {
  struct worker worker = {.seconds = seconds};
  int status = trial_start(&worker.trial, subject, pool, batch, e);
  if (status == OK) {
    run_batches(&worker);
    status = worker.failed ? fail(e, "out of memory") : OK;
  }
  if (status == OK) *spread = spread_of(worker.times, worker.count);
  trial_end(&worker.trial);
  free(worker.times);
  return status;
}

static void worker_task(void *context, size_t index, int thread) {
  (void)thread;
  run_batches((struct worker *)context + index);
}

/* All workers' times together. */
static int join_times(const struct worker *workers, int count, struct spread *spread, error *e) {
  size_t n = 0, at = 0;
  for (int i = 0; i < count; i++) {
    if (workers[i].failed) return fail(e, "out of memory");
    n += workers[i].count;
  }
  double *times = allocate(n, sizeof *times, e);
  if (!times) return FAILED;
  for (int i = 0; i < count; i++) {
    for (size_t k = 0; k < workers[i].count; k++) times[at++] = workers[i].times[k];
  }
  *spread = spread_of(times, n);
  free(times);
  return OK;
}

int measure_throughput(const struct subject *subject, int threads, int batch, double seconds, struct spread *spread,
                       error *e) {
  struct worker *workers = allocate_zeroed((size_t)threads, sizeof *workers, e);
  struct threads *pool = workers ? threads_start(threads, e) : NULL;
  int status = pool ? OK : FAILED;
  for (int i = 0; status == OK && i < threads; i++) {
    workers[i].seconds = seconds;
    workers[i].pool = threads_start(1, e);
    status = workers[i].pool ? trial_start(&workers[i].trial, subject, workers[i].pool, batch, e) : FAILED;
  }
  if (status == OK) {
    threads_run(pool, (size_t)threads, worker_task, workers);
    status = join_times(workers, threads, spread, e);
  }
  for (int i = 0; workers && i < threads; i++) {
    trial_end(&workers[i].trial);
    threads_stop(workers[i].pool);
    free(workers[i].times);
  }
  threads_stop(pool);
  free(workers);
  return status;
}

int measure_ops(const struct subject *subject, double seconds, struct op_cost *costs, double *serial, error *e) {
  const struct plan *plan = model_plan(subject->model);
  size_t ops = (size_t)plan_op_count(plan), runs = 0;
  double *sums = allocate_zeroed(ops, sizeof *sums, e), total = 0;
  struct threads *pool = sums ? threads_start(1, e) : NULL;
  struct trial trial = {0};
  int status = pool ? trial_start(&trial, subject, pool, 1, e) : FAILED;
  if (status == OK) {
    trial_run(&trial, NULL);
    for (double begin = now(); runs < LEAST_RUNS || now() - begin < seconds; runs++) total += trial_run(&trial, sums);
    *serial = total / (double)runs;
    for (size_t i = 0; i < ops; i++) {
      struct op_info info = plan_op_info(plan, (int)i, false);
      costs[i] = (struct op_cost){sums[i] / (double)runs, sums[i] > 0 ? info.weight_bytes : 0};
      *serial -= costs[i].seconds;
    }
    if (*serial < 0) *serial = 0;
  }
  trial_end(&trial);
  threads_stop(pool);
  free(sums);
  return status;
}
