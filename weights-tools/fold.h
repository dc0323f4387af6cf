/* Batch norms at inference are affine: they fold into the convolution before them. */
#ifndef WEIGHTS_TOOLS_FOLD_H
#define WEIGHTS_TOOLS_FOLD_H

#include <stddef.h>

struct batch_norm {
  const float *gamma, *beta, *mean, *variance; /* [out] */
  double epsilon;
};

/* weight [out, per_output] is scaled in place by gamma / sqrt(variance + epsilon); bias_out [out] becomes
 * beta + (bias - mean) * that scale, bias NULL counting as zeros. In double, rounded once (Ioffe and Szegedy 2015). */
void fold_batch_norm(size_t out, size_t per_output, float *weight, const float *bias, const struct batch_norm *norm,
                     float *bias_out);

#endif
