/* `backbones fewshot`: how good features are when there are only a few images a class to learn from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/duplicates.h"
#include "evaluate/fewshot.h"
#include "evaluate/options.h"
#include "evaluate/predictions.h"
#include "evaluate/results.h"

struct run {
  const char *train_folder, *test_folder, *out, *predictions;
  size_t *shots;
  struct fewshot_options options;
  int threads;
  bool json;
  struct feature_set train, test;
  struct fewshot_result result;
  size_t duplicates; /* of test in train */
  double seconds;
};

/* What only the logistic regression has. */
static int read_classifier(const struct arguments *arguments, struct run *run, error *e) {
  static const char *const its_own[] = {"--C", "--standardize", "--normalize", "--max-iterations"};
  const char *name = option_text(arguments, "--classifier");
  if (!name || !strcmp(name, "logistic")) return OK;
  if (strcmp(name, "class_mean") != 0) {
    return usage_error(e, "--classifier %s: must be logistic or class_mean", name);
  }
  run->options.classifier = FEWSHOT_CLASS_MEAN;
  for (size_t i = 0; i < sizeof its_own / sizeof its_own[0]; i++) {
    if (option_given(arguments, its_own[i])) {
      return usage_error(e, "%s is of the logistic regression: the class means have none", its_own[i]);
    }
  }
  return OK;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  struct fewshot_options *o = &run->options;
  *o = fewshot_defaults();
  long long threads = 0, repeats = FEWSHOT_REPEATS, seed = 0, iterations = o->logistic.max_iterations;
  int status = option_required(arguments, "--train", &run->train_folder, e);
  if (status == OK) status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK) status = option_counts(arguments, "--shots", 1, UINT32_MAX, &run->shots, &o->shot_count, e);
  if (status == OK) status = option_integer(arguments, "--repeats", 1, 1000, &repeats, e);
  if (status == OK) status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status == OK) status = option_real(arguments, "--C", 1e-300, 1e300, &o->logistic.C, e);
  if (status == OK) status = option_integer(arguments, "--max-iterations", 1, 100000000, &iterations, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = read_classifier(arguments, run, e);
  o->shots = run->shots;
  o->repeats = (size_t)repeats;
  o->seed = (uint64_t)seed;
  o->logistic.standardize = option_given(arguments, "--standardize");
  o->logistic.max_iterations = (int)iterations;
  o->normalize = option_given(arguments, "--normalize");
  run->out = option_text(arguments, "--out");
  run->predictions = option_text(arguments, "--predictions");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && run->out && !*run->out) status = usage_error(e, "--out is empty");
  return status;
}

static bool is_logistic(const struct run *run) { return run->options.classifier == FEWSHOT_LOGISTIC; }

/* ---- results ------------------------------------------------------------------------------------------------------
 */

static void write_estimate(struct json_writer *w, const char *name, const struct fewshot_estimate *estimate) {
  json_key(w, name), json_begin_object(w);
  json_key(w, "mean"), json_number(w, estimate->mean);
  json_key(w, "deviation"), json_number(w, estimate->deviation);
  json_key(w, "low"), json_number(w, estimate->low);
  json_key(w, "high"), json_number(w, estimate->high);
  json_end_object(w);
}

static void write_trial(struct json_writer *w, const struct run *run, const struct fewshot_trial *trial) {
  json_begin_object(w);
  json_key(w, "shots"), json_integer(w, (int64_t)trial->shots);
  json_key(w, "images"), json_integer(w, (int64_t)trial->shots * run->train.classes);
  write_estimate(w, "top1", &trial->top1);
  write_estimate(w, "mean_per_class", &trial->mean_per_class);
  write_estimate(w, "nll", &trial->nll);
  json_key(w, "draws"), json_begin_array(w);
  for (size_t r = 0; r < run->result.repeats; r++) {
    const struct fewshot_draw *drawn = &trial->draws[r];
    json_begin_object(w);
    json_key(w, "seed"), json_integer(w, (int64_t)drawn->seed);
    results_write_metrics(w, &drawn->metrics);
    if (is_logistic(run)) {
      json_key(w, "iterations"), json_integer(w, drawn->iterations);
      json_key(w, "converged"), json_boolean(w, drawn->converged);
    }
    json_end_object(w);
  }
  json_end_array(w);
  json_end_object(w);
}

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  const struct fewshot_result *r = &run->result;
  json_begin_object(w);
  json_key(w, "classifier"), json_string(w, is_logistic(run) ? "logistic" : "class_mean");
  if (is_logistic(run)) {
    json_key(w, "C"), json_number(w, run->options.logistic.C);
    json_key(w, "standardize"), json_boolean(w, run->options.logistic.standardize);
    json_key(w, "normalize"), json_boolean(w, run->options.normalize);
  }
  json_key(w, "repeats"), json_integer(w, (int64_t)r->repeats);
  json_key(w, "seed"), json_integer(w, (int64_t)run->options.seed);
  json_key(w, "confidence"), json_number(w, FEWSHOT_CONFIDENCE);
  json_key(w, "n_train"), json_integer(w, (int64_t)run->train.n);
  json_key(w, "n_test"), json_integer(w, (int64_t)run->test.n);
  json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "d"), json_integer(w, (int64_t)run->train.d);
  json_key(w, "classes"), json_integer(w, run->train.classes);
  json_key(w, "seconds"), json_number(w, run->seconds);
  json_key(w, "shots"), json_begin_array(w);
  for (size_t i = 0; i < r->trial_count; i++) write_trial(w, run, &r->trials[i]);
  json_end_array(w);
  json_end_object(w);
}

