/* transformers' config.json: what it says of the network beyond names and shapes, timm's name for it where its sizes
 * have one, and the class names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights-tools/config.h"

/* ---- ResNet ---- */

static const struct resnet {
  const char *arch;
  bool bottleneck;
  int depths[4];
} resnets[] = {
    {"resnet18", false, {2, 2, 2, 2}}, {"resnet34", false, {3, 4, 6, 3}},  {"resnet26", true, {2, 2, 2, 2}},
    {"resnet50", true, {3, 4, 6, 3}},  {"resnet101", true, {3, 4, 23, 3}}, {"resnet152", true, {3, 8, 36, 3}},
};

static bool has_depths(const struct resnet *r, const double depths[static 4]) {
  for (int i = 0; i < 4; i++) {
    if (r->depths[i] != depths[i]) return false;
  }
  return true;
}

/* ResNetConfig. An unusual depth or width keeps arch NULL: names and shapes decide. */
static int read_resnet(struct checkpoint *checkpoint, const struct json *config, error *e) {
  bool flag;
  if (json_get_boolean(config, "downsample_in_bottleneck", &flag) && flag)
    return fail(e, "downsample_in_bottleneck (the stride on the first 1x1 convolution) is not supported");
  if (json_get_boolean(config, "downsample_in_first_stage", &flag) && flag)
    return fail(e, "downsample_in_first_stage is not supported");
  const char *activation = json_get_string(config, "hidden_act"), *layer = json_get_string(config, "layer_type");
  if (activation && strcmp(activation, "relu") != 0)
    return fail(e, "hidden_act \"%.40s\" is not supported", activation);
  if (layer && strcmp(layer, "basic") != 0 && strcmp(layer, "bottleneck") != 0)
    return fail(e, "layer_type \"%.40s\" is not supported", layer);
  double depths[4], widths[4], stem = 64;
  if (!json_read_numbers(json_get(config, "depths"), depths, 4)) return OK;
  if (!json_read_numbers(json_get(config, "hidden_sizes"), widths, 4)) return OK;
  json_get_number(config, "embedding_size", &stem);
  bool bottleneck = !layer || !strcmp(layer, "bottleneck");
  if (stem != 64 || widths[0] != (bottleneck ? 256 : 64)) return OK;
  for (size_t i = 0; i < sizeof resnets / sizeof *resnets; i++) {
    const struct resnet *r = &resnets[i];
    if (r->bottleneck != bottleneck || !has_depths(r, depths)) continue;
    return config_set_arch(checkpoint, e, "%s", r->arch);
  }
  return OK;
}

/* ---- transformers ---- */

/* What a model type's configuration says where a file leaves it out. */
struct defaults {
  const char *model_type;
  bool is_nested; /* in vision_config, beside a text tower */
  int width, depth, heads, image, patch;
  double epsilon;
  const char *activation;
  const char *pooling; /* of the features, where it is not what names and shapes suggest */
  const char *arch;    /* timm's name: SIZE, PATCH, IMAGE and QUICK (of OpenAI's GELU) stand for what the sizes give */
};

static const struct defaults vits[] = {
    {"vit", false, 768, 12, 12, 224, 16, 1e-12, "gelu", "", "vit_SIZE_patchPATCH_IMAGE"},
    {"vit_mae", false, 768, 12, 12, 224, 16, 1e-12, "gelu", "", "vit_SIZE_patchPATCH_IMAGE"},
    {"deit", false, 768, 12, 12, 224, 16, 1e-12, "gelu", "", "deit_SIZE_distilled_patchPATCH_IMAGE"},
    {"dinov2", false, 768, 12, 12, 224, 14, 1e-6, "gelu", "token", "vit_SIZE_patchPATCH_dinov2"},
    {"dinov2_with_registers", false, 768, 12, 12, 224, 16, 1e-6, "gelu", "token", "vit_SIZE_patchPATCH_reg4_dinov2"},
    {"dinov3_vit", false, 384, 12, 6, 224, 16, 1e-5, "gelu", "token", "vit_SIZE_patchPATCH_dinov3"},
    {"clip", true, 768, 12, 12, 224, 32, 1e-5, "quick_gelu", "", "vit_SIZE_patchPATCH_clip_QUICKIMAGE"},
    {"clip_vision_model", false, 768, 12, 12, 224, 32, 1e-5, "quick_gelu", "", "vit_SIZE_patchPATCH_clip_QUICKIMAGE"},
    {"siglip", true, 768, 12, 12, 224, 16, 1e-6, "gelu_pytorch_tanh", "", "vit_SIZE_patchPATCH_siglip_IMAGE"},
    {"siglip_vision_model", false, 768, 12, 12, 224, 16, 1e-6, "gelu_pytorch_tanh", "",
     "vit_SIZE_patchPATCH_siglip_IMAGE"},
};

