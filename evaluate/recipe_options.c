#include "evaluate/recipe_options.h"

#include <stdlib.h>
#include <string.h>

const struct recipe recipe_default = {.height = 224,
                                      .width = 224,
                                      .crop_fraction = 0.875,
                                      .filter = FILTER_BICUBIC,
                                      .crop_mode = CROP_CENTER,
                                      .mean = {0.485f, 0.456f, 0.406f},
                                      .std = {0.229f, 0.224f, 0.225f}};

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

int recipe_options_read(const struct arguments *arguments, struct recipe_changes *changes, error *e) {
  *changes = (struct recipe_changes){.interpolation = option_text(arguments, "--interpolation"),
                                     .crop_mode = option_text(arguments, "--crop-mode")};
  long long size = 0;
  int status = option_integer(arguments, "--input-size", 1, 4096, &size, e);
  if (status == OK) status = option_real(arguments, "--crop", 0.01, 1, &changes->crop_fraction, e);
  if (status == OK) status = read_three(arguments, "--mean", -1000, changes->mean, &changes->has_mean, e);
  if (status == OK) status = read_three(arguments, "--std", 1e-6, changes->std, &changes->has_std, e);
  /* Names that nobody knows are wrong usage, found before anything is loaded. */
  enum filter filter;
  enum crop_mode mode;
  if (status == OK && changes->interpolation && filter_from_name(&filter, changes->interpolation, e) != OK) {
    status = USAGE;
  }
  if (status == OK && changes->crop_mode && crop_mode_from_name(&mode, changes->crop_mode, e) != OK) status = USAGE;
  changes->size = (int)size;
  return status;
}

bool recipe_changes_any(const struct recipe_changes *c) {
  return c->size || c->crop_fraction > 0 || c->interpolation || c->crop_mode || c->has_mean || c->has_std;
}

int recipe_change(struct recipe *recipe, const struct recipe_changes *changes, error *e) {
  if (changes->size) {
    recipe->height = recipe->width = changes->size;
    recipe->resize = 0; /* an explicit size of the resize belonged to the old input */
  }
  if (changes->crop_fraction > 0) {
    recipe->crop_fraction = changes->crop_fraction;
    recipe->resize = 0;
  }
  if (changes->interpolation && filter_from_name(&recipe->filter, changes->interpolation, e) != OK) return FAILED;
  if (changes->crop_mode && crop_mode_from_name(&recipe->crop_mode, changes->crop_mode, e) != OK) return FAILED;
  for (int i = 0; i < 3; i++) {
    if (changes->has_mean) recipe->mean[i] = (float)changes->mean[i];
    if (changes->has_std) recipe->std[i] = (float)changes->std[i];
  }
  return recipe_check(recipe, e);
}
