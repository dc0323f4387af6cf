#include "evaluate/zeroshot.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/memory.h"

static int check_shape(const struct npy *array, const struct feature_set *set, error *e) {
  if (array->dimensions != 2 || array->elements == 0) return fail(e, "is not an array [classes, d]");
  if (array->shape[1] != set->d) {
    return fail(e, "embeddings have %zu numbers, the features of %s %zu: are these projected features?",
                array->shape[1], set->folder, set->d);
  }
  size_t classes = (size_t)set->classes;
  if (array->shape[0] < classes || (set->names && array->shape[0] != classes)) {
    return fail(e, "has %zu embeddings for the %d classes of %s", array->shape[0], set->classes, set->folder);
  }
  return array->shape[0] <= INT32_MAX ? OK : fail(e, "too many classes");
}

int class_embeddings_open(struct class_embeddings *embeddings, const char *path, const struct feature_set *set,
                          error *e) {
  *embeddings = (struct class_embeddings){0};
  int status = npy_open(&embeddings->array, path, e);
  if (status != OK) return status;
  status = check_shape(&embeddings->array, set, e);
  if (status == OK) status = npy_floats(&embeddings->array, &embeddings->values, &embeddings->owned, e);
  embeddings->classes = (int)embeddings->array.shape[0];
  if (status == OK) return OK;
  class_embeddings_close(embeddings);
  return fail_within(e, "%s", path);
}

void class_embeddings_close(struct class_embeddings *embeddings) {
  free(embeddings->owned);
  npy_close(&embeddings->array);
  *embeddings = (struct class_embeddings){0};
}

/* ---- classification -----------------------------------------------------------------------------------------------
 */

struct job {
  const struct feature_set *set;
  const double *directions; /* [classes, d] */
  size_t classes;
  double scale, *scores; /* [n, classes] */
};

static void score_row(void *context, size_t i, int thread) {
  const struct job *job = context;
  size_t d = job->set->d;
  const float *x = job->set->x + i * d;
  double square = 0;
  (void)thread;
  for (size_t j = 0; j < d; j++) square += (double)x[j] * (double)x[j];
  double factor = square > 0 ? job->scale / sqrt(square) : 0;
  for (size_t k = 0; k < job->classes; k++) {
    const double *direction = job->directions + k * d;
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += (double)x[j] * direction[j];
    job->scores[i * job->classes + k] = sum * factor;
  }
}

static int normalise(const float *embeddings, size_t classes, size_t d, double *directions, error *e) {
  for (size_t k = 0; k < classes; k++) {
    double square = 0;
    for (size_t j = 0; j < d; j++) square += (double)embeddings[k * d + j] * (double)embeddings[k * d + j];
    if (!isfinite(square)) return fail(e, "the embedding of class %zu is not finite", k);
    if (square == 0) return fail(e, "the embedding of class %zu has length 0", k);
    for (size_t j = 0; j < d; j++) directions[k * d + j] = (double)embeddings[k * d + j] / sqrt(square);
  }
  return OK;
}

int zeroshot_run(struct metrics *metrics, const struct feature_set *set, const float *embeddings, int classes,
                 double scale, struct threads *pool, int *choices, double *confidences, error *e) {
  size_t size;
  if (!multiply_size(set->n, (size_t)classes, &size)) return fail(e, "%s: has too many rows", set->folder);
  double *directions = allocate((size_t)classes * set->d, sizeof *directions, e);
  double *scores = directions ? allocate(size, sizeof *scores, e) : NULL;
  int status = scores ? normalise(embeddings, (size_t)classes, set->d, directions, e) : FAILED;
  if (status == OK) {
    struct job job = {set, directions, (size_t)classes, scale, scores};
    threads_run(pool, set->n, score_row, &job);
    status = metrics_compute(metrics, scores, set->labels, set->n, classes, NULL, choices, confidences, e);
  }
  free(directions);
  free(scores);
  return status;
}
