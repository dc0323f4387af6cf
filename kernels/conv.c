/* The framework around the register tile: packing of weights, blocking, and where a tile finds its pixels.
 *
 * C is [pixels, out channels]. The loops, outermost first: groups, blocks of columns whose packed weights stay in L2,
 * tiles of rows, panels of the block. A tile's pixels are read in place through pointers (one per row and kernel
 * position), or, where runs are too short or rows collide in L1, gathered into a small buffer first. All of it is split
 * over threads by (column block, row tile); the summed dimension is never split. */
#include "kernels/conv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  COLUMN_BLOCK_BYTES = 384 << 10, /* of packed weights: half of a common L2, the rest is for pixels and C */
  SHORTEST_RUN = 16,              /* channels: below this a tap's setup costs as much as its arithmetic */
  MAX_KERNEL = 64,
  MAX_CHANNELS = 1 << 20,
};

struct packed_conv {
  const struct kernels *kernels;
  struct conv_shape shape;
  /* Narrow groups are merged until they fill a vector; their cross terms are zero weights. */
  int groups, group_in, group_out;
  /* A tap of the register tile is one kernel position, or a whole kernel line where channels are so few that the pixels
   * of a line, which lie side by side, make the better run. */
  bool lines;
  bool copy; /* rows that would collide in L1, or that are normalised, are copied side by side first */
  enum { NORM_NONE, NORM_PIXEL, NORM_WINDOW } norm;
  float *gamma, *beta, epsilon;
  int taps, depth; /* runs of a row, floats of a run */
  int panels;      /* per group */
  float *weights;  /* [groups][panels][kernel * kernel * group_in][gemm_columns] */
  float *bias;     /* [out_channels] or NULL */
  float *zeros;    /* [group_in]: the pixels outside the image */
};

int conv_output_size(const struct conv_shape *s, int pixels) {
  int64_t span = (int64_t)s->dilation * (s->kernel - 1) + 1, padded = (int64_t)pixels + 2 * (int64_t)s->padding;
  return padded < span ? 0 : (int)((padded - span) / s->stride + 1);
}

static int check_shape(const struct conv_shape *s, error *e) {
  bool sane = s->in_channels > 0 && s->in_channels <= MAX_CHANNELS && s->out_channels > 0 &&
              s->out_channels <= MAX_CHANNELS && s->kernel > 0 && s->kernel <= MAX_KERNEL && s->stride > 0 &&
              s->stride <= MAX_KERNEL && s->padding >= 0 && s->padding < s->kernel * s->dilation && s->dilation > 0 &&
              s->dilation <= MAX_KERNEL && s->groups > 0 && s->in_channels % s->groups == 0 &&
              s->out_channels % s->groups == 0;
  if (sane) return OK;
  return fail(e, "a convolution of %d to %d channels, kernel %d, stride %d, padding %d, dilation %d, groups %d",
              s->in_channels, s->out_channels, s->kernel, s->stride, s->padding, s->dilation, s->groups);
}

/* How many neighbouring groups to join: as long as a joined group fills at most one vector. */
static int groups_to_merge(const struct conv_shape *s, int lanes) {
  int out = s->out_channels / s->groups, merge = 1;
  while (s->groups % (merge * 2) == 0 && out * merge * 2 <= lanes) merge *= 2;
  return merge;
}

/* Where output o's weights begin in [group][panel][ky][kx][in][column]: of its first input, kernel position 0. */
static float *weights_of(const struct packed_conv *p, int o) {
  const struct conv_shape *s = &p->shape;
  int in = s->in_channels / s->groups, out = s->out_channels / s->groups, columns = p->kernels->gemm_columns;
  size_t panel_floats = (size_t)(s->kernel * s->kernel) * (size_t)p->group_in * (size_t)columns;
  int group = o / p->group_out, column = o % p->group_out;
  int first_in = o / out * in - group * p->group_in; /* this output's inputs within the joined group */
  size_t panel = (size_t)group * (size_t)p->panels + (size_t)(column / columns);
  return p->weights + panel * panel_floats + (size_t)first_in * (size_t)columns + column % columns;
}

