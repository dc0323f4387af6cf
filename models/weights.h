/* Where a model under construction gets its tensors: a checkpoint, or a seeded generator. All that is missing or has
 * the wrong shape is collected, so that one message can list it. */
#ifndef MODELS_WEIGHTS_H
#define MODELS_WEIGHTS_H

#include <stdbool.h>

#include "kernels/memory.h"
#include "weights-tools/checkpoint.h"

struct weights {
  struct checkpoint *checkpoint; /* NULL: seeded */
  uint64_t seed;
  int64_t parameters; /* of the tensors taken, running statistics not counted */
  char *problems;     /* "conv1.weight is missing; fc.weight is [10, 64] instead of [1000, 512]" */
  size_t problem_count, problems_bytes;
  bool failed; /* memory ran short or a tensor could not be read: `reason` says it */
  error reason;
  /* Told every tensor as a model holds it, batch norms folded; what `convert` writes. May be NULL. */
  void (*observe)(void *context, const char *name, int dimensions, const int64_t *shape, const float *values);
  void *observe_context;
};

/* The tensor as floats (free() it), or NULL when it is missing, misshapen or unreadable, which is noted. Axes of length
 * 1 do not count. NAME#0, NAME#1, ... together stand for NAME, whose rows they are (a query, key and value projection);
 * NAME^T for its transpose (weights-tools/keys.h). */
float *weights_take(struct weights *weights, const char *name, int dimensions, const int64_t *shape);
/* Whether there is such a tensor at all. A seeded source has every name but "*.bias" of convolutions: ask for norms. */
bool weights_have(const struct weights *weights, const char *name);
void weights_observe(struct weights *weights, const char *name, int dimensions, const int64_t *shape,
                     const float *values);
void weights_note(struct weights *weights, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* n values of the tensor `name` from the seed, the same on every machine (tests/reference/seeded.py is its twin):
 * splitmix64 seeded by FNV-1a of the name xor the seed, the top 24 bits as a fraction u in [0, 1), then
 *   "gamma", "gamma_1", "gamma_2" at the end:    [0.5, 1.5)
 *   "_token", "pos_embed", "bias_table", "latent" within: [-0.5, 0.5)
 *   "logit_scale" at the end:                    [1, 5)
 *   matrices and kernels (2 dimensions or more): +-sqrt(3 / fan_in)
 *   weight of one dimension, running_var:        [0.5, 1.5)
 *   bias, running_mean:                          [-0.2, 0.2) */
void seeded_values(const char *name, uint64_t seed, int dimensions, const int64_t *shape, float *values);

#endif
