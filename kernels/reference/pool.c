#include <float.h>

#include "kernels/pool.h"
#include "kernels/reference/reference.h"

void reference_max_pool(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                        int padding, float *out) {
  int out_height = (height + 2 * padding - kernel) / stride + 1,
      out_width = (width + 2 * padding - kernel) / stride + 1;
  for (int n = 0; n < batch; n++) {
    for (int oy = 0; oy < out_height; oy++) {
      for (int ox = 0; ox < out_width; ox++) {
        for (int c = 0; c < channels; c++) {
          float largest = -FLT_MAX;
          for (int ky = 0; ky < kernel; ky++) {
            for (int kx = 0; kx < kernel; kx++) {
              int y = oy * stride - padding + ky, x = ox * stride - padding + kx;
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              float value = in[(((ptrdiff_t)n * height + y) * width + x) * channels + c];
              if (value > largest) largest = value;
            }
          }
          *out++ = largest;
        }
      }
    }
  }
}

void reference_average_pool(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                            bool ceil, float *out) {
  int out_height = average_pool_size(height, kernel, stride, ceil),
      out_width = average_pool_size(width, kernel, stride, ceil);
  for (int n = 0; n < batch; n++) {
    for (int oy = 0; oy < out_height; oy++) {
      for (int ox = 0; ox < out_width; ox++) {
        for (int c = 0; c < channels; c++) {
          double sum = 0;
          int count = 0;
          for (int y = oy * stride; y < oy * stride + kernel && y < height; y++) {
            for (int x = ox * stride; x < ox * stride + kernel && x < width; x++, count++) {
              sum += (double)in[(((ptrdiff_t)n * height + y) * width + x) * channels + c];
            }
          }
          *out++ = (float)(sum / count);
        }
      }
    }
  }
}

void reference_mean(const float *in, int batch, int pixels, int channels, float *out) {
  for (int n = 0; n < batch; n++) {
    for (int c = 0; c < channels; c++) {
      double sum = 0;
      for (int i = 0; i < pixels; i++) sum += (double)in[((ptrdiff_t)n * pixels + i) * channels + c];
      *out++ = (float)(sum / pixels);
    }
  }
}
