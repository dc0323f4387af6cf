#include "evaluate/features_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/decode_options.h"
#include "evaluate/extract.h"
#include "evaluate/feature_store.h"
#include "evaluate/folder_meta.h"
#include "evaluate/results.h"
#include "kernels/kernels.h"
#include "weights-tools/json.h"
#include "weights-tools/sha256.h"

struct run {
  const struct features_request *request;
  const struct engine *engine;
  const struct dataset *dataset;
  bool logits;
  size_t *indices, count; /* samples of this shard */
  struct feature_store *store;
  struct features_outcome *outcome;
};

/* ---- what is asked for --------------------------------------------------------------------------------------------
 */

/* Every N-th sample: shards are of equal size but for one image, and cover the set together. A set of fewer images than
 * shards leaves some of them empty. */
static int choose_samples(struct run *run, error *e) {
  run->indices = allocate(run->dataset->count, sizeof *run->indices, e);
  if (!run->indices) return FAILED;
  for (size_t i = 0; i < run->dataset->count; i++) { /* only a csv can quote one */
    if (!strchr(run->dataset->samples[i].path, '\n')) continue;
    return fail(e, "%s: the path of image %zu holds a line break, so that paths.txt could not list it",
                run->dataset->name, i);
  }
  for (size_t i = run->request->shard.index - 1; i < run->dataset->count; i += run->request->shard.count)
    run->indices[run->count++] = i;
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
    const char *path = run->dataset->samples[run->indices[i]].path;
    sha256_add(&hash, path, strlen(path) + 1);
  }
  sha256_finish(&hash, text);
}

/* What the result depends on, as members of a JSON object. `merge` (evaluate/merge.c) compares all of them but images,
 * paths_sha256 and shard, and makes those of the whole set. */
static void write_identity(struct json_writer *w, const struct run *run) {
  const struct model_info *info = &run->engine->info;
  char data[SHA256_TEXT], paths[SHA256_TEXT];
  hash_data(run->dataset, data);
  hash_paths(run, paths);
  json_key(w, "program"), json_string(w, "backbones " BACKBONES_VERSION);
  json_key(w, "arch"), json_string(w, info->arch);
  json_key(w, "weights"), json_string(w, run->engine->path);
  json_key(w, "weights_sha256"), json_string(w, run->engine->sha256);
  json_key(w, "isa"), json_string(w, model_isa(run->engine->model));
  json_key(w, "features"), json_string(w, run->request->kind);
  json_key(w, "recipe"), recipe_write(w, &info->recipe);
  json_key(w, "decode"), decode_options_write(w, &run->request->decode);
  if (run->request->corruption.severity) {
    json_key(w, "corruption"), json_string(w, corruption_name(run->request->corruption.kind));
    json_key(w, "severity"), json_integer(w, run->request->corruption.severity);
    json_key(w, "seed"), json_integer(w, (int64_t)run->request->corruption.seed);
  }
  if (run->request->views.count) {
    json_key(w, "views"), json_integer(w, (int64_t)run->request->views.count);
    json_key(w, "seed"), json_integer(w, (int64_t)run->request->views.seed);
  }
  json_key(w, "data"), json_string(w, run->dataset->name);
  json_key(w, "data_sha256"), json_string(w, data);
  json_key(w, "shard"), json_integer(w, (int64_t)run->request->shard.index);
  json_key(w, "shards"), json_integer(w, (int64_t)run->request->shard.count);
  json_key(w, "images"), json_integer(w, (int64_t)run->count);
  json_key(w, "paths_sha256"), json_string(w, paths);
}

/* Floats of a sample's row, and how many tokens or views these are. */
static size_t parts(const struct run *run) {
  size_t tokens = run->logits ? 1 : (size_t)run->engine->info.tokens;
  return run->request->views.count ? run->request->views.count : tokens;
}

static size_t width(const struct run *run) {
  size_t once = (size_t)(run->logits ? run->engine->info.classes : run->engine->info.features);
  return run->request->views.count ? once * run->request->views.count : once;
}

static void write_meta(struct json_writer *w, const struct run *run) {
  json_begin_object(w);
  write_identity(w, run);
  json_key(w, "n"), json_integer(w, (int64_t)feature_store_rows(run->store));
  json_key(w, "skipped"), json_integer(w, (int64_t)(run->count - feature_store_rows(run->store)));
  bool tokens = parts(run) > 1 && run->request->views.count == 0;
  if (tokens) json_key(w, "tokens"), json_integer(w, (int64_t)parts(run));
  json_key(w, "d"), json_integer(w, (int64_t)(width(run) / parts(run)));
  json_key(w, "classes"), json_integer(w, (int64_t)run->dataset->class_count);
  json_end_object(w);
}

