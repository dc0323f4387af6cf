/* A set of labelled (or unlabelled) pictures, wherever they lie.
 *
 * DATA, as users give it, is one of
 *   a folder of class folders, or of images           classes in sorted name order, files in sorted path order
 *   a tar of either (ustar, GNU, pax)                 the same; a single folder around everything is looked through
 *   a .csv / .tsv of path,label                       in the file's order; paths relative to its folder
 *   a CIFAR-10/100 binary file, or a folder of them
 *   an IDX (MNIST) images file beside its labels file, or a folder of such pairs, gzip'd or not
 * and may be followed by ":INNER", a folder inside it: "cifar10.tar:train", "photos:val", "cifar-10-batches-bin:test".
 * The order is by bytes, the same on every machine. */
#ifndef EVALUATE_DATASET_H
#define EVALUATE_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/corrupt.h"
#include "images/image.h"
#include "kernels/memory.h"
#include "weights-tools/recipe.h"

struct sample {
  char *path;           /* what paths.txt lists: relative to the set, '/' between parts, unique except in a csv */
  int label;            /* index into classes; -1: none */
  const uint8_t *bytes; /* an encoded image or raw pixels in memory; NULL: the file root/path */
  size_t size;
};

/* Samples without a file format around them: 8-bit gray or RGB, planes one after the other. */
struct raw_format {
  int width, height, planes; /* planes 1: gray, 3: R, G, B; 0: samples are encoded images */
};

struct dataset {
  char *name; /* as the user gave it: used in every message */
  const char *kind;
  struct sample *samples;
  size_t count, capacity;
  char **classes; /* NULL when samples have no labels */
  size_t class_count;
  char *note; /* what was left out, a sentence for the log; NULL: nothing */
  struct raw_format raw;
  char *root; /* the folder that paths of files are relative to */
  struct file_view *files;
  size_t file_count, file_capacity;
  uint8_t **buffers; /* inflated files */
  size_t buffer_count, buffer_capacity;
};

/* Find all samples; no image is decoded. Errors read "DATA: reason". On failure the set is empty. */
int dataset_open(struct dataset *dataset, const char *data, error *e);
void dataset_close(struct dataset *dataset);

/* Read and decode sample i; messages start with its path. Any number of threads may read one set at a time.
 * `options` may be NULL. */
int dataset_image(const struct dataset *dataset, size_t i, const struct decode_options *options, struct image *image,
                  error *e);
/* The same, and as far as it is decoded the hash of its file (of a raw sample, of its pixels): SHA256_TEXT bytes. */
int dataset_image_and_hash(const struct dataset *dataset, size_t i, const struct decode_options *options,
                           struct image *image, char *sha256, error *e);
/* How a sample becomes a model's input. */
struct input_request {
  const struct decode_options *decode; /* may be NULL */
  const struct recipe *recipe;
  const struct corruption_choice *corruption; /* NULL: none; noise is drawn for the sample's path */
};

/* Sample i made the model's input, as preprocess_file() does: out [recipe->height, recipe->width, 3]. about: may be
 * NULL; of a raw sample it stays as it was. sha256: NULL, or SHA256_TEXT bytes for the hash of the picture's file, of a
 * raw sample that of its pixels. */
int dataset_input(const struct dataset *dataset, size_t i, const struct input_request *request, float *out,
                  struct image *about, char *sha256, error *e);

#endif
