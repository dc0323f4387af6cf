/* backbones inspect: what a checkpoint is, without running it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "evaluate/options.h"
#include "models/model.h"
#include "models/plan.h"
#include "weights-tools/json.h"
#include "weights-tools/keys.h"

static void count_dtypes(const struct checkpoint *checkpoint, size_t counts[static DTYPE_COUNT]) {
  memset(counts, 0, DTYPE_COUNT * sizeof *counts);
  for (size_t i = 0; i < checkpoint->count; i++) counts[checkpoint->tensors[i].dtype]++;
}

/* ---- JSON ---- */

static void write_tensor(struct json_writer *w, const struct tensor *t) {
  json_begin_object(w);
  json_key(w, "name");
  json_string(w, t->name);
  json_key(w, "source_name");
  json_string(w, t->source_name);
  json_key(w, "dtype");
  json_string(w, dtype_name(t->dtype));
  json_key(w, "shape");
  json_begin_array(w);
  for (int i = 0; i < t->dimensions; i++) json_integer(w, t->shape[i]);
  json_end_array(w);
  json_key(w, "used");
  json_boolean(w, t->used);
  json_end_object(w);
}

static void write_model(struct json_writer *w, const struct model *model) {
  struct model_info own = model_info(model), *info = &own;
  json_key(w, "arch");
  json_string(w, info->arch);
  json_key(w, "family");
  json_string(w, info->family);
  json_key(w, "scheme");
  json_string(w, info->scheme);
  json_key(w, "parameters");
  json_integer(w, info->parameters);
  json_key(w, "gflops");
  json_number(w, info->gflops);
  json_key(w, "features");
  json_integer(w, info->features);
  json_key(w, "outputs");
  json_begin_array(w);
  for (int i = 0; plan_offered(model_plan(model), i); i++) json_string(w, plan_offered(model_plan(model), i));
  json_end_array(w);
  json_key(w, "classes");
  json_integer(w, info->classes);
  recipe_write_members(w, &info->recipe);
}

static int print_json(const struct checkpoint *checkpoint, const struct model *model, bool tensors, error *e) {
  struct json_writer w = json_writer_to(stdout);
  size_t counts[DTYPE_COUNT];
  count_dtypes(checkpoint, counts);
  json_begin_object(&w);
  json_key(&w, "weights");
  json_string(&w, checkpoint->path);
  write_model(&w, model);
  json_key(&w, "recipe_source");
  json_string(&w, checkpoint->has_recipe ? "checkpoint" : "architecture");
  json_key(&w, "dtypes");
  json_begin_object(&w);
  for (int d = 0; d < DTYPE_COUNT; d++) {
    if (counts[d] == 0) continue;
    json_key(&w, dtype_name((enum dtype)d));
    json_integer(&w, (int64_t)counts[d]);
  }
  json_end_object(&w);
  json_key(&w, "class_names");
  json_begin_array(&w);
  for (size_t i = 0; i < checkpoint->class_count; i++) json_string(&w, checkpoint->class_names[i]);
  json_end_array(&w);
  if (tensors) {
    json_key(&w, "tensors");
    json_begin_array(&w);
    for (size_t i = 0; i < checkpoint->count; i++) write_tensor(&w, &checkpoint->tensors[i]);
    json_end_array(&w);
  }
  json_end_object(&w);
  return json_writer_finish(&w, e);
}

/* ---- text ---- */

static void print_recipe(const struct recipe *r, bool is_own) {
  printf("input          %d x %d pixels\n", r->height, r->width);
  printf("preprocessing  ");
  int shorter = r->height < r->width ? r->height : r->width;
  int resized = r->resize ? r->resize : (int)floor(shorter / r->crop_fraction);
  switch (r->crop_mode) {
    case CROP_CENTER:
      printf("shorter side to %d (%s), centre crop", resized, filter_name(r->filter));
      break;
    case CROP_SQUASH:
      printf("both sides to the input (%s)", filter_name(r->filter));
      break;
    case CROP_NONE:
      printf("pictures must have the input's size");
      break;
  }
  printf("; %s\n", is_own ? "as the checkpoint says" : "the architecture's default");
  printf("mean, std      %g %g %g, %g %g %g\n", (double)r->mean[0], (double)r->mean[1], (double)r->mean[2],
         (double)r->std[0], (double)r->std[1], (double)r->std[2]);
}

