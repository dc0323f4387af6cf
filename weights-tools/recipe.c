#include "weights-tools/recipe.h"

#include <math.h>
#include <string.h>

#include "weights-tools/json.h"

static const char *const filter_names[] = {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"};
static const char *const crop_mode_names[] = {"center", "squash", "none"};
enum {
  FILTERS = sizeof filter_names / sizeof *filter_names,
  CROP_MODES = sizeof crop_mode_names / sizeof *crop_mode_names,
  LARGEST_INPUT = 4096, /* pixels a side: bounds what a config can make the program allocate */
};

const char *filter_name(enum filter filter) { return filter_names[filter]; }
const char *crop_mode_name(enum crop_mode mode) { return crop_mode_names[mode]; }

int filter_from_name(enum filter *filter, const char *name, error *e) {
  for (int i = 0; i < FILTERS; i++) {
    if (strcmp(filter_names[i], name) != 0) continue;
    *filter = (enum filter)i;
    return OK;
  }
  return fail(e, "interpolation \"%.40s\" is not supported: nearest, bilinear, bicubic, lanczos, box, hamming are",
              name);
}

int crop_mode_from_name(enum crop_mode *mode, const char *name, error *e) {
  for (int i = 0; i < CROP_MODES; i++) {
    if (strcmp(crop_mode_names[i], name) != 0) continue;
    *mode = (enum crop_mode)i;
    return OK;
  }
  return fail(e, "crop mode \"%.40s\" is not supported: center, squash, none are", name);
}

int recipe_check(const struct recipe *r, error *e) {
  if (r->height < 1 || r->width < 1 || r->height > LARGEST_INPUT || r->width > LARGEST_INPUT)
    return fail(e, "an input of %d x %d pixels is not supported", r->height, r->width);
  if (!(r->crop_fraction > 0.05 && r->crop_fraction <= 1)) {
    return fail(e, "a crop fraction of %g is not within (0.05, 1]", r->crop_fraction);
  }
  if (r->resize < 0 || r->resize > 4 * LARGEST_INPUT)
    return fail(e, "a resize to %d pixels is not supported", r->resize);
  for (int c = 0; c < 3; c++) {
    if (!isfinite(r->mean[c]) || !isfinite(r->std[c]) || !(r->std[c] > 0))
      return fail(e, "mean and std are not three finite numbers, std above 0");
  }
  return OK;
}

void recipe_write_members(struct json_writer *w, const struct recipe *r) {
  json_key(w, "input");
  json_begin_array(w);
  json_integer(w, 3);
  json_integer(w, r->height);
  json_integer(w, r->width);
  json_end_array(w);
  json_key(w, "crop");
  json_number(w, r->crop_fraction);
  json_key(w, "resize");
  json_integer(w, r->resize);
  json_key(w, "interpolation");
  json_string(w, filter_name(r->filter));
  json_key(w, "crop_mode");
  json_string(w, crop_mode_name(r->crop_mode));
  if (r->crop_floor) json_key(w, "crop_floor"), json_boolean(w, true);
  const float *const triples[] = {r->mean, r->std};
  for (int i = 0; i < 2; i++) {
    json_key(w, i ? "std" : "mean");
    json_begin_array(w);
    for (int c = 0; c < 3; c++) json_float(w, triples[i][c]);
    json_end_array(w);
  }
}

void recipe_write(struct json_writer *w, const struct recipe *recipe) {
  json_begin_object(w);
  recipe_write_members(w, recipe);
  json_end_object(w);
}

static bool read_triple(const struct json *array, float triple[static 3]) {
  double values[3];
  if (!json_read_numbers(array, values, 3)) return false;
  for (int c = 0; c < 3; c++) triple[c] = (float)values[c];
  return true;
}

int recipe_read(struct recipe *recipe, const struct json *object, error *e) {
  struct recipe r = {0};
  double input[3];
  int64_t resize;
  const char *filter = json_get_string(object, "interpolation"), *mode = json_get_string(object, "crop_mode");
  if (!json_read_numbers(json_get(object, "input"), input, 3) || input[0] != 3 || fabs(input[1]) > LARGEST_INPUT ||
      fabs(input[2]) > LARGEST_INPUT)
    return fail(e, "the recipe's input is not [3, height, width]");
  r.height = (int)input[1];
  r.width = (int)input[2];
  if (!json_get_number(object, "crop", &r.crop_fraction)) return fail(e, "the recipe lacks its crop");
  if (!json_get_integer(object, "resize", &resize) || resize < 0 || resize > 4 * LARGEST_INPUT)
    return fail(e, "the recipe's resize is no size");
  r.resize = (int)resize;
  if (!filter || !mode) return fail(e, "the recipe lacks its interpolation or its crop_mode");
  if (filter_from_name(&r.filter, filter, e) != OK || crop_mode_from_name(&r.crop_mode, mode, e) != OK) return FAILED;
  if (!read_triple(json_get(object, "mean"), r.mean) || !read_triple(json_get(object, "std"), r.std))
    return fail(e, "the recipe's mean or std is not three numbers");
  const struct json *crop_floor = json_get(object, "crop_floor");
  r.crop_floor = crop_floor && crop_floor->type == JSON_BOOLEAN && crop_floor->boolean;
  if (recipe_check(&r, e) != OK) return FAILED;
  *recipe = r;
  return OK;
}
