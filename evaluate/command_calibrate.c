/* `backbones calibrate`: do the probabilities mean what they say, and which temperature makes them? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/calibration.h"
#include "evaluate/dataset_parts.h"
#include "evaluate/duplicates.h"
#include "evaluate/feature_set.h"
#include "evaluate/options.h"
#include "evaluate/output.h"
#include "evaluate/probe.h"
#include "evaluate/results.h"

struct run {
  const char *train_folder, *val_folder, *test_folder, *out;
  double C;
  int threads;
  bool json;
  struct feature_set train, val, test;
  struct logistic_model model;
  struct calibration before, after;
  size_t duplicates, val_duplicates; /* of test in train, and in val */
  double seconds;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0;
  run->C = 1;
  int status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK) status = option_required(arguments, "--val", &run->val_folder, e);
  if (status == OK) status = option_real(arguments, "--C", 1e-300, 1e300, &run->C, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  run->train_folder = option_text(arguments, "--train");
  run->out = option_text(arguments, "--out");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && !run->train_folder && option_given(arguments, "--C")) {
    status = usage_error(e, "--C is the probe's: there is no --train");
  }
  return status;
}

/* ---- scores -------------------------------------------------------------------------------------------------------*/

static int check_logits(const struct feature_set *set, error *e) {
  if (set->kind && strcmp(set->kind, "logits") != 0) {
    return fail(e, "%s: holds %.40s features, not logits: give --train, or extract with --features logits", set->folder,
                set->kind);
  }
  if ((size_t)set->classes <= set->d) return OK;
  return fail(e, "%s: has %d classes, but %zu logits an image", set->folder, set->classes, set->d);
}

/* [n, classes]: the probe's, or the checkpoint's own, which the features are. */
static double *make_scores(const struct run *run, const struct feature_set *set, int classes, struct threads *pool,
                           error *e) {
  size_t size;
  if (!multiply_size(set->n, (size_t)classes, &size)) {
    fail(e, "%s: has too many rows", set->folder);
    return NULL;
  }
  double *scores = allocate(size, sizeof *scores, e);
  if (!scores) return NULL;
  if (!run->train_folder) {
    for (size_t i = 0; i < size; i++) scores[i] = (double)set->x[i];
    return scores;
  }
  struct logistic_data data = {.x = set->x, .d = set->d, .labels = set->labels, .n = set->n, .classes = classes};
  if (logistic_scores(&run->model, &data, pool, scores, e) == OK) return scores;
  free(scores);
  return NULL;
}

static int prepare(struct run *run, struct threads *pool, error *e) {
  int status = feature_set_open(&run->val, run->val_folder, e);
  if (status == OK) status = feature_set_open(&run->test, run->test_folder, e);
  if (status == OK) status = feature_sets_match(&run->val, &run->test, e);
  if (status == OK) status = duplicates_warn(&run->val, &run->test, stderr, &run->val_duplicates, e);
  if (status != OK) return status;
  if (!run->train_folder) return check_logits(&run->val, e) == OK ? check_logits(&run->test, e) : FAILED;
  status = feature_set_open(&run->train, run->train_folder, e);
  if (status == OK) status = feature_set_check_classes(&run->train, e);
  if (status == OK) status = feature_sets_match(&run->train, &run->val, e);
  if (status == OK) status = feature_sets_match(&run->train, &run->test, e);
  if (status == OK) status = duplicates_warn(&run->train, &run->val, stderr, NULL, e);
  if (status == OK) status = duplicates_warn(&run->train, &run->test, stderr, &run->duplicates, e);
  if (status != OK) return status;
  return probe_fit(&run->model, &run->train, run->C, pool, e);
}

static int calibrate(struct run *run, struct threads *pool, error *e) {
  int classes = run->train_folder ? run->train.classes : (int)run->test.d;
  double *val = make_scores(run, &run->val, classes, pool, e);
  double *test = val ? make_scores(run, &run->test, classes, pool, e) : NULL;
  int status = test ? OK : FAILED;
  if (status == OK) {
    double temperature = calibration_fit_temperature(val, run->val.labels, run->val.n, classes);
    status = calibration_compute(&run->before, test, run->test.labels, run->test.n, classes, 1, e);
    if (status == OK) {
      status = calibration_compute(&run->after, test, run->test.labels, run->test.n, classes, temperature, e);
    }
  }
  free(val);
  free(test);
  return status;
}