/* What `features --features` can give; blocks as a range. */
static void print_outputs(const struct plan *plan) {
  int blocks = 0;
  printf("outputs        ");
  for (int i = 0, printed = 0; plan_offered(plan, i); i++) {
    bool block = !strncmp(plan_offered(plan, i), "block:", 6);
    blocks += block;
    if (!block) printf(printed++ ? ", %s" : "%s", plan_offered(plan, i));
  }
  if (blocks > 0) printf(", block:0 to block:%d (or block:N:tokens)", blocks / 2 - 1);
  printf("\n");
}

static void print_text(const struct checkpoint *checkpoint, const struct model *model) {
  struct model_info own = model_info(model), *info = &own;
  size_t counts[DTYPE_COUNT];
  count_dtypes(checkpoint, counts);
  printf("architecture   %s (%s family)\n", info->arch, info->family);
  printf("names          %s\n", info->scheme);
  printf("tensors        %zu:", checkpoint->count);
  for (int d = 0; d < DTYPE_COUNT; d++) {
    if (counts[d]) printf(" %zu %s", counts[d], dtype_name((enum dtype)d));
  }
  printf("\nparameters     %lld\n", (long long)info->parameters);
  printf("compute        %.3f GFLOPs an image (a multiply-add counts as two)\n", info->gflops);
  printf("features       %d\n", info->features);
  print_outputs(model_plan(model));
  if (info->classes == 0) {
    printf("classes        none: there is no head\n");
  } else if (checkpoint->class_count == 0) {
    printf("classes        %d, without names\n", info->classes);
  } else {
    printf("classes        %d: %s, ...\n", info->classes, checkpoint->class_names[0]);
  }
  print_recipe(&info->recipe, checkpoint->has_recipe);
}

static void print_tensors(const struct checkpoint *checkpoint) {
  for (size_t i = 0; i < checkpoint->count; i++) {
    const struct tensor *t = &checkpoint->tensors[i];
    printf("%-4s [", dtype_name(t->dtype));
    for (int d = 0; d < t->dimensions; d++) printf(d ? ", %lld" : "%lld", (long long)t->shape[d]);
    printf("] %s", t->name);
    if (strcmp(t->name, t->source_name) != 0) printf(" (%s)", t->source_name);
    printf("%s\n", t->used ? "" : " not used");
  }
}

/* ---- the command ---- */

/* A checkpoint that no architecture fits still has its tensors listed: the list is what helps to find out why. */
static int inspect(struct checkpoint *checkpoint, const char *arch, bool json, bool tensors, error *e) {
  struct model_options options = {.arch = arch, .allow_unused = true};
  struct model *model = NULL;
  int status = keys_canonicalize(checkpoint, e);
  if (status == OK) status = model_load(&model, checkpoint, &options, e);
  if (status == OK) {
    if (json)
      status = print_json(checkpoint, model, tensors, e);
    else
      print_text(checkpoint, model);
  }
  if (tensors && !json) print_tensors(checkpoint);
  model_free(model);
  return status;
}

static int run(const struct arguments *arguments, error *e) {
  struct checkpoint checkpoint;
  const char *part = option_text(arguments, "--state-dict");
  if (checkpoint_open(&checkpoint, positional(arguments, 0), e) != OK) return FAILED;
  int status = part ? checkpoint_select(&checkpoint, part, e) : OK;
  if (status == OK)
    status = inspect(&checkpoint, option_text(arguments, "--arch"), option_given(arguments, "--json"),
                     option_given(arguments, "--tensors"), e);
  checkpoint_close(&checkpoint);
  return status;
}

static const struct option options[] = {
    {"--arch", 0, "NAME", "the architecture, when the checkpoint does not tell"},
    {"--state-dict", 0, "NAME", "which of several networks in one .pth file: teacher, model_ema, ..."},
    {"--tensors", 0, NULL, "list every tensor: dtype, shape, canonical name, name in the file"},
    {"--json", 0, NULL, "one JSON object on standard output"},
    {0},
};

const struct command command_inspect = {
    .name = "inspect",
    .usage = "WEIGHTS",
    .summary = "what a checkpoint is: architecture, size, preprocessing",
    .details =
        "Prints the architecture, whose names the tensors have, dtypes, parameters, GFLOPs, the width of the features\n"
        "and the preprocessing recipe of a .safetensors or .pth file or a folder as hubs\n"
        "lay it out.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
