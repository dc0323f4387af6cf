/* Measuring a model operation by operation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "bench/other_load.h"
#include "bench/profile.h"
#include "bench/subject.h"
#include "kernels/memory.h"

double profile_least_seconds(const struct profile *profile, const struct profile_row *row) {
  double compute = row->flops / (profile->peak * 1e9), memory = row->bytes / (profile->bandwidth * 1e9);
  return fmax(compute, memory) + row->function_seconds;
}

double profile_least_total(const struct profile *profile) {
  double least = 0;
  for (size_t i = 0; i < profile->count; i++)
    least += fmin(profile_least_seconds(profile, &profile->rows[i]), profile->rows[i].seconds);
  return least;
}

double profile_intensity(const struct profile_row *row) { return row->bytes > 0 ? row->flops / row->bytes : 0; }

bool profile_counted(const struct profile *profile, size_t event) {
  return profile->count > 0 && !isnan(profile->rows[0].counts[event]);
}

static void describe(struct profile_row *row, const struct op_info *op, int batch) {
  snprintf(row->name, sizeof row->name, "%s", op->name);
  if (op->kernel > 0)
    snprintf(row->kind, sizeof row->kind, "%s %dx%d", op->kind, op->kernel, op->kernel);
  else
    snprintf(row->kind, sizeof row->kind, "%s", op->kind);
  size_t used = strlen(row->kind);
  snprintf(row->kind + used, sizeof row->kind - used, "%s%s", op->groups > 1 ? " grouped" : "",
           op->winograd == 2 ? " winograd 2x2"
           : op->winograd    ? " winograd 4x4"
                             : "");
  snprintf(row->shape, sizeof row->shape, "%dx%dx%d -> %dx%dx%d", op->in.height, op->in.width, op->in.channels,
           op->out.height, op->out.width, op->out.channels);
  row->flops = op->flops * batch;
  row->bytes = op->activation_bytes * batch + op->weight_bytes;
  row->operations = 1;
}

/* Sum the rows of each kind, most time first. */
static void add_kinds(struct profile *profile) {
  struct profile_row *kinds = profile->kinds;
  for (size_t i = 0; i < profile->count; i++) {
    const struct profile_row *row = &profile->rows[i];
    size_t k = 0;
    while (k < profile->kind_count && strcmp(kinds[k].kind, row->kind) != 0) k++;
    struct profile_row *kind = &kinds[k];
    if (k == profile->kind_count) {
      *kind = (struct profile_row){0};
      memcpy(kind->kind, row->kind, sizeof kind->kind);
      profile->kind_count++;
    }
    kind->seconds += row->seconds;
    kind->flops += row->flops;
    kind->bytes += row->bytes;
    kind->function_seconds += row->function_seconds;
    for (size_t c = 0; c < PERF_PROFILE_EVENTS; c++) kind->counts[c] += row->counts[c];
    kind->operations++;
  }
  for (size_t i = 1; i < profile->kind_count; i++) {
    for (size_t j = i; j > 0 && kinds[j].seconds > kinds[j - 1].seconds; j--) {
      struct profile_row swap = kinds[j];
      kinds[j] = kinds[j - 1];
      kinds[j - 1] = swap;
    }
  }
}

/* Sums over the runs, by operation of the plan. */
struct sums {
  double *seconds, *counts /* [operations, PERF_PROFILE_EVENTS] */;
  double runs; /* of the counts */
  double seen[PERF_PROFILE_EVENTS];
};

static void time_runs(struct profile *profile, struct trial *trial, double *seconds) {
  double begin = now();
  while (profile->runs < 3 || now() - begin < profile->seconds) {
    profile->total += trial_run(trial, seconds);
    profile->runs++;
  }
  profile->total /= (double)profile->runs;
}

/* In runs of their own: reading the counters takes time. */
static void count_runs(struct profile *profile, struct trial *trial, const struct perf_counters *counters,
                       struct sums *sums) {
  bool any = false;
  for (size_t c = 0; c < counters->count; c++) any = any || counters->descriptors[c] >= 0;
  snprintf(profile->uncounted, sizeof profile->uncounted, "%s", counters->reason);
  if (!any) return;
  struct perf_watch watch = {.counters = counters, .counts = sums->counts};
  const struct plan_watch every = {perf_watch_operation, &watch};
  session_watch(trial->session, &every);
  double begin = now();
  while (sums->runs < 3 || now() - begin < fmin(1, profile->seconds)) {
    trial_run(trial, NULL);
    sums->runs++;
  }
  session_watch(trial->session, NULL);
  for (size_t c = 0; c < counters->count; c++) {
    sums->seen[c] = perf_watch_seen(&watch, c);
    if (counters->descriptors[c] >= 0 && !(sums->seen[c] > 0))
      snprintf(profile->uncounted, sizeof profile->uncounted, "%s: another program has the processor's counters",
               perf_profile_events[c].name);
  }
}

