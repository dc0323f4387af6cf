/* Classification by embeddings of the classes' names, without training (Radford et al. 2021). */
#ifndef EVALUATE_ZEROSHOT_H
#define EVALUATE_ZEROSHOT_H

#include "evaluate/feature_set.h"
#include "evaluate/metrics.h"
#include "kernels/threads.h"

/* CLIP's learned scale of the cosine similarities. */
#define ZEROSHOT_SCALE 100.0

/* A .npy of [classes, d] numbers, a row a class. */
struct class_embeddings {
  struct npy array;
  const float *values;
  void *owned;
  int classes;
};
/* They must be as wide as the set's features, and one of each of its classes. Errors read "PATH: reason". */
int class_embeddings_open(struct class_embeddings *embeddings, const char *path, const struct feature_set *set,
                          error *e);
void class_embeddings_close(struct class_embeddings *embeddings);

/* embeddings: [classes, d], one of each class of the set, in its order; both sides are scaled to length 1 in double.
 * Scores are scale * cosine similarity. choices: [n], confidences: [n]; both may be NULL. FAILED for an embedding of
 * length 0 or that is not finite. */
int zeroshot_run(struct metrics *metrics, const struct feature_set *set, const float *embeddings, int classes,
                 double scale, struct threads *pool, int *choices, double *confidences, error *e);

#endif
