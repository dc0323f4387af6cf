/* The augmented view of a picture that image classifiers are trained on: a random part of it, perhaps mirrored. */
#ifndef IMAGES_RANDOM_CROP_H
#define IMAGES_RANDOM_CROP_H

#include <stdbool.h>

#include "images/image.h"
#include "images/random.h"

struct random_crop {
  struct rectangle part; /* never empty */
  bool mirrored;         /* left to right */
};

/* torchvision's RandomResizedCrop with its usual arguments, then RandomHorizontalFlip: an area uniform within 0.08 to 1
 * of the picture's and a ratio of width to height log-uniform within 3/4 to 4/3, ten tries to place one, else the
 * largest part in the middle whose ratio is allowed; mirrored every other time. The same on every machine. */
struct random_crop random_crop_draw(struct random_stream *stream, int width, int height);

#endif
