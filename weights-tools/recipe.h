/* How a checkpoint wants its pictures: the preprocessing recipe. */
#ifndef WEIGHTS_TOOLS_RECIPE_H
#define WEIGHTS_TOOLS_RECIPE_H

#include <stdbool.h>

#include "kernels/error.h"

/* Pillow's resampling filters. */
enum filter { FILTER_NEAREST, FILTER_BILINEAR, FILTER_BICUBIC, FILTER_LANCZOS, FILTER_BOX, FILTER_HAMMING };
/* CROP_CENTER: resize the shorter side to floor(size / crop_fraction), cut the centre (timm, torchvision).
 * CROP_SQUASH: resize both sides so, whatever the aspect, and cut the centre. CROP_NONE: pictures must have the size
 * already. */
enum crop_mode { CROP_CENTER, CROP_SQUASH, CROP_NONE };

struct recipe {
  int height, width;    /* of the model's input */
  double crop_fraction; /* timm's crop_pct */
  int resize; /* explicit side (the shorter, or both) before the crop (torchvision's resize_size); 0: from crop_fraction
               */
  enum filter filter;
  enum crop_mode crop_mode;
  bool crop_floor; /* an odd margin is cut at its floor (transformers), else halves go to the even number (torchvision)
                    */
  float mean[3], std[3]; /* of pixels scaled to [0, 1] */
};

const char *filter_name(enum filter filter);
const char *crop_mode_name(enum crop_mode mode);
/* FAILED with a message that lists what is supported when the name is not known: a mode is never guessed. */
int filter_from_name(enum filter *filter, const char *name, error *e);
int crop_mode_from_name(enum crop_mode *mode, const char *name, error *e);

/* The recipe of a published checkpoint by its name or its file's name, with or without suffix: timm's
 * "resnet50.a1_in1k", torchvision's "resnet50-0676ba61", the authors' "dino_vitbase16_pretrain.pth". False when the
 * name is in no table; an architecture's default is models/'s. */
bool recipe_lookup(const char *name, struct recipe *recipe);

enum { MAX_ARCH = 64 };
/* timm's name of the architecture that such a name promises: "vit_base_patch16_224". What the tensors show counts
 * more. */
bool arch_lookup(const char *name, char arch[static MAX_ARCH]);

/* {"input": [3, h, w], "crop": f, "resize": n, "interpolation": "bicubic", "crop_mode": "center", "mean": [3], "std":
 * [3]}, as inspect prints it and a converted file keeps it. recipe_read() checks every value. */
struct json;
struct json_writer;
void recipe_write(struct json_writer *w, const struct recipe *recipe);
void recipe_write_members(struct json_writer *w, const struct recipe *recipe); /* inside an object already begun */
int recipe_read(struct recipe *recipe, const struct json *object, error *e);
/* Sizes in range, a crop fraction in (0, 1], no division by zero: FAILED names what is wrong. */
int recipe_check(const struct recipe *recipe, error *e);

#endif
