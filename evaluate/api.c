/* The public API of backbones.h over the engine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/engine.h"
#include "images/preprocess.h"
#include "kernels/memory.h"

struct backbones {
  struct engine engine;
  struct threads *pool;
  struct session *session;
  int max_batch;
  float *input; /* [max_batch, height, width, 3] */
};

static int prepare(backbones *b, error *e) {
  const struct recipe *recipe = &b->engine.info.recipe;
  b->pool = threads_start(b->engine.threads, e);
  if (!b->pool) return FAILED;
  if (session_start(&b->session, b->engine.model, b->pool, b->max_batch, e) != OK) return FAILED;
  size_t floats = (size_t)recipe->height * (size_t)recipe->width * 3;
  if (!multiply_size(floats, (size_t)b->max_batch, &floats)) return fail(e, "max_batch %d: too large", b->max_batch);
  b->input = allocate_aligned(floats, sizeof *b->input, e);
  return b->input ? OK : FAILED;
}

backbones *backbones_load(const char *path, const struct backbones_options *options, struct backbones_error *e) {
  struct backbones_options defaults = {0};
  if (!options) options = &defaults;
  if (!path || options->threads < 0 || options->max_batch < 0) {
    usage_error(e, "backbones_load: a path, and numbers that are not negative, are needed");
    return NULL;
  }
  backbones *b = allocate_zeroed(1, sizeof *b, e);
  if (!b) return NULL;
  b->max_batch = options->max_batch ? options->max_batch : 16;
  struct engine_request request = {.path = path,
                                   .arch = options->arch,
                                   .features = options->features,
                                   .device = options->device,
                                   .threads = options->threads};
  if (engine_load(&b->engine, &request, e) != OK || prepare(b, e) != OK) {
    backbones_free(b);
    return NULL;
  }
  return b;
}

void backbones_free(backbones *b) {
  if (!b) return;
  session_end(b->session);
  threads_stop(b->pool);
  release_aligned(b->input);
  engine_free(&b->engine);
  free(b);
}

struct backbones_info backbones_describe(const backbones *b) {
  const struct model_info *info = &b->engine.info;
  return (struct backbones_info){
      .arch = info->arch,
      .scheme = info->scheme,
      .isa = model_isa(b->engine.model),
      .parameters = info->parameters,
      .gflops = info->gflops,
      .features = info->features,
      .classes = info->classes,
      .input_height = info->recipe.height,
      .input_width = info->recipe.width,
  };
}

/* One call's pictures on their way into the input, split over the pool. */
struct preprocess_job {
  const backbones *b;
  const struct backbones_image *images;
  error *errors; /* one a picture */
  int *statuses;
};

/* A picture without gaps between its rows: the caller's own, or a copy. */
static int tighten(const struct backbones_image *in, struct image *out, uint8_t **copy, error *e) {
  *copy = NULL;
  size_t row, size;
  if (!in->rgb || in->width < 1 || in->height < 1) return usage_error(e, "has no pixels");
  if (!multiply_size((size_t)in->width, 3, &row) || !multiply_size(row, (size_t)in->height, &size)) {
    return usage_error(e, "is too large");
  }
  *out = (struct image){.rgb = (uint8_t *)(uintptr_t)in->rgb, .width = in->width, .height = in->height};
  if (in->stride == 0 || in->stride == (ptrdiff_t)row) return OK;
  *copy = allocate(size, 1, e);
  if (!*copy) return FAILED;
  for (int y = 0; y < in->height; y++) memcpy(*copy + (size_t)y * row, in->rgb + y * in->stride, row);
  out->rgb = *copy;
  return OK;
}

static void preprocess_task(void *context, size_t i, int thread) {
  (void)thread;
  struct preprocess_job *job = context;
  const struct recipe *recipe = &job->b->engine.info.recipe;
  size_t picture = (size_t)recipe->height * (size_t)recipe->width * 3;
  struct image image;
  uint8_t *copy;
  job->statuses[i] = tighten(&job->images[i], &image, &copy, &job->errors[i]);
  if (job->statuses[i] == OK) {
    job->statuses[i] = preprocess(&image, recipe, job->b->input + i * picture, &job->errors[i]);
  }
  free(copy);
}

static int fill_input(const backbones *b, const struct backbones_image *images, size_t first, size_t n, error *e) {
  struct preprocess_job job = {.b = b, .images = images + first};
  job.errors = allocate_zeroed(n, sizeof *job.errors, e);
  job.statuses = allocate_zeroed(n, sizeof *job.statuses, e);
  int status = job.errors && job.statuses ? OK : FAILED;
  if (status == OK) threads_run(b->pool, n, preprocess_task, &job);
  for (size_t i = 0; status == OK && i < n; i++) {
    if (job.statuses[i] == OK) continue;
    fail(e, "image %zu: %.1900s", first + i, job.errors[i].message);
    status = job.statuses[i];
  }
  free(job.errors);
  free(job.statuses);
  return status;
}

static int run(backbones *b, const struct backbones_image *images, size_t n, float *features, float *logits, error *e) {
  for (size_t first = 0; first < n; first += (size_t)b->max_batch) {
    size_t batch = n - first < (size_t)b->max_batch ? n - first : (size_t)b->max_batch;
    int status = fill_input(b, images, first, batch, e);
    if (status != OK) return status;
    session_run(b->session, b->input, (int)batch, features ? features + first * (size_t)b->engine.info.features : NULL,
                logits ? logits + first * (size_t)b->engine.info.classes : NULL, NULL);
    if (session_check(b->session, e) != OK) return FAILED;
  }
  return OK;
}

int backbones_features(backbones *b, const struct backbones_image *images, size_t n, float *features,
                       struct backbones_error *e) {
  if (!b || (n && (!images || !features))) return usage_error(e, "backbones_features: NULL");
  return run(b, images, n, features, NULL, e);
}

int backbones_logits(backbones *b, const struct backbones_image *images, size_t n, float *logits,
                     struct backbones_error *e) {
  if (!b || (n && (!images || !logits))) return usage_error(e, "backbones_logits: NULL");
  if (!b->engine.info.classes) return fail(e, "%s: has no head, so no logits", b->engine.path);
  return run(b, images, n, NULL, logits, e);
}

int backbones_image_decode(const void *bytes, size_t size, struct backbones_image *image, struct backbones_error *e) {
  *image = (struct backbones_image){0};
  struct image decoded;
  int status = image_decode(&decoded, bytes, size, NULL, e);
  if (status != OK) return status;
  *image = (struct backbones_image){decoded.rgb, decoded.width, decoded.height, (ptrdiff_t)decoded.width * 3};
  return OK;
}

void backbones_image_free(struct backbones_image *image) {
  struct image decoded = {.rgb = (uint8_t *)(uintptr_t)image->rgb};
  image_free(&decoded);
  *image = (struct backbones_image){0};
}
