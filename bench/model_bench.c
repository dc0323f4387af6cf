#include "bench/model_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "bench/other_load.h"
#include "bench/subject.h"
#include "kernels/memory.h"

enum { LEAST_RUNS = 3, MOST_RUNS = 100000 };

/* A row measured, and what the table and the JSON tell of it beyond the comparison's needs. */
struct measurement {
  struct bench_row row;
  struct spread time; /* seconds */
  size_t runs;
  double gflops, share, memory_mb, peak_mb, load_ms;
  double model_gflop; /* an image, with what no feature needs and is not computed */
  const char *isa;
  bool on_gpu;
};

static void print_row(const struct measurement *m) {
  const struct bench_row *row = &m->row;
  printf("%-28s %5d %7d %9.2f %8.2f..%-8.2f %9.1f %8.1f %6.1f %% %7.0f", row->arch, row->batch, row->threads, row->ms,
         row->q1, row->q3, row->images_per_s, m->gflops, 100 * m->share, m->memory_mb);
  if (row->others > disturbing_load) printf("  others used %.1f cores", row->others);
  printf("\n");
  fflush(stdout);
}

static void write_row(const struct measurement *m, struct json_writer *w) {
  const struct bench_row *row = &m->row;
  json_begin_object(w);
  json_key(w, "arch"), json_string(w, row->arch);
  json_key(w, "dtype"), json_string(w, row->dtype);
  json_key(w, "isa"), json_string(w, m->isa);
  json_key(w, "batch"), json_integer(w, row->batch);
  json_key(w, "threads"), json_integer(w, row->threads);
  json_key(w, "runs"), json_integer(w, (int64_t)m->runs);
  json_key(w, "ms"), json_number(w, row->ms);
  json_key(w, "ms_q1"), json_number(w, row->q1);
  json_key(w, "ms_q3"), json_number(w, row->q3);
  json_key(w, "ms_low"), json_number(w, m->time.low * 1e3);
  json_key(w, "ms_high"), json_number(w, m->time.high * 1e3);
  json_key(w, "other_cores"), json_number(w, row->others);
  json_key(w, "images_per_s"), json_number(w, row->images_per_s);
  json_key(w, "gflops"), json_number(w, m->gflops);
  json_key(w, "model_gflop"), json_number(w, m->model_gflop);
  json_key(w, "peak_share"), json_number(w, m->share);
  json_key(w, m->on_gpu ? "gpu_mb" : "rss_mb"), json_number(w, m->memory_mb);
  json_key(w, "peak_mb"), json_number(w, m->peak_mb);
  json_key(w, "load_ms"), json_number(w, m->load_ms);
  json_end_object(w);
}

static int keep_row(struct bench *bench, const struct subject *subject, size_t thread_index, struct measurement *m,
                    error *e) {
  struct bench_row *row = &m->row;
  snprintf(row->arch, sizeof row->arch, "%s", subject->info.arch);
  snprintf(row->dtype, sizeof row->dtype, "%s", model_dtype(subject->model));
  row->threads = bench->threads[thread_index];
  row->images_per_s = row->batch / m->time.median;
  row->ms = m->time.median * 1e3;
  row->q1 = m->time.q1 * 1e3;
  row->q3 = m->time.q3 * 1e3;
  m->model_gflop = subject->info.gflops;
  m->gflops = (m->on_gpu ? m->model_gflop : subject->info.computed_gflops) * row->images_per_s;
  m->share = m->gflops / bench->peaks[thread_index];
  m->isa = model_isa(subject->model);
  m->load_ms = subject->load_seconds * 1e3;
  double peak = resident_peak_mb();
  m->peak_mb = peak > bench->load_peak_mb ? peak : bench->load_peak_mb;
  if (!bench->json) print_row(m);
  if (bench->w) write_row(m, bench->w);
  return bench_rows_add(&bench->measured, row, e);
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
  struct load_watch watch = load_watch_start();
  begin = now();
  int status = OK;
  while (status == OK && n < MOST_RUNS && (n < LEAST_RUNS || now() - begin < bench->seconds)) {
    status = grow((void **)&times, &capacity, n, sizeof *times, e);
    if (status == OK) times[n++] = trial_run(&trial, NULL);
  }
  if (status == OK) status = session_check(trial.session, e);
  if (status == OK) {
    struct measurement m = {.row = {.batch = batch, .others = load_watch_others(&watch)},
                            .time = spread_of(times, n),
                            .runs = n,
                            .on_gpu = bench->gpu.name[0] != 0};
    m.memory_mb =
        m.on_gpu ? (double)(session_bytes(trial.session) + model_gpu_bytes(subject->model)) * 1e-6 : resident_mb();
    status = keep_row(bench, subject, thread_index, &m, e);
  }
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
