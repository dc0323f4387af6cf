/* open_clip's open_clip_config.json: {"model_cfg": {"quick_gelu": ..., "vision_cfg": {...}}, "preprocess_cfg": {...}}.
 */
#include <stdio.h>
#include <string.h>

#include "weights-tools/config.h"

/* open_clip's default: OpenAI's. */
static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f},
                   clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

/* "size": 224 or [224, 224]. */
static int read_side(const struct json *object, const char *key, int *side, error *e) {
  const struct json *value = json_get(object, key);
  double pair[2];
  if (!value || value->type == JSON_NULL) return OK;
  if (json_get_number(object, key, &pair[0])) {
    pair[1] = pair[0];
  } else if (!json_read_numbers(value, pair, 2)) {
    return fail(e, "%s is not a size", key);
  }
  if (pair[0] != pair[1] || !(pair[0] >= 1 && pair[0] <= 1e6)) return fail(e, "%s is not the side of a square", key);
  *side = (int)pair[0];
  return OK;
}

static int read_preprocess(struct checkpoint *checkpoint, const struct json *p, int side, error *e) {
  struct recipe r = {.crop_fraction = 1, .filter = FILTER_BICUBIC, .crop_mode = CROP_CENTER};
  memcpy(r.mean, clip_mean, sizeof r.mean);
  memcpy(r.std, clip_std, sizeof r.std);
  if (read_side(p, "size", &side, e) != OK) return FAILED;
  r.height = r.width = side;
  if (json_get(p, "mean") && config_read_triple(p, "mean", r.mean, e) != OK) return FAILED;
  if (json_get(p, "std") && config_read_triple(p, "std", r.std, e) != OK) return FAILED;
  const char *filter = json_get_string(p, "interpolation"), *mode = json_get_string(p, "resize_mode");
  if (filter && filter_from_name(&r.filter, filter, e) != OK) return FAILED;
  if (mode && !strcmp(mode, "squash")) {
    r.crop_mode = CROP_SQUASH;
  } else if (mode && strcmp(mode, "shortest") != 0) {
    return fail(e, "resize_mode \"%.40s\" is not supported: shortest and squash are", mode);
  }
  if (recipe_check(&r, e) != OK) return FAILED;
  checkpoint->recipe = r;
  checkpoint->has_recipe = true;
  return OK;
}

/* A tower of open_clip's own: a vision transformer, or a ResNet where `layers` is an array. */
static int read_own_tower(struct checkpoint *checkpoint, const struct json *vision, int image, error *e) {
  struct hints *hints = &checkpoint->hints;
  const char *pool = json_get_string(vision, "pool_type");
  bool flag = false;
  if (json_get_boolean(vision, "attentional_pool", &flag) && flag) return fail(e, "attentional_pool is not supported");
  if (pool && strcmp(pool, "tok") != 0 && strcmp(pool, "avg") != 0)
    return fail(e, "pool_type \"%.40s\" is not supported: tok and avg are", pool);
  int64_t width = 768, depth = 12, head = 64, patch = 16;
  json_get_integer(vision, "width", &width);
  json_get_integer(vision, "head_width", &head);
  if (!json_get_integer(vision, "layers", &depth)) return OK;
  if (width < 1 || width > 1 << 20 || depth < 1 || depth > 1 << 20 || head < 1 || width % head != 0)
    return fail(e, "vision_cfg: width, layers or head_width is out of range");
  hints->heads = (int)(width / head);
  hints->norm_epsilon = 1e-5;
  json_get_number(json_get(vision, "norm_kwargs"), "eps", &hints->norm_epsilon);
  if (!(hints->norm_epsilon > 0 && hints->norm_epsilon < 1)) return fail(e, "norm_kwargs: eps is not within (0, 1)");
  if (pool) snprintf(hints->pooling, sizeof hints->pooling, "%s", !strcmp(pool, "avg") ? "avg" : "token");
  if (!json_get_integer(vision, "patch_size", &patch) || patch < 1 || patch > 1024) return OK;
  return config_name_vit(checkpoint, "vit_SIZE_patchPATCH_clip_QUICKIMAGE", (int)width, (int)depth, (int)patch, image,
                         e);
}

int config_read_open_clip(struct checkpoint *checkpoint, const struct json *config, error *e) {
  const struct json *model = json_get(config, "model_cfg"), *vision = json_get(model, "vision_cfg");
  if (!vision || vision->type != JSON_OBJECT) return fail(e, "it has no model_cfg with a vision_cfg");
  const char *timm = json_get_string(vision, "timm_model_name");
  const char *approximate = json_get_string(json_get(vision, "act_kwargs"), "approximate");
  bool quick = false;
  int image = 224;
  if (read_side(vision, "image_size", &image, e) != OK) return FAILED;
  json_get_boolean(model, "quick_gelu", &quick);
  if (timm) {
    if (config_set_arch(checkpoint, e, "%s", timm) != OK) return FAILED;
  } else {
    bool tanh = approximate && !strcmp(approximate, "tanh");
    if (config_read_activation(&checkpoint->hints,
                               quick  ? "quick_gelu"
                               : tanh ? "gelu_tanh"
                                      : "gelu",
                               e) != OK ||
        read_own_tower(checkpoint, vision, image, e) != OK)
      return FAILED;
  }
  return checkpoint->has_recipe ? OK : read_preprocess(checkpoint, json_get(config, "preprocess_cfg"), image, e);
}
