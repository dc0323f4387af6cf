#include "kernels/reference/reference.h"

void reference_conv(const struct conv_shape *s, const float *in, int batch, int height, int width, const float *weight,
                    const float *bias, const float *residual, enum activation activation, float *out) {
  int out_height = conv_output_size(s, height), out_width = conv_output_size(s, width);
  int group_in = s->in_channels / s->groups, group_out = s->out_channels / s->groups;
  ptrdiff_t at = 0;
  for (int n = 0; n < batch; n++) {
    for (int oy = 0; oy < out_height; oy++) {
      for (int ox = 0; ox < out_width; ox++) {
        for (int o = 0; o < s->out_channels; o++, at++) {
          double sum = 0;
          for (int ky = 0; ky < s->kernel; ky++) {
            for (int kx = 0; kx < s->kernel; kx++) {
              int y = oy * s->stride - s->padding + ky * s->dilation,
                  x = ox * s->stride - s->padding + kx * s->dilation;
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              const float *pixel = in + (((ptrdiff_t)n * height + y) * width + x) * s->in_channels;
              pixel += o / group_out * group_in;
              for (int c = 0; c < group_in; c++) {
                sum += (double)pixel[c] *
                       (double)weight[(((ptrdiff_t)o * group_in + c) * s->kernel + ky) * s->kernel + kx];
              }
            }
          }
          if (bias) sum += (double)bias[o];
          if (residual) sum += (double)residual[at];
          out[at] = (float)reference_activate(sum, activation);
        }
      }
    }
  }
}

void reference_gemm(int m, int n, int k, const float *a, const float *b, const float *bias, const float *residual,
                    enum activation activation, float *c) {
  struct conv_shape shape = {.in_channels = k, .out_channels = n, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
  reference_conv(&shape, a, m, 1, 1, b, bias, residual, activation, c);
}
