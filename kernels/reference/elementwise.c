#include <math.h>

#include "kernels/reference/reference.h"

void reference_global_response_norm(const float *in, int batch, int pixels, int channels, const float *gamma,
                                    const float *beta, float *out) {
  for (int n = 0; n < batch; n++, in += (ptrdiff_t)pixels * channels, out += (ptrdiff_t)pixels * channels) {
    double mean = 0;
    for (int pass = 0; pass < 2; pass++) { /* the mean of all norms, then each norm against it */
      for (int c = 0; c < channels; c++) {
        double squares = 0;
        for (int i = 0; i < pixels; i++) {
          double x = (double)in[(ptrdiff_t)i * channels + c];
          squares += x * x;
        }
        if (pass == 0) mean += sqrt(squares) / channels;
        for (int i = 0; pass == 1 && i < pixels; i++) {
          double x = (double)in[(ptrdiff_t)i * channels + c];
          out[(ptrdiff_t)i * channels + c] =
              (float)(x + x * sqrt(squares) / (mean + 1e-6) * (double)gamma[c] + (double)beta[c]);
        }
      }
    }
  }
}

void reference_gate_silu(const float *in, size_t rows, int channels, float *out) {
  for (size_t r = 0; r < rows; r++, in += 2 * channels, out += channels) {
    for (int c = 0; c < channels; c++) {
      out[c] = (float)(reference_activate((double)in[c], ACTIVATION_SILU) * (double)in[channels + c]);
    }
  }
}
