/* How a checkpoint wants its pictures: the preprocessing recipe. */
#ifndef WEIGHTS_TOOLS_RECIPE_H
#define WEIGHTS_TOOLS_RECIPE_H

#include "kernels/error.h"

enum filter { FILTER_NEAREST, FILTER_BILINEAR, FILTER_BICUBIC };
/* CROP_CENTER: resize the shorter side to floor(size / crop_fraction), cut the centre (timm, torchvision).
 * CROP_SQUASH: resize both sides to the size, whatever the aspect. CROP_NONE: pictures must have the size already. */
enum crop_mode { CROP_CENTER, CROP_SQUASH, CROP_NONE };

struct recipe {
  int height, width;     /* of the model's input */
  double crop_fraction;  /* timm's crop_pct */
  int resize;            /* explicit shorter side before the crop (torchvision's resize_size); 0: from crop_fraction */
  enum filter filter;
  enum crop_mode crop_mode;
  float mean[3], std[3]; /* of pixels scaled to [0, 1] */
};

const char *filter_name(enum filter filter);
const char *crop_mode_name(enum crop_mode mode);
/* FAILED with a message that lists what is supported when the name is not known: a mode is never guessed. */
int filter_from_name(enum filter *filter, const char *name, error *e);
int crop_mode_from_name(enum crop_mode *mode, const char *name, error *e);

#endif
