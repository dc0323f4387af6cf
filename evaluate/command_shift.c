/* `backbones shift`: how much accuracy is left when the photos come from elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/duplicates.h"
#include "evaluate/options.h"
#include "evaluate/probe.h"
#include "evaluate/results.h"
#include "evaluate/shift.h"

struct shifted {
  char *name;
  const char *folder; /* behind the '=' */
  struct shift_result result;
  size_t duplicates; /* of it in train */
};

struct run {
  const char *train_folder, *test_folder, *out;
  double C;
  int threads;
  bool json;
  struct feature_set train, test;
  struct logistic_model model;
  struct shifted *sets;
  size_t set_count;
  size_t duplicates; /* of test in train */
  double seconds;
};

/* NAME=DIR, or DIR, which is its name. */
static int read_sets(const struct arguments *arguments, struct run *run, error *e) {
  int count = option_count(arguments, "--shifted");
  if (count == 0) return usage_error(e, "--shifted is needed (see `backbones shift --help`)");
  run->sets = allocate_zeroed((size_t)count, sizeof *run->sets, e);
  if (!run->sets) return FAILED;
  for (int i = 0; i < count; i++) {
    const char *text = option_nth(arguments, "--shifted", i), *equals = strchr(text, '=');
    struct shifted *set = &run->sets[run->set_count++];
    set->folder = equals ? equals + 1 : text;
    set->name = copy_bytes_as_string(text, equals ? (size_t)(equals - text) : strlen(text), e);
    if (!set->name) return FAILED;
    if (!*set->name || !*set->folder) return usage_error(e, "--shifted %.200s: is not NAME=DIR", text);
  }
  return OK;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0;
  run->C = 1;
  int status = option_required(arguments, "--train", &run->train_folder, e);
  if (status == OK) status = option_required(arguments, "--test", &run->test_folder, e);
  if (status == OK) status = read_sets(arguments, run, e);
  if (status == OK) status = option_real(arguments, "--C", 1e-300, 1e300, &run->C, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  run->out = option_text(arguments, "--out");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  return status;
}

static int evaluate(struct run *run, struct threads *pool, error *e) {
  int status = probe_fit(&run->model, &run->train, run->C, pool, e);
  for (size_t i = 0; status == OK && i < run->set_count; i++) {
    struct feature_set shifted;
    status = feature_set_open(&shifted, run->sets[i].folder, e);
    if (status != OK) break;
    status = duplicates_warn(&run->train, &shifted, stderr, &run->sets[i].duplicates, e);
    if (status == OK)
      status = shift_run(&run->sets[i].result, &run->model, &run->train, &run->test, &shifted, pool, NULL, e);
    feature_set_close(&shifted);
  }
  return status;
}

/* ---- results ------------------------------------------------------------------------------------------------------*/

static double share(size_t part, size_t all) { return all ? (double)part / (double)all : 0; }

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  double sum = 0;
  json_begin_object(w);
  json_key(w, "n_train"), json_integer(w, (int64_t)run->train.n);
  json_key(w, "n_test"), json_integer(w, (int64_t)run->test.n);
  json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "C"), json_number(w, run->C);
  json_key(w, "sets"), json_begin_array(w);
  for (size_t i = 0; i < run->set_count; i++) {
    const struct shift_result *r = &run->sets[i].result;
    double top1 = share(r->correct, r->n), clean = share(r->clean_correct, r->clean_n);
    sum += top1;
    json_begin_object(w);
    json_key(w, "name"), json_string(w, run->sets[i].name);
    json_key(w, "n"), json_integer(w, (int64_t)r->n);
    json_key(w, "classes"), json_integer(w, r->classes);
    json_key(w, "correct"), json_integer(w, (int64_t)r->correct);
    json_key(w, "top1"), json_number(w, top1);
    json_key(w, "clean_n"), json_integer(w, (int64_t)r->clean_n);
    json_key(w, "clean_top1"), json_number(w, clean);
    json_key(w, "drop"), json_number(w, clean - top1);
    json_key(w, "duplicates"), json_integer(w, (int64_t)run->sets[i].duplicates);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "mean_top1"), json_number(w, sum / (double)run->set_count);
  json_key(w, "seconds"), json_number(w, run->seconds);
  json_end_object(w);
}

static void print_text(const struct run *run) {
  double sum = 0;
  printf("%-24s %7s  %7s  %7s  %7s  %7s\n", "shifted set", "images", "classes", "top-1", "clean", "drop");
  for (size_t i = 0; i < run->set_count; i++) {
    const struct shift_result *r = &run->sets[i].result;
    double top1 = share(r->correct, r->n), clean = share(r->clean_correct, r->clean_n);
    sum += top1;
    printf("%-24s %7zu  %7d  %7.4f  %7.4f  %7.4f\n", run->sets[i].name, r->n, r->classes, top1, clean, clean - top1);
  }
  if (run->set_count > 1) printf("%-24s %7s  %7s  %7.4f\n", "mean", "", "", sum / (double)run->set_count);
  printf("train %s: %zu rows, %d classes, C %g; clean: %s, images of the same classes\n", run->train_folder,
         run->train.n, run->train.classes, run->C, run->test_folder);
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  double begin = results_now();
  int status = read_options(arguments, &run, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  if (status == OK) status = feature_set_open(&run.train, run.train_folder, e);
  if (status == OK) status = feature_set_open(&run.test, run.test_folder, e);
  if (status == OK) status = feature_set_check_classes(&run.train, e);
  if (status == OK) status = feature_sets_match(&run.train, &run.test, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK) status = duplicates_warn(&run.train, &run.test, stderr, &run.duplicates, e);
  if (status == OK) status = evaluate(&run, pool, e);
  run.seconds = results_now() - begin;
  if (status == OK && run.out) status = results_write_json(run.out, write_json, &run, e);
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  logistic_free(&run.model);
  feature_set_close(&run.train);
  feature_set_close(&run.test);
  threads_stop(pool);
  for (size_t i = 0; i < run.set_count; i++) free(run.sets[i].name);
  free(run.sets);
  return status;
}

static const struct option options[] = {
    {"--train", 0, "DIR", "features that the probe learns from, as `features` writes them"},
    {"--test", 0, "DIR", "features of the clean set"},
    {"--shifted", 0, "NAME=DIR...", "features of a shifted set, of some or all of the classes; may be given again"},
    {"--C", 0, "C", "of the probe (default 1)"},
    {"--out", 'o', "DIR", "write result.json there"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_shift;
const struct command command_shift = {
    .name = "shift",
    .usage = "--train DIR --test DIR --shifted NAME=DIR [options]",
    .summary = "accuracy of a clean set's probe on shifted sets",
    .details =
        "A probe learns from --train and is evaluated on each shifted set, over the classes that occur there, matched\n"
        "by name (as ImageNet-A and -R are evaluated), and on the clean set's images of the same classes. Corruptions\n"
        "are drawn by `features --corrupt NAME:SEVERITY`.",
    .options = options,
    .run = run_command,
};
