/* `backbones probe`: how good features are, by logistic regression. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/duplicates.h"
#include "evaluate/options.h"
#include "evaluate/output.h"
#include "evaluate/predictions.h"
#include "evaluate/probe.h"
#include "evaluate/results.h"
#include "evaluate/sgd_options.h"

struct run {
  const char *train_folder, *test_folder, *val_folder, *out, *predictions;
  struct probe_options options;
  double *C, *rates;
  int threads;
  bool json;
  struct feature_set train, test, val;
  struct probe_result result;
  size_t duplicates; /* of test in train */
  double seconds;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  const char *strengths = option_text(arguments, "--C");
  bool sweep = strengths && strcmp(strengths, "auto") == 0;
  long long threads = 0, iterations = sweep ? PROBE_SWEEP_ITERATIONS : LOGISTIC_MAX_ITERATIONS, seed = 0;
  static const double one = 1;
  run->options = (struct probe_options){.sweep = sweep, .C = &one, .C_count = 1, .tolerance = LOGISTIC_TOLERANCE};
  size_t count = 0;
  size_t rate_count = 0;
  int status = sgd_options_read(arguments, &run->options.sgd, &run->options.training, &run->rates, &rate_count, e);
  run->options.rates = rate_count ? run->rates : &run->options.training.learning_rate;
  run->options.rate_count = rate_count ? rate_count : 1;
  if (status == OK) status = option_required(arguments, "--train", &run->train_folder, e);
  if (status == OK) status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK && !sweep) status = option_reals(arguments, "--C", 0, 1e300, &run->C, &count, e);
  if (status == OK) status = option_integer(arguments, "--max-iterations", 1, 100000000, &iterations, e);
  if (status == OK) status = option_real(arguments, "--tolerance", 1e-15, 0.1, &run->options.tolerance, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  for (size_t i = 0; status == OK && i < count; i++) {
    if (!(run->C[i] > 0)) status = usage_error(e, "--C %g: must be greater than 0", run->C[i]);
  }
  if (count) {
    run->options.C = run->C;
    run->options.C_count = count;
  }
  run->val_folder = option_text(arguments, "--val");
  run->out = option_text(arguments, "--out");
  run->predictions = option_text(arguments, "--predictions");
  run->options.standardize = option_given(arguments, "--standardize");
  run->options.max_iterations = (int)iterations;
  run->options.seed = (uint64_t)seed;
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && run->out && !*run->out) status = usage_error(e, "--out is empty");
  bool choose = run->options.sgd ? run->options.rate_count > 1 : sweep || run->options.C_count > 1;
  if (status == OK && run->val_folder && !choose) {
    status = usage_error(e, "--val chooses among several --%s: there is only one", run->options.sgd ? "lr" : "C");
  }
  return status;
}

/* ---- results ------------------------------------------------------------------------------------------------------
 */

/* What was tried on unseen rows: an array `key` of the values of `name`. */
static void write_path(struct json_writer *w, const char *key, const char *name, const struct probe_result *r) {
  json_key(w, key), json_begin_array(w);
  for (size_t i = 0; i < r->trial_count; i++) {
    const struct probe_trial *trial = &r->trials[i];
    json_begin_object(w);
    json_key(w, name), json_number(w, isnan(trial->C) ? trial->rate : trial->C);
    json_key(w, "n_val"), json_integer(w, (int64_t)trial->metrics.n);
    json_key(w, "top1"), json_number(w, trial->metrics.top1);
    json_key(w, "nll"), json_number(w, trial->metrics.nll);
    json_key(w, "iterations"), json_integer(w, trial->iterations);
    json_key(w, "converged"), json_boolean(w, trial->converged);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_training(struct json_writer *w, const struct run *run) {
  const struct sgd_options *o = &run->options.training;
  json_key(w, "optimizer"), json_string(w, sgd_optimizer_name(o->optimizer));
  json_key(w, "epochs"), json_integer(w, o->epochs);
  json_key(w, "warmup"), json_integer(w, o->warmup);
  json_key(w, "batch"), json_integer(w, (int64_t)o->batch);
  json_key(w, "learning_rate"), json_number(w, run->result.rate);
  json_key(w, "momentum"), json_number(w, o->momentum);
  json_key(w, "weight_decay"), json_number(w, o->weight_decay);
  json_key(w, "batch_norm"), json_boolean(w, o->batch_norm);
  json_key(w, "seed"), json_integer(w, (int64_t)run->options.seed);
  json_key(w, "views"), json_integer(w, (int64_t)run->train.views);
  json_key(w, "steps"), json_integer(w, run->result.model.iterations);
  json_key(w, "train_loss"), json_number(w, run->result.model.objective);
  write_path(w, "learning_rate_path", "learning_rate", &run->result);
}

static void write_fit(struct json_writer *w, const struct run *run) {
  const struct probe_result *r = &run->result;
  json_key(w, "C"), json_number(w, r->C);
  json_key(w, "standardize"), json_boolean(w, run->options.standardize);
  json_key(w, "objective"), json_number(w, r->model.objective);
  json_key(w, "iterations"), json_integer(w, r->model.iterations);
  json_key(w, "passes"), json_integer(w, r->model.passes);
  json_key(w, "exact_passes"), json_integer(w, r->model.exact_passes);
  json_key(w, "converged"), json_boolean(w, r->model.converged);
  write_path(w, "C_path", "C", r);
}

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  const struct probe_result *r = &run->result;
  json_begin_object(w);
  results_write_metrics(w, &r->test);
  json_key(w, "protocol"), json_string(w, run->options.sgd ? "sgd" : "lbfgs");
  json_key(w, "n_train"), json_integer(w, (int64_t)run->train.n);
  json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "d"), json_integer(w, (int64_t)run->train.d);
  json_key(w, "classes"), json_integer(w, run->train.classes);
  json_key(w, "seconds"), json_number(w, run->seconds);
  if (run->options.sgd)
    write_training(w, run);
  else
    write_fit(w, run);
  json_end_object(w);
}

