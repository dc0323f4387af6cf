#include "kernels/layer_norm.h"

/* Floats of a task: enough to outweigh its start, few enough that every thread gets some. */
enum { TASK_FLOATS = 8 << 10 };

struct job {
  const struct kernels *kernels;
  const float *in, *gamma, *beta, *residual;
  float *out, epsilon;
  size_t rows, task_rows;
  int channels;
};

static void normalise_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct job *job = context;
  size_t first = index * job->task_rows, end = first + job->task_rows < job->rows ? first + job->task_rows : job->rows;
  for (size_t row = first; row < end; row++) {
    size_t offset = row * (size_t)job->channels;
    job->kernels->layer_norm_row(job->in + offset, job->channels, job->gamma, job->beta, job->epsilon,
                                 job->residual ? job->residual + offset : NULL, job->out + offset);
  }
}

void layer_norm(const struct kernels *kernels, struct threads *pool, const float *in, size_t rows, int channels,
                const float *gamma, const float *beta, float epsilon, const float *residual, float *out) {
  struct job job = {.kernels = kernels,
                    .in = in,
                    .gamma = gamma,
                    .beta = beta,
                    .residual = residual,
                    .out = out,
                    .epsilon = epsilon,
                    .rows = rows,
                    .channels = channels};
  job.task_rows = channels < TASK_FLOATS ? (size_t)(TASK_FLOATS / channels) : 1;
  threads_run(pool, (rows + job.task_rows - 1) / job.task_rows, normalise_task, &job);
}
