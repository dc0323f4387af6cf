/* `backbones bench`: throughput of whole models, or of GEMM alone, against the machine's measured peak. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gemm_bench.h"
#include "bench/images_bench.h"
#include "bench/machine.h"
#include "bench/subject.h"
#include "evaluate/output.h"
#include "kernels/memory.h"
#include "models/architecture.h"
#include "models/placement.h"

enum { MOST_LIST = 16, LEAST_RUNS = 3, MOST_RUNS = 100000 };

struct run {
  const char *archs, *weights, *out, *images, *device;
  struct gpu_facts gpu; /* the device, or without a name the CPU */
  int batches[MOST_LIST], threads[MOST_LIST];
  size_t batch_count, thread_count;
  double peaks[MOST_LIST], bandwidths[MOST_LIST]; /* for each number of threads */
  double seconds;
  bool json, gemm;
  const struct kernels *kernels;
  struct json_writer *w; /* NULL: a table only */
};

static const char default_archs[] =
    "resnet50,convnext_tiny,vit_base_patch16_224,swin_tiny_patch4_window7_224,vit_base_patch32_clip_224";

static int read_list(const struct arguments *arguments, const char *name, long long high, int *list, size_t *count,
                     error *e) {
  double *values;
  size_t n;
  int status = option_reals(arguments, name, 1, (double)high, &values, &n, e);
  if (status != OK) return status;
  if (n > MOST_LIST) status = usage_error(e, "%s: at most %d values", name, MOST_LIST);
  for (size_t i = 0; status == OK && i < n; i++) {
    list[i] = (int)values[i];
    if ((double)list[i] != values[i]) status = usage_error(e, "%s: %g is not a whole number", name, values[i]);
  }
  if (n) *count = n;
  free(values);
  return status;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  *run = (struct run){.archs = option_text(arguments, "--arch"),
                      .weights = option_text(arguments, "--weights"),
                      .out = option_text(arguments, "--out"),
                      .images = option_text(arguments, "--images"),
                      .device = option_given(arguments, "--device") ? option_text(arguments, "--device") : "cpu",
                      .batches = {1, 16},
                      .batch_count = 2,
                      .seconds = 2};
  run->threads[run->thread_count++] = 1;
  if (usable_cores() > 1) run->threads[run->thread_count++] = usable_cores();
  run->json = option_given(arguments, "--json");
  run->gemm = option_given(arguments, "--gemm");
  int status = read_list(arguments, "--batch", 1024, run->batches, &run->batch_count, e);
  if (status == OK) status = read_list(arguments, "--threads", 1024, run->threads, &run->thread_count, e);
  if (status == OK) status = option_real(arguments, "--seconds", 0.01, 3600, &run->seconds, e);
  if (status == OK) status = placement_describe(run->device, &run->gpu, e);
  if (status != OK) return status;
  if (run->gpu.name[0] && (run->gemm || run->images)) return usage_error(e, "--device: is for models");
  if (run->gpu.name[0]) { /* one thread feeds it */
    run->thread_count = 1;
    run->threads[0] = 1;
  }
  if (run->images) run->thread_count = 0; /* nothing to hold against the peak of multiply-adds */
  if (!run->archs && !run->weights) run->archs = default_archs;
  for (const char *list = run->archs; list && *list;) {
    char name[MAX_ARCH_NAME];
    struct architecture found;
    if (!next_name(&list, name, sizeof name)) return usage_error(e, "--arch %.60s: is not a list of names", run->archs);
    if (architecture_find(name, &found, e) != OK) return USAGE;
  }
  return OK;
}

static void write_machine(const struct run *run) {
  char name[256];
  machine_name(name, sizeof name);
  if (!run->json && run->gpu.name[0]) {
    printf("%s, %.0f MB: FMA peak %.1f GFLOP/s, memory %.1f GB/s (as the card states them)\n", run->gpu.name,
           (double)run->gpu.memory * 1e-6, run->peaks[0], run->bandwidths[0]);
  } else if (!run->json) {
    printf("%s, %d cores usable, %s kernels\n", name, usable_cores(), run->kernels->isa);
    for (size_t i = 0; i < run->thread_count; i++) {
      printf("%d thread%s: FMA peak %.1f GFLOP/s, copy bandwidth %.1f GB/s (measured now)\n", run->threads[i],
             run->threads[i] == 1 ? "" : "s", run->peaks[i], run->bandwidths[i]);
    }
  }
  if (!run->w) return;
  json_key(run->w, "machine"), json_begin_object(run->w);
  json_key(run->w, "cpu"), json_string(run->w, name);
  json_key(run->w, "cores"), json_integer(run->w, usable_cores());
  json_key(run->w, "isa"), json_string(run->w, run->kernels->isa);
  if (run->gpu.name[0]) json_key(run->w, "gpu"), json_string(run->w, run->gpu.name);
  json_key(run->w, "version"), json_string(run->w, BACKBONES_VERSION);
  json_end_object(run->w);
  if (!run->thread_count) return;
  double most = 0;
  for (size_t i = 0; i < run->thread_count; i++) most = run->peaks[i] > most ? run->peaks[i] : most;
  json_key(run->w, "peak_gflops"), json_number(run->w, most);
  json_key(run->w, "peaks"), json_begin_array(run->w);
  for (size_t i = 0; i < run->thread_count; i++) {
    json_begin_object(run->w);
    json_key(run->w, "threads"), json_integer(run->w, run->threads[i]);
    json_key(run->w, "gflops"), json_number(run->w, run->peaks[i]);
    json_key(run->w, "bandwidth_gbs"), json_number(run->w, run->bandwidths[i]);
    json_end_object(run->w);
  }
  json_end_array(run->w);
}

