/* Options that change a checkpoint's preprocessing recipe: what every command that prepares pictures offers. */
#ifndef EVALUATE_RECIPE_OPTIONS_H
#define EVALUATE_RECIPE_OPTIONS_H

#include "evaluate/options.h"
#include "weights-tools/recipe.h"

/* For pictures that no checkpoint asks for: timm's default at side 224. */
extern const struct recipe recipe_default;

/* What is 0, NULL or not given stays. */
struct recipe_changes {
  int size;
  double crop_fraction;
  const char *interpolation, *crop_mode;
  double mean[3], std[3];
  bool has_mean, has_std;
};

/* Entries of a command's table of options, and their reading. */
#define RECIPE_OPTIONS                                                                                 \
  {"--input-size", 0, "N", "side of the model's input, instead of the checkpoint's"},                  \
      {"--crop", 0, "F", "crop fraction, instead of the checkpoint's"},                                \
      {"--interpolation", 0, "NAME", "nearest, bilinear, bicubic, lanczos, box or hamming, likewise"}, \
      {"--crop-mode", 0, "NAME", "center, squash or none, instead of the checkpoint's"},               \
      {"--mean", 0, "R,G,B", "mean of pixels in [0, 1], instead of the checkpoint's"}, {               \
    "--std", 0, "R,G,B", "standard deviation, likewise"                                                \
  }
/* USAGE for what is no number in range and for names that nobody knows. */
int recipe_options_read(const struct arguments *arguments, struct recipe_changes *changes, error *e);

bool recipe_changes_any(const struct recipe_changes *changes);
/* The recipe with the changes. A size or crop that is asked for takes the place of an explicit `resize`. FAILED when
 * the result is no recipe that recipe_check() accepts. */
int recipe_change(struct recipe *recipe, const struct recipe_changes *changes, error *e);

#endif
