/* Layer normalisation over the channels of each row (Ba et al. 2016). */
#ifndef KERNELS_LAYER_NORM_H
#define KERNELS_LAYER_NORM_H

#include "kernels/kernels.h"
#include "kernels/threads.h"

/* out[r] = (in[r] - mean) / sqrt(variance + epsilon) * gamma + beta + residual[r], the variance that of the population.
 * in, out and residual (or NULL): [rows, channels]; gamma, beta: [channels]. out may be in or residual. */
void layer_norm(const struct kernels *kernels, struct threads *pool, const float *in, size_t rows, int channels,
                const float *gamma, const float *beta, float epsilon, const float *residual, float *out);

#endif
