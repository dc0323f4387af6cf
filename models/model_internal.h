/* What convert and the profiler see of a model beyond model.h. */
#ifndef MODELS_MODEL_INTERNAL_H
#define MODELS_MODEL_INTERNAL_H

#include "models/architecture.h"
#include "models/model.h"

struct model {
  struct architecture architecture;
  struct recipe recipe;
  char scheme[32];
  int64_t parameters;
  struct plan *plan;
  struct threads *pool;
  float *arena;
  size_t arena_floats;
  int chunk; /* images that run together */
};

#endif