/* Place weight [out, in / groups, kernel, kernel]. */
static void place_weights(struct packed_conv *p, const float *weight) {
  const struct conv_shape *s = &p->shape;
  int in = s->in_channels / s->groups, kernel2 = s->kernel * s->kernel;
  size_t columns = (size_t)p->kernels->gemm_columns;
  for (int o = 0; o < s->out_channels; o++) {
    float *to = weights_of(p, o);
    for (int c = 0; c < in; c++) {
      for (int t = 0; t < kernel2; t++) to[((size_t)t * (size_t)p->group_in + (size_t)c) * columns] = *weight++;
    }
  }
}

void conv_unpack(const struct packed_conv *p, float *weight) {
  const struct conv_shape *s = &p->shape;
  int in = s->in_channels / s->groups, kernel2 = s->kernel * s->kernel;
  size_t columns = (size_t)p->kernels->gemm_columns;
  for (int o = 0; o < s->out_channels; o++) {
    const float *from = weights_of(p, o);
    for (int c = 0; c < in; c++) {
      for (int t = 0; t < kernel2; t++) *weight++ = from[((size_t)t * (size_t)p->group_in + (size_t)c) * columns];
    }
  }
}

struct conv_contents conv_contents(const struct packed_conv *p) {
  return (struct conv_contents){p->shape, p->bias, p->gamma, p->beta, p->epsilon, p->norm == NORM_WINDOW};
}

static size_t weight_floats(const struct packed_conv *p) {
  return (size_t)p->groups * (size_t)p->panels * (size_t)(p->shape.kernel * p->shape.kernel) * (size_t)p->group_in *
         (size_t)p->kernels->gemm_columns;
}

struct packed_conv *conv_pack(const struct kernels *kernels, const struct conv_shape *shape, const float *weight,
                              const float *bias, error *e) {
  if (check_shape(shape, e) != OK) return NULL;
  struct packed_conv *p = allocate_zeroed(1, sizeof *p, e);
  if (!p) return NULL;
  int merge = groups_to_merge(shape, kernels->lanes), columns = kernels->gemm_columns;
  p->kernels = kernels;
  p->shape = *shape;
  p->groups = shape->groups / merge;
  p->group_in = shape->in_channels / p->groups;
  p->group_out = shape->out_channels / p->groups;
  p->panels = (p->group_out + columns - 1) / columns;
  p->lines = p->groups == 1 && shape->dilation == 1 && shape->kernel > 1 && shape->in_channels < SHORTEST_RUN;
  /* Rows a multiple of 4 kB apart fall into the same eight lines of L1. */
  p->copy = shape->kernel == 1 && p->groups == 1 && shape->in_channels * shape->stride % 1024 == 0;
  p->taps = p->lines ? shape->kernel : shape->kernel * shape->kernel;
  p->depth = p->lines ? shape->kernel * p->group_in : p->group_in;
  size_t floats = weight_floats(p); /* at most 2^61 by check_shape(): no overflow */
  p->weights = allocate_aligned(floats, sizeof(float), e);
  p->zeros = allocate_zeroed((size_t)p->depth, sizeof(float), e);
  if (bias) p->bias = allocate((size_t)shape->out_channels, sizeof(float), e);
  if (!p->weights || !p->zeros || (bias && !p->bias)) {
    conv_release(p);
    return NULL;
  }
  memset(p->weights, 0, floats * sizeof(float));
  place_weights(p, weight);
  if (bias) memcpy(p->bias, bias, (size_t)shape->out_channels * sizeof(float));
  return p;
}

