/* Pooling over NHWC: vectors run along the channels of a pixel. */
#include <float.h>
#include <stdbool.h>

#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* The part of the window from `start` on that lies inside [0, size). */
INLINE void clip(int start, int kernel, int size, int *first, int *end) {
  *first = start < 0 ? 0 : start;
  *end = start + kernel > size ? size : start + kernel;
}

/* `largest` or the mean, a constant at every call. */
INLINE void pool_row(const struct pool_row *p, const bool largest) {
  int y0, y1, x0, x1;
  clip(p->y * p->stride - p->padding, p->kernel, p->in_height, &y0, &y1);
  for (int x = 0; x < p->out_width; x++) {
    clip(x * p->stride - p->padding, p->kernel, p->in_width, &x0, &x1);
    float *out = p->out + (ptrdiff_t)x * p->channels;
    vfloat scale = v_set(1.0f / (float)((y1 - y0) * (x1 - x0)));
    for (int c = 0; c < p->channels; c += LANES) {
      int lanes = p->channels - c;
      vfloat result = v_set(largest ? -FLT_MAX : 0);
      for (int iy = y0; iy < y1; iy++) {
        for (int ix = x0; ix < x1; ix++) {
          const float *in = p->in + ((ptrdiff_t)iy * p->in_width + ix) * p->channels + c;
          vfloat pixel = v_load_up_to(in, lanes);
          /* A NaN pixel counts when no later one of the window replaces it. */
          if (largest)
            result = v_max(result, pixel);
          else
            result += pixel;
        }
      }
      if (!largest) result *= scale;
      v_store_up_to(out + c, result, lanes);
    }
  }
}

void ISA_NAME(max_pool_row)(const struct pool_row *p) { pool_row(p, true); }
void ISA_NAME(average_pool_row)(const struct pool_row *p) { pool_row(p, false); }

void ISA_NAME(mean_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out) {
  float scale = 1.0f / (float)n;
  for (int c = 0; c < channels; c += LANES) {
    int lanes = channels - c;
    /* Four sums shorten the chain and the rounding error. */
    vfloat sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int i = 0; i < n; i++) {
      const float *pixel = in + i * stride + c;
      sum[i & 3] += v_load_up_to(pixel, lanes);
    }
    vfloat mean = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * v_set(scale);
    v_store_up_to(out + c, mean, lanes);
  }
}
