#include "bench/model_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "bench/subject.h"
#include "kernels/memory.h"

enum { LEAST_RUNS = 3, MOST_RUNS = 100000 };

static void print_row(const struct bench_row *row, struct spread time, double gflops, double share, double memory) {
  printf("%-28s %5d %7d %9.2f %8.2f..%-8.2f %9.1f %8.1f %6.1f %% %7.0f\n", row->arch, row->batch, row->threads, row->ms,
         time.q1 * 1e3, time.q3 * 1e3, row->images_per_s, gflops, 100 * share, memory);
  fflush(stdout);
}

static int write_row(struct bench *bench, const struct subject *subject, size_t thread_index, int batch, size_t runs,
                     struct spread time, size_t gpu_bytes, error *e) {
  const struct model_info *info = &subject->info;
  struct bench_row row = {.dtype = "f32",
                          .batch = batch,
                          .threads = bench->threads[thread_index],
                          .images_per_s = batch / time.median,
                          .ms = time.median * 1e3,
                          .q1 = time.q1 * 1e3,
                          .q3 = time.q3 * 1e3};
  snprintf(row.arch, sizeof row.arch, "%s", info->arch);
  double gflops = info->gflops * row.images_per_s, share = gflops / bench->peaks[thread_index];
  double memory = gpu_bytes ? (double)gpu_bytes * 1e-6 : resident_mb();
  if (!bench->json) print_row(&row, time, gflops, share, memory);
  struct json_writer *w = bench->w;
  if (w) {
    json_begin_object(w);
    json_key(w, "arch"), json_string(w, row.arch);
    json_key(w, "dtype"), json_string(w, row.dtype);
    json_key(w, "isa"), json_string(w, model_isa(subject->model));
    json_key(w, "batch"), json_integer(w, row.batch);
    json_key(w, "threads"), json_integer(w, row.threads);
    json_key(w, "runs"), json_integer(w, (int64_t)runs);
    json_key(w, "ms"), json_number(w, row.ms);
    json_key(w, "ms_q1"), json_number(w, row.q1);
    json_key(w, "ms_q3"), json_number(w, row.q3);
    json_key(w, "ms_low"), json_number(w, time.low * 1e3);
    json_key(w, "ms_high"), json_number(w, time.high * 1e3);
    json_key(w, "images_per_s"), json_number(w, row.images_per_s);
    json_key(w, "gflops"), json_number(w, gflops);
    json_key(w, "peak_share"), json_number(w, share);
    json_key(w, gpu_bytes ? "gpu_mb" : "rss_mb"), json_number(w, memory);
    double peak = resident_peak_mb();
    json_key(w, "peak_mb"), json_number(w, peak > bench->load_peak_mb ? peak : bench->load_peak_mb);
    json_key(w, "load_ms"), json_number(w, subject->load_seconds * 1e3);
    json_end_object(w);
  }
  return bench_rows_add(&bench->measured, &row, e);
}

/* Warm up once, then run until the time is up. */
static int time_trial(struct bench *bench, const struct subject *subject, struct threads *pool, size_t thread_index,
                      int batch, error *e) {
  struct trial trial;
  resident_peak_reset();
  if (trial_start(&trial, subject, pool, batch, e) != OK) return FAILED;
  double *times = NULL, begin;
  size_t n = 0, capacity = 0;
  trial_run(&trial, NULL);
  begin = now();
  int status = OK;
  while (status == OK && n < MOST_RUNS && (n < LEAST_RUNS || now() - begin < bench->seconds)) {
    status = grow((void **)&times, &capacity, n, sizeof *times, e);
    if (status == OK) times[n++] = trial_run(&trial, NULL);
  }
  if (status == OK) status = session_check(trial.session, e);
  size_t gpu_bytes = bench->gpu.name[0] ? session_bytes(trial.session) + model_gpu_bytes(subject->model) : 0;
  if (status == OK) status = write_row(bench, subject, thread_index, batch, n, spread_of(times, n), gpu_bytes, e);
  free(times);
  trial_end(&trial);
  return status;
}

static int bench_subject(struct bench *bench, const char *arch, error *e) {
  struct subject subject;
  resident_peak_reset(); /* measuring the machine took memory */
  int status = subject_load(&subject, arch, bench->weights, bench->device, e);
  bench->load_peak_mb = resident_peak_mb();
  for (size_t t = 0; status == OK && t < bench->thread_count; t++) {
    struct threads *pool = threads_start(bench->threads[t], e);
    if (!pool) status = FAILED;
    for (size_t b = 0; status == OK && b < bench->batch_count; b++) {
      status = time_trial(bench, &subject, pool, t, bench->batches[b], e);
    }
    threads_stop(pool);
  }
  subject_free(&subject);
  return status;
}

int bench_models(struct bench *bench, error *e) {
  if (!bench->json) {
    printf("\n%-28s %5s %7s %9s %18s %9s %8s %8s %7s\n", "arch", "batch", "threads", "ms", "ms, quartiles", "images/s",
           "GFLOP/s", "of peak", bench->gpu.name[0] ? "GPU MB" : "RSS MB");
  }
  if (bench->w) json_key(bench->w, "rows"), json_begin_array(bench->w);
  int status = OK;
  if (bench->weights) status = bench_subject(bench, bench->archs, e);
  char name[MAX_ARCH_NAME];
  for (const char *list = bench->archs; status == OK && !bench->weights && next_name(&list, name, sizeof name);) {
    status = bench_subject(bench, name, e);
  }
  if (bench->w) json_end_array(bench->w);
  return status;
}