static void write_row(const struct run *run, const struct subject *subject, size_t thread_index, int batch, size_t runs,
                      struct spread time, size_t gpu_bytes) {
  const struct model_info *info = &subject->info;
  double images = batch / time.median, gflops = info->gflops * images, share = gflops / run->peaks[thread_index];
  int threads = run->threads[thread_index];
  double memory = gpu_bytes ? (double)gpu_bytes * 1e-6 : resident_mb();
  if (!run->json) {
    printf("%-18s %5d %7d %9.2f %8.2f..%-8.2f %9.1f %8.1f %6.1f %% %7.0f\n", info->arch, batch, threads,
           time.median * 1e3, time.low * 1e3, time.high * 1e3, images, gflops, 100 * share, memory);
    fflush(stdout);
  }
  if (!run->w) return;
  struct json_writer *w = run->w;
  json_begin_object(w);
  json_key(w, "arch"), json_string(w, info->arch);
  json_key(w, "dtype"), json_string(w, "f32");
  json_key(w, "isa"), json_string(w, model_isa(subject->model));
  json_key(w, "batch"), json_integer(w, batch);
  json_key(w, "threads"), json_integer(w, threads);
  json_key(w, "runs"), json_integer(w, (int64_t)runs);
  json_key(w, "ms"), json_number(w, time.median * 1e3);
  json_key(w, "ms_low"), json_number(w, time.low * 1e3);
  json_key(w, "ms_high"), json_number(w, time.high * 1e3);
  json_key(w, "images_per_s"), json_number(w, images);
  json_key(w, "gflops"), json_number(w, gflops);
  json_key(w, "peak_share"), json_number(w, share);
  json_key(w, gpu_bytes ? "gpu_mb" : "rss_mb"), json_number(w, memory);
  json_key(w, "load_ms"), json_number(w, subject->load_seconds * 1e3);
  json_end_object(w);
}

/* Warm up once, then run until the time is up. */
static int time_trial(const struct run *run, const struct subject *subject, struct threads *pool, size_t thread_index,
                      int batch, error *e) {
  struct trial trial;
  if (trial_start(&trial, subject, pool, batch, e) != OK) return FAILED;
  double *times = NULL, begin;
  size_t n = 0, capacity = 0;
  trial_run(&trial, NULL);
  begin = now();
  int status = OK;
  while (status == OK && n < MOST_RUNS && (n < LEAST_RUNS || now() - begin < run->seconds)) {
    status = grow((void **)&times, &capacity, n, sizeof *times, e);
    if (status == OK) times[n++] = trial_run(&trial, NULL);
  }
  if (status == OK) status = session_check(trial.session, e);
  size_t gpu_bytes = run->gpu.name[0] ? session_bytes(trial.session) + model_gpu_bytes(subject->model) : 0;
  if (status == OK) write_row(run, subject, thread_index, batch, n, spread_of(times, n), gpu_bytes);
  free(times);
  trial_end(&trial);
  return status;
}

static int bench_subject(const struct run *run, const char *arch, error *e) {
  struct subject subject;
  int status = subject_load(&subject, arch, run->weights, run->device, e);
  for (size_t t = 0; status == OK && t < run->thread_count; t++) {
    struct threads *pool = threads_start(run->threads[t], e);
    if (!pool) status = FAILED;
    for (size_t b = 0; status == OK && b < run->batch_count; b++) {
      status = time_trial(run, &subject, pool, t, run->batches[b], e);
    }
    threads_stop(pool);
  }
  subject_free(&subject);
  return status;
}

static int bench_models(const struct run *run, error *e) {
  if (!run->json) {
    printf("\n%-18s %5s %7s %9s %18s %9s %8s %8s %7s\n", "arch", "batch", "threads", "ms", "ms, span", "images/s",
           "GFLOP/s", "of peak", run->gpu.name[0] ? "GPU MB" : "RSS MB");
  }
  if (run->w) json_key(run->w, "rows"), json_begin_array(run->w);
  int status = OK;
  if (run->weights) status = bench_subject(run, run->archs, e);
  char name[MAX_ARCH_NAME];
  for (const char *list = run->archs; status == OK && !run->weights && next_name(&list, name, sizeof name);) {
    status = bench_subject(run, name, e);
  }
  if (run->w) json_end_array(run->w);
  return status;
}

