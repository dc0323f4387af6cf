#include "kernels/reference/reference.h"

void reference_depthwise(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                         int padding, const float *weight, const float *bias, float *out) {
  struct conv_shape shape = {.in_channels = channels,
                             .out_channels = channels,
                             .kernel = kernel,
                             .stride = stride,
                             .padding = padding,
                             .dilation = 1,
                             .groups = channels};
  reference_conv(&shape, in, batch, height, width, weight, bias, NULL, ACTIVATION_NONE, out);
}