int conv_normalize_input(struct packed_conv *p, const float *gamma, const float *beta, float epsilon, bool window,
                         error *e) {
  if (p->groups != 1 || p->shape.padding) return fail(e, "only rows without padding and groups can be normalised");
  size_t n = (size_t)p->shape.in_channels * (window ? (size_t)(p->shape.kernel * p->shape.kernel) : 1);
  p->gamma = allocate(n, sizeof *gamma, e);
  p->beta = allocate(n, sizeof *beta, e);
  if (!p->gamma || !p->beta) return FAILED;
  memcpy(p->gamma, gamma, n * sizeof *gamma);
  memcpy(p->beta, beta, n * sizeof *beta);
  p->epsilon = epsilon;
  p->norm = window ? NORM_WINDOW : NORM_PIXEL;
  p->copy = true;
  p->lines = false;
  p->taps = p->shape.kernel * p->shape.kernel;
  p->depth = p->group_in;
  return OK;
}

void conv_release(struct packed_conv *p) {
  if (!p) return;
  free(p->gamma);
  free(p->beta);
  release_aligned(p->weights);
  free(p->zeros);
  free(p->bias);
  free(p);
}

size_t conv_packed_bytes(const struct packed_conv *p) { return weight_floats(p) * sizeof(float); }

static size_t pointer_bytes(const struct packed_conv *p) {
  return ((size_t)p->taps * GEMM_MAX_ROWS * sizeof(float *) + 63) / 64 * 64;
}

/* Floats from one copied run (a whole row's runs side by side) to the next: never a power of two's multiple. */
static size_t padded(size_t floats) { return (floats + 15) / 16 * 16 + 16; }
static size_t copy_stride(const struct packed_conv *p) { return padded((size_t)p->depth); }
static size_t row_stride(const struct packed_conv *p) { return padded((size_t)p->depth * (size_t)p->taps); }

size_t conv_scratch_bytes(const struct packed_conv *p) {
  /* Lines that stick out of the image are copied, with zeros, to a place of their own. */
  size_t copies = p->lines  ? (size_t)p->taps * GEMM_MAX_ROWS * copy_stride(p) * sizeof(float)
                  : p->copy ? GEMM_MAX_ROWS * row_stride(p) * sizeof(float)
                            : 0;
  return pointer_bytes(p) + copies;
}

/* One run of the convolution, cut into tasks. */
struct job {
  struct threads *pool;
  const struct conv_run *run;
  const struct packed_conv *p;
  int out_height, out_width;
  ptrdiff_t in_stride;
  size_t rows, row_tiles; /* output pixels, and tiles of them */
  int block_panels, blocks;
};

struct pixel {
  size_t image;
  int y, x; /* the window's first input pixel, maybe outside */
};

static struct pixel window_of(const struct job *job, size_t row) {
  const struct conv_shape *s = &job->p->shape;
  size_t area = (size_t)job->out_height * (size_t)job->out_width, in_image = row % area;
  int y = (int)(in_image / (size_t)job->out_width), x = (int)(in_image % (size_t)job->out_width);
  return (struct pixel){row / area, y * s->stride - s->padding, x * s->stride - s->padding};
}

static const float *pixel_at(const struct job *job, struct pixel at, int y, int x, int channel) {
  const struct conv_run *run = job->run;
  size_t index = (at.image * (size_t)run->height + (size_t)y) * (size_t)run->width + (size_t)x;
  return run->in + (ptrdiff_t)index * job->in_stride + channel;
}

/* Point a[tap][row] at the pixel's channels, or at zeros outside the image. */
static void point_rows(const struct job *job, size_t first_row, int rows, int channel, const float **a) {
  const struct packed_conv *p = job->p;
  const struct conv_shape *s = &p->shape;
  for (int r = 0; r < rows; r++) {
    struct pixel at = window_of(job, first_row + (size_t)r);
    const float **to = a + r;
    for (int ky = 0; ky < s->kernel; ky++) {
      int y = at.y + ky * s->dilation;
      bool inside = (unsigned)y < (unsigned)job->run->height;
      const float *line = inside ? pixel_at(job, at, y, 0, channel) : NULL;
      for (int kx = 0; kx < s->kernel; kx++, to += GEMM_MAX_ROWS) {
        int x = at.x + kx * s->dilation;
        *to = inside && (unsigned)x < (unsigned)job->run->width ? line + x * job->in_stride : p->zeros;
      }
    }
  }
}

