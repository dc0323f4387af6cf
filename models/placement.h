/* Where a model runs when not on the CPU. */
#ifndef MODELS_PLACEMENT_H
#define MODELS_PLACEMENT_H

#include "models/cuda/cuda.h"

/* The CUDA back end; NULL in a build without it, where no model has a struct cuda_model. */
extern const struct cuda_calls *const placement_cuda;

/* What model_place() would do with the device: *gpu, or without one (gpu->name is "") the CPU. Errors are its own. */
int placement_describe(const char *device, struct gpu_facts *gpu, error *e);

#endif
