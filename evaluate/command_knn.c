/* `backbones knn`: how good features are without learning anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/class_mean.h"
#include "evaluate/duplicates.h"
#include "evaluate/knn.h"
#include "evaluate/options.h"
#include "evaluate/predictions.h"
#include "evaluate/results.h"

struct run {
  const char *train_folder, *test_folder, *out, *predictions;
  size_t *k;
  struct knn_options options;
  int threads;
  bool json;
  struct feature_set train, test;
  struct knn_result result;
  struct metrics class_mean;
  size_t duplicates; /* of test in train */
  double seconds;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0;
  const char *metric = option_text(arguments, "--metric");
  run->options.temperature = KNN_TEMPERATURE;
  int status = option_required(arguments, "--train", &run->train_folder, e);
  if (status == OK) status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK) status = option_counts(arguments, "--k", 1, UINT32_MAX, &run->k, &run->options.k_count, e);
  if (status == OK) status = option_real(arguments, "--temperature", 1e-6, 1e6, &run->options.temperature, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK && metric && strcmp(metric, "cosine") != 0) {
    status = usage_error(e, "--metric %s: there is only cosine", metric);
  }
  run->options.k = run->k;
  run->out = option_text(arguments, "--out");
  run->predictions = option_text(arguments, "--predictions");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && run->out && !*run->out) status = usage_error(e, "--out is empty");
  return status;
}

/* ---- results ------------------------------------------------------------------------------------------------------
 */

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  const struct knn_result *r = &run->result;
  json_begin_object(w);
  results_write_metrics(w, &r->trials[r->best].metrics);
  json_key(w, "k"), json_integer(w, (int64_t)r->trials[r->best].k);
  json_key(w, "metric"), json_string(w, "cosine");
  json_key(w, "temperature"), json_number(w, run->options.temperature);
  json_key(w, "n_train"), json_integer(w, (int64_t)run->train.n);
  json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "d"), json_integer(w, (int64_t)run->train.d);
  json_key(w, "classes"), json_integer(w, run->train.classes);
  json_key(w, "seconds"), json_number(w, run->seconds);
  json_key(w, "k_list"), json_begin_array(w);
  for (size_t i = 0; i < r->trial_count; i++) {
    json_begin_object(w);
    json_key(w, "k"), json_integer(w, (int64_t)r->trials[i].k);
    results_write_metrics(w, &r->trials[i].metrics);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "class_mean"), json_begin_object(w);
  results_write_metrics(w, &run->class_mean);
  json_end_object(w);
  json_end_object(w);
}

static void print_row(const char *name, const struct metrics *m, const char *note) {
  printf("%10s  %.4f  %.4f  %9.4f  %7.5f  %.5f%s\n", name, m->top1, m->top5, m->mean_per_class, m->nll, m->ece, note);
}

static void print_text(const struct run *run) {
  const struct knn_result *r = &run->result;
  printf("%10s  %6s  %6s  %9s  %7s  %7s\n", "k", "top-1", "top-5", "per class", "NLL", "ECE");
  for (size_t i = 0; i < r->trial_count; i++) {
    char k[24];
    snprintf(k, sizeof k, "%zu", r->trials[i].k);
    print_row(k, &r->trials[i].metrics, i == r->best && r->trial_count > 1 ? "  best" : "");
  }
  print_row("class mean", &run->class_mean, "");
  printf("train %s: %zu rows of %zu features, %d classes; cosine, votes exp(s / %g), %.1f s\n", run->train_folder,
         run->train.n, run->train.d, run->train.classes, run->options.temperature, run->seconds);
  const struct knn_trial *best = &r->trials[r->best];
  printf("test  %s: %zu of %zu correct with k = %zu\n", run->test_folder, best->metrics.correct, best->metrics.n,
         best->k);
}

static int write_files(const struct run *run, error *e) {
  static const char *const names[] = {"predictions.csv", "per_class.csv", NULL};
  const struct predictions predictions = {
      .set = &run->test, .choices = run->result.choices, .confidences = run->result.confidences};
  int status = OK;
  if (run->out) {
    status = predictions_write_folder(&predictions, run->out, e);
    if (status == OK) status = results_write_json(run->out, write_json, run, e);
    if (status != OK) results_remove(run->out, names);
  }
  if (status == OK && run->predictions) status = predictions_write(&predictions, run->predictions, e);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  int status = read_options(arguments, &run, e);
  if (status == OK) status = feature_set_open(&run.train, run.train_folder, e);
  if (status == OK) status = feature_set_open(&run.test, run.test_folder, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK) status = duplicates_warn(&run.train, &run.test, stderr, &run.duplicates, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  double begin = results_now();
  if (status == OK) status = knn_run(&run.result, &run.train, &run.test, &run.options, pool, e);
  run.seconds = results_now() - begin;
  if (status == OK) {
    status = class_mean_run(&run.class_mean, &run.train, &run.test, run.options.temperature, NULL, NULL, pool, e);
  }
  if (status == OK) status = write_files(&run, e);
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  knn_free(&run.result);
  feature_set_close(&run.train);
  feature_set_close(&run.test);
  threads_stop(pool);
  free(run.k);
  return status;
}

static const struct option options[] = {
    {"--train", 0, "DIR", "features to search, as `features` writes them"},
    {"--test", 0, "DIR", "features to evaluate on"},
    {"--k", 0, "LIST", "numbers of neighbours (default 10,20,100,200, as far as train has rows)"},
    {"--temperature", 0, "T", "a neighbour of similarity s votes with exp(s / T) (default 0.07)"},
    {"--metric", 0, "cosine", "of the similarity; there is no other yet"},
    {"--out", 'o', "DIR", "write result.json, predictions.csv and per_class.csv (of the best k) there"},
    {"--predictions", 0, "FILE", "write path, label, prediction, confidence of every test image as csv"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_knn;
const struct command command_knn = {
    .name = "knn",
    .usage = "--train DIR --test DIR [options]",
    .summary = "accuracy of nearest neighbours and of the nearest class mean",
    .details =
        "The k training rows of the largest cosine similarity s vote with exp(s / T), as in DINO's evaluation; exact,\n"
        "ties go to the smaller index. Probabilities are shares of the votes (2^-52 for none) for the NLL and the\n"
        "calibration error. The best k on test is marked, and its figures are the first of --json. The nearest class\n"
        "mean is by cosine, too, with softmax(s / T) as probabilities.",
    .options = options,
    .run = run_command,
};
