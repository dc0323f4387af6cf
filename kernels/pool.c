#include "kernels/pool.h"

#include <string.h>

/* Max or average pooling: a task is one row of outputs. */
struct window_job {
  void (*pool_row)(const struct pool_row *row);
  struct pool_row row; /* of image 0, line 0 */
  int out_height;
};

static void window_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct window_job *job = context;
  struct pool_row row = job->row;
  size_t image = index / (size_t)job->out_height;
  row.y = (int)(index % (size_t)job->out_height);
  row.in += image * (size_t)row.in_height * (size_t)row.in_width * (size_t)row.channels;
  row.out += index * (size_t)row.out_width * (size_t)row.channels;
  job->pool_row(&row);
}

void max_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int height, int width,
              int channels, int kernel, int stride, int padding, float *out) {
  int out_height = (height + 2 * padding - kernel) / stride + 1,
      out_width = (width + 2 * padding - kernel) / stride + 1;
  struct window_job job = {
      kernels->max_pool_row,
      {.in = in,
       .out = out,
       .in_height = height,
       .in_width = width,
       .channels = channels,
       .out_width = out_width,
       .kernel = kernel,
       .stride = stride,
       .padding = padding},
      out_height,
  };
  threads_run(pool, (size_t)batch * (size_t)out_height, window_task, &job);
}

int average_pool_size(int pixels, int kernel, int stride, bool ceil) {
  if (pixels < kernel) return ceil && pixels > 0 && kernel - pixels < stride ? 1 : 0;
  int steps = (pixels - kernel + (ceil ? stride - 1 : 0)) / stride;
  return steps * stride < pixels ? steps + 1 : steps;
}

void average_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int height,
                  int width, int channels, int kernel, int stride, bool ceil, float *out) {
  struct window_job job = {
      kernels->average_pool_row,
      {.in = in,
       .out = out,
       .in_height = height,
       .in_width = width,
       .channels = channels,
       .out_width = average_pool_size(width, kernel, stride, ceil),
       .kernel = kernel,
       .stride = stride},
      average_pool_size(height, kernel, stride, ceil),
  };
  threads_run(pool, (size_t)batch * (size_t)job.out_height, window_task, &job);
}

/* A task is one image's run of 64 channels: enough tasks for a batch of one. */
enum { MEAN_CHANNELS = 64 };

struct mean_job {
  const struct kernels *kernels;
  const float *in;
  float *out;
  int pixels, channels;
};

static void mean_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct mean_job *job = context;
  size_t runs = ((size_t)job->channels + MEAN_CHANNELS - 1) / MEAN_CHANNELS, image = index / runs;
  int first = (int)(index % runs) * MEAN_CHANNELS;
  int channels = job->channels - first < MEAN_CHANNELS ? job->channels - first : MEAN_CHANNELS;
  const float *in = job->in + image * (size_t)job->pixels * (size_t)job->channels + first;
  job->kernels->mean_pixels(in, job->channels, job->pixels, channels, job->out + image * (size_t)job->channels + first);
}

void global_average_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int pixels,
                         int channels, float *out) {
  struct mean_job job = {kernels, in, out, pixels, channels};
  size_t runs = ((size_t)channels + MEAN_CHANNELS - 1) / MEAN_CHANNELS;
  threads_run(pool, (size_t)batch * runs, mean_task, &job);
}

struct shortcut_job {
  const float *in;
  float *out;
  int height, width, channels, stride, out_height, out_width, out_channels;
};

static void shortcut_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct shortcut_job *job = context;
  size_t image = index / (size_t)job->out_height, y = index % (size_t)job->out_height * (size_t)job->stride;
  const float *in = job->in + (image * (size_t)job->height + y) * (size_t)job->width * (size_t)job->channels;
  float *out = job->out + index * (size_t)job->out_width * (size_t)job->out_channels;
  int before = (job->out_channels - job->channels) / 2, behind = job->out_channels - job->channels - before;
  for (int x = 0; x < job->out_width; x++) {
    memset(out, 0, (size_t)before * sizeof(float));
    memcpy(out + before, in, (size_t)job->channels * sizeof(float));
    memset(out + before + job->channels, 0, (size_t)behind * sizeof(float));
    in += job->stride * job->channels;
    out += job->out_channels;
  }
}

void pad_shortcut(struct threads *pool, const float *in, int batch, int height, int width, int channels, int stride,
                  int out_channels, float *out) {
  struct shortcut_job job = {
      in,          out, height, width, channels, stride, (height + stride - 1) / stride, (width + stride - 1) / stride,
      out_channels};
  threads_run(pool, (size_t)batch * (size_t)job.out_height, shortcut_task, &job);
}
