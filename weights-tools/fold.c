#include "weights-tools/fold.h"

#include <math.h>

void fold_batch_norm(size_t out, size_t per_output, float *weight, const float *bias, const struct batch_norm *norm,
                     float *bias_out) {
  for (size_t o = 0; o < out; o++) {
    double scale = (double)norm->gamma[o] / sqrt((double)norm->variance[o] + norm->epsilon);
    double before = bias ? (double)bias[o] : 0;
    bias_out[o] = (float)((double)norm->beta[o] + (before - (double)norm->mean[o]) * scale);
    for (size_t i = 0; i < per_output; i++) {
      float *w = &weight[o * per_output + i];
      *w = (float)((double)*w * scale);
    }
  }
}
