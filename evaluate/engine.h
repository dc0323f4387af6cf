/* A checkpoint made ready to run: what every command that takes --weights begins with. */
#ifndef EVALUATE_ENGINE_H
#define EVALUATE_ENGINE_H

#include "evaluate/options.h"
#include "evaluate/recipe_options.h"
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
  const char *path, *arch;       /* arch: NULL or "" when not given */
  const char *device;            /* model_place(); NULL: the CPU */
  const char *part;              /* of a file that holds several state dicts; NULL: the best known */
  const char *features;          /* model_choose_features(); NULL: pooled */
  int threads;                   /* 0: usable_cores() */
  bool hash;                     /* compute sha256 */
  struct recipe_changes changes; /* to the checkpoint's recipe */
};

/* The options that every such command shares, and their reading into a request. */
#define ENGINE_WEIGHTS                                                                  \
  {                                                                                     \
    "--weights", 'w', "WEIGHTS",                                                        \
        "a .safetensors or .pth file, a converted file, a folder as hubs lay it out,\n" \
        "or seeded:ARCH for random weights"                                             \
  }
#define ENGINE_THREADS \
  { "--threads", 't', "N", "threads (default: every core this process may use)" }
#define ENGINE_DEVICE                                                                         \
  {                                                                                           \
    "--device", 0, "DEVICE",                                                                  \
        "cpu (default); cpu:bf16: with factors of 7 bits of fraction (features off by\n"      \
        "about 5e-3 of the largest), faster where the CPU has AVX512_BF16; cuda: an NVIDIA\n" \
        "GPU; auto: a GPU where one works, else the CPU; cuda:tf32, cuda:bf16: on tensor\n"   \
        "cores, whose factors have 10 and 7 bits of fraction (off by 2e-4 and 2e-3)"          \
  }
#define ENGINE_OPTIONS                                                                                    \
  ENGINE_WEIGHTS, {"--arch", 0, "NAME", "the architecture, when the checkpoint does not tell"},           \
      {"--state-dict", 0, "NAME", "which of several networks in one .pth file: teacher, model_ema, ..."}, \
      ENGINE_THREADS, ENGINE_DEVICE, RECIPE_OPTIONS
int engine_read_options(const struct arguments *arguments, struct engine_request *request, error *e);

/* The recipe that engine_load() would give, without the weights. */
int engine_recipe(const struct engine_request *request, struct recipe *recipe, error *e);

int engine_load(struct engine *engine, const struct engine_request *request, error *e);
void engine_free(struct engine *engine);

#endif
