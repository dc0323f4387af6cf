#include "models/placement.h"

#include <string.h>

#include "models/model.h"
#include "models/model_internal.h"
#include "models/plan_internal.h"

#ifdef HAVE_CUDA
const struct cuda_calls *const placement_cuda = &cuda_calls;
#else
const struct cuda_calls *const placement_cuda = NULL;
#endif

/* The names of --device; what multiplies how. */
static const struct device {
  const char *name;
  bool gpu, optional;
  enum cuda_precision precision;
} devices[] = {{"cpu", false, false, CUDA_FLOAT32},       {"cpu:bf16", false, false, CUDA_BFLOAT16},
               {"cuda", true, false, CUDA_FLOAT32},       {"cuda:tf32", true, false, CUDA_TF32},
               {"cuda:bf16", true, false, CUDA_BFLOAT16}, {"auto", true, true, CUDA_FLOAT32}};
enum { DEVICES = sizeof devices / sizeof *devices };

static const struct device *find_device(const char *name) {
  for (size_t i = 0; i < DEVICES; i++) {
    if (!strcmp(name, devices[i].name)) return &devices[i];
  }
  return NULL;
}

int placement_describe(const char *device, struct gpu_facts *gpu, error *e) {
  *gpu = (struct gpu_facts){0};
  const struct device *found = find_device(device);
  if (!found)
    return usage_error(e, "--device %.20s: is none of cpu, cpu:bf16, cuda, cuda:tf32, cuda:bf16, auto", device);
  if (!found->gpu) return OK;
  error reason;
  int status = placement_cuda ? placement_cuda->describe(gpu, &reason)
                              : fail(&reason, "--device %s: built without CUDA; `make cuda` builds it", device);
  if (status == OK) return OK;
  *gpu = (struct gpu_facts){0};
  return found->optional ? OK : fail(e, "%s", reason.message);
}

int model_place(struct model *model, const char *device, error *e) {
  struct gpu_facts gpu;
  int status = placement_describe(device, &gpu, e);
  if (status != OK) return status;
  enum cuda_precision precision = find_device(device)->precision;
  if (!gpu.name[0]) return precision == CUDA_BFLOAT16 ? plan_round_to_bf16(model->plan, e) : OK;
  model->precision = precision;
  return placement_cuda->model_start(&model->cuda, model->plan, precision, e);
}

bool model_on_gpu(const struct model *model) { return model->cuda != NULL; }

size_t model_gpu_bytes(const struct model *model) { return model->cuda ? placement_cuda->model_bytes(model->cuda) : 0; }

const char *model_isa(const struct model *model) {
  static const char *const names[] = {
      [CUDA_FLOAT32] = "cuda", [CUDA_TF32] = "cuda:tf32", [CUDA_BFLOAT16] = "cuda:bf16"};
  if (model->cuda) return names[model->precision];
  return model->plan->bf16 ? model->plan->bf16->name : model->plan->kernels->isa;
}

const char *model_dtype(const struct model *model) {
  static const char *const names[] = {[CUDA_FLOAT32] = "f32", [CUDA_TF32] = "tf32", [CUDA_BFLOAT16] = "bf16"};
  return names[model->plan->bf16 ? CUDA_BFLOAT16 : model->precision];
}
