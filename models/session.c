/* Running a model: the arena, and how many images run together. */
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "models/model.h"
#include "models/model_internal.h"
#include "models/placement.h"

enum {
  /* Activations of the images that run together should stay in a cache of this size: weights are then read once for
   * several images, and activations seldom travel to memory. */
  CHUNK_BYTES = 24 << 20,
  LEAST_SHARE = 2 /* images of a thread that takes whole images: fewer read the weights for too little */
};

struct session {
  const struct model *model;
  struct threads *pool;
  float *arena;
  size_t bytes, image_floats;
  int chunk; /* images that run together, each operation split over the threads */
  int share; /* images that each thread takes through the whole plan by itself; 0: no batch is large enough */
  double *thread_seconds;    /* [threads][operations] of those */
  struct cuda_session *cuda; /* where it runs, when not here */
  const struct plan_watch *watch;
  bool failed;
  error reason;
};

static size_t at_most(size_t n, size_t most) {
  if (n > most) n = most;
  return n < 1 ? 1 : n;
}

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
  size_t image_bytes = plan_arena_floats(model->plan) * sizeof(float), bytes, threads = (size_t)threads_count(pool);
  size_t chunk = at_most(image_bytes ? CHUNK_BYTES / image_bytes : 1, (size_t)max_batch), share = 0;
  if (threads > 1 && (size_t)max_batch >= threads) {
    share = at_most(image_bytes ? CHUNK_BYTES / image_bytes / threads : 1, (size_t)max_batch / threads);
    if (share < LEAST_SHARE && (size_t)max_batch / threads >= LEAST_SHARE) share = LEAST_SHARE;
  }
  size_t images = share * threads > chunk ? share * threads : chunk;
  if (!multiply_size(image_bytes, images, &bytes)) return fail(e, "out of memory");
  if (threads_reserve_scratch(pool, plan_scratch_bytes(model->plan), e) != OK) return FAILED;
  struct session *session = allocate_zeroed(1, sizeof *session, e);
  if (!session) return FAILED;
  *session = (struct session){.model = model,
                              .pool = pool,
                              .bytes = bytes,
                              .image_floats = image_bytes / sizeof(float),
                              .chunk = (int)chunk,
                              .share = (int)share};
  session->arena = allocate_aligned(bytes, 1, e);
  session->thread_seconds = allocate(threads * (size_t)plan_op_count(model->plan), sizeof(double), e);
  if (!session->arena || !session->thread_seconds) {
    session_end(session);
    return FAILED;
  }
  *result = session;
  return OK;
}

void session_end(struct session *session) {
  if (!session) return;
  if (session->cuda) placement_cuda->session_end(session->cuda);
  release_aligned(session->arena);
  free(session->thread_seconds);
  free(session);
}

/* What session_run() is asked for, and a part of it. */
struct request {
  struct session *session;
  const float *input;
  float *features, *logits;
  size_t input_floats, width, classes;
  int images, pieces;
  bool timed;
};

static void run_images(const struct request *r, struct threads *pool, float *arena, int first, int images,
                       double *seconds, const struct plan_watch *watch) {
  float *outputs[OUTPUT_COUNT] = {
      [OUTPUT_FEATURES] = r->features ? r->features + (size_t)first * r->width : NULL,
      [OUTPUT_LOGITS] = r->logits && r->classes ? r->logits + (size_t)first * r->classes : NULL,
  };
  plan_run(r->session->model->plan, pool, arena, r->input + (size_t)first * r->input_floats, images, outputs, seconds,
           watch);
}

static void run_piece(void *context, size_t index, int thread) {
  const struct request *r = context;
  struct session *s = r->session;
  int first = (int)((int64_t)r->images * (int64_t)index / r->pieces);
  int end = (int)((int64_t)r->images * ((int64_t)index + 1) / r->pieces);
  double *seconds = s->thread_seconds + (size_t)thread * (size_t)plan_op_count(s->model->plan);
  run_images(r, threads_alone(s->pool, thread), s->arena + (size_t)thread * (size_t)s->share * s->image_floats, first,
             end - first, r->timed ? seconds : NULL, NULL);
}

/* Every thread takes whole images through the whole plan: no operation waits for its slowest thread. An operation's
 * time is then the threads' mean. */
static void run_apart(struct request *r, double *seconds) {
  struct session *s = r->session;
  size_t ops = (size_t)plan_op_count(s->model->plan), threads = (size_t)threads_count(s->pool);
  r->timed = seconds != NULL;
  if (seconds) memset(s->thread_seconds, 0, threads * ops * sizeof *seconds);
  threads_run(s->pool, (size_t)r->pieces, run_piece, r);
  for (size_t i = 0; seconds && i < threads * ops; i++) seconds[i % ops] += s->thread_seconds[i] / (double)threads;
}

void session_run(struct session *session, const float *input, int batch, float *features, float *logits,
                 double *seconds) {
  const struct model *model = session->model;
  struct model_info info = model_info(model);
  struct request r = {.session = session,
                      .input = input,
                      .features = features,
                      .logits = logits,
                      .input_floats = (size_t)model->recipe.height * (size_t)model->recipe.width * 3,
                      .width = (size_t)info.features,
                      .classes = (size_t)info.classes};
  if (session->cuda) {
    float *outputs[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = features, [OUTPUT_LOGITS] = r.classes ? logits : NULL};
    int status = placement_cuda->session_run(session->cuda, input, batch, outputs, seconds, &session->reason);
    if (status != OK) session->failed = true;
    return;
  }
  int threads = threads_count(session->pool), first = 0;
  if (session->share && batch >= threads && !session->watch) {
    first = r.images = batch / threads * threads;
    r.pieces = (batch / threads + session->share - 1) / session->share * threads;
    run_apart(&r, seconds);
  }
  for (int images; first < batch; first += images) {
    images = batch - first < session->chunk ? batch - first : session->chunk;
    run_images(&r, session->pool, session->arena, first, images, seconds, session->watch);
  }
}

void session_watch(struct session *session, const struct plan_watch *watch) { session->watch = watch; }

int session_check(const struct session *session, error *e) {
  return session->failed ? fail(e, "%s", session->reason.message) : OK;
}

size_t session_bytes(const struct session *session) {
  return session->cuda ? placement_cuda->session_bytes(session->cuda) : session->bytes;
}
