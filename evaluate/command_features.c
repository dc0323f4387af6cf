/* `backbones features`: a folder of photos becomes an array of features. */
#include <stdio.h>
#include <string.h>

#include "evaluate/decode_options.h"
#include "evaluate/features_run.h"
#include "weights-tools/json.h"

enum { MOST_VIEWS = 10000 };

struct run {
  struct engine_request engine_request;
  struct features_request request;
  const char *data;
  bool json;
  struct engine engine;
  struct dataset dataset;
  struct features_outcome outcome;
};

static bool is_block(const char *kind) {
  int block, used = 0;
  if (sscanf(kind, "block:%5d%n", &block, &used) != 1 || block < 0) return false;
  return !kind[used] || !strcmp(kind + used, ":tokens");
}

static int read_kind(const struct arguments *arguments, struct run *run, error *e) {
  static const char *const kinds[] = {"pooled", "logits", "projected", "class", "mean", "class+mean", "tokens"};
  const char *kind = option_text(arguments, "--features");
  if (!kind) kind = "pooled";
  run->request.kind = kind;
  run->engine_request.features = strcmp(kind, "logits") ? kind : NULL;
  if (is_block(kind)) return OK;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!strcmp(kind, kinds[i])) return OK;
  }
  return usage_error(e,
                     "--features %.40s: is not pooled, projected, class, mean, class+mean, tokens, logits, block:N or "
                     "block:N:tokens",
                     kind);
}

/* What is drawn: --corrupt NAME:SEVERITY or --views N, and the seed of either. */
static int read_drawing(const struct arguments *arguments, struct run *run, error *e) {
  const char *corruption = option_text(arguments, "--corrupt");
  long long seed = 0, views = 0;
  int status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status == OK) status = option_integer(arguments, "--views", 1, MOST_VIEWS, &views, e);
  if (status != OK) return status;
  if (corruption && views) return usage_error(e, "--views are of pictures as they are: without --corrupt");
  if (!corruption && !views && option_given(arguments, "--seed")) {
    return usage_error(e, "--seed is of --corrupt and --views, which are not given");
  }
  run->request.views = (struct view_choice){(size_t)views, (uint64_t)seed};
  if (!corruption) return OK;
  status = corruption_read(&run->request.corruption, corruption, e);
  run->request.corruption.seed = (uint64_t)seed;
  if (status != OK) fail_within(e, "--corrupt %.60s", corruption);
  return status;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long batch = 16;
  int status = engine_read_options(arguments, &run->engine_request, e);
  if (status == OK) status = option_required(arguments, "--data", &run->data, e);
  if (status == OK) status = option_required(arguments, "--out", &run->request.out, e);
  if (status == OK) status = option_integer(arguments, "--batch", 1, 4096, &batch, e);
  if (status == OK) status = decode_options_read(arguments, &run->request.decode, e);
  if (status == OK) status = shard_read(arguments, &run->request.shard, e);
  if (status == OK) status = read_kind(arguments, run, e);
  if (status == OK) status = read_drawing(arguments, run, e);
  run->request.batch = (int)batch;
  run->request.resume = option_given(arguments, "--resume");
  run->request.strict = option_given(arguments, "--strict");
  run->request.progress = !option_given(arguments, "--quiet");
  run->request.log = stderr;
  run->json = option_given(arguments, "--json");
  run->engine_request.hash = true;
  return status;
}

static void print_json(const struct run *run) {
  const struct features_outcome *outcome = &run->outcome;
  struct json_writer w = json_writer_to(stdout);
  json_begin_object(&w);
  json_key(&w, "n"), json_integer(&w, (int64_t)outcome->rows);
  const char *parts = run->request.views.count ? "views" : "tokens";
  if (run->request.views.count || outcome->tokens > 1) {
    json_key(&w, parts), json_integer(&w, (int64_t)outcome->tokens);
  }
  json_key(&w, "d"), json_integer(&w, (int64_t)outcome->d);
  json_key(&w, "skipped"), json_integer(&w, (int64_t)outcome->skipped);
  json_key(&w, "arch"), json_string(&w, run->engine.info.arch);
  json_key(&w, "out"), json_string(&w, run->request.out);
  json_key(&w, "seconds"), json_number(&w, outcome->seconds);
  json_end_object(&w);
  error ignored;
  json_writer_finish(&w, &ignored);
}

