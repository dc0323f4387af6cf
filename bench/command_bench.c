/* `backbones bench`: throughput of whole models, or of GEMM alone, against the machine's measured peak. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/gemm_bench.h"
#include "bench/images_bench.h"
#include "bench/machine.h"
#include "bench/machine_facts.h"
#include "bench/model_bench.h"
#include "bench/scaling.h"
#include "bench/subject.h"
#include "evaluate/output.h"

static const char default_archs[] =
    "resnet50,convnext_tiny,vit_base_patch16_224,swin_tiny_patch4_window7_224,vit_base_patch32_clip_224";
static const char scaling_archs[] = "resnet50,vit_base_patch16_224";

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

/* Options that go together. */
static int check_kind(const struct bench *bench, error *e) {
  if (bench->gemm + bench->scaling + (bench->images != NULL) > 1)
    return usage_error(e, "--gemm, --images and --scaling: one of them");
  if (bench->gpu.name[0] && (bench->gemm || bench->images)) return usage_error(e, "--device: is for models");
  if (bench->gpu.name[0] && bench->scaling) return usage_error(e, "--scaling: is for the CPU");
  if (bench->against && (bench->gemm || bench->images || bench->scaling))
    return usage_error(e, "--against: is for models");
  if (bench->bandwidth > 0 && !bench->scaling) return usage_error(e, "--bandwidth: goes with --scaling");
  return OK;
}

static int rising(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* One batch, and threads that begin with 1 and rise: 1, 2, 4 ... all, or those that were given. */
static int plan_scaling(struct bench *bench, const struct arguments *arguments, error *e) {
  if (!option_given(arguments, "--batch")) {
    bench->batches[0] = 16;
    bench->batch_count = 1;
  }
  if (bench->batch_count > 1) return usage_error(e, "--batch: --scaling takes one");
  int given[MOST_LIST + 1] = {1};
  size_t count = 1;
  if (option_given(arguments, "--threads")) {
    for (size_t i = 0; i < bench->thread_count; i++) given[count++] = bench->threads[i];
  } else {
    for (int n = 2; n < usable_cores(); n *= 2) given[count++] = n;
    given[count++] = usable_cores();
  }
  qsort(given, count, sizeof *given, rising);
  bench->thread_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && given[i] == given[i - 1]) continue;
    if (bench->thread_count == MOST_LIST) return usage_error(e, "--threads: at most %d values and 1", MOST_LIST - 1);
    bench->threads[bench->thread_count++] = given[i];
  }
  return OK;
}

static int read_options(const struct arguments *arguments, struct bench *bench, error *e) {
  *bench = (struct bench){.archs = option_text(arguments, "--arch"),
                          .weights = option_text(arguments, "--weights"),
                          .out = option_text(arguments, "--out"),
                          .images = option_text(arguments, "--images"),
                          .against = option_text(arguments, "--against"),
                          .device = option_given(arguments, "--device") ? option_text(arguments, "--device") : "cpu",
                          .batches = {1, 16},
                          .batch_count = 2,
                          .seconds = 2};
  bench->threads[bench->thread_count++] = 1;
  if (usable_cores() > 1) bench->threads[bench->thread_count++] = usable_cores();
  bench->json = option_given(arguments, "--json");
  bench->gemm = option_given(arguments, "--gemm");
  bench->scaling = option_given(arguments, "--scaling");
  int status = read_list(arguments, "--batch", 1024, bench->batches, &bench->batch_count, e);
  if (status == OK) status = read_list(arguments, "--threads", 1024, bench->threads, &bench->thread_count, e);
  if (status == OK) status = option_real(arguments, "--seconds", 0.01, 3600, &bench->seconds, e);
  if (status == OK) status = placement_describe(bench->device, &bench->gpu, e);
  if (status == OK) status = option_real(arguments, "--bandwidth", 1, 1e6, &bench->bandwidth, e);
  if (status == OK) status = check_kind(bench, e);
  if (status != OK) return status;
  if (bench->gpu.name[0]) { /* one thread feeds it */
    bench->thread_count = 1;
    bench->threads[0] = 1;
  }
  if (bench->images) bench->thread_count = 0; /* nothing to hold against the peak of multiply-adds */
  if (bench->scaling && (status = plan_scaling(bench, arguments, e)) != OK) return status;
  if (!bench->archs && !bench->weights) bench->archs = bench->scaling ? scaling_archs : default_archs;
  for (const char *list = bench->archs; list && *list;) {
    char name[MAX_ARCH_NAME];
    struct architecture found;
    if (!next_name(&list, name, sizeof name))
      return usage_error(e, "--arch %.60s: is not a list of names", bench->archs);
    if (architecture_find(name, &found, e) != OK) return USAGE;
  }
  return OK;
}

