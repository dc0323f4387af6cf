/* `backbones features`: a folder of photos becomes an array of features. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "evaluate/decode_options.h"
#include "evaluate/extract.h"
#include "evaluate/feature_store.h"
#include "evaluate/folder_meta.h"
#include "evaluate/shard.h"
#include "kernels/kernels.h"
#include "weights-tools/json.h"
#include "weights-tools/sha256.h"

struct run {
  struct engine_request request;
  const char *data, *out, *kind;
  bool logits, resume, strict, json, quiet;
  int batch;
  struct shard shard;
  struct decode_options decode;
  struct corruption_choice corruption; /* severity 0: none */
  struct engine engine;
  struct dataset dataset;
  size_t *indices, count; /* of this shard */
  struct feature_store *store;
  size_t skipped;
};

static bool is_block(const char *kind) {
  int block, used = 0;
  if (sscanf(kind, "block:%5d%n", &block, &used) != 1 || block < 0) return false;
  return !kind[used] || !strcmp(kind + used, ":tokens");
}

static int read_kind(const struct arguments *arguments, struct run *run, error *e) {
  static const char *const kinds[] = {"pooled", "logits", "projected", "class", "mean", "class+mean", "tokens"};
  run->kind = option_text(arguments, "--features");
  if (!run->kind) run->kind = "pooled";
  run->logits = !strcmp(run->kind, "logits");
  if (!run->logits) run->request.features = run->kind;
  if (is_block(run->kind)) return OK;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!strcmp(run->kind, kinds[i])) return OK;
  }
  return usage_error(e,
                     "--features %.40s: is not pooled, projected, class, mean, class+mean, tokens, logits, block:N or "
                     "block:N:tokens",
                     run->kind);
}

/* NAME:SEVERITY */
static int read_corruption(const struct arguments *arguments, struct run *run, error *e) {
  const char *text = option_text(arguments, "--corrupt");
  long long seed = 0;
  int status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status != OK) return status;
  if (!text)
    return option_given(arguments, "--seed") ? usage_error(e, "--seed is --corrupt's, which is not given") : OK;
  char name[40];
  int severity, used = 0;
  if (sscanf(text, "%39[a-z_]:%2d%n", name, &severity, &used) != 2 || text[used] || severity < 1 ||
      severity > MOST_SEVERE) {
    return usage_error(e, "--corrupt %.60s: is not NAME:SEVERITY with a severity from 1 to 5", text);
  }
  run->corruption = (struct corruption_choice){.severity = severity, .seed = (uint64_t)seed};
  return corruption_from_name(&run->corruption.kind, name, e);
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long batch = 16;
  int status = engine_read_options(arguments, &run->request, e);
  if (status == OK) status = option_required(arguments, "--data", &run->data, e);
  if (status == OK) status = option_required(arguments, "--out", &run->out, e);
  if (status == OK) status = option_integer(arguments, "--batch", 1, 4096, &batch, e);
  if (status == OK) status = decode_options_read(arguments, &run->decode, e);
  if (status == OK) status = shard_read(arguments, &run->shard, e);
  if (status == OK) status = read_kind(arguments, run, e);
  if (status == OK) status = read_corruption(arguments, run, e);
  run->batch = (int)batch;
  run->resume = option_given(arguments, "--resume");
  run->strict = option_given(arguments, "--strict");
  run->json = option_given(arguments, "--json");
  run->quiet = option_given(arguments, "--quiet");
  run->request.hash = true;
  return status;
}

/* Every N-th sample: shards are of equal size but for one image, and cover the set together. A set of fewer images than
 * shards leaves some of them empty. */
static int choose_samples(struct run *run, error *e) {
  run->indices = allocate(run->dataset.count, sizeof *run->indices, e);
  if (!run->indices) return FAILED;
  for (size_t i = 0; i < run->dataset.count; i++) { /* only a csv can quote one */
    if (!strchr(run->dataset.samples[i].path, '\n')) continue;
    return fail(e, "%s: the path of image %zu holds a line break, so that paths.txt could not list it", run->data, i);
  }
  for (size_t i = run->shard.index - 1; i < run->dataset.count; i += run->shard.count) run->indices[run->count++] = i;
  return OK;
}

/* The whole data set as it was found: paths, labels, names of classes. */
static void hash_data(const struct dataset *dataset, char text[static SHA256_TEXT]) {
  struct sha256 hash;
  sha256_begin(&hash);
  for (size_t i = 0; i < dataset->count; i++) {
    int64_t label = dataset->samples[i].label;
    sha256_add(&hash, dataset->samples[i].path, strlen(dataset->samples[i].path) + 1);
    sha256_add(&hash, &label, sizeof label);
  }
  for (size_t i = 0; i < dataset->class_count; i++) {
    sha256_add(&hash, dataset->classes[i], strlen(dataset->classes[i]) + 1);
  }
  sha256_finish(&hash, text);
}