/* ---- results ------------------------------------------------------------------------------------------------------*/

static void write_calibration(struct json_writer *w, const struct calibration *c) {
  json_begin_object(w);
  json_key(w, "temperature"), json_number(w, c->temperature);
  json_key(w, "ece"), json_number(w, c->ece);
  json_key(w, "classwise_ece"), json_number(w, c->classwise);
  json_key(w, "nll"), json_number(w, c->nll);
  json_key(w, "brier"), json_number(w, c->brier);
  json_key(w, "bins"), json_begin_array(w);
  for (int b = 0; b <= ECE_BINS; b++) {
    if (!c->bins[b].n) continue;
    json_begin_object(w);
    json_key(w, "n"), json_integer(w, (int64_t)c->bins[b].n);
    json_key(w, "confidence"), json_number(w, c->bins[b].confidence);
    json_key(w, "accuracy"), json_number(w, c->bins[b].accuracy);
    json_end_object(w);
  }
  json_end_array(w);
  json_end_object(w);
}

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  json_begin_object(w);
  json_key(w, "n_test"), json_integer(w, (int64_t)run->test.n);
  json_key(w, "n_val"), json_integer(w, (int64_t)run->val.n);
  if (run->train_folder) json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "val_duplicates"), json_integer(w, (int64_t)run->val_duplicates);
  json_key(w, "temperature"), json_number(w, run->after.temperature);
  json_key(w, "before"), write_calibration(w, &run->before);
  json_key(w, "after"), write_calibration(w, &run->after);
  json_key(w, "seconds"), json_number(w, run->seconds);
  json_end_object(w);
}

static void print_row(const char *name, const struct calibration *c) {
  printf("%-16s %9.5f  %10.5f  %9.5f  %9.5f\n", name, c->ece, c->classwise, c->nll, c->brier);
}

static void print_text(const struct run *run) {
  char name[32];
  snprintf(name, sizeof name, "temperature %.3g", run->after.temperature);
  printf("%-16s %9s  %10s  %9s  %9s\n", "", "ECE", "class-wise", "NLL", "Brier");
  print_row("as it is", &run->before);
  print_row(name, &run->after);
  printf("test  %s: %zu images; temperature fitted on the %zu of %s\n", run->test_folder, run->test.n, run->val.n,
         run->val_folder);
}

static int write_drawing(const struct run *run, error *e) {
  char *path = join_path(run->out, "reliability.svg", e);
  struct output output;
  int status = path ? output_open(&output, path, e) : FAILED;
  free(path);
  if (status != OK) return status;
  calibration_draw(&run->before, &run->after, output.stream);
  return output_commit(&output, e);
}

static int write_files(const struct run *run, error *e) {
  static const char *const names[] = {"reliability.svg", NULL};
  int status = write_drawing(run, e);
  if (status == OK) status = results_write_json(run->out, write_json, run, e);
  if (status != OK) results_remove(run->out, names);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  double begin = results_now();
  int status = read_options(arguments, &run, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  if (status == OK) status = prepare(&run, pool, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK) status = calibrate(&run, pool, e);
  run.seconds = results_now() - begin;
  if (status == OK && run.out) status = write_files(&run, e);
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  logistic_free(&run.model);
  feature_set_close(&run.train);
  feature_set_close(&run.val);
  feature_set_close(&run.test);
  threads_stop(pool);
  return status;
}

static const struct option options[] = {
    {"--test", 0, "DIR", "features to evaluate on, as `features` writes them"},
    {"--val", 0, "DIR", "features to fit the temperature on"},
    {"--train", 0, "DIR", "features that a probe learns from; without it the folders hold a checkpoint's own logits"},
    {"--C", 0, "C", "of the probe (default 1)"},
    {"--out", 'o', "DIR", "write result.json and reliability.svg there"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_calibrate;
const struct command command_calibrate = {
    .name = "calibrate",
    .usage = "--test DIR --val DIR [--train DIR] [options]",
    .summary = "whether probabilities mean what they say, and the temperature that mends them",
    .details =
        "Expected calibration error of the first choices (15 bins) and of every class (mean over classes), mean "
        "negative\n"
        "log likelihood and Brier score (sum over classes), before and after dividing the scores by the temperature\n"
        "that has the smallest NLL on --val.",
    .options = options,
    .run = run_command,
};
