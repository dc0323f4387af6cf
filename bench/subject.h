/* A model to be timed: seeded, or from a checkpoint, with an input of noise. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "evaluate/engine.h"

struct subject {
  struct model *model;
  struct model_info info;
  struct engine engine; /* holds the model when it came from a checkpoint */
  double load_seconds;
};

/* arch is used when weights is NULL; device: as model_place(). */
int subject_load(struct subject *subject, const char *arch, const char *weights, const char *device, error *e);
void subject_free(struct subject *subject);

/* A session with input and output buffers. */
struct trial {
  const struct subject *subject;
  struct session *session;
  float *input, *features;
  int batch;
};
int trial_start(struct trial *trial, const struct subject *subject, struct threads *pool, int batch, error *e);
void trial_end(struct trial *trial);
/* One run of the batch; seconds as in session_run(). Returns the time it took; session_check() says whether it was one.
 */
double trial_run(struct trial *trial, double *seconds);

/* The next name of a comma-separated list, copied to name[size]; false at the end. USAGE-style errors are the caller's.
 */
bool next_name(const char **list, char *name, size_t size);

#endif
