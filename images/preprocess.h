/* From a decoded picture to the model's input, by the checkpoint's recipe. */
#ifndef IMAGES_PREPROCESS_H
#define IMAGES_PREPROCESS_H

#include "images/image.h"
#include "images/random_crop.h"
#include "weights-tools/recipe.h"

/* What becomes of a picture: resized to width x height, of which `part` is kept and placed at (left, top) of the input.
 */
struct layout {
  int width, height;
  struct rectangle part;
  int left, top;
};
int preprocess_layout(int in_width, int in_height, const struct recipe *recipe, struct layout *layout, error *e);

/* out: [recipe->height, recipe->width, 3], (byte / 255 - mean) / std in float, the same bits as torchvision's ToTensor
 * and Normalize on Pillow's pixels. Sizes by torchvision's rules: Resize(n) makes the shorter side n and the longer one
 * int(n * long / short); CenterCrop begins at round((size - crop) / 2), half to even, and pads with black what a small
 * picture lacks. For inputs that are not square timm's ResizeKeepRatio covers (height, width) / crop_fraction instead.
 * The recipe is one that recipe_check() accepts. Errors: a picture of another size under CROP_NONE, or so elongated
 * that it cannot be resized. */
int preprocess(const struct image *in, const struct recipe *recipe, float *out, error *e);

/* The same for the picture that a file's bytes hold, and the same bits, without the picture in memory: rows go from the
 * decoder through the resize as they are made, and only those pixels are made that the model sees. about: as for
 * image_stream(), may be NULL. */
int preprocess_file(const uint8_t *bytes, size_t size, const struct decode_options *options,
                    const struct recipe *recipe, float *out, struct image *about, error *e);

/* A part of the picture resized to the whole input, mirrored if it is to be, and normalised: torchvision's resized_crop
 * and hflip on Pillow's pictures. Nothing outside the part has a say; the recipe's crop is not looked at. */
int preprocess_view(const struct image *in, const struct recipe *recipe, const struct random_crop *view, float *out,
                    error *e);

/* preprocess() and preprocess_file() with the resized crop spoilt before it is normalised; key tells the picture, for
 * the noise's seed. */
struct corruption_choice;
int preprocess_corrupted(const struct image *in, const struct recipe *recipe, const struct corruption_choice *choice,
                         const char *key, float *out, error *e);
int preprocess_file_corrupted(const uint8_t *bytes, size_t size, const struct decode_options *options,
                              const struct recipe *recipe, const struct corruption_choice *choice, const char *key,
                              float *out, struct image *about, error *e);

#endif
