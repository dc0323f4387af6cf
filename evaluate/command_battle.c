/* `backbones battle`: many backbones on many tasks, and a report. */
#include <stdlib.h>

#include "evaluate/battle_options.h"
#include "evaluate/battle_photos.h"
#include "evaluate/battle_predictions.h"
#include "evaluate/battle_run.h"
#include "evaluate/output.h"
#include "evaluate/results.h"
#include "models/placement.h"

struct run {
  const char *results, *out, *title, *predictions;
  bool json;
  struct battle_options options;
  struct battle_plan plan; /* no contender: only scores from elsewhere are compared */
  struct battle battle;
  struct set_outcome *outcomes; /* [plan.set_count] */
  struct report_set *sets;      /* of the report, without sets that no backbone got through */
  size_t set_count;
  struct photo_results *photos;
  size_t photo_count;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0, seed = 0, resamples = 2000;
  bool fight = option_given(arguments, "--weights") || option_given(arguments, "--data");
  run->results = option_text(arguments, "--results");
  run->title = option_text(arguments, "--title");
  run->predictions = option_text(arguments, "--predictions");
  run->json = option_given(arguments, "--json");
  if (!fight && !run->results) return usage_error(e, "--weights and --data are needed, or --results");
  if (!fight && run->predictions) return usage_error(e, "--predictions are of photos: give --weights and --data");
  const char *text;
  int status = option_required(arguments, "--out", &run->out, e);
  if (status == OK && fight) status = option_required(arguments, "--weights", &text, e);
  if (status == OK && fight) status = option_required(arguments, "--data", &text, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status == OK) status = option_integer(arguments, "--resamples", 100, 100000, &resamples, e);
  const char *device = option_given(arguments, "--device") ? option_text(arguments, "--device") : "cpu";
  struct gpu_facts gpu; /* asked for first: what is wrong with it is known at once */
  if (status == OK && fight) status = placement_describe(device, &gpu, e);
  if (status == OK && fight) status = battle_plan_read(&run->plan, arguments, (uint64_t)seed, e);
  run->options.bootstrap = (struct bootstrap_options){(size_t)resamples, (uint64_t)seed};
  run->plan.out = run->out;
  run->plan.threads = (int)threads;
  run->plan.device = device;
  run->plan.progress = !option_given(arguments, "--quiet");
  return status;
}

static int state_run(const struct arguments *arguments, struct run *run, error *e) {
  char *typed = arguments_as_typed(arguments, e);
  int status = typed ? battle_fact(&run->battle, e, "this report", "command", "%s", typed) : FAILED;
  free(typed);
  if (status == OK) status = battle_fact(&run->battle, e, "this report", "program", "backbones %s", BACKBONES_VERSION);
  if (status == OK) {
    status =
        battle_fact(&run->battle, e, "this report", "intervals", "bootstrap, %zu resamples, seed %llu, percentiles",
                    run->options.bootstrap.resamples, (unsigned long long)run->options.bootstrap.seed);
  }
  return status;
}

static int fight(struct run *run, struct threads *pool, error *e) {
  size_t sets = run->plan.set_count, photos = 0;
  for (size_t s = 0; s < sets; s++) photos += 1 + run->plan.sets[s].shift_count;
  run->outcomes = allocate_zeroed(sets, sizeof *run->outcomes, e);
  run->sets = allocate_zeroed(sets, sizeof *run->sets, e);
  run->photos = allocate_zeroed(photos, sizeof *run->photos, e);
  if (!run->outcomes || !run->sets || !run->photos) return FAILED;
  return battle_run(&run->battle, run->outcomes, &run->plan, pool, e);
}

static int read_results(struct run *run, error *e) {
  int status = scores_read(&run->battle.scores, run->results, e);
  if (status == OK) status = battle_fact(&run->battle, e, "scores", "read from", "%s", run->results);
  return status;
}

static int add_photos(struct run *run, const struct outcome_photos *photos, error *e) {
  if (photos->columns == 0) return OK;
  int status = outcome_results(&run->photos[run->photo_count], photos, e);
  run->photo_count += status == OK;
  return status;
}

