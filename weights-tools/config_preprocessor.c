/* transformers' preprocessor_config.json. */
#include <math.h>
#include <string.h>

#include "weights-tools/config.h"

/* The kinds of image processor, told apart by name: they read `size` differently. */
enum processor {
  CROPPING, /* CLIP, Bit (DINOv2's): shorter side to `size`, then a centre crop of `crop_size` */
  CONVNEXT, /* shorter side to size / crop_pct and a centre crop of size; from 384 on squashed */
  SQUASHING /* ViT (Swin's), DeiT, SigLIP, ...: both sides to `size`, then a centre crop where it says so */
};

static int find_processor(const struct json *p, enum processor *kind, error *e) {
  static const struct {
    const char *beginning; /* ...ImageProcessor, ...ImageProcessorFast, ...FeatureExtractor */
    enum processor kind;
  } kinds[] = {{"ConvNext", CONVNEXT}, {"CLIP", CROPPING},  {"Bit", CROPPING},     {"ViT", SQUASHING},
               {"DeiT", SQUASHING},    {"Beit", SQUASHING}, {"Siglip", SQUASHING}, {"DINOv3ViT", SQUASHING}};
  const char *name = json_get_string(p, "image_processor_type");
  if (!name) name = json_get_string(p, "feature_extractor_type");
  if (!name) return fail(e, "it does not say its image_processor_type");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strncmp(name, kinds[i].beginning, strlen(kinds[i].beginning)) != 0) continue;
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

/* By Pillow's numbers. */
static int read_resample(const struct json *p, enum filter *filter, error *e) {
  static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
  int64_t number;
  if (!json_get_integer(p, "resample", &number)) return fail(e, "it does not say its resample");
  if (number < 0 || number >= (int64_t)(sizeof names / sizeof *names))
    return fail(e, "resample %lld is not supported", (long long)number);
  if (filter_from_name(filter, names[number], e) == OK) return OK;
  return fail_within(e, "resample %lld", (long long)number);
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

static int read_crop(const struct extent *size, const struct extent *crop, struct recipe *r, error *e) {
  int64_t shorter = crop->height < crop->width ? crop->height : crop->width;
  if (shorter > size->height) return fail(e, "a crop_size above the size is not supported");
  r->resize = (int)size->height;
  r->crop_fraction = (double)shorter / (double)size->height;
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
    return read_crop(&size, &crop, r, e);
  }
  r->crop_mode = CROP_SQUASH;
  if (crop.height == size.height && crop.width == size.width) return OK;
  if (size.height != size.width) return fail(e, "a centre crop out of pictures that are not square is not supported");
  return read_crop(&size, &crop, r, e);
}

int config_read_preprocessor(struct checkpoint *checkpoint, const struct json *p, error *e) {
  struct recipe r = {.crop_fraction = 1, .crop_mode = CROP_CENTER, .crop_floor = true};
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
