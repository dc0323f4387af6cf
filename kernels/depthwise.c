/* Packing of depthwise weights, and the split of the work: a task is some vectors of channels over some rows of an
 * image. It moves down the image with all its channels side by side, so that memory is read in runs and the rows that
 * a kernel spans stay in L2. */
#include "kernels/depthwise.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  MAX_KERNEL = 64,
  MAX_CHANNELS = 1 << 20,
  TASK_ROWS = 28,      /* of outputs: the rows read beyond them, by two tasks, are few */
  TASK_VECTORS = 16,   /* 1 kB of a pixel on AVX-512: seven rows of 56 pixels fill less than half of a common L2 */
  TURN_OUTPUTS = 56,   /* of one vector before the next one's turn, each of which loads its weights anew */
  TURN_ROWS = 2,       /* at least: the 7x7 kernel makes two rows at once */
  GATHER_STRIDE = 256, /* floats: pixels such a step apart, 1 kB, fall on four sets of L1 and push each other out */
  TASKS_PER_THREAD = 4,
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

void depthwise_unpack(const struct packed_depthwise *p, float *weight, float *bias) {
  int lanes = p->kernels->lanes, taps = p->kernel * p->kernel;
  for (int tap = 0; tap < taps; tap++) {
    for (int c = 0; c < p->channels; c++) {
      *weight++ = p->weights[(size_t)(c / lanes) * (size_t)(taps * lanes) + (size_t)(tap * lanes + c % lanes)];
    }
  }
  memcpy(bias, p->bias, (size_t)p->channels * sizeof *bias);
}

size_t depthwise_packed_bytes(const struct packed_depthwise *p) {
  return (weight_floats(p) + bias_floats(p)) * sizeof(float);
}

struct job {
  const struct packed_depthwise *packed;
  struct depthwise_rows rows; /* of the first image and vector */
  int out_height;
  size_t row_blocks, groups; /* groups of vectors */
};

/* Where a vector of channels begins, in one image. */
static struct depthwise_rows vector_rows(const struct job *job, size_t image, size_t vector) {
  const struct packed_depthwise *p = job->packed;
  struct depthwise_rows rows = job->rows;
  size_t lanes = (size_t)p->kernels->lanes, channel = vector * lanes;
  rows.in += image * (size_t)rows.in_height * (size_t)rows.in_width * (size_t)p->channels + channel;
  rows.out += image * (size_t)job->out_height * (size_t)rows.out_width * (size_t)p->channels + channel;
  rows.weight = p->weights + channel * (size_t)(p->kernel * p->kernel);
  rows.bias = p->bias + channel;
  rows.channels = (size_t)p->channels - channel < lanes ? p->channels - (int)channel : (int)lanes;
  return rows;
}

/* Rows of the output that a vector makes in a turn. */
struct turn {
  int rows;
  bool gather;
};

/* Gathering costs a load and a store for each pixel read: it pays where none is read twice. */
static struct turn turn_of(const struct job *job) {
  const struct depthwise_rows *r = &job->rows;
  if (r->pixel_stride % GATHER_STRIDE == 0 && r->in_height <= DEPTHWISE_GATHERED / r->in_width)
    return (struct turn){job->out_height, true};
  int rows = TURN_OUTPUTS / r->out_width;
  return (struct turn){rows > TURN_ROWS ? rows : TURN_ROWS, false};
}

/* Task (image, block of rows, group of vectors). */
static void rows_task(void *context, size_t index, int thread) {
  (void)thread;
  const struct job *job = context;
  const struct packed_depthwise *p = job->packed;
  size_t group = index % job->groups, block = index / job->groups % job->row_blocks;
  size_t image = index / job->groups / job->row_blocks, vectors = (size_t)p->vectors;
  size_t first_vector = group * vectors / job->groups, end_vector = (group + 1) * vectors / job->groups;
  int row = (int)(block * (size_t)job->out_height / job->row_blocks);
  int end_row = (int)((block + 1) * (size_t)job->out_height / job->row_blocks);
  struct turn turn = turn_of(job);
  for (; row < end_row; row += turn.rows) {
    for (size_t vector = first_vector; vector < end_vector; vector++) {
      struct depthwise_rows rows = vector_rows(job, image, vector);
      rows.first_row = row;
      rows.end_row = row + turn.rows < end_row ? row + turn.rows : end_row;
      rows.gather = turn.gather;
      p->kernels->depthwise_rows(&rows);
    }
  }
}

/* As few groups as TASK_VECTORS allows, or more where threads would lack tasks. */
static size_t groups_of_vectors(const struct job *job, size_t images, size_t threads) {
  size_t vectors = (size_t)job->packed->vectors, blocks = images * job->row_blocks;
  size_t fewest = (vectors + TASK_VECTORS - 1) / TASK_VECTORS,
         wanted = (threads * TASKS_PER_THREAD + blocks - 1) / blocks;
  if (wanted < fewest) wanted = fewest;
  return wanted < vectors ? wanted : vectors;
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
  if (batch < 1 || job.out_height < 1 || job.rows.out_width < 1) return;
  job.groups = groups_of_vectors(&job, (size_t)batch, (size_t)threads_count(pool));
  threads_run(pool, (size_t)batch * job.row_blocks * job.groups, rows_task, &job);
}
