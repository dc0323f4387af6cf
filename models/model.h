/* A loaded backbone: an architecture, a plan and its packed weights. What evaluate/, bench/ and the API run. */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <stdint.h>

#include "kernels/threads.h"
#include "weights-tools/checkpoint.h"

struct model;

struct model_info {
  const char *arch;   /* timm's name */
  const char *family; /* "resnet" */
  const char *scheme;
  int64_t parameters;
  double gflops;          /* an image, multiply-add = 2 */
  double computed_gflops; /* less the tokens of the last block that no output reads */
  int features;           /* floats of an image's features: tokens * channels */
  int tokens;             /* 1: the features are one vector */
  int classes;            /* of the head; 0: none */
  struct hints hints;     /* what its tensors do not tell, for a converted file */
  struct recipe recipe;   /* the checkpoint's own, else the architecture's default */
};

/* Build from a checkpoint (its tensors are copied into packed form: it may be closed afterwards). `options` may be
 * NULL. All missing and misshapen tensors are listed.
 */
struct model_options {
  const char *arch;            /* NULL: from the checkpoint's config, else found from names and shapes */
  const struct recipe *recipe; /* instead of the checkpoint's own; NULL: that */
  /* Told every tensor as the model holds it: canonical name, batch norms folded. What `convert` writes. May be NULL. */
  void (*observe)(void *context, const char *name, int dimensions, const int64_t *shape, const float *values);
  void *observe_context;
  bool allow_unused; /* tensors that the architecture has no place for stay unused instead of an error */
};
int model_load(struct model **model, struct checkpoint *checkpoint, const struct model_options *options, error *e);
/* The recipe that model_load() would give, for callers that change it: the checkpoint's own, else the default of its
 * architecture. */
int model_recipe(const struct checkpoint *checkpoint, const char *arch, struct recipe *recipe, error *e);
/* The default recipe of a named architecture. */
int architecture_recipe(const char *arch, struct recipe *recipe, error *e);
/* The same with seeded random weights (bench, tests); recipe NULL: the architecture's default. */
int model_seeded(struct model **model, const char *arch, uint64_t seed, const struct recipe *recipe, error *e);
/* What session_run() gives as features instead of "pooled": "tokens", "class", "mean", "projected", "block:3",
 * "block:3:tokens" ...; FAILED lists what the model has. Before a session starts. */
int model_choose_features(struct model *model, const char *name, error *e);
/* Where the sessions run that start from now on. "cpu"; "cpu:bf16", with the factors of its products rounded to
 * bfloat16 (by up to 2^-9 of themselves), but for those in Winograd's form; "cuda": the first NVIDIA GPU, "cuda:tf32"
 * and "cuda:bf16" with the factors of its products rounded for tensor cores (by up to 2^-11 and 2^-9 of themselves);
 * "auto": a GPU where there is one that works, else the CPU. Once, before a session starts. FAILED says why there is no
 * GPU; USAGE names the devices. */
int model_place(struct model *model, const char *device, error *e);
/* Whether model_place() found a GPU: sessions are dear then, and threads should share one. */
bool model_on_gpu(const struct model *model);
/* Bytes of its weights on the GPU. */
size_t model_gpu_bytes(const struct model *model);
/* What computes: the instruction set's name ("avx512", and with factors in bfloat16 "avx512:bf16", or "avx512_bf16"
 * where the CPU multiplies such pairs), "cuda", "cuda:tf32" or "cuda:bf16". */
const char *model_isa(const struct model *model);
/* Of the products' factors: "f32", "bf16" or "tf32". */
const char *model_dtype(const struct model *model);
void model_free(struct model *model);
struct model_info model_info(const struct model *model);

/* A place to run a model: arena and threads. Several sessions may run one model at a time, each used by one thread. */
struct session;
/* Room for batches of any size; up to max_batch images run together where that pays: each operation split over the
 * threads, or, from as many images as threads on, every thread with its own images from the first operation to the
 * last. `pool` must outlive the session. */
int session_start(struct session **session, const struct model *model, struct threads *pool, int max_batch, error *e);
void session_end(struct session *session);
/* input: [batch, height, width, 3] normalised floats. features ([batch, info.features]) and logits
 * ([batch, info.classes]) may be NULL. seconds: NULL, or plan_op_count() doubles to which each operation's time is
 * added, the threads' mean where they run apart. Allocates nothing. The results of an image depend on nothing but the
 * image, the model and the instruction set.
 */
void session_run(struct session *session, const float *input, int batch, float *features, float *logits,
                 double *seconds);
struct plan_watch;
/* From now on tell `watch` (models/plan.h; it must outlive the session, NULL: nobody) of every operation that is done.
 * A session on a GPU tells nobody. */
void session_watch(struct session *session, const struct plan_watch *watch);
/* FAILED with the reason when a run failed, whose results are then no results: a GPU can fail, the CPU never does. */
int session_check(const struct session *session, error *e);
/* Bytes of activations and scratch that the session holds. */
size_t session_bytes(const struct session *session);

struct plan;
/* The operations, for the profiler (models/plan.h). */
const struct plan *model_plan(const struct model *model);
#endif
