/* The command line of a battle made a plan. */
#ifndef EVALUATE_BATTLE_OPTIONS_H
#define EVALUATE_BATTLE_OPTIONS_H

#include "evaluate/battle_tasks.h"
#include "evaluate/decode_options.h"

/* Entries of the command's table of options. */
#define BATTLE_OPTIONS                                                                                               \
  {"--weights", 'w', "[NAME=]W...", "a backbone (give it again for each): a file, a hub's folder or seeded:ARCH"},   \
      {"--recipe", 0, "NAME=OPTIONS...",                                                                             \
       "how that backbone's pictures are prepared, as 'NAME=--input-size 64 --crop 0.9'"},                           \
      {"--data", 'd', "[NAME=]DATA...",                                                                              \
       "a data set: what it holds as train, test and val is used so, else a share of every class\n"                  \
       "is held out to judge by"},                                                                                   \
      {"--test", 0, "[NAME=]DATA...", "photos to judge that set's classifiers by; --data are those to learn from"},  \
      {"--val", 0, "[NAME=]DATA...", "photos of that set to choose C and the temperature on"},                       \
      {"--test-share", 0, "S", "of every class that is held out of a set that is not divided (default 0.2)"},        \
      {"--shift", 0, "[SET/]NAME=DATA...", "shifted photos of (some of) the set's classes"},                         \
      {"--embeddings", 0, "BACKBONE[/SET]=NPY...", "embeddings of the set's classes, for zero-shot classification"}, \
      {"--tasks", 0, "LIST",                                                                                         \
       "of probe, sgd, calibrate, knn, class_mean, fewshot, retrieve, shift, corrupt and zeroshot (default: all)"},  \
      {"--C", 0, "LIST", "of the linear probe, the best on held-out photos is taken (default: CLIP's sweep)"},       \
      {"--k", 0, "K", "of the nearest neighbours (default 20)"},                                                     \
      {"--shots", 0, "LIST", "images a class of the few-shot probes (default 1,5, as far as every class has them)"}, \
      {"--corrupt", 0, "LIST",                                                                                       \
       "NAME:SEVERITY,... (default gaussian_noise:3,defocus_blur:3,contrast:3,pixelate:3,\n"                         \
       "jpeg_compression:3)"},                                                                                       \
  {                                                                                                                  \
    "--batch", 'b', "N", "images that a thread takes at a time (default 16); no effect on results"                   \
  }

/* seed: of what is held out and of noise. The sets are opened, and everything is checked that can be before the work
 * begins. Free the plan in any case. */
int battle_plan_read(struct battle_plan *plan, const struct arguments *arguments, uint64_t seed, error *e);
void battle_plan_free(struct battle_plan *plan);

#endif