static void write_machine(struct bench *bench) {
  struct machine_facts facts = machine_facts_read();
  if (!bench->json && bench->gpu.name[0]) {
    printf("%s, %.0f MB: FMA peak %.1f GFLOP/s, memory %.1f GB/s (as the card states them)\n", bench->gpu.name,
           (double)bench->gpu.memory * 1e-6, bench->peaks[0], bench->bandwidths[0]);
  } else if (!bench->json) {
    machine_facts_print(&facts, bench->kernels->isa);
    for (size_t i = 0; i < bench->thread_count; i++) {
      printf("%d thread%s: FMA peak %.1f GFLOP/s, copy bandwidth %.1f GB/s (measured now)\n", bench->threads[i],
             bench->threads[i] == 1 ? "" : "s", bench->peaks[i], bench->bandwidths[i]);
    }
  }
  struct bench_rows *rows = &bench->measured;
  snprintf(rows->cpu, sizeof rows->cpu, "%s", facts.cpu);
  snprintf(rows->gpu, sizeof rows->gpu, "%s", bench->gpu.name);
  snprintf(rows->isa, sizeof rows->isa, "%s", bench->kernels->isa);
  snprintf(rows->version, sizeof rows->version, "%s", BACKBONES_VERSION);
  rows->cores = facts.cores;
  if (!bench->w) return;
  json_key(bench->w, "machine"), json_begin_object(bench->w);
  machine_facts_write(&facts, bench->w);
  json_key(bench->w, "isa"), json_string(bench->w, bench->kernels->isa);
  if (bench->gpu.name[0]) json_key(bench->w, "gpu"), json_string(bench->w, bench->gpu.name);
  json_key(bench->w, "version"), json_string(bench->w, BACKBONES_VERSION);
  json_end_object(bench->w);
  if (!bench->thread_count) return;
  double most = 0;
  for (size_t i = 0; i < bench->thread_count; i++) most = bench->peaks[i] > most ? bench->peaks[i] : most;
  json_key(bench->w, "peak_gflops"), json_number(bench->w, most);
  json_key(bench->w, "peaks"), json_begin_array(bench->w);
  for (size_t i = 0; i < bench->thread_count; i++) {
    json_begin_object(bench->w);
    json_key(bench->w, "threads"), json_integer(bench->w, bench->threads[i]);
    json_key(bench->w, "gflops"), json_number(bench->w, bench->peaks[i]);
    json_key(bench->w, "bandwidth_gbs"), json_number(bench->w, bench->bandwidths[i]);
    json_end_object(bench->w);
  }
  json_end_array(bench->w);
}

static int bench_images(const struct bench *bench, error *e) {
  struct images_request request = {
      .path = bench->images, .recipe = recipe_default, .seconds = bench->seconds, .table = !bench->json};
  struct engine_request engine = {.path = bench->weights, .arch = bench->archs};
  if (bench->weights && engine_recipe(&engine, &request.recipe, e) != OK) return FAILED;
  if (bench->w) json_key(bench->w, "images");
  return images_bench(&request, bench->w, e);
}

static int bench_scaling(const struct bench *bench, error *e) {
  struct scaling_request request = {.archs = bench->archs,
                                    .weights = bench->weights,
                                    .device = bench->device,
                                    .threads = bench->threads,
                                    .bandwidths = bench->bandwidths,
                                    .thread_count = bench->thread_count,
                                    .batch = bench->batches[0],
                                    .seconds = bench->seconds,
                                    .bandwidth = bench->bandwidth,
                                    .table = !bench->json};
  return scaling_bench(&request, bench->w, e);
}

static int measure_machine(struct bench *bench, error *e) {
  if (bench->gpu.name[0]) {
    bench->peaks[0] = bench->gpu.peak_gflops;
    bench->bandwidths[0] = bench->gpu.bandwidth_gbs;
    return OK;
  }
  for (size_t i = 0; i < bench->thread_count; i++) {
    struct threads *pool = threads_start(bench->threads[i], e);
    if (!pool) return FAILED;
    bench->peaks[i] = measure_peak(bench->kernels, pool);
    bench->bandwidths[i] = measure_bandwidth(pool);
    threads_stop(pool);
  }
  return OK;
}

