/* `backbones battle`: many backbones on many tasks, and a report. */
#include <stdlib.h>

#include "evaluate/battle.h"
#include "evaluate/options.h"
#include "evaluate/output.h"
#include "evaluate/results.h"

struct run {
  const char *results, *out, *title;
  bool json;
  int threads;
  struct battle_options options;
  struct battle battle;
};

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long threads = 0, seed = 0, resamples = 2000;
  int status = option_required(arguments, "--results", &run->results, e);
  if (status == OK) status = option_required(arguments, "--out", &run->out, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status == OK) status = option_integer(arguments, "--resamples", 100, 100000, &resamples, e);
  run->title = option_text(arguments, "--title");
  run->json = option_given(arguments, "--json");
  run->threads = (int)threads;
  run->options.bootstrap = (struct bootstrap_options){(size_t)resamples, (uint64_t)seed};
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

static int read_results(struct run *run, error *e) {
  int status = scores_read(&run->battle.scores, run->results, e);
  if (status == OK) status = battle_fact(&run->battle, e, "scores", "read from", "%s", run->results);
  return status;
}

static int finish(struct run *run, struct threads *pool, error *e) {
  int status = battle_conclude(&run->battle, NULL, 0, &run->options, pool, e);
  if (status == OK) status = output_make_folder(run->out, e);
  if (status == OK) {
    status = battle_write(&run->battle, NULL, 0, run->title ? run->title : "A battle of backbones", run->out, e);
  }
  if (status == OK && run->json) {
    status = results_print_json(battle_write_json, &run->battle, e);
  } else if (status == OK) {
    battle_print(&run->battle);
    printf("%s/report.html, results.csv and results.json are written\n", run->out);
  }
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  struct threads *pool = NULL;
  int status = read_options(arguments, &run, e);
  if (status == OK) status = state_run(arguments, &run, e);
  if (status == OK) status = read_results(&run, e);
  if (status == OK && !(pool = threads_start(run.threads, e))) status = FAILED;
  if (status == OK) status = finish(&run, pool, e);
  threads_stop(pool);
  battle_free(&run.battle);
  return status;
}

static const struct option options[] = {
    {"--results", 0, "FILE",
     "scores that were measured elsewhere: a csv or tsv of backbone,task,score,better,\n"
     "low,high; better is higher (default), lower, or cost"},
    {"--out", 'o', "DIR", "where report.html, results.csv and results.json go"},
    {"--title", 0, "TEXT", "of the report"},
    {"--resamples", 0, "N", "of the bootstrap (default 2000)"},
    {"--seed", 0, "S", "of everything that is drawn (default 0)"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_battle;
const struct command command_battle = {
    .name = "battle",
    .usage = "--results FILE --out DIR [options]",
    .summary = "many backbones on many tasks: ranks, z-scores, cost, and a report",
    .details = NULL,
    .options = options,
    .run = run_command,
};
