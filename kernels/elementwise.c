#include "kernels/elementwise.h"

enum {
  NORM_FLOATS = 12 << 10, /* norms kept at a time, of the channels of one image */
  RUN_CHANNELS = 64,      /* channels whose norms are one task */
  TASK_FLOATS = 8 << 10,  /* floats scaled or gated by one task */
};

static size_t ceil_divide(size_t a, size_t b) { return (a + b - 1) / b; }
static int smaller(int a, int b) { return a < b ? a : b; }
static int task_rows(int channels) { return channels < TASK_FLOATS ? TASK_FLOATS / channels : 1; }

/* The global response norm of one image's channels [first, first + count). */
struct response_job {
  const struct kernels *kernels;
  const float *in, *shift; /* these channels of the first pixel, and of beta */
  float *out;
  float *norms; /* [count], or then the factors that the channels are multiplied by */
  int pixels, channels, count;
};

static void norm_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct response_job *job = context;
  int first = (int)index * RUN_CHANNELS;
  job->kernels->norm_pixels(job->in + first, job->channels, job->pixels, smaller(job->count - first, RUN_CHANNELS),
                            job->norms + first);
}

/* Fill job->norms; their sum. */
static double find_norms(struct response_job *job, struct threads *pool) {
  threads_run(pool, ceil_divide((size_t)job->count, RUN_CHANNELS), norm_task, job);
  double sum = 0;
  for (int c = 0; c < job->count; c++) sum += (double)job->norms[c];
  return sum;
}

static void scale_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct response_job *job = context;
  int rows = task_rows(job->count), first = (int)index * rows, end = first + smaller(job->pixels - first, rows);
  for (int pixel = first; pixel < end; pixel++) {
    ptrdiff_t offset = (ptrdiff_t)pixel * job->channels;
    job->kernels->scale_row(job->in + offset, job->norms, job->shift, job->count, job->out + offset);
  }
}

static void respond(struct response_job *job, struct threads *pool, double mean, const float *gamma) {
  float inverse = (float)(1 / (mean + 1e-6));
  for (int c = 0; c < job->count; c++) job->norms[c] = 1 + job->norms[c] * inverse * gamma[c];
  threads_run(pool, ceil_divide((size_t)job->pixels, (size_t)task_rows(job->count)), scale_task, job);
}

void global_response_norm(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int pixels,
                          int channels, const float *gamma, const float *beta, float *out) {
  float norms[NORM_FLOATS];
  for (int image = 0; image < batch; image++) {
    size_t offset = (size_t)image * (size_t)pixels * (size_t)channels;
    struct response_job job = {.kernels = kernels, .norms = norms, .pixels = pixels, .channels = channels};
    double sum = 0;
    for (int c = 0; c < channels; c += NORM_FLOATS) {
      job.in = in + offset + c;
      job.count = smaller(channels - c, NORM_FLOATS);
      sum += find_norms(&job, pool);
    }
    for (int c = 0; c < channels; c += NORM_FLOATS) {
      job.in = in + offset + c;
      job.out = out + offset + c;
      job.shift = beta + c;
      job.count = smaller(channels - c, NORM_FLOATS);
      /* More norms than are kept: the mean needed them all first, now they are found again. */
      if (channels > NORM_FLOATS) find_norms(&job, pool);
      respond(&job, pool, sum / channels, gamma + c);
    }
  }
}

struct gate_job {
  const struct kernels *kernels;
  const float *in;
  float *out;
  size_t rows;
  int channels;
};

static void gate_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct gate_job *job = context;
  size_t channels = (size_t)job->channels, rows = (size_t)task_rows(job->channels), first = index * rows;
  size_t end = job->rows - first < rows ? job->rows : first + rows;
  for (size_t r = first; r < end; r++) {
    job->kernels->gate_silu_row(job->in + r * 2 * channels, job->channels, job->out + r * channels);
  }
}

void gate_silu(const struct kernels *kernels, struct threads *pool, const float *in, size_t rows, int channels,
               float *out) {
  struct gate_job job = {kernels, in, out, rows, channels};
  threads_run(pool, ceil_divide(rows, (size_t)task_rows(channels)), gate_task, &job);
}