static void print_text(const struct run *run) {
  const struct probe_result *r = &run->result;
  for (size_t i = 0; i < r->trial_count; i++) {
    const struct probe_trial *trial = &r->trials[i];
    bool sgd = run->options.sgd;
    printf("%s %-10g top-1 %.4f  NLL %.5f  on %zu held-out rows, %d %s%s\n", sgd ? "lr" : "C",
           sgd ? trial->rate : trial->C, trial->metrics.top1, trial->metrics.nll, trial->metrics.n, trial->iterations,
           sgd ? "steps" : "iterations", trial->converged ? "" : " (not converged)");
  }
  printf("train %s: %zu rows of %zu features, %d classes; ", run->train_folder, run->train.n, run->train.d,
         run->train.classes);
  if (run->options.sgd) {
    const struct sgd_options *o = &run->options.training;
    printf("%s, lr %g, %d epochs, %d steps, loss %.4f, %.1f s\n", sgd_optimizer_name(o->optimizer), r->rate, o->epochs,
           r->model.iterations, r->model.objective, run->seconds);
  } else {
    printf("C %g, %d iterations, %.1f s\n", r->C, r->model.iterations, run->seconds);
  }
  printf("test  %s: %zu of %zu correct\n", run->test_folder, r->test.correct, r->test.n);
  results_print_metrics(&r->test);
}

/* Rows of doubles as a float32 array; columns 0: one dimension. */
static int write_array(const char *folder, const char *name, const double *values, size_t rows, size_t columns,
                       error *e) {
  char *path = join_path(folder, name, e);
  size_t width = columns ? columns : 1;
  float *row = path ? allocate(width, sizeof *row, e) : NULL;
  struct npy_writer *writer = NULL;
  int status = row ? npy_create(&writer, path, DTYPE_F32, columns, e) : FAILED;
  for (size_t i = 0; status == OK && i < rows; i++) {
    for (size_t j = 0; j < width; j++) row[j] = (float)values[i * width + j];
    status = npy_append(writer, row, 1, e);
  }
  if (status == OK) {
    status = npy_commit(writer, e);
  } else {
    npy_abandon(writer);
  }
  free(row);
  free(path);
  return status;
}

static int write_predictions(const struct run *run, error *e) {
  char *path = join_path(run->out, "predictions.tsv", e);
  struct output output;
  int status = path ? output_open(&output, path, e) : FAILED;
  if (status == OK) {
    fprintf(output.stream, "label\tpredicted\tprobability\n");
    for (size_t i = 0; i < run->test.n; i++) {
      fprintf(output.stream, "%d\t%d\t%.6f\n", run->test.labels[i], run->result.choices[i], run->result.confidences[i]);
    }
    status = output_commit(&output, e);
  }
  free(path);
  return status;
}

static struct predictions predictions_of(const struct run *run) {
  return (struct predictions){
      .set = &run->test, .choices = run->result.choices, .confidences = run->result.confidences};
}

