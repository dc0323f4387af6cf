#include "evaluate/extract.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/progress.h"
#include "images/preprocess.h"
#include "weights-tools/sha256.h"

enum {
  REASON_BYTES = 512,
  CHUNKS_AHEAD = 4, /* per worker: how far a fast one may run ahead of the slowest picture */
};

/* One worker's batch on its way. */
struct chunk {
  struct extracted *results;   /* [samples of a chunk] */
  float *rows;                 /* [samples, columns] */
  char (*hashes)[SHA256_TEXT]; /* [samples] */
  char *reasons;               /* [samples][REASON_BYTES] */
  size_t n;
  bool ready;
};

struct pipeline {
  const struct extraction *x;
  size_t width, views, columns; /* of a row of the network, rows of a sample, both together */
  size_t samples;               /* of a chunk */
  size_t chunks, ring;          /* chunk i waits in slot i % ring for its turn */
  struct chunk *slots;
  pthread_mutex_t lock;
  pthread_mutex_t gpu; /* its session's turn */
  pthread_cond_t delivered;
  size_t next_chunk, next_delivery;
  bool delivering, stopped;
  error failure;
  struct progress progress;
};

struct worker {
  struct pipeline *pipeline;
  pthread_t thread;
  bool started;
  struct threads *pool;
  struct session *session;
  bool owner;     /* of the session */
  float *input;   /* [batch, height, width, 3] */
  float *rows;    /* [samples of a chunk, columns]: of those that could be read */
  size_t waiting; /* inputs that the network has not seen, */
  float *next;    /* and where in `rows` their results go */
};

static void stop(struct pipeline *p, const error *e) {
  if (!p->stopped) p->failure = *e;
  p->stopped = true;
  pthread_cond_broadcast(&p->delivered);
}

/* Claim the next chunk, waiting while it is too far ahead of delivery; false at the end. */
static bool claim(struct pipeline *p, size_t *chunk) {
  pthread_mutex_lock(&p->lock);
  while (!p->stopped && p->next_chunk < p->chunks && p->next_chunk >= p->next_delivery + p->ring) {
    pthread_cond_wait(&p->delivered, &p->lock);
  }
  bool claimed = !p->stopped && p->next_chunk < p->chunks;
  if (claimed) *chunk = p->next_chunk++;
  pthread_mutex_unlock(&p->lock);
  return claimed;
}

/* Mark a chunk ready and deliver all that are ready in order, unless another worker is doing so. */
static void deliver(struct pipeline *p, size_t chunk) {
  pthread_mutex_lock(&p->lock);
  p->slots[chunk % p->ring].ready = true;
  while (!p->stopped && !p->delivering && p->next_delivery < p->chunks && p->slots[p->next_delivery % p->ring].ready) {
    struct chunk *slot = &p->slots[p->next_delivery % p->ring];
    p->delivering = true;
    pthread_mutex_unlock(&p->lock);
    error e = {""};
    int status = p->x->receive(p->x->context, slot->results, slot->n, &e);
    progress_add(&p->progress, slot->n);
    pthread_mutex_lock(&p->lock);
    p->delivering = false;
    slot->ready = false;
    p->next_delivery++;
    if (status != OK) stop(p, &e);
    pthread_cond_broadcast(&p->delivered);
  }
  pthread_mutex_unlock(&p->lock);
}

static bool all_finite(const float *row, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(row[i])) return false;
  }
  return true;
}

/* The data set's messages begin with the sample's path; who receives a result adds it. */
static const char *without_path(const char *message, const char *path) {
  size_t length = strlen(path);
  bool begins = !strncmp(message, path, length) && !strncmp(message + length, ": ", 2);
  return begins ? message + length + 2 : message;
}

static float *input_of(const struct worker *w, size_t i) {
  const struct recipe *recipe = &w->pipeline->x->engine->info.recipe;
  return w->input + i * (size_t)recipe->height * (size_t)recipe->width * 3;
}

