/* A checkpoint made ready to run: what every command that takes --weights begins with. */
#ifndef EVALUATE_ENGINE_H
#define EVALUATE_ENGINE_H

#include "evaluate/options.h"
#include "images/image.h"
#include "models/model.h"

struct engine {
  struct model *model;
  struct model_info info;
  char *path; /* of the weights, as given */
  char **class_names;
  size_t class_count;
  char sha256[65]; /* of the weights: the file's, or of all shards in order */
  int threads;
  double load_seconds;
};

struct engine_request {
  const char *path, *arch; /* arch: NULL or "" when not given */
  const char *part;        /* of a file that holds several state dicts; NULL: the best known */
  const char *features;    /* model_choose_features(); NULL: pooled */
  int threads;             /* 0: usable_cores() */
  bool hash;               /* compute sha256 */
  /* Changes to the checkpoint's recipe: what is 0, NULL or negative stays. */
  int size;
  double crop_fraction;
  const char *interpolation, *crop_mode;
  double mean[3], std[3];
  bool has_mean, has_std;
};

/* The options that every such command shares, and their reading into a request. */
#define ENGINE_OPTIONS                                                                                    \
  {"--weights", 'w', "WEIGHTS",                                                                           \
   "a .safetensors or .pth file, a converted file, a folder as hubs lay it out,\n"                        \
   "or seeded:ARCH for random weights"},                                                                  \
      {"--arch", 0, "NAME", "the architecture, when the checkpoint does not tell"},                       \
      {"--state-dict", 0, "NAME", "which of several networks in one .pth file: teacher, model_ema, ..."}, \
      {"--threads", 't', "N", "threads (default: every core this process may use)"},                      \
      {"--input-size", 0, "N", "side of the model's input, instead of the checkpoint's"},                 \
      {"--crop", 0, "F", "crop fraction, instead of the checkpoint's"},                                   \
      {"--interpolation", 0, "NAME", "nearest, bilinear, bicubic, lanczos, box or hamming, likewise"},    \
      {"--crop-mode", 0, "NAME", "center, squash or none, instead of the checkpoint's"},                  \
      {"--mean", 0, "R,G,B", "mean of pixels in [0, 1], instead of the checkpoint's"}, {                  \
    "--std", 0, "R,G,B", "standard deviation, likewise"                                                   \
  }
int engine_read_options(const struct arguments *arguments, struct engine_request *request, error *e);

int engine_load(struct engine *engine, const struct engine_request *request, error *e);
void engine_free(struct engine *engine);

#endif
