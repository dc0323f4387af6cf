#include "bench/machine.h"

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

struct peak_job {
  const struct kernels *kernels;
  long rounds;
  double *flops; /* one a thread */
};

static void peak_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct peak_job *job = context;
  float sink[GEMM_MAX_ROWS];
  job->flops[index] = job->kernels->fma_peak(job->rounds, sink);
}

double measure_peak(const struct kernels *kernels, struct threads *pool) {
  enum { MOST_THREADS = 1024, RUNS = 12 };
  double flops[MOST_THREADS], best = 0;
  size_t threads = (size_t)threads_count(pool);
  /* About 20 ms a run: long against waking a thread, short against what else the machine does. */
  struct peak_job job = {kernels, 1000, flops};
  double begin, seconds = 0;
  for (; seconds < 0.02 && job.rounds < 1L << 40; job.rounds *= 2) {
    begin = now();
    threads_run(pool, threads, peak_task, &job);
    seconds = now() - begin;
  }
  for (int run = 0; run < RUNS; run++) {
    begin = now();
    threads_run(pool, threads, peak_task, &job);
    seconds = now() - begin;
    double total = 0;
    for (size_t i = 0; i < threads; i++) total += flops[i];
    if (total / seconds > best) best = total / seconds;
  }
  return best * 1e-9;
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