static int write_folder(const struct run *run, error *e) {
  static const char *const names[] = {"weights.npy",     "bias.npy",      "predictions.tsv",
                                      "predictions.csv", "per_class.csv", NULL};
  const struct logistic_model *model = &run->result.model;
  const struct predictions predictions = predictions_of(run);
  int status = write_array(run->out, "weights.npy", model->weights, (size_t)model->classes, model->d, e);
  if (status == OK) status = write_array(run->out, "bias.npy", model->bias, (size_t)model->classes, 0, e);
  if (status == OK) status = write_predictions(run, e);
  if (status == OK) status = predictions_write_folder(&predictions, run->out, e);
  if (status == OK) status = results_write_json(run->out, write_json, run, e);
  if (status != OK) results_remove(run->out, names);
  return status;
}

static void warn(const struct run *run) {
  bool converged = run->result.model.converged;
  for (size_t i = 0; i < run->result.trial_count; i++) converged &= run->result.trials[i].converged;
  if (!converged) {
    fprintf(stderr, "warning: the fit stopped at %d iterations before its optimum (--max-iterations)\n",
            run->options.max_iterations);
  }
}

/* Pictures that are learnt from and judged by make results look better than they are. */
static int warn_of_duplicates(struct run *run, error *e) {
  int status = duplicates_warn(&run->train, &run->test, stderr, &run->duplicates, e);
  if (status == OK && run->val_folder) status = duplicates_warn(&run->train, &run->val, stderr, NULL, e);
  if (status == OK && run->val_folder) status = duplicates_warn(&run->val, &run->test, stderr, NULL, e);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  int status = read_options(arguments, &run, e);
  if (status == OK) {
    status = run.options.sgd ? feature_set_open_views(&run.train, run.train_folder, e)
                             : feature_set_open(&run.train, run.train_folder, e);
  }
  if (status == OK) status = feature_set_open(&run.test, run.test_folder, e);
  if (status == OK && run.val_folder) status = feature_set_open(&run.val, run.val_folder, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK) status = warn_of_duplicates(&run, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  if (status == OK) {
    double begin = results_now();
    status = probe_run(&run.result, &run.train, run.val_folder ? &run.val : NULL, &run.test, &run.options, pool, e);
    run.seconds = results_now() - begin;
  }
  if (status == OK && run.out) status = write_folder(&run, e);
  if (status == OK && run.predictions) {
    const struct predictions predictions = predictions_of(&run);
    status = predictions_write(&predictions, run.predictions, e);
  }
  if (status == OK) {
    warn(&run);
    if (run.json)
      status = results_print_json(write_json, &run, e);
    else
      print_text(&run);
  }
  probe_free(&run.result);
  feature_set_close(&run.train);
  feature_set_close(&run.test);
  feature_set_close(&run.val);
  threads_stop(pool);
  free(run.C);
  free(run.rates);
  return status;
}

static const struct option options[] = {
    {"--train", 0, "DIR", "features to learn from, as `features` writes them"},
    {"--test", 0, "DIR", "features to evaluate on"},
    {"--val", 0, "DIR", "features to choose C on (default: a held-out fifth of every class of train)"},
    {"--C", 0, "LIST",
     "inverse strength of the L2 penalty, as scikit-learn's C (default 1); of several, as in\n"
     "0.1,1,10, the best on --val is taken and fitted on all of train; auto: CLIP's sweep, from\n"
     "1e-6 to 1e6 in steps of 100, then ever finer around the best, to 8 steps a decade"},
    {"--standardize", 0, NULL, "scale every feature to mean 0 and deviation 1 on train"},
    {"--out", 'o', "DIR",
     "write weights.npy, bias.npy, result.json, predictions.csv (and .tsv: numbers only) and\n"
     "per_class.csv there"},
    {"--predictions", 0, "FILE", "write path, label, prediction, confidence of every test image as csv"},
    {"--max-iterations", 0, "N", "L-BFGS iterations of a fit (default 5000; with --C auto 1000)"},
    {"--tolerance", 0, "T", "end when ten iterations lower the objective by less than this part of it (default 1e-9)"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--seed", 0, "S", "of the held-out fifth, or of the training (default 0)"},
    SGD_OPTIONS,
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_probe;
const struct command command_probe = {
    .name = "probe",
    .usage = "--train DIR --test DIR [options]",
    .summary = "accuracy of a linear classifier on extracted features",
    .details =
        "Multinomial logistic regression, C * sum of losses + 1/2 * squared norm of the weights, the bias\n"
        "unpenalised, fitted to its optimum by L-BFGS in double precision. Reports top-1, top-5, the mean of\n"
        "the classes' recalls, the mean negative log likelihood and the expected calibration error (15 bins).\n"
        "--protocol sgd is the probe of \"Battle of the Backbones\": batch norm, LARS, a cosine of the learning rate;\n"
        "it also trains on augmented views (`features --views`), another one of a photo in every epoch.",
    .options = options,
    .run = run_command,
};
