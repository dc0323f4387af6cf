#include "models/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "models/architecture.h"
#include "models/model_internal.h"
#include "models/placement.h"

static void add_unused(char *list, size_t size, size_t *count, const char *name) {
  size_t used = strlen(list);
  if ((*count)++ < 20 && used + strlen(name) + 3 < size) {
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
  }
}

/* Tensors that no operation takes mean that the checkpoint is another network than the one built: its features would be
 * wrong without a word. The key table knows which are harmless. */
static int refuse_unused(const struct checkpoint *checkpoint, const char *arch, error *e) {
  char list[1024] = "";
  size_t count = 0;
  for (size_t i = 0; i < checkpoint->count; i++) {
    const struct tensor *t = &checkpoint->tensors[i];
    if (!t->used && !t->harmless) add_unused(list, sizeof list, &count, t->name);
  }
  if (!count) return OK;
  return fail(e, "%zu tensor%s %s has no place for: %s%s", count, count == 1 ? " that" : "s that", arch, list,
              count > 20 ? ", ..." : "");
}

static int build(struct model *model, struct weights *weights, error *e) {
  const struct kernels *kernels = kernels_select(e);
  if (!kernels) return FAILED;
  model->plan = plan_start(kernels, weights, e);
  if (!model->plan) return FAILED;
  model->architecture.family->build(model->plan, &model->architecture, &model->recipe);
  if (!weights->failed && plan_choose(model->plan, "pooled", e) != OK) return FAILED;
  if (plan_finish(model->plan, e) != OK) return FAILED;
  model->parameters = weights->parameters;
  return OK;
}

/* What the checkpoint is: its tensors tell most, a name (of the user, a config, or the file) the rest. A name given by
 * the user that does not fit is built all the same, so that everything that is missing gets listed. */
static int settle_architecture(struct architecture *found, const struct checkpoint *checkpoint, const char *arch,
                               error *e) {
  struct architecture named;
  const char *name = arch ? arch : checkpoint->arch;
  error ignored;
  /* A wrong --arch is an error; a name in a config may be one that this program does not know. */
  bool known = name && architecture_find(name, &named, arch ? e : &ignored) == OK;
  if (arch && !known) return FAILED;
  bool seen = architecture_recognise(checkpoint, found, arch ? &ignored : e) == OK;
  if (!seen && !known) return FAILED;
  if (seen && arch && found->family != named.family)
    return fail(e, "its tensors are those of the %s family (%s), not of %s", found->family->name, found->name, arch);
  if (seen && known && found->family == named.family && named.family->adopt(checkpoint, &named, found)) {
    snprintf(found->name, sizeof found->name, "%s", named.name);
    return OK;
  }
  if (seen && !arch) return OK;
  if (seen) named.classes = found->classes;
  *found = named;
  return OK;
}

static void settle_recipe(const struct architecture *architecture, const struct checkpoint *checkpoint,
                          struct recipe *recipe) {
  if (checkpoint->has_recipe)
    *recipe = checkpoint->recipe;
  else
    architecture->family->default_recipe(architecture, recipe);
}

int model_recipe(const struct checkpoint *checkpoint, const char *arch, struct recipe *recipe, error *e) {
  struct architecture architecture;
  if (settle_architecture(&architecture, checkpoint, arch, e) != OK) return fail_within(e, "%s", checkpoint->path);
  settle_recipe(&architecture, checkpoint, recipe);
  return OK;
}

int model_load(struct model **result, struct checkpoint *checkpoint, const struct model_options *options, error *e) {
  static const struct model_options defaults;
  if (!options) options = &defaults;
  *result = NULL;
  struct model *model = allocate_zeroed(1, sizeof *model, e);
  if (!model) return FAILED;
  struct weights weights = {
      .checkpoint = checkpoint, .observe = options->observe, .observe_context = options->observe_context};
  int status = settle_architecture(&model->architecture, checkpoint, options->arch, e);
  if (status == OK) {
    if (options->recipe)
      model->recipe = *options->recipe;
    else
      settle_recipe(&model->architecture, checkpoint, &model->recipe);
    snprintf(model->scheme, sizeof model->scheme, "%s", checkpoint->scheme ? checkpoint->scheme : "timm");
    status = build(model, &weights, e);
  }
  bool allow_unused = options && options->allow_unused;
  if (status == OK && !allow_unused) status = refuse_unused(checkpoint, model->architecture.name, e);
  free(weights.problems);
  if (status != OK) {
    fail_within(e, "%s", checkpoint->path);
    model_free(model);
    return status;
  }
  memory_trim(); /* tensors on their way into packed form */
  *result = model;
  return OK;
}

int architecture_recipe(const char *arch, struct recipe *recipe, error *e) {
  struct architecture architecture;
  if (architecture_find(arch, &architecture, e) != OK) return FAILED;
  architecture.family->default_recipe(&architecture, recipe);
  return OK;
}

int model_seeded(struct model **result, const char *arch, uint64_t seed, const struct recipe *recipe, error *e) {
  *result = NULL;
  struct model *model = allocate_zeroed(1, sizeof *model, e);
  if (!model) return FAILED;
  struct weights weights = {.seed = seed};
  int status = architecture_find(arch, &model->architecture, e);
  if (status == OK) {
    if (recipe)
      model->recipe = *recipe;
    else
      model->architecture.family->default_recipe(&model->architecture, &model->recipe);
    snprintf(model->scheme, sizeof model->scheme, "seeded");
    status = build(model, &weights, e);
  }
  free(weights.problems);
  if (status != OK) {
    model_free(model);
    return status;
  }
  memory_trim(); /* tensors on their way into packed form */
  *result = model;
  return OK;
}

void model_free(struct model *model) {
  if (!model) return;
  if (model->cuda) placement_cuda->model_end(model->cuda);
  plan_free(model->plan);
  free(model);
}

int model_choose_features(struct model *model, const char *name, error *e) {
  if (plan_choose(model->plan, name, e) != OK) return FAILED;
  return plan_place(model->plan, e);
}

struct model_info model_info(const struct model *model) {
  struct value_shape features = plan_output_shape(model->plan, OUTPUT_FEATURES);
  struct hints hints = {0};
  if (model->architecture.family->describe) model->architecture.family->describe(&model->architecture, &hints);
  return (struct model_info){
      .arch = model->architecture.name,
      .family = model->architecture.family->name,
      .scheme = model->scheme,
      .parameters = model->parameters,
      .gflops = plan_flops(model->plan, true) * 1e-9,
      .computed_gflops = plan_flops(model->plan, false) * 1e-9,
      .features = features.height * features.width * features.channels,
      .tokens = features.height * features.width,
      .classes = plan_output_shape(model->plan, OUTPUT_LOGITS).channels,
      .hints = hints,
      .recipe = model->recipe,
  };
}

const struct plan *model_plan(const struct model *model) { return model->plan; }