/* Copy the runs that a[tap][0..rows) point at, normalised where the product wants it, and point there. */
static void copy_rows(const struct packed_conv *p, int rows, float *copies, const float **a) {
  for (int r = 0; r < rows; r++) {
    float *row = copies + (size_t)r * row_stride(p), *to = row;
    for (int tap = 0; tap < p->taps; tap++, to += p->depth) {
      const float **from = &a[tap * GEMM_MAX_ROWS + r];
      if (p->norm == NORM_PIXEL)
        p->kernels->layer_norm_row(*from, p->depth, p->gamma, p->beta, p->epsilon, NULL, to);
      else
        memcpy(to, *from, (size_t)p->depth * sizeof(float));
      *from = to;
    }
    if (p->norm == NORM_WINDOW)
      p->kernels->layer_norm_row(row, p->depth * p->taps, p->gamma, p->beta, p->epsilon, NULL, row);
  }
}

/* point_rows() with a kernel line a tap. A line that sticks out to the left or right is copied into `copies`, with
 * zeros.
 */
static void point_lines(const struct job *job, size_t first_row, int rows, float *copies, const float **a) {
  const struct packed_conv *p = job->p;
  const struct conv_shape *s = &p->shape;
  int channels = s->in_channels, width = job->run->width;
  for (int r = 0; r < rows; r++) {
    struct pixel at = window_of(job, first_row + (size_t)r);
    int left = at.x < 0 ? -at.x : 0, right = at.x + s->kernel > width ? at.x + s->kernel - width : 0;
    int inside = s->kernel - left - right;
    for (int ky = 0; ky < s->kernel; ky++) {
      int y = at.y + ky;
      const float **to = &a[ky * GEMM_MAX_ROWS + r];
      if ((unsigned)y >= (unsigned)job->run->height || inside <= 0) {
        *to = p->zeros;
      } else if (inside == s->kernel) {
        *to = pixel_at(job, at, y, at.x, 0);
      } else {
        *to = copies;
        memset(copies, 0, (size_t)p->depth * sizeof(float));
        memcpy(copies + left * channels, pixel_at(job, at, y, at.x + left, 0),
               (size_t)(inside * channels) * sizeof(float));
        copies += copy_stride(p);
      }
    }
  }
}

/* Where the next tile's pixels begin when they follow this one's: worth fetching ahead. Else this tile's own. */
static const float *upcoming_pixels(const struct job *job, const float *const *a, int rows, size_t end_row) {
  const struct conv_shape *s = &job->p->shape;
  bool follow = s->kernel == 1 && s->stride == 1 && end_row < job->rows;
  return follow ? a[0] + rows * job->in_stride : a[0];
}

