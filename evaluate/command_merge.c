/* `backbones merge`: the shards of many machines become the folder that one machine would have written. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "evaluate/merge.h"
#include "evaluate/options.h"
#include "kernels/memory.h"
#include "weights-tools/json.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int print_json(const struct merge_result *r, const char *out, double seconds, error *e) {
  struct json_writer w = json_writer_to(stdout);
  json_begin_object(&w);
  json_key(&w, "n"), json_integer(&w, (int64_t)r->rows);
  if (r->tokens > 1) json_key(&w, "tokens"), json_integer(&w, (int64_t)r->tokens);
  json_key(&w, "d"), json_integer(&w, (int64_t)(r->columns / r->tokens));
  json_key(&w, "skipped"), json_integer(&w, (int64_t)r->skipped);
  json_key(&w, "shards"), json_integer(&w, (int64_t)r->shards);
  json_key(&w, "out"), json_string(&w, out);
  json_key(&w, "seconds"), json_number(&w, seconds);
  json_end_object(&w);
  return json_writer_finish(&w, e);
}

static void print_text(const struct merge_result *r, const char *out) {
  printf("%s: %zu x ", out, r->rows);
  if (r->tokens > 1) printf("%zu x ", r->tokens);
  printf("%zu features from %zu shard%s", r->columns / r->tokens, r->shards, r->shards == 1 ? "" : "s");
  if (r->skipped) printf(", %zu images skipped (see %s/skipped.tsv)", r->skipped, out);
  printf("\n");
}

static int run_command(const struct arguments *arguments, error *e) {
  const char *out;
  int status = option_required(arguments, "--out", &out, e);
  if (status != OK) return status;
  size_t count = (size_t)positional_count(arguments);
  const char **folders = allocate(count, sizeof *folders, e);
  if (!folders) return FAILED;
  for (size_t i = 0; i < count; i++) folders[i] = positional(arguments, (int)i);
  struct merge_result result;
  double begin = now();
  status = merge_folders(&result, folders, count, out, option_given(arguments, "--resume"), e);
  if (status == OK && result.was_there) fprintf(stderr, "%s: is finished already\n", out);
  if (status == OK && option_given(arguments, "--json")) {
    status = print_json(&result, out, now() - begin, e);
  } else if (status == OK) {
    print_text(&result, out);
  }
  free((void *)folders);
  return status;
}

static const struct option options[] = {
    {"--out", 'o', "DIR", "the features folder to make"},
    {"--resume", 0, NULL, "a DIR that holds the result already is fine: for jobs that are run again"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_merge;
const struct command command_merge = {
    .name = "merge",
    .usage = "DIR... --out DIR [options]",
    .summary = "join the folders of `features --shard` into one",
    .details =
        "Every file of the result is, byte for byte, what `features` writes on one machine: rows in the data set's\n"
        "order, meta.json of the whole. Missing, doubled and unfinished shards are refused, and shards that differ in\n"
        "weights, recipe, kind of features, decoding, data set, version or instruction set. The shards are left alone.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = run_command,
};
