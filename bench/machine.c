#include "bench/machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/memory.h"

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The same work on every thread, `rounds` times. */
struct rounds_job {
  const struct kernels *kernels;
  enum activation activation;
  long rounds;
};

/* Seconds of a round: the best of several runs of about 20 ms, long against waking a thread, short against what else
 * the machine does. */
static double best_round(struct threads *pool, thread_task *task, struct rounds_job *job) {
  enum { RUNS = 12 };
  size_t threads = (size_t)threads_count(pool);
  double best = 0, seconds = 0;
  for (job->rounds = 1; seconds < 0.02 && job->rounds < 1L << 40; job->rounds *= 2) {
    double begin = now();
    threads_run(pool, threads, task, job);
    seconds = now() - begin;
  }
  for (int run = 0; run < RUNS; run++) {
    double begin = now();
    threads_run(pool, threads, task, job);
    seconds = (now() - begin) / (double)job->rounds;
    if (best == 0 || seconds < best) best = seconds;
  }
  return best;
}

static void peak_task(void *context, size_t index, int thread) {
  (void)index, (void)thread;
  const struct rounds_job *job = context;
  float sink[GEMM_MAX_ROWS];
  job->kernels->fma_peak(job->rounds, sink);
}

double measure_peak(const struct kernels *kernels, struct threads *pool) {
  float sink[GEMM_MAX_ROWS];
  double flops = kernels->fma_peak(1, sink) * threads_count(pool);
  return flops / best_round(pool, peak_task, &(struct rounds_job){.kernels = kernels}) * 1e-9;
}

/* A register tile of products of one term, so that little but its activation is left. */
static void activation_task(void *context, size_t index, int thread) {
  (void)index, (void)thread;
  const struct rounds_job *job = context;
  _Alignas(64) float a[GEMM_MAX_ROWS], b[GEMM_MAX_COLUMNS], c[GEMM_MAX_ROWS * GEMM_MAX_COLUMNS];
  const float *rows[GEMM_MAX_ROWS];
  for (int r = 0; r < GEMM_MAX_ROWS; r++) a[r] = 0.5f * (float)r - 4, rows[r] = &a[r];
  for (int i = 0; i < GEMM_MAX_COLUMNS; i++) b[i] = (float)(i + 1) / GEMM_MAX_COLUMNS;
  struct gemm_tile tile = {.rows = job->kernels->gemm_rows,
                           .columns = job->kernels->gemm_columns,
                           .taps = 1,
                           .depth = 1,
                           .a = rows,
                           .a_stride = 1,
                           .b = b,
                           .c = c,
                           .c_stride = GEMM_MAX_COLUMNS,
                           .activation = job->activation};
  for (long round = 0; round < job->rounds; round++) job->kernels->gemm_tile(&tile);
}

double measure_activation(const struct kernels *kernels, struct threads *pool, enum activation activation) {
  struct rounds_job plain = {.kernels = kernels, .activation = ACTIVATION_NONE}, activated = {kernels, activation, 0};
  double seconds = best_round(pool, activation_task, &activated) - best_round(pool, activation_task, &plain);
  double values = (double)kernels->gemm_rows * kernels->gemm_columns * threads_count(pool);
  return seconds > 0 ? values / seconds * 1e-9 : INFINITY;
}

enum { SOFTMAX_COLUMNS = 256 };

static void softmax_task(void *context, size_t index, int thread) {
  (void)index, (void)thread;
  const struct rounds_job *job = context;
  _Alignas(64) float x[GEMM_MAX_ROWS * SOFTMAX_COLUMNS] = {0};
  struct softmax_rows rows = {
      .rows = job->kernels->gemm_rows, .columns = SOFTMAX_COLUMNS, .x = x, .stride = SOFTMAX_COLUMNS};
  for (long round = 0; round < job->rounds; round++) job->kernels->softmax_rows(&rows);
}

double measure_softmax(const struct kernels *kernels, struct threads *pool) {
  double values = (double)kernels->gemm_rows * SOFTMAX_COLUMNS * threads_count(pool);
  return values / best_round(pool, softmax_task, &(struct rounds_job){.kernels = kernels}) * 1e-9;
}

struct copy_job {
  char *from, *to;
  size_t bytes; /* a thread */
};

static void copy_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct copy_job *job = context;
  memcpy(job->to + index * job->bytes, job->from + index * job->bytes, job->bytes);
}

double measure_bandwidth(struct threads *pool) {
  enum { TOTAL = 256 << 20, RUNS = 5 };
  size_t threads = (size_t)threads_count(pool);
  struct copy_job job = {allocate_aligned(TOTAL, 1, NULL), allocate_aligned(TOTAL, 1, NULL), TOTAL / threads};
  double best = 0;
  if (job.from && job.to) {
    memset(job.from, 1, TOTAL);
    for (int run = 0; run < RUNS; run++) {
      double begin = now();
      threads_run(pool, threads, copy_task, &job);
      double rate = 2.0 * (double)(job.bytes * threads) / (now() - begin);
      if (rate > best) best = rate;
    }
  }
  release_aligned(job.from);
  release_aligned(job.to);
  return best * 1e-9;
}

double resident_mb(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE) * 1e-6;
}

double resident_peak_mb(void) {
  FILE *file = fopen("/proc/self/status", "re");
  if (!file) return 0;
  char line[256];
  double kib = 0;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "VmHWM:", 6) == 0) kib = strtod(line + 6, NULL);
  }
  fclose(file);
  return kib * 1024e-6;
}

void resident_peak_reset(void) {
  FILE *file = fopen("/proc/self/clear_refs", "we");
  if (!file) return;
  fputs("5", file); /* proc(5): sets the peak to the current size */
  fclose(file);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t n) {
  qsort(values, n, sizeof *values, ascending);
  double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return (struct spread){.median = median,
                         .low = values[0],
                         .high = values[n - 1],
                         .q1 = quantile(values, n, 0.25),
                         .q3 = quantile(values, n, 0.75)};
}

double quantile(const double *sorted, size_t n, double share) {
  double place = share * (double)(n - 1);
  size_t below = (size_t)place;
  if (below + 1 >= n) return sorted[n - 1];
  return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}
