#include "evaluate/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/memory.h"
#include "models/placement.h"
#include "weights-tools/keys.h"

int engine_read_options(const struct arguments *arguments, struct engine_request *request, error *e) {
  *request = (struct engine_request){.arch = option_text(arguments, "--arch"),
                                     .part = option_text(arguments, "--state-dict"),
                                     .device = option_text(arguments, "--device")};
  long long threads = 0;
  int status = option_required(arguments, "--weights", &request->path, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = recipe_options_read(arguments, &request->changes, e);
  request->threads = (int)threads;
  return status;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int load_from(struct engine *engine, struct checkpoint *checkpoint, const struct engine_request *request,
                     error *e) {
  if (request->part && checkpoint_select(checkpoint, request->part, e) != OK) return FAILED;
  if (keys_canonicalize(checkpoint, e) != OK) return FAILED;
  if (request->hash && checkpoint_sha256(checkpoint, engine->sha256, e) != OK) return FAILED;
  struct model_options options = {.arch = request->arch};
  struct recipe recipe;
  if (recipe_changes_any(&request->changes)) {
    if (model_recipe(checkpoint, request->arch, &recipe, e) != OK) return FAILED;
    if (recipe_change(&recipe, &request->changes, e) != OK) return fail_within(e, "%s", checkpoint->path);
    options.recipe = &recipe;
  }
  if (model_load(&engine->model, checkpoint, &options, e) != OK) return FAILED;
  engine->info = model_info(engine->model);
  /* The names outlive the checkpoint. */
  engine->class_names = checkpoint->class_names;
  engine->class_count = checkpoint->class_count;
  checkpoint->class_names = NULL;
  checkpoint->class_count = 0;
  return OK;
}

static int load_file(struct engine *engine, const struct engine_request *request, error *e) {
  struct checkpoint checkpoint;
  if (checkpoint_open(&checkpoint, request->path, e) != OK) return FAILED;
  int status = load_from(engine, &checkpoint, request, e);
  checkpoint_close(&checkpoint);
  return status;
}

/* "seeded:ARCH": random weights, the same on every machine, to compare trained ones with. */
static const char seeded_prefix[] = "seeded:";

static int load_seeded(struct engine *engine, const struct engine_request *request, error *e) {
  const char *arch = request->path + sizeof seeded_prefix - 1;
  struct recipe recipe;
  if (architecture_recipe(arch, &recipe, e) != OK) return USAGE;
  if (recipe_change(&recipe, &request->changes, e) != OK) return FAILED;
  if (model_seeded(&engine->model, arch, 1, &recipe, e) != OK) return FAILED;
  engine->info = model_info(engine->model);
  return OK;
}

static bool is_seeded(const char *path) { return !strncmp(path, seeded_prefix, sizeof seeded_prefix - 1); }

/* Of a checkpoint that does not bring its recipe, the architecture has one. */
static int recipe_of_file(const struct engine_request *request, struct recipe *recipe, error *e) {
  struct checkpoint checkpoint;
  if (checkpoint_open(&checkpoint, request->path, e) != OK) return FAILED;
  int status = OK;
  if (checkpoint.has_recipe) {
    *recipe = checkpoint.recipe;
  } else {
    if (request->part) status = checkpoint_select(&checkpoint, request->part, e);
    if (status == OK) status = keys_canonicalize(&checkpoint, e);
    if (status == OK) status = model_recipe(&checkpoint, request->arch, recipe, e);
  }
  checkpoint_close(&checkpoint);
  return status;
}

int engine_recipe(const struct engine_request *request, struct recipe *recipe, error *e) {
  if (is_seeded(request->path)) {
    if (architecture_recipe(request->path + sizeof seeded_prefix - 1, recipe, e) != OK) return USAGE;
  } else if (recipe_of_file(request, recipe, e) != OK) {
    return FAILED;
  }
  return recipe_change(recipe, &request->changes, e) == OK ? OK : fail_within(e, "%s", request->path);
}

int engine_load(struct engine *engine, const struct engine_request *request, error *e) {
  *engine = (struct engine){.threads = request->threads ? request->threads : usable_cores()};
  double begin = now();
  const char *device = request->device ? request->device : "cpu";
  struct gpu_facts gpu = {0}; /* asked for first: what is wrong with it is known at once */
  int status = placement_describe(device, &gpu, e);
  if (status == OK) status = is_seeded(request->path) ? load_seeded(engine, request, e) : load_file(engine, request, e);
  if (status == OK && request->features) {
    status = model_choose_features(engine->model, request->features, e);
    if (status != OK) fail_within(e, "%s", request->path);
    engine->info = model_info(engine->model);
  }
  if (status == OK) status = model_place(engine->model, device, e);
  if (status == OK && !(engine->path = copy_string(request->path, e))) status = FAILED;
  engine->load_seconds = now() - begin;
  if (status != OK) engine_free(engine);
  return status;
}

void engine_free(struct engine *engine) {
  model_free(engine->model);
  for (size_t i = 0; i < engine->class_count; i++) free(engine->class_names[i]);
  free((void *)engine->class_names);
  free(engine->path);
  *engine = (struct engine){0};
}
