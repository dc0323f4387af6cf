/* `backbones profile`: where the time of one architecture goes, a row an operation and a row a kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "bench/subject.h"
#include "evaluate/output.h"
#include "kernels/memory.h"
#include "models/placement.h"
#include "models/plan.h"
#include "weights-tools/json.h"

struct row {
  char name[64], kind[32], shape[64];
  double seconds, flops, bytes; /* of a batch */
  int operations;
};

struct run {
  const char *arch, *weights, *trace, *device;
  struct gpu_facts gpu; /* the device, or without a name the CPU */
  int batch, threads;
  double seconds;
  bool json;
  double peak, bandwidth;
  struct row *rows, *kinds;
  size_t count, kind_count;
  double total;
  size_t runs;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  *run = (struct run){.arch = option_text(arguments, "--arch"),
                      .weights = option_text(arguments, "--weights"),
                      .trace = option_text(arguments, "--trace"),
                      .device = option_given(arguments, "--device") ? option_text(arguments, "--device") : "cpu",
                      .seconds = 2};
  long long batch = 1, threads = usable_cores();
  int status = option_integer(arguments, "--batch", 1, 1024, &batch, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_real(arguments, "--seconds", 0.01, 3600, &run->seconds, e);
  if (status == OK) status = placement_describe(run->device, &run->gpu, e);
  run->batch = (int)batch;
  run->threads = run->gpu.name[0] ? 1 : (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && !run->arch && !run->weights)
    status = usage_error(e, "--arch NAME or --weights WEIGHTS is needed");
  return status;
}

/* The least time that the machine could take: arithmetic at its peak or bytes at its bandwidth, whichever is longer. */
static double roofline_seconds(const struct run *run, const struct row *row) {
  double compute = row->flops / (run->peak * 1e9), memory = row->bytes / (run->bandwidth * 1e9);
  return compute > memory ? compute : memory;
}

static void describe(struct row *row, const struct op_info *op, int batch) {
  snprintf(row->name, sizeof row->name, "%s", op->name);
  if (op->kernel > 0)
    snprintf(row->kind, sizeof row->kind, "%s %dx%d", op->kind, op->kernel, op->kernel);
  else
    snprintf(row->kind, sizeof row->kind, "%s", op->kind);
  size_t used = strlen(row->kind);
  snprintf(row->kind + used, sizeof row->kind - used, "%s%s", op->groups > 1 ? " grouped" : "",
           op->winograd ? " winograd" : "");
  snprintf(row->shape, sizeof row->shape, "%dx%dx%d -> %dx%dx%d", op->in.height, op->in.width, op->in.channels,
           op->out.height, op->out.width, op->out.channels);
  row->flops = op->flops * batch;
  row->bytes = op->activation_bytes * batch + op->weight_bytes;
  row->operations = 1;
}

/* Sum the rows of each kind, most time first. */
static void add_kinds(struct run *run) {
  for (size_t i = 0; i < run->count; i++) {
    const struct row *row = &run->rows[i];
    size_t k = 0;
    while (k < run->kind_count && strcmp(run->kinds[k].kind, row->kind) != 0) k++;
    struct row *kind = &run->kinds[k];
    if (k == run->kind_count) {
      *kind = (struct row){0};
      memcpy(kind->kind, row->kind, sizeof kind->kind);
      run->kind_count++;
    }
    kind->seconds += row->seconds;
    kind->flops += row->flops;
    kind->bytes += row->bytes;
    kind->operations++;
  }
  for (size_t i = 1; i < run->kind_count; i++) {
    for (size_t j = i; j > 0 && run->kinds[j].seconds > run->kinds[j - 1].seconds; j--) {
      struct row swap = run->kinds[j];
      run->kinds[j] = run->kinds[j - 1];
      run->kinds[j - 1] = swap;
    }
  }
}

static int measure(struct run *run, error *e) {
  struct subject subject = {0};
  struct trial trial = {0};
  double *seconds = NULL;
  struct threads *pool = threads_start(run->threads, e);
  int status = pool ? subject_load(&subject, run->arch, run->weights, run->device, e) : FAILED;
  if (status == OK) status = trial_start(&trial, &subject, pool, run->batch, e);
  if (status == OK) {
    const struct plan *plan = model_plan(subject.model);
    run->count = (size_t)plan_op_count(plan);
    run->rows = allocate_zeroed(run->count, sizeof *run->rows, e);
    run->kinds = allocate_zeroed(run->count, sizeof *run->kinds, e);
    seconds = allocate_zeroed(run->count, sizeof *seconds, e);
    status = run->rows && run->kinds && seconds ? OK : FAILED;
  }
  if (status == OK) {
    run->peak = run->gpu.name[0] ? run->gpu.peak_gflops : measure_peak(kernels_select(NULL), pool);
    run->bandwidth = run->gpu.name[0] ? run->gpu.bandwidth_gbs : measure_bandwidth(pool);
    trial_run(&trial, NULL);
    double begin = now();
    while (run->runs < 3 || now() - begin < run->seconds) {
      run->total += trial_run(&trial, seconds);
      run->runs++;
    }
    run->total /= (double)run->runs;
    status = session_check(trial.session, e);
  }
  if (status == OK) {
    const struct plan *plan = model_plan(subject.model);
    size_t kept = 0;
    for (size_t i = 0; i < run->count; i++) {
      struct op_info op = plan_op_info(plan, (int)i);
      if (seconds[i] <= 0) continue; /* the head: features do not need it */
      describe(&run->rows[kept], &op, run->batch);
      run->rows[kept++].seconds = seconds[i] / (double)run->runs;
    }
    run->count = kept;
    add_kinds(run);
  }
  free(seconds);
  trial_end(&trial);
  subject_free(&subject);
  threads_stop(pool);
  return status;
}

static void print_row(const struct run *run, const char *left, int width, const struct row *row) {
  printf("%-*s %9.3f %6.1f %% %8.1f %9.2f %6.1f %%", width, left, row->seconds * 1e3, 100 * row->seconds / run->total,
         row->flops / row->seconds * 1e-9, row->bytes * 1e-6, 100 * roofline_seconds(run, row) / row->seconds);
}

static void print_table(const struct run *run) {
  printf("batch %d, %d thread%s, %zu runs: %.2f ms a batch, %.1f images/s\n", run->batch, run->threads,
         run->threads == 1 ? "" : "s", run->runs, run->total * 1e3, run->batch / run->total);
  if (run->gpu.name[0])
    printf("%s: FMA peak %.1f GFLOP/s, memory %.1f GB/s (as the card states them)\n\n", run->gpu.name, run->peak,
           run->bandwidth);
  else
    printf("FMA peak %.1f GFLOP/s, copy bandwidth %.1f GB/s (measured now)\n\n", run->peak, run->bandwidth);
  printf("%-26s %9s %8s %8s %9s %8s  %s\n", "operation", "ms", "share", "GFLOP/s", "MB", "roofline", "kind");
  for (size_t i = 0; i < run->count; i++) {
    print_row(run, run->rows[i].name, 26, &run->rows[i]);
    printf("  %s, %s\n", run->rows[i].kind, run->rows[i].shape);
  }
  printf("\n%-26s %9s %8s %8s %9s %8s  %s\n", "kind", "ms", "share", "GFLOP/s", "MB", "roofline", "operations");
  for (size_t i = 0; i < run->kind_count; i++) {
    print_row(run, run->kinds[i].kind, 26, &run->kinds[i]);
    printf("  %d\n", run->kinds[i].operations);
  }
}

static void write_rows(struct json_writer *w, const struct run *run, const struct row *rows, size_t n, bool named) {
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    const struct row *row = &rows[i];
    json_begin_object(w);
    if (named) {
      json_key(w, "name"), json_string(w, row->name);
      json_key(w, "shape"), json_string(w, row->shape);
    }
    json_key(w, "kind"), json_string(w, row->kind);
    json_key(w, "operations"), json_integer(w, row->operations);
    json_key(w, "ms"), json_number(w, row->seconds * 1e3);
    json_key(w, "share"), json_number(w, row->seconds / run->total);
    json_key(w, "gflops"), json_number(w, row->flops / row->seconds * 1e-9);
    json_key(w, "bytes"), json_number(w, row->bytes);
    json_key(w, "roofline_share"), json_number(w, roofline_seconds(run, row) / row->seconds);
    json_end_object(w);
  }
  json_end_array(w);
}

