/* Weights put into the order in which the register tile reads them. */
#include <stdlib.h>
#include <string.h>

#include "kernels/conv_internal.h"
#include "kernels/dtype.h"
#include "kernels/memory.h"

enum {
  SHORTEST_RUN = 16, /* channels: below this a tap's setup costs as much as its arithmetic */
  MAX_KERNEL = 64,
  MAX_CHANNELS = 1 << 20,
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

size_t conv_row_floats(const struct packed_conv *p) {
  return (size_t)(p->shape.kernel * p->shape.kernel) * (size_t)p->group_in;
}

size_t conv_row_pairs(const struct packed_conv *p) {
  size_t step = (size_t)p->bf16->step, pairs = (conv_row_floats(p) + 1) / 2;
  return (pairs + step - 1) / step * step;
}

int conv_tile_rows(const struct packed_conv *p) { return p->bf16 ? p->bf16->gemm_rows : p->kernels->gemm_rows; }

static size_t weight_floats(const struct packed_conv *p) {
  return (size_t)p->groups * (size_t)p->panels * conv_row_floats(p) * (size_t)p->kernels->gemm_columns;
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
  p->copy = shape->kernel == 1 && p->groups == 1 && conv_collide((ptrdiff_t)shape->in_channels * shape->stride);
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

int conv_round_to_bf16(struct packed_conv *p, const struct bf16_kernels *bf16, error *e) {
  p->bf16 = bf16;
  size_t columns = (size_t)p->kernels->gemm_columns, depth = conv_row_floats(p);
  size_t panels = (size_t)p->groups * (size_t)p->panels, panel = 2 * conv_row_pairs(p) * columns;
  uint16_t *rounded = allocate_aligned(panels * panel, sizeof *rounded, e);
  if (!rounded) return FAILED;
  memset(rounded, 0, panels * panel * sizeof *rounded);
  const float *from = p->weights;
  for (uint16_t *to = rounded; to < rounded + panels * panel; to += panel) {
    for (size_t k = 0; k < depth; k++, from += columns) {
      uint16_t row[GEMM_MAX_COLUMNS];
      float_to_bf16(from, row, columns);
      for (size_t c = 0; c < columns; c++) to[(k / 2 * columns + c) * 2 + k % 2] = row[c];
    }
  }
  release_aligned(p->weights);
  p->weights = NULL;
  p->weights_bf16 = rounded;
  return OK;
}

void conv_release(struct packed_conv *p) {
  if (!p) return;
  free(p->gamma);
  free(p->beta);
  release_aligned(p->weights);
  release_aligned(p->weights_bf16);
  free(p->zeros);
  free(p->bias);
  free(p);
}

size_t conv_packed_bytes(const struct packed_conv *p) {
  if (!p->bf16) return weight_floats(p) * sizeof(float);
  return weight_floats(p) / conv_row_floats(p) * conv_row_pairs(p) * 2 * sizeof(uint16_t);
}