static void print_text(const struct run *run) {
  const struct fewshot_result *r = &run->result;
  printf("%5s  %6s  %6s  %-16s  %9s  %7s\n", "shots", "images", "top-1", "95 % interval", "per class", "NLL");
  for (size_t i = 0; i < r->trial_count; i++) {
    const struct fewshot_trial *trial = &r->trials[i];
    char interval[32] = "-";
    if (r->repeats > 1) snprintf(interval, sizeof interval, "%.4f to %.4f", trial->top1.low, trial->top1.high);
    printf("%5zu  %6zu  %.4f  %-16s  %9.4f  %7.5f\n", trial->shots, trial->shots * (size_t)run->train.classes,
           trial->top1.mean, interval, trial->mean_per_class.mean, trial->nll.mean);
  }
  printf("train %s: %zu rows of %zu features, %d classes; ", run->train_folder, run->train.n, run->train.d,
         run->train.classes);
  if (is_logistic(run)) {
    printf("logistic regression, C %g", run->options.logistic.C);
  } else {
    printf("class means");
  }
  printf(", %.1f s\n", run->seconds);
  printf("test  %s: %zu rows; means over %zu draw%s, seeds from %llu on\n", run->test_folder, run->test.n, r->repeats,
         r->repeats == 1 ? "" : "s", (unsigned long long)run->options.seed);
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

static void warn(const struct run *run) {
  const struct fewshot_result *r = &run->result;
  size_t unfinished = 0;
  for (size_t i = 0; i < r->trial_count * r->repeats; i++) unfinished += !r->draws[i].converged;
  if (unfinished) {
    fprintf(stderr, "warning: %zu of %zu fits stopped at %d iterations before their optimum (--max-iterations)\n",
            unfinished, r->trial_count * r->repeats, run->options.logistic.max_iterations);
  }
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
  if (status == OK) status = fewshot_run(&run.result, &run.train, &run.test, &run.options, pool, e);
  run.seconds = results_now() - begin;
  if (status == OK) status = write_files(&run, e);
  if (status == OK) warn(&run);
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  fewshot_free(&run.result);
  feature_set_close(&run.train);
  feature_set_close(&run.test);
  threads_stop(pool);
  free(run.shots);
  return status;
}

static const struct option options[] = {
    {"--train", 0, "DIR", "features to draw from, as `features` writes them"},
    {"--test", 0, "DIR", "features to evaluate on, all of them"},
    {"--shots", 0, "LIST",
     "training images a class (default 1,2,4,8,16, as far as the smallest class goes; a count\n"
     "that is asked for and that a class does not have is an error)"},
    {"--repeats", 0, "R", "draws of each (default 5)"},
    {"--seed", 0, "S", "of the first draw; the others have S+1, S+2, ... (default 0)"},
    {"--classifier", 0, "NAME", "logistic (default), or class_mean: the nearest by cosine similarity"},
    {"--C", 0, "C", "of the logistic regression, as the probe's (default 1)"},
    {"--normalize", 0, NULL, "it sees features of length 1 (default: as they are, as CLIP's probes do)"},
    {"--standardize", 0, NULL, "it scales every feature to mean 0 and deviation 1 on the draw"},
    {"--out", 'o', "DIR",
     "write result.json, and predictions.csv and per_class.csv of the first draw of the most\n"
     "shots there"},
    {"--predictions", 0, "FILE", "write path, label, prediction, confidence of that draw's test images as csv"},
    {"--max-iterations", 0, "N", "L-BFGS iterations of a fit (default 5000)"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object, with the figures of every draw"},
    {0},
};

extern const struct command command_fewshot;
const struct command command_fewshot = {
    .name = "fewshot",
    .usage = "--train DIR --test DIR [options]",
    .summary = "accuracy of classifiers that learn from a few images a class",
    .details =
        "For each number of shots that many training images of every class are drawn without replacement, a "
        "classifier\n"
        "learns from them and is judged by the whole test set; R times. Reports the mean accuracy over the draws and\n"
        "its 95 % confidence interval (Student's t), which covers the choice of the training images. A draw is the\n"
        "same on every machine and holds the draw of fewer shots with the same seed.",
    .options = options,
    .run = run_command,
};
