/* Pooling over NHWC: vectors run along the channels of a pixel. */
#include <float.h>

#include "kernels/simd/simd_kernels.h"

void ISA_NAME(max_pool_row)(const struct pool_row *p) {
  int y0 = p->y * p->stride - p->padding, y1 = y0 + p->kernel;
  if (y0 < 0) y0 = 0;
  if (y1 > p->in_height) y1 = p->in_height;
  for (int x = 0; x < p->out_width; x++) {
    int x0 = x * p->stride - p->padding, x1 = x0 + p->kernel;
    if (x0 < 0) x0 = 0;
    if (x1 > p->in_width) x1 = p->in_width;
    float *out = p->out + (ptrdiff_t)x * p->channels;
    for (int c = 0; c < p->channels; c += LANES) {
      int lanes = p->channels - c < LANES ? p->channels - c : LANES;
      vfloat largest = v_set(-FLT_MAX);
      for (int iy = y0; iy < y1; iy++) {
        for (int ix = x0; ix < x1; ix++) {
          const float *in = p->in + ((ptrdiff_t)iy * p->in_width + ix) * p->channels + c;
          /* A NaN pixel counts when no later one of the window replaces it. */
          largest = v_max(largest, lanes == LANES ? v_load(in) : v_load_first(in, lanes));
        }
      }
      if (lanes == LANES)
        v_store(out + c, largest);
      else
        v_store_first(out + c, largest, lanes);
    }
  }
}

void ISA_NAME(mean_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out) {
  float scale = 1.0f / (float)n;
  for (int c = 0; c < channels; c += LANES) {
    int lanes = channels - c < LANES ? channels - c : LANES;
    /* Four sums shorten the chain and the rounding error. */
    vfloat sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int i = 0; i < n; i++) {
      const float *pixel = in + i * stride + c;
      sum[i & 3] += lanes == LANES ? v_load(pixel) : v_load_first(pixel, lanes);
    }
    vfloat mean = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * v_set(scale);
    if (lanes == LANES)
      v_store(out + c, mean);
    else
      v_store_first(out + c, mean, lanes);
  }
}
