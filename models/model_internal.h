/* The inside of a model, shared by model.c and session.c. */
#ifndef MODELS_MODEL_INTERNAL_H
#define MODELS_MODEL_INTERNAL_H

#include "kernels/cuda/kernels.h"
#include "models/architecture.h"
#include "models/model.h"

struct model {
  struct architecture architecture;
  struct recipe recipe;
  char scheme[32];
  int64_t parameters;
  struct plan *plan;
  enum cuda_precision precision;
  struct cuda_model *cuda; /* its weights on a GPU: sessions run there; NULL: on the CPU */
};

#endif
