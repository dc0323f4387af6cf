/* A plan on an NVIDIA GPU: the same operations over the same arena as plan_run(), by the kernels of kernels/cuda. */
#ifndef MODELS_CUDA_CUDA_H
#define MODELS_CUDA_CUDA_H

#include "kernels/cuda/kernels.h"
#include "models/plan.h"

/* The plan's weights in the GPU's memory, shared by its sessions. The plan must outlive it. */
struct cuda_model;
int cuda_model_start(struct cuda_model **model, const struct plan *plan, enum cuda_precision precision, error *e);
void cuda_model_end(struct cuda_model *model);

/* As struct session (models/model.h): used by one thread at a time. */
struct cuda_session;
int cuda_session_start(struct cuda_session **session, const struct cuda_model *model, int max_batch, error *e);
void cuda_session_end(struct cuda_session *session);
/* As plan_run() for any batch: pieces of it go through the GPU while the next piece is on its way there. seconds, where
 * wanted, are those of events around each operation. FAILED when the GPU failed. */
int cuda_session_run(struct cuda_session *session, const float *input, int batch, float *const outputs[OUTPUT_COUNT],
                     double *seconds, error *e);
/* Bytes that the session holds on the GPU, weights left out; and those of the weights. */
size_t cuda_session_bytes(const struct cuda_session *session);
size_t cuda_model_bytes(const struct cuda_model *model);

/* The first GPU. FAILED when there is none that works. */
struct gpu_facts {
  char name[256];
  double peak_gflops, bandwidth_gbs; /* float32, as the card states them */
  size_t memory;                     /* bytes */
};

/* The functions above for models/placement.c, which a build without CUDA compiles as well. */
struct cuda_calls {
  int (*model_start)(struct cuda_model **model, const struct plan *plan, enum cuda_precision precision, error *e);
  void (*model_end)(struct cuda_model *model);
  int (*session_start)(struct cuda_session **session, const struct cuda_model *model, int max_batch, error *e);
  void (*session_end)(struct cuda_session *session);
  int (*session_run)(struct cuda_session *session, const float *input, int batch, float *const outputs[OUTPUT_COUNT],
                     double *seconds, error *e);
  size_t (*session_bytes)(const struct cuda_session *session);
  size_t (*model_bytes)(const struct cuda_model *model);
  int (*describe)(struct gpu_facts *facts, error *e);
};
extern const struct cuda_calls cuda_calls;

#endif