/* What these names call each size. */
static const struct size {
  const char *name;
  int width, depth;
} sizes[] = {
    {"tiny", 192, 12},   {"small", 384, 12},  {"base", 768, 12},    {"large", 1024, 24},    {"huge", 1280, 32},
    {"giant", 1408, 40}, {"giant", 1536, 40}, {"so400m", 1152, 27}, {"gigantic", 1664, 48},
};

/* 224, or [224, 224]. */
static int read_size(const struct json *config, const char *key, int otherwise, int *size, error *e) {
  const struct json *value = json_get(config, key);
  double pair[2] = {otherwise, otherwise};
  if (value && !json_read_numbers(value, pair, 2)) {
    if (!json_get_number(config, key, &pair[0])) return fail(e, "%s is not a size", key);
    pair[1] = pair[0];
  }
  if (pair[0] != pair[1]) return fail(e, "%s of two different sides is not supported", key);
  if (!(pair[0] >= 1 && pair[0] <= 1e6)) return fail(e, "%s is out of range", key);
  *size = (int)pair[0];
  return OK;
}

int config_read_activation(struct hints *hints, const char *name, error *e) {
  static const char *const names[][2] = {{"gelu", "gelu"},
                                         {"gelu_pytorch_tanh", "gelu_tanh"},
                                         {"gelu_new", "gelu_tanh"},
                                         {"gelu_tanh", "gelu_tanh"},
                                         {"quick_gelu", "quick_gelu"},
                                         {"silu", "silu"},
                                         {"swish", "silu"},
                                         {"relu", "relu"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i][0]) != 0) continue;
    snprintf(hints->activation, sizeof hints->activation, "%s", names[i][1]);
    return OK;
  }
  return fail(e, "activation \"%.40s\" is not supported", name);
}

static int read_epsilon(struct hints *hints, const struct json *config, double otherwise, error *e) {
  hints->norm_epsilon = otherwise;
  json_get_number(config, "layer_norm_eps", &hints->norm_epsilon);
  return hints->norm_epsilon > 0 && hints->norm_epsilon < 1 ? OK : fail(e, "layer_norm_eps is not within (0, 1)");
}

/* Timm's name out of the pattern `arch`. An unusual size keeps what is known: names and shapes decide. */
int config_name_vit(struct checkpoint *checkpoint, const char *pattern, int width, int depth, int patch, int image,
                    error *e) {
  const char *size = NULL;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    if (sizes[i].width == width && sizes[i].depth == depth) size = sizes[i].name;
  }
  if (!size) return OK;
  bool quick = !strcmp(checkpoint->hints.activation, "quick_gelu");
  char arch[128] = "", number[2][16];
  snprintf(number[0], sizeof number[0], "%d", patch);
  snprintf(number[1], sizeof number[1], "%d", image);
  const char *const words[][2] = {
      {"SIZE", size}, {"PATCH", number[0]}, {"IMAGE", number[1]}, {"QUICK", quick ? "quickgelu_" : ""}};
  for (size_t used = 0; *pattern && used + 16 < sizeof arch; used = strlen(arch)) {
    size_t word = 0;
    while (word < 4 && strncmp(pattern, words[word][0], strlen(words[word][0])) != 0) word++;
    if (word < 4)
      snprintf(arch + used, sizeof arch - used, "%s", words[word][1]);
    else
      snprintf(arch + used, sizeof arch - used, "%c", *pattern);
    pattern += word < 4 ? strlen(words[word][0]) : 1;
  }
  return config_set_arch(checkpoint, e, "%s", arch);
}

static bool is_classifier(const struct json *config) {
  const struct json *architectures = json_get(config, "architectures");
  if (!architectures || architectures->type != JSON_ARRAY) return true;
  for (const struct json *name = architectures->first; name; name = name->next) {
    if (name->type == JSON_STRING && strstr(name->string, "Classification")) return true;
  }
  return false;
}

/* DINOv3's rotary positions come in one kind, its gate and its biases in two. */
static int read_dinov3(struct checkpoint *checkpoint, const struct json *config, error *e) {
  double theta = 100;
  bool gated = false, biased = true;
  json_get_number(config, "rope_theta", &theta);
  json_get_boolean(config, "use_gated_mlp", &gated);
  json_get_boolean(config, "query_bias", &biased);
  if (theta != 100) return fail(e, "rope_theta %g is not supported: 100 is", theta);
  if (!checkpoint->arch) return OK;
  char arch[64];
  size_t size = strcspn(checkpoint->arch + 4, "_") + 4; /* "vit_SIZE" */
  snprintf(arch, sizeof arch, "%.*s%s%s%s", (int)size, checkpoint->arch, gated ? "_plus" : "", checkpoint->arch + size,
           biased ? "_qkvb" : "");
  return config_set_arch(checkpoint, e, "%s", arch);
}

