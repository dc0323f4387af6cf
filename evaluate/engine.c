#include "evaluate/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/memory.h"
#include "weights-tools/keys.h"

static int read_three(const struct arguments *arguments, const char *name, double low, double values[3], bool *given,
                      error *e) {
  double *list;
  size_t count;
  int status = option_reals(arguments, name, low, 1000, &list, &count, e);
  if (status != OK) return status;
  *given = count > 0;
  if (count != 0 && count != 3) status = usage_error(e, "%s: three numbers are needed, R,G,B", name);
  if (status == OK && *given) memcpy(values, list, 3 * sizeof *values);
  free(list);
  return status;
}

int engine_read_options(const struct arguments *arguments, struct engine_request *request, error *e) {
  *request = (struct engine_request){.arch = option_text(arguments, "--arch"),
                                     .part = option_text(arguments, "--state-dict"),
                                     .interpolation = option_text(arguments, "--interpolation"),
                                     .crop_mode = option_text(arguments, "--crop-mode")};
  long long threads = 0, size = 0;
  int status = option_required(arguments, "--weights", &request->path, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_integer(arguments, "--input-size", 1, 4096, &size, e);
  if (status == OK) status = option_real(arguments, "--crop", 0.01, 1, &request->crop_fraction, e);
  if (status == OK) status = read_three(arguments, "--mean", -1000, request->mean, &request->has_mean, e);
  if (status == OK) status = read_three(arguments, "--std", 1e-6, request->std, &request->has_std, e);
  /* Names that nobody knows are wrong usage, found before anything is loaded. */
  enum filter filter;
  enum crop_mode mode;
  if (status == OK && request->interpolation && filter_from_name(&filter, request->interpolation, e) != OK) {
    status = USAGE;
  }
  if (status == OK && request->crop_mode && crop_mode_from_name(&mode, request->crop_mode, e) != OK) status = USAGE;
  request->threads = (int)threads;
  request->size = (int)size;
  return status;
}

/* The recipe with the request's changes. */
static int change_recipe(struct recipe *recipe, const struct engine_request *request, error *e) {
  if (request->size) {
    recipe->height = recipe->width = request->size;
    recipe->resize = 0; /* an explicit size of the resize belonged to the old input */
  }
  if (request->crop_fraction > 0) {
    recipe->crop_fraction = request->crop_fraction;
    recipe->resize = 0;
  }
  if (request->interpolation && filter_from_name(&recipe->filter, request->interpolation, e) != OK) return FAILED;
  if (request->crop_mode && crop_mode_from_name(&recipe->crop_mode, request->crop_mode, e) != OK) return FAILED;
  for (int i = 0; i < 3; i++) {
    if (request->has_mean) recipe->mean[i] = (float)request->mean[i];
    if (request->has_std) recipe->std[i] = (float)request->std[i];
  }
  return recipe_check(recipe, e);
}

static bool changes_recipe(const struct engine_request *r) {
  return r->size || r->crop_fraction > 0 || r->interpolation || r->crop_mode || r->has_mean || r->has_std;
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
  if (changes_recipe(request)) {
    if (model_recipe(checkpoint, request->arch, &recipe, e) != OK) return FAILED;
    if (change_recipe(&recipe, request, e) != OK) return fail_within(e, "%s", checkpoint->path);
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
  if (change_recipe(&recipe, request, e) != OK) return FAILED;
  if (model_seeded(&engine->model, arch, 1, &recipe, e) != OK) return FAILED;
  engine->info = model_info(engine->model);
  return OK;
}

int engine_load(struct engine *engine, const struct engine_request *request, error *e) {
  *engine = (struct engine){.threads = request->threads ? request->threads : usable_cores()};
  double begin = now();
  bool seeded = !strncmp(request->path, seeded_prefix, sizeof seeded_prefix - 1);
  int status = seeded ? load_seeded(engine, request, e) : load_file(engine, request, e);
  if (status == OK && request->features) {
    status = model_choose_features(engine->model, request->features, e);
    if (status != OK) fail_within(e, "%s", request->path);
    engine->info = model_info(engine->model);
  }
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
