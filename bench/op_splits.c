#include "bench/op_splits.h"

#include <stdlib.h>

#include "kernels/memory.h"
#include "models/plan.h"

/* The executor adds an op's seconds when it ends. So a job belongs to the first op that runs behind the last one whose
 * seconds are there. */
struct split_log {
  const double *seconds; /* [ops] */
  size_t ops, done;      /* ops before `done` have ended or do not run */
  struct split_job {
    size_t from, tasks; /* its op is `from` or the next that runs */
  } * jobs;
  size_t count, capacity;
  bool failed;
};

static void note_job(void *context, size_t tasks) {
  struct split_log *log = context;
  for (size_t i = log->done; i < log->ops; i++) {
    if (log->seconds[i] > 0) log->done = i + 1;
  }
  if (grow((void **)&log->jobs, &log->capacity, log->count, sizeof *log->jobs, NULL) != OK)
    log->failed = true;
  else
    log->jobs[log->count++] = (struct split_job){log->done, tasks};
}

static void sum_jobs(const struct split_log *log, int threads, struct op_split *splits) {
  for (size_t i = 0; i < log->ops; i++) splits[i] = (struct op_split){0};
  for (size_t i = 0; i < log->count; i++) {
    size_t op = log->jobs[i].from;
    while (op < log->ops && !(log->seconds[op] > 0)) op++;
    if (op == log->ops) continue;
    splits[op].jobs++;
    splits[op].tail += tail_of(log->jobs[i].tasks, threads);
  }
  for (size_t i = 0; i < log->ops; i++) {
    splits[i].tail = splits[i].jobs > 0 ? splits[i].tail / splits[i].jobs : threads; /* without a job: not split */
  }
}

int op_splits_count(const struct subject *subject, int threads, struct op_split *splits, size_t *jobs, error *e) {
  struct split_log log = {.ops = (size_t)plan_op_count(model_plan(subject->model))};
  double *seconds = allocate_zeroed(log.ops, sizeof *seconds, e);
  struct threads *pool = seconds ? threads_start(threads, e) : NULL;
  struct trial trial = {0};
  int status = pool ? trial_start(&trial, subject, pool, 1, e) : FAILED;
  if (status == OK) {
    log.seconds = seconds;
    threads_observe(pool, note_job, &log);
    trial_run(&trial, seconds);
    threads_observe(pool, NULL, NULL);
    if (log.failed) status = fail(e, "out of memory");
  }
  if (status == OK) {
    sum_jobs(&log, threads, splits);
    *jobs = log.count;
  }
  trial_end(&trial);
  threads_stop(pool);
  free(log.jobs);
  free(seconds);
  return status;
}

static void count_job(void *context, size_t tasks) {
  (void)tasks;
  ++*(size_t *)context;
}

int jobs_of_batch(const struct subject *subject, int batch, size_t *jobs, error *e) {
  *jobs = 0;
  struct threads *pool = threads_start(1, e);
  struct trial trial = {0};
  int status = pool ? trial_start(&trial, subject, pool, batch, e) : FAILED;
  if (status == OK) {
    threads_observe(pool, count_job, jobs);
    trial_run(&trial, NULL);
  }
  trial_end(&trial);
  threads_stop(pool);
  return status;
}