/* Take what waits through the network. */
static void flush(struct worker *w) {
  const struct extraction *x = w->pipeline->x;
  struct pipeline *p = w->pipeline;
  bool shared = model_on_gpu(x->engine->model);
  error e = {""};
  if (shared) pthread_mutex_lock(&p->gpu);
  session_run(w->session, w->input, (int)w->waiting, x->logits ? NULL : w->next, x->logits ? w->next : NULL, NULL);
  int status = session_check(w->session, &e);
  if (shared) pthread_mutex_unlock(&p->gpu);
  if (status != OK) {
    pthread_mutex_lock(&p->lock);
    stop(p, &e);
    pthread_mutex_unlock(&p->lock);
  }
  w->next += w->waiting * w->pipeline->width;
  w->waiting = 0;
}

static int read_sample(struct worker *w, size_t index, char *sha256, error *e) {
  const struct extraction *x = w->pipeline->x;
  const struct recipe *recipe = &x->engine->info.recipe;
  if (x->views.count == 0) {
    struct input_request request = {&x->decode, recipe, x->corruption};
    int status = dataset_input(x->dataset, index, &request, input_of(w, w->waiting), NULL, sha256, e);
    if (status == OK) w->waiting++;
    return status;
  }
  /* All views come from one decoded picture: most parts are large, and decoding takes longer than the rest. */
  struct image image;
  const char *path = x->dataset->samples[index].path;
  int status = dataset_image_and_hash(x->dataset, index, &x->decode, &image, sha256, e);
  if (status != OK) return status;
  for (size_t v = 0; status == OK && v < x->views.count; v++) {
    struct random_stream stream = stream_begin(x->views.seed, path, v);
    struct random_crop view = random_crop_draw(&stream, image.width, image.height);
    status = preprocess_view(&image, recipe, &view, input_of(w, w->waiting), e);
    if (status == OK && ++w->waiting == (size_t)x->batch) flush(w);
  }
  image_free(&image);
  return status == OK ? OK : fail_within(e, "%s", path);
}

static void process(struct worker *w, size_t chunk) {
  struct pipeline *p = w->pipeline;
  const struct extraction *x = p->x;
  struct chunk *slot = &p->slots[chunk % p->ring];
  size_t first = chunk * p->samples, read = 0;
  slot->n = x->count - first < p->samples ? x->count - first : p->samples;
  w->next = w->rows;
  for (size_t i = 0; i < slot->n; i++) {
    size_t index = x->indices[first + i], waiting = w->waiting;
    float *next = w->next;
    char *reason = slot->reasons + i * REASON_BYTES;
    slot->results[i] = (struct extracted){.index = index, .sha256 = slot->hashes[i], .reason = reason};
    error e = {""};
    int status = read_sample(w, index, slot->hashes[i], &e);
    snprintf(reason, REASON_BYTES, "%.*s", REASON_BYTES - 1, without_path(e.message, x->dataset->samples[index].path));
    if (status == OK) {
      slot->results[i].row = w->rows + read++ * p->columns;
    } else { /* the views that went before do not count */
      w->waiting = w->next == next ? waiting : 0;
      w->next = w->next == next ? next : w->rows + read * p->columns;
    }
  }
  flush(w);
  for (size_t i = 0; i < slot->n; i++) {
    struct extracted *result = &slot->results[i];
    if (!result->row) continue;
    float *kept = slot->rows + i * p->columns;
    memcpy(kept, result->row, p->columns * sizeof *kept);
    result->row = kept;
    if (all_finite(kept, p->columns)) {
      result->reason = NULL;
    } else {
      result->row = NULL;
      snprintf(slot->reasons + i * REASON_BYTES, REASON_BYTES, "the network's output is not finite");
    }
  }
}

static void *work(void *argument) {
  struct worker *w = argument;
  size_t chunk;
  while (claim(w->pipeline, &chunk)) {
    process(w, chunk);
    deliver(w->pipeline, chunk);
  }
  return NULL;
}