static int receive(void *context, const struct extracted *results, size_t n, error *e) {
  struct run *run = context;
  for (size_t i = 0; i < n; i++) {
    if (results[i].row) continue;
    const char *path = run->dataset->samples[results[i].index].path;
    if (run->request->strict) return fail(e, "%s: %s: %s", run->dataset->name, path, results[i].reason);
    if (run->request->log) fprintf(run->request->log, "skipped: %s: %s\n", path, results[i].reason);
  }
  return feature_store_add(run->store, results, n, e);
}

static int finish(struct run *run, error *e) {
  /* A shard may be empty: others may have what the whole needs. */
  if (feature_store_rows(run->store) == 0 && run->request->shard.count == 1) {
    return fail(e, "%s: none of its %zu images could be read", run->dataset->name, run->count);
  }
  struct json_writer w = {0};
  write_meta(&w, run);
  if (json_writer_finish(&w, e) != OK) return FAILED;
  int status = feature_store_finish(run->store, w.text, e);
  free(w.text);
  return status;
}

/* ---- doing it -----------------------------------------------------------------------------------------------------
 */

static void set_outcome(const struct run *run, size_t rows, double seconds) {
  *run->outcome = (struct features_outcome){.rows = rows,
                                            .skipped = run->count - rows,
                                            .tokens = parts(run),
                                            .d = width(run) / parts(run),
                                            .seconds = seconds};
}

/* The folder holds the whole result of an earlier run. */
static int report_finished(const struct run *run, error *e) {
  struct folder_meta meta;
  size_t rows = 0;
  if (folder_meta_open(&meta, run->request->out, "meta.json", e) != OK) return FAILED;
  int status = folder_meta_count(&meta, "n", &rows, e);
  folder_meta_free(&meta);
  if (status != OK) return fail_within(e, "%s/meta.json", run->request->out);
  if (run->request->log) fprintf(run->request->log, "%s: is finished already\n", run->request->out);
  set_outcome(run, rows, 0);
  return OK;
}

static int extract_rest(struct run *run, error *e) {
  size_t done = feature_store_done(run->store);
  FILE *log = run->request->log;
  if (done && log) fprintf(log, "%s: continuing after %zu of %zu images\n", run->request->out, done, run->count);
  struct extraction extraction = {.engine = run->engine,
                                  .dataset = run->dataset,
                                  .indices = run->indices + done,
                                  .count = run->count - done,
                                  .batch = run->request->batch,
                                  .logits = run->logits,
                                  .decode = run->request->decode,
                                  .corruption = run->request->corruption.severity ? &run->request->corruption : NULL,
                                  .views = run->request->views,
                                  .progress = run->request->progress,
                                  .receive = receive,
                                  .context = run};
  double begin = results_now();
  int status = extract(&extraction, e);
  if (status == OK) status = finish(run, e);
  if (status == OK) set_outcome(run, feature_store_rows(run->store), results_now() - begin);
  return status;
}

static int extract_all(struct run *run, error *e) {
  struct json_writer w = {0};
  json_begin_object(&w);
  write_identity(&w, run);
  json_end_object(&w);
  if (json_writer_finish(&w, e) != OK) return FAILED;
  struct feature_order order = {.folder = run->request->out,
                                .identity = w.text,
                                .dataset = run->dataset,
                                .indices = run->indices,
                                .count = run->count,
                                .columns = width(run),
                                .tokens = parts(run),
                                .resume = run->request->resume};
  enum store_state state;
  char note[256];
  int status = feature_store_open(&run->store, &order, &state, note, e);
  if (status == OK && *note && run->request->log) fprintf(run->request->log, "%s: %s\n", run->request->out, note);
  if (status == OK) status = state == STORE_FINISHED ? report_finished(run, e) : extract_rest(run, e);
  feature_store_close(run->store);
  free(w.text);
  return status;
}

int features_run(struct features_outcome *outcome, const struct features_request *request, error *e) {
  struct run run = {.request = request,
                    .engine = request->engine,
                    .dataset = request->dataset,
                    .logits = !strcmp(request->kind, "logits"),
                    .outcome = outcome};
  int status = choose_samples(&run, e);
  if (status == OK && request->views.count && !run.logits && request->engine->info.tokens > 1) {
    status = usage_error(e, "--views of %s: views are of features that are one vector", request->kind);
  }
  if (status == OK && width(&run) == 0) status = fail(e, "%s: has no head, so no logits", run.engine->path);
  if (status == OK) status = extract_all(&run, e);
  free(run.indices);
  return status;
}