/* The paths of this shard's samples, taken or skipped, each with its terminator. */
static void hash_paths(const struct run *run, char text[static SHA256_TEXT]) {
  struct sha256 hash;
  sha256_begin(&hash);
  for (size_t i = 0; i < run->count; i++) {
    const char *path = run->dataset.samples[run->indices[i]].path;
    sha256_add(&hash, path, strlen(path) + 1);
  }
  sha256_finish(&hash, text);
}

/* What the result depends on, as members of a JSON object. `merge` (evaluate/merge.c) compares all of them but images,
 * paths_sha256 and shard, and makes those of the whole set. */
static void write_identity(struct json_writer *w, const struct run *run) {
  const struct model_info *info = &run->engine.info;
  char data[SHA256_TEXT], paths[SHA256_TEXT];
  hash_data(&run->dataset, data);
  hash_paths(run, paths);
  json_key(w, "program"), json_string(w, "backbones " BACKBONES_VERSION);
  json_key(w, "arch"), json_string(w, info->arch);
  json_key(w, "weights"), json_string(w, run->engine.path);
  json_key(w, "weights_sha256"), json_string(w, run->engine.sha256);
  json_key(w, "isa"), json_string(w, kernels_select(NULL)->isa);
  json_key(w, "features"), json_string(w, run->kind);
  json_key(w, "recipe"), recipe_write(w, &info->recipe);
  json_key(w, "decode"), decode_options_write(w, &run->decode);
  if (run->corruption.severity) {
    json_key(w, "corruption"), json_string(w, corruption_name(run->corruption.kind));
    json_key(w, "severity"), json_integer(w, run->corruption.severity);
    json_key(w, "seed"), json_integer(w, (int64_t)run->corruption.seed);
  }
  json_key(w, "data"), json_string(w, run->data);
  json_key(w, "data_sha256"), json_string(w, data);
  json_key(w, "shard"), json_integer(w, (int64_t)run->shard.index);
  json_key(w, "shards"), json_integer(w, (int64_t)run->shard.count);
  json_key(w, "images"), json_integer(w, (int64_t)run->count);
  json_key(w, "paths_sha256"), json_string(w, paths);
}

static size_t width(const struct run *run) {
  return (size_t)(run->logits ? run->engine.info.classes : run->engine.info.features);
}

static size_t tokens(const struct run *run) { return run->logits ? 1 : (size_t)run->engine.info.tokens; }

static void write_meta(struct json_writer *w, const struct run *run) {
  json_begin_object(w);
  write_identity(w, run);
  json_key(w, "n"), json_integer(w, (int64_t)feature_store_rows(run->store));
  json_key(w, "skipped"), json_integer(w, (int64_t)(run->count - feature_store_rows(run->store)));
  if (tokens(run) > 1) json_key(w, "tokens"), json_integer(w, (int64_t)tokens(run));
  json_key(w, "d"), json_integer(w, (int64_t)(width(run) / tokens(run)));
  json_key(w, "classes"), json_integer(w, (int64_t)run->dataset.class_count);
  json_end_object(w);
}

static int receive(void *context, const struct extracted *results, size_t n, error *e) {
  struct run *run = context;
  for (size_t i = 0; i < n; i++) {
    if (results[i].row) continue;
    run->skipped++;
    const char *path = run->dataset.samples[results[i].index].path;
    if (run->strict) return fail(e, "%s: %s: %s", run->data, path, results[i].reason);
    fprintf(stderr, "skipped: %s: %s\n", path, results[i].reason);
  }
  return feature_store_add(run->store, results, n, e);
}

static int finish(struct run *run, error *e) {
  /* A shard may be empty: others may have what the whole needs. */
  if (feature_store_rows(run->store) == 0 && run->shard.count == 1) {
    return fail(e, "%s: none of its %zu images could be read", run->data, run->count);
  }
  struct json_writer w = {0};
  write_meta(&w, run);
  if (json_writer_finish(&w, e) != OK) return FAILED;
  int status = feature_store_finish(run->store, w.text, e);
  free(w.text);
  return status;
}

