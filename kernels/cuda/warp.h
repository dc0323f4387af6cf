/* Sums and maxima over neighbouring lanes by a butterfly: every lane gets the same bits. */
#ifndef KERNELS_CUDA_WARP_H
#define KERNELS_CUDA_WARP_H

#include "kernels/cuda/language.h"

/* Over the group of `lanes` (a power of two) that the lane belongs to; the whole warp must come here. */
DEVICE float lanes_sum(float x, const int lanes) {
  UNROLL
  for (int lane = lanes / 2; lane > 0; lane /= 2) x += __shfl_xor_sync(WHOLE_WARP, x, lane);
  return x;
}

DEVICE float lanes_maximum(float x, const int lanes) {
  UNROLL
  for (int lane = lanes / 2; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(WHOLE_WARP, x, lane));
  return x;
}

#endif