/* 10^9 values a second, measured when an operation first asks. */
struct function_rates {
  struct threads *pool;
  double softmax, activations[ACTIVATION_SILU + 1];
};

static double function_seconds(struct function_rates *rates, const struct op_info *op, int batch) {
  if (op->values == 0) return 0;
  bool softmax = op->activation <= ACTIVATION_RELU;
  double *rate = softmax ? &rates->softmax : &rates->activations[op->activation];
  if (*rate == 0)
    *rate = softmax ? measure_softmax(kernels_select(NULL), rates->pool)
                    : measure_activation(kernels_select(NULL), rates->pool, op->activation);
  return op->values * batch / (*rate * 1e9);
}

/* rates: NULL where they are another device's. */
static void fill_rows(struct profile *profile, const struct plan *plan, const struct sums *sums,
                      struct function_rates *rates) {
  size_t kept = 0;
  for (size_t i = 0; i < profile->count; i++) {
    if (sums->seconds[i] <= 0) continue; /* the head: features do not need it */
    struct op_info op = plan_op_info(plan, (int)i, !rates);
    struct profile_row *row = &profile->rows[kept++];
    describe(row, &op, profile->batch);
    if (rates) row->function_seconds = function_seconds(rates, &op, profile->batch);
    row->seconds = sums->seconds[i] / (double)profile->runs;
    for (size_t c = 0; c < PERF_PROFILE_EVENTS; c++)
      row->counts[c] =
          sums->seen[c] > 0 ? sums->counts[i * PERF_PROFILE_EVENTS + c] / sums->seen[c] / sums->runs : (double)NAN;
  }
  profile->count = kept;
}

static int measure_trial(struct profile *profile, struct trial *trial, struct threads *pool,
                         const struct perf_counters *counters, error *e) {
  const struct plan *plan = model_plan(trial->subject->model);
  profile->count = (size_t)plan_op_count(plan);
  profile->rows = allocate_zeroed(profile->count, sizeof *profile->rows, e);
  profile->kinds = allocate_zeroed(profile->count, sizeof *profile->kinds, e);
  struct sums sums = {allocate_zeroed(profile->count, sizeof(double), e),
                      allocate_zeroed(profile->count, PERF_PROFILE_EVENTS * sizeof(double), e),
                      0,
                      {0}};
  int status = profile->rows && profile->kinds && sums.seconds && sums.counts ? OK : FAILED;
  if (status == OK) {
    bool gpu = profile->gpu.name[0];
    struct load_watch watch = load_watch_start();
    profile->peak = gpu ? profile->gpu.peak_gflops : measure_peak(kernels_select(NULL), pool);
    profile->bandwidth = gpu ? profile->gpu.bandwidth_gbs : measure_bandwidth(pool);
    trial_run(trial, NULL);
    time_runs(profile, trial, sums.seconds);
    profile->others = load_watch_others(&watch);
    if (gpu)
      snprintf(profile->uncounted, sizeof profile->uncounted, "they are the CPU's");
    else
      count_runs(profile, trial, counters, &sums);
    status = session_check(trial->session, e);
  }
  if (status == OK) {
    fill_rows(profile, plan, &sums, profile->gpu.name[0] ? NULL : &(struct function_rates){.pool = pool});
    add_kinds(profile);
  }
  free(sums.seconds);
  free(sums.counts);
  return status;
}

int profile_measure(struct profile *profile, error *e) {
  struct subject subject = {0};
  struct trial trial = {0};
  struct perf_counters counters;
  perf_counters_start(&counters, perf_profile_events, PERF_PROFILE_EVENTS);
  struct threads *pool = threads_start(profile->threads, e);
  int status = pool ? subject_load(&subject, profile->arch, profile->weights, profile->device, e) : FAILED;
  if (status == OK) {
    snprintf(profile->title, sizeof profile->title, "%s", subject.info.arch);
    snprintf(profile->isa, sizeof profile->isa, "%s", model_isa(subject.model));
    status = trial_start(&trial, &subject, pool, profile->batch, e);
  }
  if (status == OK) status = measure_trial(profile, &trial, pool, &counters, e);
  trial_end(&trial);
  subject_free(&subject);
  threads_stop(pool);
  perf_counters_stop(&counters);
  return status;
}

void profile_free(struct profile *profile) {
  free(profile->rows);
  free(profile->kinds);
}
