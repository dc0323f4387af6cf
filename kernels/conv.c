/* The framework around the register tile: blocking, and where a tile finds its pixels.
 *
 * C is [pixels, out channels]. The loops, outermost first: groups, blocks of columns whose packed weights stay in L2,
 * tiles of rows, panels of the block. A tile's pixels are read in place through pointers (one per row and kernel
 * position), or, where runs are too short, rows collide in L1, or are to be normalised or rounded, gathered into a
 * small buffer first. All of it is split over threads by (column block, row tile); the summed dimension is never split.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/conv_internal.h"

enum { COLUMN_BLOCK_BYTES = 384 << 10 /* of packed weights: half of a common L2, the rest is for pixels and C */ };

static size_t pointer_bytes(const struct packed_conv *p) {
  return ((size_t)p->taps * GEMM_MAX_ROWS * sizeof(float *) + 63) / 64 * 64;
}

/* Floats from one copied run (a whole row's runs side by side) to the next: never a power of two's multiple. */
static size_t padded(size_t floats) { return (floats + 15) / 16 * 16 + 16; }
static size_t copy_stride(const struct packed_conv *p) { return padded((size_t)p->depth); }
static size_t row_stride(const struct packed_conv *p) { return padded((size_t)p->depth * (size_t)p->taps); }

/* bfloat16 numbers from one rounded row to the next: whole lines, an odd number of them. */
static size_t rounded_stride(const struct packed_conv *p) { return (conv_row_floats(p) / 64 * 2 + 3) * 32; }

static size_t copy_bytes(const struct packed_conv *p) {
  /* Lines that stick out of the image are copied, with zeros, to a place of their own. */
  if (p->lines) return (size_t)p->taps * GEMM_MAX_ROWS * copy_stride(p) * sizeof(float);
  if (p->bf16 && p->norm) return row_stride(p) * sizeof(float); /* a row on its way from normalising to rounding */
  return p->copy && !p->bf16 ? GEMM_MAX_ROWS * row_stride(p) * sizeof(float) : 0;
}

size_t conv_scratch_bytes(const struct packed_conv *p) {
  size_t rounded = p->bf16 ? GEMM_MAX_ROWS * rounded_stride(p) * sizeof(uint16_t) : 0;
  return pointer_bytes(p) + copy_bytes(p) + rounded;
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

/* The rows that a[tap][0..rows) point at, normalised where the product wants it, rounded to bfloat16 side by side.
 * `copy` has room for a row. */
static void round_rows(const struct packed_conv *p, int rows, const float *const *a, float *copy, uint16_t *rounded) {
  size_t depth = (size_t)p->depth, floats = conv_row_floats(p);
  for (int r = 0; r < rows; r++, rounded += rounded_stride(p)) {
    for (int tap = 0; tap < p->taps; tap++) {
      const float *from = a[tap * GEMM_MAX_ROWS + r];
      size_t at = (size_t)tap * depth;
      if (p->norm == NORM_WINDOW) {
        memcpy(copy + at, from, depth * sizeof *copy);
        continue;
      }
      if (p->norm == NORM_PIXEL) {
        p->kernels->layer_norm_row(from, p->depth, p->gamma, p->beta, p->epsilon, NULL, copy);
        from = copy;
      }
      p->bf16->round_row(from, p->depth, rounded + at);
    }
    if (p->norm == NORM_WINDOW) {
      p->kernels->layer_norm_row(copy, (int)floats, p->gamma, p->beta, p->epsilon, NULL, copy);
      p->bf16->round_row(copy, (int)floats, rounded);
    }
    if (floats % 2) rounded[floats] = 0;
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
  uint16_t *rounded = (uint16_t *)(void *)((char *)copies + copy_bytes(p));
  if (p->bf16)
    round_rows(p, rows, a, copies, rounded);
  else if (p->copy)
    copy_rows(p, rows, copies, a);

  size_t depth = conv_row_floats(p), pairs = (depth + 1) / 2;
  struct gemm_tile tile = {
      .rows = rows,
      .taps = p->taps,
      .depth = p->depth,
      .a = a,
      .pairs = (int)pairs,
      .a_bf16 = rounded,
      .a_bf16_stride = (ptrdiff_t)rounded_stride(p),
      .c_stride = p->shape.out_channels,
      .residual_stride = p->shape.out_channels,
      .activation = run->activation,
  };
  int first_panel = (int)block * job->block_panels, end_panel = first_panel + job->block_panels;
  if (end_panel > p->panels) end_panel = p->panels;
  for (int panel = first_panel; panel < end_panel; panel++) {
    int column = panel * columns, out_channel = (int)group * p->group_out + column;
    ptrdiff_t offset = (ptrdiff_t)first_row * p->shape.out_channels + out_channel;
    tile.columns = p->group_out - column < columns ? p->group_out - column : columns;
    tile.upcoming = panel == first_panel ? next : a[0];
    size_t panel_columns = (group * (size_t)p->panels + (size_t)panel) * (size_t)columns;
    if (p->bf16)
      tile.b_bf16 = p->weights_bf16 + panel_columns * pairs * 2;
    else
      tile.b = p->weights + panel_columns * depth;
    tile.bias = p->bias ? p->bias + out_channel : NULL;
    tile.residual = run->residual ? run->residual + offset : NULL;
    tile.c = run->out + offset;
    if (p->bf16)
      p->bf16->gemm_tile(&tile);
    else
      p->kernels->gemm_tile(&tile);
  }
}

/* Panels per block: as many as stay in L2, fewer when there are too few tasks for the threads. */
static int panels_per_block(const struct packed_conv *p, size_t row_tiles, int threads) {
  size_t panel_bytes =
      conv_row_floats(p) * (size_t)p->kernels->gemm_columns * (p->bf16 ? sizeof(uint16_t) : sizeof(float));
  /* A copied tile should serve several panels, even if their weights then come from L3. */
  size_t panels = (size_t)(COLUMN_BLOCK_BYTES * (p->copy || p->bf16 ? 4 : 1)) / panel_bytes;
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
