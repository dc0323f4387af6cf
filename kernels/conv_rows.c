/* The rows of a tile: pointers to their pixels where they lie, or to copies of them.
 *
 * A tile's pixels are read in place through pointers (one per row and kernel position), or, where runs are too short,
 * rows collide in L1, or are to be normalised or rounded, gathered into a small buffer first. */
#include <string.h>

#include "kernels/conv_internal.h"

static size_t pointer_bytes(const struct packed_conv *p) {
  return ((size_t)p->taps * GEMM_MAX_ROWS * sizeof(float *) + 63) / 64 * 64;
}

/* Floats from one copied run (a whole row's runs side by side) to the next: never a power of two's multiple. */
static size_t padded(size_t floats) { return (floats + 15) / 16 * 16 + 16; }
static size_t copy_stride(const struct packed_conv *p) { return padded((size_t)p->depth); }
static size_t row_stride(const struct packed_conv *p) { return padded((size_t)p->depth * (size_t)p->taps); }

/* bfloat16 numbers from one rounded row to the next: whole lines, an odd number of them, so at least one more than the
 * row fills. */
size_t conv_rounded_stride(const struct packed_conv *p) { return (conv_row_floats(p) / 64 * 2 + 3) * 32; }

static size_t copy_bytes(const struct packed_conv *p) {
  /* Lines that stick out of the image are copied, with zeros, to a place of their own. */
  if (p->lines) return (size_t)p->taps * GEMM_MAX_ROWS * copy_stride(p) * sizeof(float);
  if (p->bf16 && p->norm) return row_stride(p) * sizeof(float); /* a row on its way from normalising to rounding */
  return p->copy && !p->bf16 ? GEMM_MAX_ROWS * row_stride(p) * sizeof(float) : 0;
}

size_t conv_rows_bytes(const struct packed_conv *p) {
  size_t rounded = p->bf16 ? (size_t)p->bf16->gemm_rows * conv_rounded_stride(p) * sizeof(uint16_t) : 0;
  return pointer_bytes(p) + copy_bytes(p) + rounded;
}

struct pixel {
  size_t image;
  int y, x; /* the window's first input pixel, maybe outside */
};

static struct pixel window_of(const struct conv_job *job, size_t row) {
  const struct conv_shape *s = &job->p->shape;
  size_t area = (size_t)job->out_height * (size_t)job->out_width, in_image = row % area;
  int y = (int)(in_image / (size_t)job->out_width), x = (int)(in_image % (size_t)job->out_width);
  return (struct pixel){row / area, y * s->stride - s->padding, x * s->stride - s->padding};
}

/* The next row's. */
static void step(const struct conv_job *job, struct pixel *at) {
  const struct conv_shape *s = &job->p->shape;
  at->x += s->stride;
  if (at->x < job->out_width * s->stride - s->padding) return;
  at->x = -s->padding;
  at->y += s->stride;
  if (at->y < job->out_height * s->stride - s->padding) return;
  at->y = -s->padding;
  at->image++;
}

static const float *pixel_at(const struct conv_job *job, struct pixel at, int y, int x, int channel) {
  const struct conv_run *run = job->run;
  size_t index = (at.image * (size_t)run->height + (size_t)y) * (size_t)run->width + (size_t)x;
  return run->in + (ptrdiff_t)index * job->in_stride + channel;
}

/* Whether the rows' pixels lie one behind the other. */
static bool follows(const struct packed_conv *p) {
  const struct conv_shape *s = &p->shape;
  return s->kernel == 1 && s->stride == 1 && !s->padding;
}

/* Point a[tap][row] at the pixel's channels, or at zeros outside the image. */
static void point_rows(const struct conv_job *job, size_t first_row, int rows, int channel, const float **a) {
  const struct packed_conv *p = job->p;
  const struct conv_shape *s = &p->shape;
  if (follows(p)) {
    const float *from = job->run->in + (ptrdiff_t)first_row * job->in_stride + channel;
    for (int r = 0; r < rows; r++, from += job->in_stride) a[r] = from;
    return;
  }
  struct pixel at = window_of(job, first_row);
  for (int r = 0; r < rows; r++, step(job, &at)) {
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
  size_t depth = (size_t)p->depth, floats = conv_row_floats(p), zeros = 2 * conv_row_pairs(p) - floats;
  for (int r = 0; r < rows; r++, rounded += conv_rounded_stride(p)) {
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
    memset(rounded + floats, 0, zeros * sizeof *rounded);
  }
}

/* point_rows() with a kernel line a tap. A line that sticks out to the left or right is copied into `copies`, with
 * zeros.
 */
static void point_lines(const struct conv_job *job, size_t first_row, int rows, float *copies, const float **a) {
  const struct packed_conv *p = job->p;
  const struct conv_shape *s = &p->shape;
  int channels = s->in_channels, width = job->run->width, height = job->run->height;
  struct pixel at = window_of(job, first_row);
  for (int r = 0; r < rows; r++, step(job, &at)) {
    if (at.x >= 0 && at.x + s->kernel <= width && at.y >= 0 && at.y + s->kernel <= height) {
      const float *from = pixel_at(job, at, at.y, at.x, 0), **to = a + r;
      for (int ky = 0; ky < s->kernel; ky++, from += width * channels, to += GEMM_MAX_ROWS) *to = from;
      continue;
    }
    int left = at.x < 0 ? -at.x : 0, right = at.x + s->kernel > width ? at.x + s->kernel - width : 0;
    int inside = s->kernel - left - right;
    for (int ky = 0; ky < s->kernel; ky++) {
      int y = at.y + ky;
      const float **to = &a[ky * GEMM_MAX_ROWS + r];
      if ((unsigned)y >= (unsigned)height || inside <= 0) {
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

static void find_rows(const struct conv_job *job, size_t first, int count, int group, float *copies, const float **a) {
  if (job->p->lines)
    point_lines(job, first, count, copies, a);
  else
    point_rows(job, first, count, group * job->p->group_in, a);
}

struct conv_rows conv_find_rows(const struct conv_job *job, size_t first, int count, int group, void *scratch) {
  const struct packed_conv *p = job->p;
  const float **a = scratch;
  float *copies = (float *)(void *)((char *)scratch + pointer_bytes(p));
  if (p->bf16) {
    uint16_t *rounded = (uint16_t *)(void *)((char *)copies + copy_bytes(p));
    for (int r = 0, rows; r < count; r += rows) {
      rows = count - r < GEMM_MAX_ROWS ? count - r : GEMM_MAX_ROWS;
      find_rows(job, first + (size_t)r, rows, group, copies, a);
      round_rows(p, rows, a, copies, rounded + (size_t)r * conv_rounded_stride(p));
    }
    return (struct conv_rows){.first = first, .count = count, .rounded = rounded};
  }
  find_rows(job, first, count, group, copies, a);
  if (job->copy) copy_rows(p, count, copies, a);
  bool side_by_side = p->taps == 1 && (job->copy || follows(p));
  ptrdiff_t stride = job->copy ? (ptrdiff_t)row_stride(p) : job->in_stride;
  return (struct conv_rows){.first = first, .count = count, .a = a, .a_stride = side_by_side ? stride : 0};
}