static int read_vit(struct checkpoint *checkpoint, const struct json *config, const struct defaults *d, error *e) {
  const struct json *vision = d->is_nested ? json_get(config, "vision_config") : config;
  struct hints *hints = &checkpoint->hints;
  int width, depth, image, patch;
  if (read_size(vision, "hidden_size", d->width, &width, e) != OK ||
      read_size(vision, "num_hidden_layers", d->depth, &depth, e) != OK ||
      read_size(vision, "num_attention_heads", d->heads, &hints->heads, e) != OK ||
      read_size(vision, "image_size", d->image, &image, e) != OK ||
      read_size(vision, "patch_size", d->patch, &patch, e) != OK)
    return FAILED;
  const char *activation = json_get_string(vision, "hidden_act");
  if (config_read_activation(hints, activation ? activation : d->activation, e) != OK) return FAILED;
  if (read_epsilon(hints, vision, d->epsilon, e) != OK) return FAILED;
  hints->plain_resampling = !strcmp(d->model_type, "dinov2");
  bool is_joined = !strncmp(d->model_type, "dinov2", 6) && json_get(config, "architectures") && is_classifier(config);
  snprintf(hints->pooling, sizeof hints->pooling, "%s", is_joined ? "token+avg" : d->pooling);
  if (config_name_vit(checkpoint, d->arch, width, depth, patch, image, e) != OK) return FAILED;
  return !strcmp(d->model_type, "dinov3_vit") ? read_dinov3(checkpoint, config, e) : OK;
}

/* ---- Swin and ConvNeXt ---- */

/* Sizes by what the first stage is wide and the stages are deep. */
static const struct pyramid {
  const char *model_type, *name;
  int width, depths[4];
} pyramids[] = {
    {"swin", "tiny", 96, {2, 2, 6, 2}},         {"swin", "small", 96, {2, 2, 18, 2}},
    {"swin", "base", 128, {2, 2, 18, 2}},       {"swin", "large", 192, {2, 2, 18, 2}},
    {"swinv2", "tiny", 96, {2, 2, 6, 2}},       {"swinv2", "small", 96, {2, 2, 18, 2}},
    {"swinv2", "base", 128, {2, 2, 18, 2}},     {"swinv2", "large", 192, {2, 2, 18, 2}},
    {"convnext", "tiny", 96, {3, 3, 9, 3}},     {"convnext", "small", 96, {3, 3, 27, 3}},
    {"convnext", "base", 128, {3, 3, 27, 3}},   {"convnext", "large", 192, {3, 3, 27, 3}},
    {"convnext", "xlarge", 256, {3, 3, 27, 3}}, {"convnextv2", "atto", 40, {2, 2, 6, 2}},
    {"convnextv2", "femto", 48, {2, 2, 6, 2}},  {"convnextv2", "pico", 64, {2, 2, 6, 2}},
    {"convnextv2", "nano", 80, {2, 2, 8, 2}},   {"convnextv2", "tiny", 96, {3, 3, 9, 3}},
    {"convnextv2", "base", 128, {3, 3, 27, 3}}, {"convnextv2", "large", 192, {3, 3, 27, 3}},
    {"convnextv2", "huge", 352, {3, 3, 27, 3}},
};

/* The size's name, or NULL. */
static const char *find_pyramid(const char *model_type, double width, const double depths[static 4]) {
  for (size_t i = 0; i < sizeof pyramids / sizeof *pyramids; i++) {
    const struct pyramid *p = &pyramids[i];
    bool fits = !strcmp(p->model_type, model_type) && p->width == width;
    for (int s = 0; s < 4; s++) fits = fits && p->depths[s] == depths[s];
    if (fits) return p->name;
  }
  return NULL;
}

static int refuse_other_activation(const struct json *config, error *e) {
  const char *activation = json_get_string(config, "hidden_act");
  return !activation || !strcmp(activation, "gelu") ? OK : fail(e, "hidden_act \"%.40s\" is not supported", activation);
}

