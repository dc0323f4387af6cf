/* Running a model: the arena, and how many images run together. */
#include <stdlib.h>

#include "models/model.h"
#include "models/model_internal.h"
#include "models/placement.h"

/* Activations of the images that run together should stay in a cache of this size: weights are then read once for
 * several images, and activations seldom travel to memory. */
enum { CHUNK_BYTES = 24 << 20 };

struct session {
  const struct model *model;
  struct threads *pool;
  float *arena;
  size_t bytes;
  int chunk;                 /* images that run together */
  struct cuda_session *cuda; /* where it runs, when not here */
  const struct plan_watch *watch;
  bool failed;
  error reason;
};

int session_start(struct session **result, const struct model *model, struct threads *pool, int max_batch, error *e) {
  *result = NULL;
  if (model->cuda) {
    struct session *session = allocate_zeroed(1, sizeof *session, e);
    if (!session) return FAILED;
    session->model = model;
    int status = placement_cuda->session_start(&session->cuda, model->cuda, max_batch, e);
    if (status == OK)
      *result = session;
    else
      free(session);
    return status;
  }
  size_t image_bytes = plan_arena_floats(model->plan) * sizeof(float), bytes;
  size_t chunk = image_bytes ? CHUNK_BYTES / image_bytes : 1;
  if (chunk > (size_t)max_batch) chunk = (size_t)max_batch;
  if (chunk < 1) chunk = 1;
  if (!multiply_size(image_bytes, chunk, &bytes)) return fail(e, "out of memory");
  if (threads_reserve_scratch(pool, plan_scratch_bytes(model->plan), e) != OK) return FAILED;
  struct session *session = allocate_zeroed(1, sizeof *session, e);
  if (!session) return FAILED;
  *session = (struct session){.model = model, .pool = pool, .bytes = bytes, .chunk = (int)chunk};
  session->arena = allocate_aligned(bytes, 1, e);
  if (!session->arena) {
    free(session);
    return FAILED;
  }
  *result = session;
  return OK;
}

void session_end(struct session *session) {
  if (!session) return;
  if (session->cuda) placement_cuda->session_end(session->cuda);
  release_aligned(session->arena);
  free(session);
}

void session_run(struct session *session, const float *input, int batch, float *features, float *logits,
                 double *seconds) {
  const struct model *model = session->model;
  size_t input_floats = (size_t)model->recipe.height * (size_t)model->recipe.width * 3;
  struct model_info info = model_info(model);
  size_t width = (size_t)info.features, classes = (size_t)info.classes;
  if (session->cuda) {
    float *outputs[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = features, [OUTPUT_LOGITS] = classes ? logits : NULL};
    int status = placement_cuda->session_run(session->cuda, input, batch, outputs, seconds, &session->reason);
    if (status != OK) session->failed = true;
    return;
  }
  for (int first = 0; first < batch; first += session->chunk) {
    int images = batch - first < session->chunk ? batch - first : session->chunk;
    float *outputs[OUTPUT_COUNT] = {
        [OUTPUT_FEATURES] = features ? features + (size_t)first * width : NULL,
        [OUTPUT_LOGITS] = logits && classes ? logits + (size_t)first * classes : NULL,
    };
    plan_run(model->plan, session->pool, session->arena, input + (size_t)first * input_floats, images, outputs, seconds,
             session->watch);
  }
}

void session_watch(struct session *session, const struct plan_watch *watch) { session->watch = watch; }

int session_check(const struct session *session, error *e) {
  return session->failed ? fail(e, "%s", session->reason.message) : OK;
}

size_t session_bytes(const struct session *session) {
  return session->cuda ? placement_cuda->session_bytes(session->cuda) : session->bytes;
}