static int prepare_slot(const struct pipeline *p, struct chunk *slot, error *e) {
  slot->results = allocate_zeroed(p->samples, sizeof *slot->results, e);
  slot->rows = allocate(p->samples, p->columns * sizeof *slot->rows, e);
  slot->hashes = allocate(p->samples, sizeof *slot->hashes, e);
  slot->reasons = allocate(p->samples, REASON_BYTES, e);
  return slot->results && slot->rows && slot->hashes && slot->reasons ? OK : FAILED;
}

/* A GPU has one session, the first worker's, which all use in turn; on the CPU each has its own. */
static int prepare_worker(struct pipeline *p, struct worker *workers, struct worker *w, error *e) {
  const struct recipe *recipe = &p->x->engine->info.recipe;
  size_t batch = (size_t)p->x->batch, picture = (size_t)recipe->height * (size_t)recipe->width * 3;
  w->pipeline = p;
  w->pool = threads_start(1, e);
  if (!w->pool) return FAILED;
  w->owner = w == workers || !model_on_gpu(p->x->engine->model);
  if (!w->owner)
    w->session = workers->session;
  else if (session_start(&w->session, p->x->engine->model, w->pool, p->x->batch, e) != OK)
    return FAILED;
  w->input = allocate_aligned(batch * picture, sizeof *w->input, e);
  w->rows = allocate_aligned(p->samples, p->columns * sizeof *w->rows, e);
  return w->input && w->rows ? OK : FAILED;
}

static int run_workers(struct pipeline *p, struct worker *workers, int n, error *e) {
  for (size_t i = 0; i < p->ring; i++) {
    if (prepare_slot(p, &p->slots[i], e) != OK) return FAILED;
  }
  for (int i = 0; i < n; i++) {
    if (prepare_worker(p, workers, &workers[i], e) != OK) return FAILED;
  }
  for (int i = 1; i < n; i++) {
    workers[i].started = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
  }
  work(&workers[0]); /* with fewer threads than asked for, the work is still done */
  for (int i = 1; i < n; i++) {
    if (workers[i].started) pthread_join(workers[i].thread, NULL);
  }
  if (!p->stopped) return OK;
  *e = p->failure;
  return FAILED;
}

int extract(const struct extraction *x, error *e) {
  const struct model_info *info = &x->engine->info;
  struct pipeline p = {.x = x, .width = (size_t)(x->logits ? info->classes : info->features)};
  p.views = x->views.count ? x->views.count : 1;
  p.samples = (size_t)x->batch > p.views ? (size_t)x->batch / p.views : 1;
  if (!multiply_size(p.width, p.views * sizeof(float), &p.columns)) return fail(e, "too many views");
  p.columns /= sizeof(float);
  p.chunks = (x->count + p.samples - 1) / p.samples;
  if (p.chunks == 0) return OK;
  int n = x->engine->threads;
  if ((size_t)n > p.chunks) n = (int)p.chunks;
  p.ring = (size_t)n * CHUNKS_AHEAD;
  p.slots = allocate_zeroed(p.ring, sizeof *p.slots, e);
  struct worker *workers = allocate_zeroed((size_t)n, sizeof *workers, e);
  int status = FAILED;
  if (p.slots && workers) {
    pthread_mutex_init(&p.lock, NULL);
    pthread_mutex_init(&p.gpu, NULL);
    pthread_cond_init(&p.delivered, NULL);
    progress_start(&p.progress, x->count, "images", x->progress);
    status = run_workers(&p, workers, n, e);
    progress_end(&p.progress);
    pthread_cond_destroy(&p.delivered);
    pthread_mutex_destroy(&p.lock);
    pthread_mutex_destroy(&p.gpu);
  }
  for (int i = 0; workers && i < n; i++) {
    if (workers[i].owner) session_end(workers[i].session);
    threads_stop(workers[i].pool);
    release_aligned(workers[i].input);
    release_aligned(workers[i].rows);
  }
  for (size_t i = 0; p.slots && i < p.ring; i++) {
    free(p.slots[i].results);
    free(p.slots[i].rows);
    free(p.slots[i].hashes);
    free(p.slots[i].reasons);
  }
  free(p.slots);
  free(workers);
  return status;
}