static int read_swin(struct checkpoint *checkpoint, const struct json *config, const char *model_type, error *e) {
  bool v2 = !strcmp(model_type, "swinv2");
  struct hints *hints = &checkpoint->hints;
  int image, patch, width;
  double depths[4] = {2, 2, 6, 2}, trained[4] = {0};
  if (refuse_other_activation(config, e) != OK || read_epsilon(hints, config, 1e-5, e) != OK ||
      read_size(config, "embed_dim", 96, &width, e) != OK || read_size(config, "image_size", 224, &image, e) != OK ||
      read_size(config, "patch_size", 4, &patch, e) != OK ||
      read_size(config, "window_size", v2 ? 8 : 7, &hints->window, e) != OK)
    return FAILED;
  const struct json *windows = json_get(config, "pretrained_window_sizes");
  if (windows && !json_read_numbers(windows, trained, 4))
    return fail(e, "pretrained_window_sizes are not one for each of four stages");
  for (int s = 0; s < 4; s++) {
    if (!(trained[s] >= 0 && trained[s] <= 1024)) return fail(e, "pretrained_window_sizes are out of range");
    hints->trained_window[s] = (int)trained[s];
  }
  const struct json *given = json_get(config, "depths");
  if (given && !json_read_numbers(given, depths, 4)) return OK;
  const char *size = find_pyramid(model_type, width, depths);
  if (!size || patch != 4) return OK;
  if (!v2) return config_set_arch(checkpoint, e, "swin_%s_patch4_window%d_%d", size, hints->window, image);
  if (trained[0] <= 0) return config_set_arch(checkpoint, e, "swinv2_%s_window%d_%d", size, hints->window, image);
  /* Trained with a window of 12 at 192 pixels, later refined with a larger one. */
  return config_set_arch(checkpoint, e, "swinv2_%s_window%dto%d_%dto%d", size, hints->trained_window[0], hints->window,
                         hints->trained_window[0] * 16, image);
}

static int read_convnext(struct checkpoint *checkpoint, const struct json *config, const char *model_type, error *e) {
  double depths[4] = {3, 3, 9, 3}, widths[4] = {96, 192, 384, 768};
  if (refuse_other_activation(config, e) != OK) return FAILED;
  const struct json *given = json_get(config, "depths"), *wide = json_get(config, "hidden_sizes");
  if (given && !json_read_numbers(given, depths, 4)) return OK;
  if (wide && !json_read_numbers(wide, widths, 4)) return OK;
  const char *size = find_pyramid(model_type, widths[0], depths);
  return size ? config_set_arch(checkpoint, e, "%s_%s", model_type, size) : OK;
}

/* ---- class names ---- */

/* {"0": "tench", "1": "goldfish", ...} in any order. */
static int take_id2label(struct checkpoint *checkpoint, const struct json *map, error *e) {
  if (map->type != JSON_OBJECT) return fail(e, "id2label is not an object");
  if (map->length == 0 || checkpoint->class_names) return OK;
  checkpoint->class_names = allocate_zeroed(map->length, sizeof *checkpoint->class_names, e);
  if (!checkpoint->class_names) return FAILED;
  checkpoint->class_count = map->length;
  for (const struct json *label = map->first; label; label = label->next) {
    char *end;
    unsigned long id = strtoul(label->key, &end, 10);
    bool is_number = label->key[0] >= '0' && label->key[0] <= '9' && !*end;
    if (!is_number || id >= map->length || checkpoint->class_names[id] || !json_is_plain_string(label))
      return fail(e, "id2label does not map 0 to %zu to names, each once", map->length - 1);
    checkpoint->class_names[id] = copy_string(label->string, e);
    if (!checkpoint->class_names[id]) return FAILED;
  }
  return OK;
}

static int read_network(struct checkpoint *checkpoint, const struct json *config, error *e) {
  const char *type = json_get_string(config, "model_type");
  if (!strcmp(type, "resnet")) return read_resnet(checkpoint, config, e);
  if (!strcmp(type, "swin") || !strcmp(type, "swinv2")) return read_swin(checkpoint, config, type, e);
  if (!strcmp(type, "convnext") || !strcmp(type, "convnextv2")) return read_convnext(checkpoint, config, type, e);
  for (size_t i = 0; i < sizeof vits / sizeof *vits; i++) {
    if (!strcmp(type, vits[i].model_type)) return read_vit(checkpoint, config, &vits[i], e);
  }
  return OK; /* some other network: names and shapes will tell */
}

int config_read_transformers(struct checkpoint *checkpoint, const struct json *config, error *e) {
  if (read_network(checkpoint, config, e) != OK) return FAILED;
  const struct json *labels = json_get(config, "id2label");
  if (!labels || labels->type == JSON_NULL || !is_classifier(config)) return OK;
  return take_id2label(checkpoint, labels, e);
}
