#include "bench/subject.h"

#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "kernels/memory.h"

int subject_load(struct subject *subject, const char *arch, const char *weights, const char *device, error *e) {
  *subject = (struct subject){0};
  double begin = now();
  int status;
  if (weights) {
    struct engine_request request = {.path = weights, .arch = arch, .device = device};
    status = engine_load(&subject->engine, &request, e);
    subject->model = subject->engine.model;
  } else {
    status = model_seeded(&subject->model, arch, 1, NULL, e);
    if (status == OK) status = model_place(subject->model, device, e);
  }
  subject->load_seconds = now() - begin;
  if (status == OK) subject->info = model_info(subject->model);
  return status;
}

void subject_free(struct subject *subject) {
  if (subject->engine.model)
    engine_free(&subject->engine);
  else
    model_free(subject->model);
  *subject = (struct subject){0};
}

int trial_start(struct trial *trial, const struct subject *subject, struct threads *pool, int batch, error *e) {
  *trial = (struct trial){.subject = subject, .batch = batch};
  const struct recipe *recipe = &subject->info.recipe;
  size_t floats = (size_t)recipe->height * (size_t)recipe->width * 3 * (size_t)batch;
  trial->input = allocate_aligned(floats, sizeof(float), e);
  trial->features = allocate_aligned((size_t)subject->info.features * (size_t)batch, sizeof(float), e);
  if (!trial->input || !trial->features || session_start(&trial->session, subject->model, pool, batch, e) != OK) {
    trial_end(trial);
    return FAILED;
  }
  uint32_t state = 1;
  for (size_t i = 0; i < floats; i++) {
    state = state * 1664525u + 1013904223u;
    trial->input[i] = (float)(state >> 8) * 0x1p-23f - 1;
  }
  return OK;
}

void trial_end(struct trial *trial) {
  session_end(trial->session);
  release_aligned(trial->input);
  release_aligned(trial->features);
  *trial = (struct trial){0};
}

double trial_run(struct trial *trial, double *seconds) {
  double begin = now();
  session_run(trial->session, trial->input, trial->batch, trial->features, NULL, seconds);
  return now() - begin;
}

bool next_name(const char **list, char *name, size_t size) {
  size_t length = strcspn(*list, ",");
  if (length == 0 || length >= size) return false;
  memcpy(name, *list, length);
  name[length] = 0;
  *list += length + ((*list)[length] == ',');
  return true;
}