static int conclude(struct run *run, struct threads *pool, error *e) {
  int status = OK;
  for (size_t s = 0; s < run->plan.set_count; s++) {
    if (status == OK) status = add_photos(run, &run->outcomes[s].test, e);
    for (size_t i = 0; status == OK && i < run->plan.sets[s].shift_count; i++) {
      status = add_photos(run, &run->outcomes[s].shifts[i], e);
    }
  }
  if (status == OK) {
    status = battle_conclude(&run->battle, run->photos, run->photo_count, &run->options, pool, e);
  }
  for (size_t s = 0; status == OK && s < run->plan.set_count; s++) {
    if (run->outcomes[s].test.n == 0) continue;
    status = battle_photos_choose(&run->sets[run->set_count], &run->battle, &run->plan.sets[s], &run->outcomes[s],
                                  &run->plan.decode, e);
    run->set_count += status == OK;
  }
  return status;
}

static int write_report(struct run *run, error *e) {
  const char *title = run->title ? run->title : "A battle of backbones";
  int status = output_make_folder(run->out, e);
  if (status == OK && run->predictions) {
    status = battle_predictions_write(run->predictions, &run->plan, &run->battle, run->outcomes, e);
  }
  if (status == OK) status = battle_write(&run->battle, run->sets, run->set_count, title, run->out, e);
  if (status == OK && run->json) {
    status = results_print_json(battle_write_json, &run->battle, e);
  } else if (status == OK) {
    battle_print(&run->battle);
    printf("%s/report.html, results.csv and results.json are written\n", run->out);
  }
  if (status != OK || run->battle.failure_count == 0) return status;
  return fail(e, "%zu parts of the battle failed; the report lists them", run->battle.failure_count);
}

static void free_run(struct run *run) {
  for (size_t s = 0; s < run->set_count; s++) battle_photos_free(&run->sets[s]);
  for (size_t i = 0; i < run->photo_count; i++) free((double *)run->photos[i].values);
  for (size_t s = 0; run->outcomes && s < run->plan.set_count; s++) {
    set_outcome_free(&run->outcomes[s], &run->plan.sets[s]);
  }
  free(run->sets);
  free(run->photos);
  free(run->outcomes);
  battle_free(&run->battle);
  battle_plan_free(&run->plan);
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  int status = read_options(arguments, &run, e);
  if (status == OK) status = state_run(arguments, &run, e);
  if (status == OK && !(pool = threads_start(run.plan.threads, e))) status = FAILED;
  if (status == OK && run.plan.contender_count) status = fight(&run, pool, e);
  if (status == OK && run.results) status = read_results(&run, e);
  if (status == OK) status = conclude(&run, pool, e);
  if (status == OK) status = write_report(&run, e);
  threads_stop(pool);
  free_run(&run);
  return status;
}

static const struct option options[] = {
    BATTLE_OPTIONS,
    {"--results", 0, "FILE",
     "scores that were measured elsewhere: a csv or tsv of backbone,task,score,better,\n"
     "low,high; better is higher (default), lower, or cost"},
    {"--out", 'o', "DIR", "where report.html, results.csv, results.json and the features go"},
    {"--predictions", 0, "FILE", "write what every backbone made of every photo, on every task, as csv"},
    {"--title", 0, "TEXT", "of the report"},
    {"--resamples", 0, "N", "of the bootstrap (default 2000)"},
    {"--seed", 0, "S", "of everything that is drawn (default 0)"},
    DECODE_OPTIONS,
    {"--threads", 't', "N", "threads (default: every usable core); no effect on scores"},
    ENGINE_DEVICE,
    {"--quiet", 'q', NULL, "no progress"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_battle;
const struct command command_battle = {
    .name = "battle",
    .usage = "--weights W --weights W ... --data DATA ... --out DIR [options]",
    .summary = "many backbones on many tasks: ranks, z-scores, cost, and a report",
    .details =
        "Extracts the features of every backbone on every data set, runs every task on them, and compares. An\n"
        "interrupted battle continues when the same command is given again. A backbone that fails is left out and\n"
        "listed in the report; the exit status is then 1. Scores from elsewhere (--results) are compared alone, or\n"
        "beside those measured.",
    .options = options,
    .run = run_command,
};