static int print_json(const struct run *run, error *e) {
  struct json_writer w = json_writer_to(stdout);
  json_begin_object(&w);
  json_key(&w, "batch"), json_integer(&w, run->batch);
  json_key(&w, "threads"), json_integer(&w, run->threads);
  json_key(&w, "ms"), json_number(&w, run->total * 1e3);
  json_key(&w, "peak_gflops"), json_number(&w, run->peak);
  json_key(&w, "bandwidth_gbs"), json_number(&w, run->bandwidth);
  json_key(&w, "ops"), write_rows(&w, run, run->rows, run->count, true);
  json_key(&w, "kinds"), write_rows(&w, run, run->kinds, run->kind_count, false);
  json_end_object(&w);
  return json_writer_finish(&w, e);
}

/* The Trace Event Format that chrome://tracing and Perfetto read: complete events, microseconds. */
static int write_trace(const struct run *run, error *e) {
  struct output output;
  if (output_open(&output, run->trace, e) != OK) return FAILED;
  struct json_writer w = json_writer_to(output.stream);
  json_begin_object(&w);
  json_key(&w, "displayTimeUnit"), json_string(&w, "ms");
  json_key(&w, "traceEvents"), json_begin_array(&w);
  double at = 0;
  for (size_t i = 0; i < run->count; i++) {
    const struct row *row = &run->rows[i];
    json_begin_object(&w);
    json_key(&w, "name"), json_string(&w, row->name);
    json_key(&w, "cat"), json_string(&w, row->kind);
    json_key(&w, "ph"), json_string(&w, "X");
    json_key(&w, "pid"), json_integer(&w, 1);
    json_key(&w, "tid"), json_integer(&w, 1);
    json_key(&w, "ts"), json_number(&w, at * 1e6);
    json_key(&w, "dur"), json_number(&w, row->seconds * 1e6);
    json_key(&w, "args"), json_begin_object(&w);
    json_key(&w, "shape"), json_string(&w, row->shape);
    json_key(&w, "gflops"), json_number(&w, row->flops / row->seconds * 1e-9);
    json_end_object(&w);
    json_end_object(&w);
    at += row->seconds;
  }
  json_end_array(&w);
  json_end_object(&w);
  if (json_writer_finish(&w, e) != OK) {
    output_abandon(&output);
    return fail_within(e, "%s", run->trace);
  }
  return output_commit(&output, e);
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run;
  int status = read_options(arguments, &run, e);
  if (status == OK && !kernels_select(e)) status = FAILED;
  if (status == OK) status = measure(&run, e);
  if (status == OK && run.trace) status = write_trace(&run, e);
  if (status == OK && run.json)
    status = print_json(&run, e);
  else if (status == OK)
    print_table(&run);
  free(run.rows);
  free(run.kinds);
  return status;
}

static const struct option options[] = {
    {"--arch", 'a', "NAME", "the architecture, with seeded weights"},
    {"--weights", 'w', "WEIGHTS", "a checkpoint instead"},
    {"--batch", 'b', "N", "batch size (default 1)"},
    {"--threads", 't', "N", "threads (default: all)"},
    {"--device", 0, "DEVICE", "cpu (default), cuda, cuda:tf32, cuda:bf16 or auto: an NVIDIA GPU instead"},
    {"--seconds", 's', "S", "time to measure (default 2)"},
    {"--trace", 0, "FILE", "write a trace for chrome://tracing or Perfetto"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_profile;
const struct command command_profile = {
    .name = "profile",
    .usage = "--arch NAME [options]",
    .summary = "where a model's time goes, operation by operation",
    .details =
        "MB: what the operation reads and writes once. roofline: the least time that the measured peak and bandwidth\n"
        "allow, over the time taken; over 100 % where the data lay in a cache.",
    .options = options,
    .run = run_command,
};