/* Task (group, column block, row tile): one tile of rows against the panels of one block. */
static void run_task(void *context, size_t index, int thread) {
  const struct job *job = context;
  const struct packed_conv *p = job->p;
  const struct conv_run *run = job->run;
  size_t row_tile = index % job->row_tiles, block = index / job->row_tiles % (size_t)job->blocks;
  size_t group = index / job->row_tiles / (size_t)job->blocks;
  /* Tiles of nearly equal height: 49 rows are 13 + 12 + 12 + 12, not 14 + 14 + 14 + 7. */
  size_t first_row = row_tile * job->rows / job->row_tiles;
  size_t end_row = (row_tile + 1) * job->rows / job->row_tiles;
  int rows = (int)(end_row - first_row), columns = p->kernels->gemm_columns;

  char *scratch = threads_scratch(job->pool, thread);
  const float **a = (const float **)(void *)scratch;
  int channel = (int)group * p->group_in;
  float *copies = (float *)(void *)(scratch + pointer_bytes(p));
  if (p->lines)
    point_lines(job, first_row, rows, copies, a);
  else
    point_rows(job, first_row, rows, channel, a);
  const float *next = upcoming_pixels(job, a, rows, end_row);
  if (p->copy) copy_rows(p, rows, copies, a);

  struct gemm_tile tile = {
      .rows = rows,
      .taps = p->taps,
      .depth = p->depth,
      .a = a,
      .c_stride = p->shape.out_channels,
      .residual_stride = p->shape.out_channels,
      .activation = run->activation,
  };
  size_t panel_floats = (size_t)p->taps * (size_t)p->depth * (size_t)columns;
  int first_panel = (int)block * job->block_panels, end_panel = first_panel + job->block_panels;
  if (end_panel > p->panels) end_panel = p->panels;
  for (int panel = first_panel; panel < end_panel; panel++) {
    int column = panel * columns, out_channel = (int)group * p->group_out + column;
    ptrdiff_t offset = (ptrdiff_t)first_row * p->shape.out_channels + out_channel;
    tile.columns = p->group_out - column < columns ? p->group_out - column : columns;
    tile.upcoming = panel == first_panel ? next : a[0];
    tile.b = p->weights + (group * (size_t)p->panels + (size_t)panel) * panel_floats;
    tile.bias = p->bias ? p->bias + out_channel : NULL;
    tile.residual = run->residual ? run->residual + offset : NULL;
    tile.c = run->out + offset;
    p->kernels->gemm_tile(&tile);
  }
}

/* Panels per block: as many as stay in L2, fewer when there are too few tasks for the threads. */
static int panels_per_block(const struct packed_conv *p, size_t row_tiles, int threads) {
  size_t panel_bytes = (size_t)p->taps * (size_t)p->depth * (size_t)p->kernels->gemm_columns * sizeof(float);
  /* A copied tile should serve several panels, even if their weights then come from L3. */
  size_t panels = (size_t)(COLUMN_BLOCK_BYTES * (p->copy ? 4 : 1)) / panel_bytes;
  if (panels < 1) panels = 1;
  if (panels > (size_t)p->panels) panels = (size_t)p->panels;
  /* Even blocks, then smaller ones while a thread's share would be coarser than an eighth of the work. */
  size_t blocks = ((size_t)p->panels + panels - 1) / panels;
  while (panels > 1 && row_tiles * blocks * (size_t)p->groups < 8 * (size_t)threads) {
    panels--;
    blocks = ((size_t)p->panels + panels - 1) / panels;
  }
  return (int)(((size_t)p->panels + blocks - 1) / blocks);
}

void conv_run(struct threads *pool, const struct conv_run *run) {
  const struct packed_conv *p = run->packed;
  struct job job = {.pool = pool, .run = run, .p = p};
  job.out_height = conv_output_size(&p->shape, run->height);
  job.out_width = conv_output_size(&p->shape, run->width);
  /* Lines of pixels are contiguous only in a whole image. */
  job.in_stride = run->in_stride && !p->lines ? run->in_stride : p->shape.in_channels;
  job.rows = (size_t)run->batch * (size_t)job.out_height * (size_t)job.out_width;
  if (job.rows == 0) return;
  size_t tile_rows = (size_t)p->kernels->gemm_rows;
  job.row_tiles = (job.rows + tile_rows - 1) / tile_rows;
  job.block_panels = panels_per_block(p, job.row_tiles, threads_count(pool));
  job.blocks = (p->panels + job.block_panels - 1) / job.block_panels;
  threads_run(pool, (size_t)p->groups * (size_t)job.blocks * job.row_tiles, run_task, &job);
}

void gemm_run(struct threads *pool, const struct packed_conv *b, int rows, const float *a, ptrdiff_t a_stride,
              const float *residual, float *c, enum activation activation) {
  struct conv_run run = {.packed = b,
                         .batch = rows,
                         .height = 1,
                         .width = 1,
                         .in = a,
                         .in_stride = a_stride,
                         .residual = residual,
                         .out = c,
                         .activation = activation};
  conv_run(pool, &run);
}