static int bench_images(const struct run *run, error *e) {
  struct images_request request = {
      .path = run->images, .recipe = recipe_default, .seconds = run->seconds, .table = !run->json};
  struct engine_request engine = {.path = run->weights, .arch = run->archs};
  if (run->weights && engine_recipe(&engine, &request.recipe, e) != OK) return FAILED;
  if (run->w) json_key(run->w, "images");
  return images_bench(&request, run->w, e);
}

static int measure_machine(struct run *run, error *e) {
  if (run->gpu.name[0]) {
    run->peaks[0] = run->gpu.peak_gflops;
    run->bandwidths[0] = run->gpu.bandwidth_gbs;
    return OK;
  }
  for (size_t i = 0; i < run->thread_count; i++) {
    struct threads *pool = threads_start(run->threads[i], e);
    if (!pool) return FAILED;
    run->peaks[i] = measure_peak(run->kernels, pool);
    run->bandwidths[i] = measure_bandwidth(pool);
    threads_stop(pool);
  }
  return OK;
}

static int bench_all(struct run *run, error *e) {
  int status = measure_machine(run, e);
  if (status != OK) return status;
  if (run->w) json_begin_object(run->w);
  write_machine(run);
  if (run->images) {
    status = bench_images(run, e);
  } else if (run->gemm) {
    if (run->w) json_key(run->w, "gemm");
    status = gemm_bench(run->kernels, run->threads, run->thread_count, run->seconds / 4, run->w, e);
  } else {
    status = bench_models(run, e);
  }
  if (run->w) json_end_object(run->w);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  if (option_given(arguments, "--list")) {
    for (int i = 0; architecture_name(i); i++) printf("%s\n", architecture_name(i));
    return OK;
  }
  struct run run;
  int status = read_options(arguments, &run, e);
  if (status != OK) return status;
  run.kernels = kernels_select(e);
  if (!run.kernels) return FAILED;
  struct output output = {0};
  if (run.out && output_open(&output, run.out, e) != OK) return FAILED;
  struct json_writer w = {0};
  if (run.json || run.out) run.w = &w;
  status = bench_all(&run, e);
  if (status == OK && run.w) status = json_writer_finish(&w, e);
  if (status == OK && run.json) printf("%s\n", w.text);
  if (status == OK && run.out) {
    fprintf(output.stream, "%s\n", w.text);
    status = output_commit(&output, e);
  }
  output_abandon(&output);
  free(w.text);
  return status;
}

static const struct option options[] = {
    {"--arch", 'a', "A,...", "architectures, with seeded weights (default: one of each family)"},
    {"--weights", 'w', "WEIGHTS", "a checkpoint instead"},
    {"--batch", 'b', "N,...", "batch sizes (default 1,16)"},
    {"--threads", 't', "N,...", "numbers of threads (default 1 and all)"},
    {"--device", 0, "DEVICE", "cpu (default), cuda, cuda:tf32, cuda:bf16 or auto: an NVIDIA GPU instead"},
    {"--seconds", 's', "S", "time for each row (default 2)"},
    {"--gemm", 0, NULL, "matrix products of ResNet-50's and ViT-B's layers instead of models"},
    {"--images", 0, "DATA",
     "how fast pictures become a model's input instead, stage by stage on one thread:\n"
     "a picture, a folder or a tar; by the recipe of --weights (default: side 224,\n"
     "crop 0.875, bicubic)"},
    {"--list", 0, NULL, "print the names of all architectures instead"},
    {"--out", 'o', "FILE", "write the JSON object to FILE as well"},
    {"--json", 0, NULL, "print one JSON object instead of a table"},
    {0},
};

extern const struct command command_bench;
const struct command command_bench = {
    .name = "bench",
    .usage = "[--arch A,...] [--batch N,...] [--threads N,...] [options]",
    .summary = "how fast models run, and how much of the machine they use",
    .details =
        "FLOPs count a multiply-add as two. The peak is measured in the same run: multiply-adds in registers on the\n"
        "same threads. Times are medians with their span.\n"
        "The stages of --images: `entropy` reads the whole file and makes nothing of it (entropy coding, inflating);\n"
        "`pixels` makes the RGB rows that the recipe needs (inverse transform, upsampling, colour); `resize` and\n"
        "`normalise` follow. `total` is all of it as `features` does it, measured by itself; `decode` is the whole\n"
        "picture as RGB. Times are CPU time of one thread: of each picture the median of the passes, and of these\n"
        "median, deciles and mean.",
    .options = options,
    .run = run_command,
};