static void print_text(const struct run *run) {
  const struct features_outcome *outcome = &run->outcome;
  printf("%s: %zu x ", run->request.out, outcome->rows);
  if (outcome->tokens > 1) printf("%zu x ", outcome->tokens);
  printf("%zu features of %s", outcome->d, run->engine.info.arch);
  if (outcome->skipped) printf(", %zu images skipped (see %s/skipped.tsv)", outcome->skipped, run->request.out);
  printf("\n");
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  int status = read_options(arguments, &run, e);
  if (status != OK) return status;
  status = dataset_open(&run.dataset, run.data, e);
  if (status != OK) return status;
  const struct shard *shard = &run.request.shard;
  if (*shard->source) fprintf(stderr, "shard %zu/%zu: %s\n", shard->index, shard->count, shard->source);
  if (run.dataset.note) fprintf(stderr, "%s: %s\n", run.data, run.dataset.note);
  status = engine_load(&run.engine, &run.engine_request, e);
  run.request.engine = &run.engine;
  run.request.dataset = &run.dataset;
  if (status == OK) status = features_run(&run.outcome, &run.request, e);
  if (status == OK && run.json) print_json(&run);
  if (status == OK && !run.json) print_text(&run);
  engine_free(&run.engine);
  dataset_close(&run.dataset);
  return status;
}

static const struct option options[] = {
    ENGINE_OPTIONS,
    {"--data", 'd', "DATA",
     "a folder of class folders, a folder of images, a tar of either, a csv/tsv of\n"
     "path,label, a CIFAR binary file or an IDX pair; DATA:INNER for a folder inside"},
    {"--out", 'o', "DIR", "the features folder to make"},
    {"--features", 'f', "KIND",
     "pooled (default), projected (CLIP), class, mean, class+mean, tokens, logits,\n"
     "block:N (a block's output, pooled) or block:N:tokens; `inspect` lists a model's"},
    {"--batch", 'b', "N", "images that a thread takes at a time (default 16); no effect on results"},
    SHARD_OPTIONS,
    {"--resume", 0, NULL, "continue what an earlier run left in DIR, or begin"},
    {"--strict", 0, NULL, "an unreadable image is an error, instead of a line in skipped.tsv"},
    DECODE_OPTIONS,
    {"--corrupt", 0, "NAME:SEVERITY",
     "spoil the resized crops as ImageNet-C does, severity 1 to 5: gaussian_noise, shot_noise,\n"
     "impulse_noise, defocus_blur, gaussian_blur, brightness, contrast, pixelate or jpeg_compression"},
    {"--views", 0, "N",
     "N augmented views of every picture (random resized crop and mirroring, as in training) for\n"
     "`probe --protocol sgd`: features.npy is [n, N, d]"},
    {"--seed", 0, "S", "of what --corrupt or --views draws (default 0)"},
    {"--quiet", 'q', NULL, "no progress"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_features;
const struct command command_features = {
    .name = "features",
    .usage = "--weights WEIGHTS --data DATA --out DIR [options]",
    .summary = "turn images into an array of features",
    .details =
        "Writes features.npy (float32 [n, d], of tokens [n, tokens, d]), labels.npy (int64 [n], -1 without labels), "
        "paths.txt, hashes.txt\n"
        "(SHA-256 of the files), classes.txt, skipped.tsv (unreadable images, why, and the sample's number) and\n"
        "meta.json. The same image gives the same bits whatever the batch, the threads and its neighbours.",
    .options = options,
    .run = run_command,
};