static int bench_all(struct bench *bench, error *e) {
  int status = measure_machine(bench, e);
  if (status != OK) return status;
  if (bench->w) json_begin_object(bench->w);
  write_machine(bench);
  if (bench->images) {
    status = bench_images(bench, e);
  } else if (bench->gemm) {
    if (bench->w) json_key(bench->w, "gemm");
    status = gemm_bench(bench->kernels, bench->threads, bench->thread_count, bench->seconds / 4, bench->w, e);
  } else if (bench->scaling) {
    status = bench_scaling(bench, e);
  } else {
    status = bench_models(bench, e);
    if (status == OK && bench->against)
      against_compare(&bench->measured, &bench->earlier, bench->against, !bench->json, bench->w);
  }
  if (bench->w) json_end_object(bench->w);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  if (option_given(arguments, "--list")) {
    for (int i = 0; architecture_name(i); i++) printf("%s\n", architecture_name(i));
    return OK;
  }
  struct bench bench;
  int status = read_options(arguments, &bench, e);
  if (status != OK) return status;
  bench.kernels = kernels_select(e);
  if (!bench.kernels) return FAILED;
  if (bench.against && bench_rows_read(&bench.earlier, bench.against, e) != OK) return FAILED;
  struct output output = {0};
  if (bench.out && output_open(&output, bench.out, e) != OK) {
    bench_rows_free(&bench.earlier);
    return FAILED;
  }
  struct json_writer w = {0};
  if (bench.json || bench.out) bench.w = &w;
  status = bench_all(&bench, e);
  if (status == OK && bench.w) status = json_writer_finish(&w, e);
  if (status == OK && bench.json) printf("%s\n", w.text);
  if (status == OK && bench.out) {
    fprintf(output.stream, "%s\n", w.text);
    status = output_commit(&output, e);
  }
  output_abandon(&output);
  bench_rows_free(&bench.measured);
  bench_rows_free(&bench.earlier);
  free(w.text);
  return status;
}

static const struct option options[] = {
    {"--arch", 'a', "A,...", "architectures, with seeded weights (default: one of each family)"},
    {"--weights", 'w', "WEIGHTS", "a checkpoint instead"},
    {"--batch", 'b', "N,...", "batch sizes (default 1,16)"},
    {"--threads", 't', "N,...", "numbers of threads (default 1 and all)"},
    {"--device", 0, "DEVICE", "cpu (default) or cpu:bf16; an NVIDIA GPU: cuda, cuda:tf32, cuda:bf16 or auto"},
    {"--seconds", 's', "S", "time for each row (default 2)"},
    {"--gemm", 0, NULL, "matrix products of ResNet-50's and ViT-B's layers instead of models"},
    {"--scaling", 0, NULL,
     "how speed grows with 1, 2, 4 ... all threads instead, for one image at a time and\n"
     "for batches (of --batch, default 16), and what to expect of up to 64 cores\n"
     "(default models: resnet50 and vit_base_patch16_224)"},
    {"--bandwidth", 0, "GB/S", "of --scaling: what the memory of the larger machine gives (default 200)"},
    {"--images", 0, "DATA",
     "how fast pictures become a model's input instead, stage by stage on one thread:\n"
     "a picture, a folder or a tar; by the recipe of --weights (default: side 224,\n"
     "crop 0.875, bicubic)"},
    {"--against", 0, "FILE",
     "compare with an earlier run, of which FILE is the JSON object: of every row the\n"
     "ratio of images/s, the noise of both runs, and whether it is faster, slower or\n"
     "the same"},
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
        "same threads. Times are medians with their quartiles, after a run that warms up. A row\n"
        "during which other programs used more than a tenth of a core says how many cores they used.\n"
        "--against: with r = images/s now over images/s before, a row is faster when r > 1 + noise, slower when\n"
        "r < 1 / (1 + noise), else the same; noise is the sum of both rows' quartile spans over their medians, at "
        "least\n"
        "2 %, since one process's runs do not show what differs between two processes.\n"
        "The stages of --images: `entropy` reads the whole file and makes nothing of it (entropy coding, inflating);\n"
        "`pixels` makes the RGB rows that the recipe needs (inverse transform, upsampling, colour); `resize` and\n"
        "`normalise` follow. `total` is all of it as `features` does it, measured by itself; `decode` is the whole\n"
        "picture as RGB. Times are CPU time of one thread: of each picture the median of the passes, and of these\n"
        "median, deciles and mean.",
    .options = options,
    .run = run_command,
};
