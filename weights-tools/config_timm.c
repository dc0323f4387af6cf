/* timm's config.json: {"architecture": "resnet50", "pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.95,
 * "interpolation": "bicubic", ...}, "label_names": [...]}; older ones have the inner keys outside. */
#include <stdio.h>
#include <string.h>

#include "weights-tools/config.h"

/* timm's resolve_data_config(): what counts when the configuration does not say. */
static const struct recipe timm_default = {.crop_fraction = 0.875,
                                           .filter = FILTER_BICUBIC,
                                           .crop_mode = CROP_CENTER,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {0.229f, 0.224f, 0.225f}};

static bool is_given(const struct json *config, const char *key) {
  const struct json *value = json_get(config, key);
  return value && value->type != JSON_NULL;
}

static int read_recipe(struct recipe *r, const struct json *config, error *e) {
  double size[3];
  *r = timm_default;
  if (!json_read_numbers(json_get(config, "input_size"), size, 3) || size[0] != 3 || !(size[1] >= 1 && size[1] < 1e6) ||
      !(size[2] >= 1 && size[2] < 1e6))
    return fail(e, "input_size is not [3, height, width]");
  r->height = (int)size[1];
  r->width = (int)size[2];
  if (is_given(config, "crop_pct") && !json_get_number(config, "crop_pct", &r->crop_fraction))
    return fail(e, "crop_pct is not a number");
  if (is_given(config, "interpolation")) {
    const char *name = json_get_string(config, "interpolation");
    if (filter_from_name(&r->filter, name ? name : "?", e) != OK) return FAILED;
  }
  if (is_given(config, "crop_mode")) {
    const char *name = json_get_string(config, "crop_mode");
    if (crop_mode_from_name(&r->crop_mode, name ? name : "?", e) != OK) return FAILED;
  }
  if (is_given(config, "mean") && config_read_triple(config, "mean", r->mean, e) != OK) return FAILED;
  if (is_given(config, "std") && config_read_triple(config, "std", r->std, e) != OK) return FAILED;
  return recipe_check(r, e);
}

/* timm's global_pool as a hint. "" is no pooling: what the network does by itself. */
static int read_pooling(struct hints *hints, const char *pool, error *e) {
  static const char *const known[] = {"", "avg", "token", "map"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i], pool) != 0) continue;
    snprintf(hints->pooling, sizeof hints->pooling, "%s", pool);
    return OK;
  }
  return fail(e, "global_pool \"%.40s\" is not supported: avg, token, map are", pool);
}

/* What the model was made with beyond its name. */
static int read_arguments(struct checkpoint *checkpoint, const struct json *config, error *e) {
  const struct json *arguments = json_get(config, "model_args");
  const char *pool = json_get_string(arguments, "global_pool"), *activation = json_get_string(arguments, "act_layer");
  if (!pool) pool = json_get_string(config, "global_pool");
  if (pool && read_pooling(&checkpoint->hints, pool, e) != OK) return FAILED;
  return activation ? config_read_activation(&checkpoint->hints, activation, e) : OK;
}

int config_read_timm(struct checkpoint *checkpoint, const struct json *config, error *e) {
  const struct json *pretrained = json_get(config, "pretrained_cfg");
  if (!pretrained || pretrained->type != JSON_OBJECT) pretrained = config;
  if (config_set_arch(checkpoint, e, "%s", json_get_string(config, "architecture")) != OK) return FAILED;
  if (read_arguments(checkpoint, config, e) != OK) return FAILED;
  if (is_given(pretrained, "input_size")) {
    if (read_recipe(&checkpoint->recipe, pretrained, e) != OK) return FAILED;
    checkpoint->has_recipe = true;
  }
  const struct json *names = json_get(config, "label_names");
  if (!names || names->type == JSON_NULL) names = json_get(pretrained, "label_names");
  if (names && names->type != JSON_NULL) return config_take_class_names(checkpoint, names, e);
  return OK;
}
