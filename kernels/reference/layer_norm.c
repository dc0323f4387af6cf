#include <math.h>

#include "kernels/reference/reference.h"

void reference_layer_norm(const float *in, size_t rows, int channels, const float *gamma, const float *beta,
                          float epsilon, const float *residual, float *out) {
  for (size_t r = 0; r < rows; r++, in += channels, out += channels) {
    double mean = 0, variance = 0;
    for (int c = 0; c < channels; c++) mean += (double)in[c] / channels;
    for (int c = 0; c < channels; c++) variance += ((double)in[c] - mean) * ((double)in[c] - mean) / channels;
    for (int c = 0; c < channels; c++) {
      double value = ((double)in[c] - mean) / sqrt(variance + (double)epsilon);
      if (gamma) value = value * (double)gamma[c] + (double)beta[c];
      if (residual) value += (double)*residual++;
      out[c] = (float)value;
    }
  }
}