static void report(const struct run *run, size_t rows, double seconds) {
  size_t skipped = run->count - rows;
  if (run->json) {
    struct json_writer w = json_writer_to(stdout);
    json_begin_object(&w);
    json_key(&w, "n"), json_integer(&w, (int64_t)rows);
    if (tokens(run) > 1) json_key(&w, "tokens"), json_integer(&w, (int64_t)tokens(run));
    json_key(&w, "d"), json_integer(&w, (int64_t)(width(run) / tokens(run)));
    json_key(&w, "skipped"), json_integer(&w, (int64_t)skipped);
    json_key(&w, "arch"), json_string(&w, run->engine.info.arch);
    json_key(&w, "out"), json_string(&w, run->out);
    json_key(&w, "seconds"), json_number(&w, seconds);
    json_end_object(&w);
    error ignored;
    json_writer_finish(&w, &ignored);
    return;
  }
  printf("%s: %zu x ", run->out, rows);
  if (tokens(run) > 1) printf("%zu x ", tokens(run));
  printf("%zu features of %s", width(run) / tokens(run), run->engine.info.arch);
  if (skipped) printf(", %zu images skipped (see %s/skipped.tsv)", skipped, run->out);
  printf("\n");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The folder holds the whole result of an earlier run. */
static int report_finished(const struct run *run, error *e) {
  struct folder_meta meta;
  size_t rows = 0;
  if (folder_meta_open(&meta, run->out, "meta.json", e) != OK) return FAILED;
  int status = folder_meta_count(&meta, "n", &rows, e);
  folder_meta_free(&meta);
  if (status != OK) return fail_within(e, "%s/meta.json", run->out);
  fprintf(stderr, "%s: is finished already\n", run->out);
  report(run, rows, 0);
  return OK;
}

static int extract_rest(struct run *run, error *e) {
  size_t done = feature_store_done(run->store);
  if (done) fprintf(stderr, "%s: continuing after %zu of %zu images\n", run->out, done, run->count);
  struct extraction extraction = {.engine = &run->engine,
                                  .dataset = &run->dataset,
                                  .indices = run->indices + done,
                                  .count = run->count - done,
                                  .batch = run->batch,
                                  .logits = run->logits,
                                  .decode = run->decode,
                                  .corruption = run->corruption.severity ? &run->corruption : NULL,
                                  .progress = !run->quiet,
                                  .receive = receive,
                                  .context = run};
  double begin = now();
  int status = extract(&extraction, e);
  if (status == OK) status = finish(run, e);
  if (status == OK) report(run, feature_store_rows(run->store), now() - begin);
  return status;
}

static int extract_all(struct run *run, error *e) {
  struct json_writer w = {0};
  json_begin_object(&w);
  write_identity(&w, run);
  json_end_object(&w);
  if (json_writer_finish(&w, e) != OK) return FAILED;
  struct feature_order order = {.folder = run->out,
                                .identity = w.text,
                                .dataset = &run->dataset,
                                .indices = run->indices,
                                .count = run->count,
                                .columns = width(run),
                                .tokens = tokens(run),
                                .resume = run->resume};
  enum store_state state;
  char note[256];
  int status = feature_store_open(&run->store, &order, &state, note, e);
  if (status == OK && *note) fprintf(stderr, "%s: %s\n", run->out, note);
  if (status == OK) status = state == STORE_FINISHED ? report_finished(run, e) : extract_rest(run, e);
  feature_store_close(run->store);
  free(w.text);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  int status = read_options(arguments, &run, e);
  if (status != OK) return status;
  status = dataset_open(&run.dataset, run.data, e);
  if (status != OK) return status;
  if (*run.shard.source) {
    fprintf(stderr, "shard %zu/%zu: %s\n", run.shard.index, run.shard.count, run.shard.source);
  }
  if (run.dataset.note) fprintf(stderr, "%s: %s\n", run.data, run.dataset.note);
  status = choose_samples(&run, e);
  if (status == OK) status = engine_load(&run.engine, &run.request, e);
  if (status == OK && width(&run) == 0) status = fail(e, "%s: has no head, so no logits", run.request.path);
  if (status == OK) status = extract_all(&run, e);
  engine_free(&run.engine);
  dataset_close(&run.dataset);
  free(run.indices);
  return status;
}

static const struct option options[] = {
    ENGINE_OPTIONS,
    {"--data", 'd', "DATA",
     "a folder of class folders, a folder of images, a tar of either, a csv/tsv of\n"
     "path,label, a CIFAR binary file or an IDX pair; DATA:INNER for a folder inside"},
    {"--out", 'o', "DIR", "the features folder to make"},
    {"--features", 'f', "KIND",
     "pooled (default), projected (CLIP), class, mean, class+mean, tokens, logits,\n"
     "block:N (a block's output, pooled) or block:N:tokens; `inspect` lists a model's"},
    {"--batch", 'b', "N", "images that a thread takes at a time (default 16); no effect on results"},
    SHARD_OPTIONS,
    {"--resume", 0, NULL, "continue what an earlier run left in DIR, or begin"},
    {"--strict", 0, NULL, "an unreadable image is an error, instead of a line in skipped.tsv"},
    DECODE_OPTIONS,
    {"--corrupt", 0, "NAME:SEVERITY",
     "spoil the resized crops as ImageNet-C does, severity 1 to 5: gaussian_noise, shot_noise,\n"
     "impulse_noise, defocus_blur, gaussian_blur, brightness, contrast, pixelate or jpeg_compression"},
    {"--seed", 0, "S", "of the noise that --corrupt draws (default 0)"},
    {"--quiet", 'q', NULL, "no progress"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_features;
const struct command command_features = {
    .name = "features",
    .usage = "--weights WEIGHTS --data DATA --out DIR [options]",
    .summary = "turn images into an array of features",
    .details =
        "Writes features.npy (float32 [n, d], of tokens [n, tokens, d]), labels.npy (int64 [n], -1 without labels), "
        "paths.txt, hashes.txt\n"
        "(SHA-256 of the files), classes.txt, skipped.tsv (unreadable images, why, and the sample's number) and\n"
        "meta.json. The same image gives the same bits whatever the batch, the threads and its neighbours.",
    .options = options,
    .run = run_command,
};
