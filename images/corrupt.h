/* Common corruptions (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
 * Perturbations", 2019; their ImageNet-C code): those that need no pictures from elsewhere, with their parameters. */
#ifndef IMAGES_CORRUPT_H
#define IMAGES_CORRUPT_H

#include "images/image.h"

enum corruption {
  CORRUPT_GAUSSIAN_NOISE,
  CORRUPT_SHOT_NOISE,
  CORRUPT_IMPULSE_NOISE,
  CORRUPT_DEFOCUS_BLUR,
  CORRUPT_GAUSSIAN_BLUR,
  CORRUPT_BRIGHTNESS,
  CORRUPT_CONTRAST,
  CORRUPT_PIXELATE,
  CORRUPT_JPEG,
  CORRUPTIONS
};
enum { MOST_SEVERE = 5 };

struct corruption_choice {
  enum corruption kind;
  int severity; /* 1 to 5 */
  uint64_t seed;
};

/* "gaussian_noise", ..., "jpeg_compression": the names of ImageNet-C. */
const char *corruption_name(enum corruption corruption);
/* USAGE with a message that lists the names. */
int corruption_from_name(enum corruption *corruption, const char *name, error *e);
/* "contrast:3"; the seed stays as it is. */
int corruption_read(struct corruption_choice *choice, const char *text, error *e);

/* Spoil a picture in place, as a model sees it (resized and cropped, not yet normalised), severity 1 to 5. Noise is
 * drawn from the stream of (seed, key), where key tells the picture, such as its path: the same on every machine.
 * Everything else is determined by the picture; contrast, pixelate and JPEG are the reference code's bytes, blurs
 * differ by at most one. */
int corrupt(struct image *image, const struct corruption_choice *choice, const char *key, error *e);

#endif
