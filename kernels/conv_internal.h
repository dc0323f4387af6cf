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
  bool copy; /* rows that would collide in L1, or that are normalised, are copied side by side first */
  enum { NORM_NONE, NORM_PIXEL, NORM_WINDOW } norm;
  float *gamma, *beta, epsilon;
  int taps, depth; /* runs of a row, floats of a run */
  int panels;      /* per group */
  float *weights;  /* [groups][panels][kernel * kernel * group_in][gemm_columns], or NULL and instead: */
  const struct bf16_kernels *bf16;
  uint16_t *weights_bf16; /* [groups][panels][row pairs][gemm_columns][2]; a last odd row's partner is zero */
  float *bias;            /* [out_channels] or NULL */
  float *zeros;           /* [group_in]: the pixels outside the image */
};

/* Floats of a whole row of the product: kernel * kernel * group_in. */
size_t conv_row_floats(const struct packed_conv *packed);

#endif
