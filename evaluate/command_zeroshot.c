/* `backbones zeroshot`: classification by the embeddings of class names. */
#include <stdio.h>
#include <stdlib.h>

#include "evaluate/options.h"
#include "evaluate/predictions.h"
#include "evaluate/results.h"
#include "evaluate/zeroshot.h"

struct run {
  const char *test_folder, *embeddings_path, *out;
  double scale;
  int threads;
  bool json;
  struct feature_set test;
  struct class_embeddings embeddings;
  struct metrics metrics;
  int *choices;
  double *confidences;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0;
  run->scale = ZEROSHOT_SCALE;
  int status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK) status = option_required(arguments, "--embeddings", &run->embeddings_path, e);
  if (status == OK) status = option_real(arguments, "--scale", 1e-6, 1e6, &run->scale, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  run->out = option_text(arguments, "--out");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  return status;
}

static int evaluate(struct run *run, struct threads *pool, error *e) {
  run->choices = allocate(run->test.n, sizeof *run->choices, e);
  run->confidences = run->choices ? allocate(run->test.n, sizeof *run->confidences, e) : NULL;
  if (!run->confidences) return FAILED;
  int status = zeroshot_run(&run->metrics, &run->test, run->embeddings.values, run->embeddings.classes, run->scale,
                            pool, run->choices, run->confidences, e);
  return status == OK ? OK : fail_within(e, "%s", run->embeddings_path);
}

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  json_begin_object(w);
  results_write_metrics(w, &run->metrics);
  json_key(w, "classes"), json_integer(w, run->embeddings.classes);
  json_key(w, "d"), json_integer(w, (int64_t)run->test.d);
  json_key(w, "scale"), json_number(w, run->scale);
  json_end_object(w);
}

static int write_files(const struct run *run, error *e) {
  static const char *const names[] = {"predictions.csv", "per_class.csv", NULL};
  const struct predictions predictions = {.set = &run->test, .choices = run->choices, .confidences = run->confidences};
  int status = predictions_write_folder(&predictions, run->out, e);
  if (status == OK) status = results_write_json(run->out, write_json, run, e);
  if (status != OK) results_remove(run->out, names);
  return status;
}

static void print_text(const struct run *run) {
  printf("%s: %zu of %zu correct among %d classes of %s\n", run->test_folder, run->metrics.correct, run->metrics.n,
         run->embeddings.classes, run->embeddings_path);
  results_print_metrics(&run->metrics);
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  int status = read_options(arguments, &run, e);
  if (status == OK) status = feature_set_open(&run.test, run.test_folder, e);
  if (status == OK) status = class_embeddings_open(&run.embeddings, run.embeddings_path, &run.test, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  if (status == OK) status = evaluate(&run, pool, e);
  if (status == OK && run.out) status = write_files(&run, e);
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  free(run.choices);
  free(run.confidences);
  class_embeddings_close(&run.embeddings);
  feature_set_close(&run.test);
  threads_stop(pool);
  return status;
}

static const struct option options[] = {
    {"--test", 0, "DIR", "features to evaluate on, projected as the embeddings are (features --features projected)"},
    {"--embeddings", 0, "FILE.npy",
     "[classes, d]: a text encoder's embedding of every class, in the order of classes.txt"},
    {"--scale", 0, "S", "of the cosine similarities before the softmax (default 100, CLIP's)"},
    {"--out", 'o', "DIR", "write result.json, predictions.csv and per_class.csv there"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_zeroshot;
const struct command command_zeroshot = {
    .name = "zeroshot",
    .usage = "--test DIR --embeddings FILE.npy [options]",
    .summary = "classification by embeddings of the classes' names",
    .details = "Each image is given the class whose embedding is the nearest by cosine similarity.",
    .options = options,
    .run = run_command,
};
