/* Operations on each value, or on each channel's values, that stand alone in a plan. */
#ifndef KERNELS_ELEMENTWISE_H
#define KERNELS_ELEMENTWISE_H

#include "kernels/kernels.h"
#include "kernels/threads.h"

/* Global response normalisation (Woo et al. 2023, ConvNeXt V2), per image over its pixels:
 * g[c] = 2-norm of in[., c]; n[c] = g[c] / (mean over c of g + 1e-6); out = in + in * n * gamma + beta.
 * in, out: [batch, pixels, channels]; out may be in. */
void global_response_norm(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int pixels,
                          int channels, const float *gamma, const float *beta, float *out);

/* SwiGLU's gate (Shazeer 2020): in [rows, 2 * channels] -> out [rows, channels], silu(in[., :channels]) *
 * in[., channels:]. */
void gate_silu(const struct kernels *kernels, struct threads *pool, const float *in, size_t rows, int channels,
               float *out);

#endif
