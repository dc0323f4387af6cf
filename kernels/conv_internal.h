/* A packed convolution's inside, shared by its packing (conv_pack.c) and its execution (conv.c). */
#ifndef KERNELS_CONV_INTERNAL_H
#define KERNELS_CONV_INTERNAL_H

#include "kernels/conv.h"

struct packed_conv {
  const struct kernels *kernels;
  struct conv_shape shape;
  /* Narrow groups are merged until they fill a vector; their cross terms are zero weights. */
  int groups, group_in, group_out;
  /* A tap of the register tile is one kernel position, or a whole kernel line where channels are so few that the pixels
   * of a line, which lie side by side, make the better run. */
  bool lines;
  bool copy; /* rows that are normalised, or would collide in L1 if their pixels were dense, are copied side by side */
  enum { NORM_NONE, NORM_PIXEL, NORM_WINDOW } norm;
  float *gamma, *beta, epsilon;
  int taps, depth; /* runs of a row, floats of a run */
  int panels;      /* per group */
  float *weights;  /* [groups][panels][kernel * kernel * group_in][gemm_columns], or NULL and instead: */
  const struct bf16_kernels *bf16;
  uint16_t *weights_bf16; /* [groups][panels][row pairs][gemm_columns][2], zero beyond the row */
  float *bias;            /* [out_channels] or NULL */
  float *zeros;           /* [group_in]: the pixels outside the image */
};

/* A run of the convolution, as its rows are found. */
struct conv_job {
  struct threads *pool;
  const struct conv_run *run;
  const struct packed_conv *p;
  int out_height, out_width;
  ptrdiff_t in_stride, out_stride; /* floats from pixel to pixel */
  bool copy;                       /* as packed, and this input's pixels do collide */
  size_t rows;                     /* output pixels of the batch */
  size_t first_panel, panels;      /* of a group, that are wanted */
};

/* The rows of a tile, output pixels from `first` on: a[tap][GEMM_MAX_ROWS], or rounded to bfloat16. */
struct conv_rows {
  size_t first;
  int count;
  const float *const *a;
  ptrdiff_t a_stride; /* of a single tap whose rows are equally far apart; else 0 */
  const uint16_t *rounded;
};

/* The rows of a group; `scratch` has conv_rows_bytes(). */
struct conv_rows conv_find_rows(const struct conv_job *job, size_t first, int count, int group, void *scratch);
size_t conv_rows_bytes(const struct packed_conv *packed);
/* bfloat16 numbers from one rounded row to the next. */
size_t conv_rounded_stride(const struct packed_conv *packed);

/* Floats of a whole row of the product: kernel * kernel * group_in. In bfloat16 it is made up with zeros to
 * conv_row_pairs(). */
size_t conv_row_floats(const struct packed_conv *packed);
size_t conv_row_pairs(const struct packed_conv *packed);
/* Rows of a register tile. */
int conv_tile_rows(const struct packed_conv *packed);

#endif
