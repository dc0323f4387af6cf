/* Packing of depthwise weights, and the split of the work: a task is one vector of channels over some rows of an image,
 * so that the rows a kernel spans stay in L1 as it moves down, and nothing but those rows is read twice. */
#include "kernels/depthwise.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  MAX_KERNEL = 64,
  MAX_CHANNELS = 1 << 20,
  TASK_ROWS = 28, /* of outputs: the rows read beyond them, by two tasks, are few */
};

struct packed_depthwise {
  const struct kernels *kernels;
  int channels, kernel, stride, padding;
  int vectors;
  float *weights; /* [vectors][kernel * kernel][lanes], lanes beyond the last channel are zero */
  float *bias;    /* [vectors][lanes], zero where there is none */
};

static size_t weight_floats(const struct packed_depthwise *p) {
  return (size_t)p->vectors * (size_t)p->kernels->lanes * (size_t)(p->kernel * p->kernel);
}

static size_t bias_floats(const struct packed_depthwise *p) { return (size_t)p->vectors * (size_t)p->kernels->lanes; }

struct packed_depthwise *depthwise_pack(const struct kernels *kernels, int channels, int kernel, int stride,
                                        int padding, const float *weight, const float *bias, error *e) {
  bool sane = channels > 0 && channels <= MAX_CHANNELS && kernel > 0 && kernel <= MAX_KERNEL && stride > 0 &&
              stride <= MAX_KERNEL && padding >= 0 && padding < kernel;
  if (!sane) {
    fail(e, "a depthwise convolution of %d channels, kernel %d, stride %d, padding %d", channels, kernel, stride,
         padding);
    return NULL;
  }
  struct packed_depthwise *p = allocate_zeroed(1, sizeof *p, e);
  if (!p) return NULL;
  int lanes = kernels->lanes, taps = kernel * kernel;
  *p =
      (struct packed_depthwise){kernels, channels, kernel, stride, padding, (channels + lanes - 1) / lanes, NULL, NULL};
  size_t floats = weight_floats(p); /* at most 2^33 by the checks above */
  p->weights = allocate_aligned(floats, sizeof(float), e);
  p->bias = allocate_aligned(bias_floats(p), sizeof(float), e);
  if (!p->weights || !p->bias) {
    depthwise_release(p);
    return NULL;
  }
  memset(p->weights, 0, floats * sizeof(float));
  memset(p->bias, 0, bias_floats(p) * sizeof(float));
  for (int c = 0; c < channels; c++) {
    float *to = p->weights + (size_t)(c / lanes) * (size_t)(taps * lanes) + c % lanes;
    for (int tap = 0; tap < taps; tap++) to[tap * lanes] = *weight++;
  }
  if (bias) memcpy(p->bias, bias, (size_t)channels * sizeof(float));
  return p;
}

void depthwise_release(struct packed_depthwise *p) {
  if (!p) return;
  release_aligned(p->weights);
  release_aligned(p->bias);
  free(p);
}

size_t depthwise_packed_bytes(const struct packed_depthwise *p) {
  return (weight_floats(p) + bias_floats(p)) * sizeof(float);
}

struct job {
  const struct packed_depthwise *packed;
  struct depthwise_rows rows; /* of the first image and vector */
  int out_height;
  size_t row_blocks;
};

/* Task (image, block of rows, vector of channels). */
static void rows_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct job *job = context;
  const struct packed_depthwise *p = job->packed;
  struct depthwise_rows rows = job->rows;
  size_t vector = index % (size_t)p->vectors, block = index / (size_t)p->vectors % job->row_blocks;
  size_t image = index / (size_t)p->vectors / job->row_blocks, lanes = (size_t)p->kernels->lanes;
  size_t channel = vector * lanes;
  rows.in += image * (size_t)rows.in_height * (size_t)rows.in_width * (size_t)p->channels + channel;
  rows.out += image * (size_t)job->out_height * (size_t)rows.out_width * (size_t)p->channels + channel;
  rows.weight = p->weights + channel * (size_t)(p->kernel * p->kernel);
  rows.bias = p->bias + channel;
  rows.channels = (size_t)p->channels - channel < lanes ? p->channels - (int)channel : (int)lanes;
  rows.first_row = (int)(block * (size_t)job->out_height / job->row_blocks);
  rows.end_row = (int)((block + 1) * (size_t)job->out_height / job->row_blocks);
  p->kernels->depthwise_rows(&rows);
}

void depthwise_run(struct threads *pool, const struct packed_depthwise *p, int batch, int height, int width,
                   const float *in, float *out) {
  struct job job = {.packed = p,
                    .rows = {.in = in,
                             .out = out,
                             .pixel_stride = p->channels,
                             .in_height = height,
                             .in_width = width,
                             .out_width = (width + 2 * p->padding - p->kernel) / p->stride + 1,
                             .kernel = p->kernel,
                             .stride = p->stride,
                             .padding = p->padding},
                    .out_height = (height + 2 * p->padding - p->kernel) / p->stride + 1};
  job.row_blocks = ((size_t)job.out_height + TASK_ROWS - 1) / TASK_ROWS;
  threads_run(pool, (size_t)batch * job.row_blocks * (size_t)p->vectors, rows_task, &job);
}
