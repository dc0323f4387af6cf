/* transformers' config.json and preprocessor_config.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights-tools/config.h"

/* ---- config.json ---- */

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
    free(checkpoint->arch);
    checkpoint->arch = copy_string(r->arch, e);
    return checkpoint->arch ? OK : FAILED;
  }
  return OK;
}

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

int config_read_transformers(struct checkpoint *checkpoint, const struct json *config, error *e) {
  if (!strcmp(json_get_string(config, "model_type"), "resnet") && read_resnet(checkpoint, config, e) != OK)
    return FAILED;
  const struct json *labels = json_get(config, "id2label");
  return labels && labels->type != JSON_NULL ? take_id2label(checkpoint, labels, e) : OK;
}

/* ---- preprocessor_config.json ---- */

/* The kinds of image processor, told apart by name: they read `size` differently. */
enum processor {
  CROPPING, /* CLIP, Bit: shorter side to `size`, then a centre crop of `crop_size` */
  CONVNEXT, /* shorter side to size / crop_pct and a centre crop of size; from 384 on squashed */
  SQUASHING /* ViT, DeiT, BEiT: both sides to `size`, then a centre crop where do_center_crop says so */
};

static int find_processor(const struct json *p, enum processor *kind, error *e) {
  static const struct {
    const char *part;
    enum processor kind;
  } kinds[] = {{"ConvNext", CONVNEXT}, {"CLIP", CROPPING},  {"Bit", CROPPING},
               {"ViT", SQUASHING},     {"DeiT", SQUASHING}, {"Beit", SQUASHING}};
  const char *name = json_get_string(p, "image_processor_type");
  if (!name) name = json_get_string(p, "feature_extractor_type");
  if (!name) return fail(e, "it does not say its image_processor_type");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strncmp(name, kinds[i].part, strlen(kinds[i].part)) != 0) continue;
    *kind = kinds[i].kind;
    return OK;
  }
  return fail(e, "image processor \"%.60s\" is not supported", name);
}

/* 224, {"shortest_edge": 224} or {"height": 224, "width": 224}. */
struct extent {
  int64_t height, width;
  bool is_shortest_edge;
};

static int read_extent(const struct json *p, const char *key, bool integer_is_shortest, struct extent *extent,
                       error *e) {
  const struct json *value = json_get(p, key);
  bool found = false;
  if (json_get_integer(p, key, &extent->height)) {
    extent->width = extent->height;
    extent->is_shortest_edge = integer_is_shortest;
    found = true;
  } else if (json_get_integer(value, "shortest_edge", &extent->height)) {
    extent->width = extent->height;
    extent->is_shortest_edge = true;
    found = json_get(value, "longest_edge") == NULL;
  } else {
    extent->is_shortest_edge = false;
    found = json_get_integer(value, "height", &extent->height) && json_get_integer(value, "width", &extent->width);
  }
  if (!found || extent->height < 1 || extent->width < 1 || extent->height > 100000 || extent->width > 100000)
    return fail(e, "%s is not a supported size", key);
  return OK;
}

/* PIL's numbers. */
static int read_resample(const struct json *p, enum filter *filter, error *e) {
  int64_t number;
  if (!json_get_integer(p, "resample", &number)) return fail(e, "it does not say its resample");
  if (number == 0) {
    *filter = FILTER_NEAREST;
  } else if (number == 2) {
    *filter = FILTER_BILINEAR;
  } else if (number == 3) {
    *filter = FILTER_BICUBIC;
  } else {
    return fail(e, "resample %lld is not supported: 0 (nearest), 2 (bilinear), 3 (bicubic) are", (long long)number);
  }
  return OK;
}

static bool read_switch(const struct json *p, const char *key, bool otherwise) {
  json_get_boolean(p, key, &otherwise);
  return otherwise;
}

static int read_normalisation(const struct json *p, struct recipe *r, error *e) {
  double factor = 1.0 / 255;
  json_get_number(p, "rescale_factor", &factor);
  if (!read_switch(p, "do_rescale", true) || fabs(factor * 255 - 1) > 1e-6)
    return fail(e, "pixels that are not scaled to [0, 1] are not supported");
  for (int c = 0; c < 3; c++) r->std[c] = 1;
  if (!read_switch(p, "do_normalize", true)) return OK;
  if (config_read_triple(p, "image_mean", r->mean, e) != OK) return FAILED;
  return config_read_triple(p, "image_std", r->std, e);
}

static int read_convnext(const struct json *p, struct recipe *r, error *e) {
  struct extent size;
  if (read_extent(p, "size", true, &size, e) != OK) return FAILED;
  if (!size.is_shortest_edge) return fail(e, "size is not a shortest_edge");
  r->height = r->width = (int)size.height;
  if (size.height >= 384) {
    r->crop_mode = CROP_SQUASH;
    return OK;
  }
  r->crop_fraction = 224.0 / 256;
  json_get_number(p, "crop_pct", &r->crop_fraction);
  return OK;
}

static int read_sizes(const struct json *p, enum processor kind, struct recipe *r, error *e) {
  struct extent size, crop;
  bool crops = read_switch(p, "do_center_crop", kind == CROPPING);
  if (read_extent(p, "size", kind == CROPPING, &size, e) != OK) return FAILED;
  crop = size;
  if (crops && read_extent(p, "crop_size", false, &crop, e) != OK) return FAILED;
  r->height = (int)crop.height;
  r->width = (int)crop.width;
  if (size.is_shortest_edge) {
    if (!crops) return fail(e, "a shortest_edge without a centre crop gives pictures of no fixed size");
    r->resize = (int)size.height;
    int64_t shorter = crop.height < crop.width ? crop.height : crop.width;
    if (shorter > size.height) return fail(e, "a crop_size above the size is not supported");
    r->crop_fraction = (double)shorter / (double)size.height;
    return OK;
  }
  if (crop.height != size.height || crop.width != size.width)
    return fail(e, "a centre crop after a resize of both sides is not supported");
  r->crop_mode = CROP_SQUASH;
  return OK;
}

int config_read_preprocessor(struct checkpoint *checkpoint, const struct json *p, error *e) {
  struct recipe r = {.crop_fraction = 1, .crop_mode = CROP_CENTER};
  enum processor kind = CROPPING;
  if (p->type != JSON_OBJECT) return fail(e, "not a JSON object");
  if (find_processor(p, &kind, e) != OK || read_normalisation(p, &r, e) != OK) return FAILED;
  if ((kind == CONVNEXT ? read_convnext(p, &r, e) : read_sizes(p, kind, &r, e)) != OK) return FAILED;
  if (!read_switch(p, "do_resize", true)) {
    if (read_switch(p, "do_center_crop", false)) return fail(e, "a centre crop without a resize is not supported");
    r.crop_mode = CROP_NONE;
    r.crop_fraction = 1;
  } else if (read_resample(p, &r.filter, e) != OK) {
    return FAILED;
  }
  if (recipe_check(&r, e) != OK) return FAILED;
  checkpoint->recipe = r;
  checkpoint->has_recipe = true;
  return OK;
}
