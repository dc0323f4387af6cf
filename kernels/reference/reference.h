/* The definition of every operation in plain C with double accumulation: the specification that each instruction set is
 * tested against, and itself a table (BACKBONES_ISA=reference). */
#ifndef KERNELS_REFERENCE_REFERENCE_H
#define KERNELS_REFERENCE_REFERENCE_H

#include <stdbool.h>
#include "kernels/attention.h"

#include "kernels/conv.h"
#include "kernels/kernels.h"

extern const struct kernels kernels_reference;

double reference_activate(double x, enum activation activation);

/* Layouts as conv_run(): in [batch, height, width, in], weight [out, in / groups, kernel, kernel], out and residual
 * [batch, out_height, out_width, out]. */
void reference_conv(const struct conv_shape *shape, const float *in, int batch, int height, int width,
                    const float *weight, const float *bias, const float *residual, enum activation activation,
                    float *out);
/* c [m, n] = activation(a [m, k] * b [n, k]^T + bias + residual). */
void reference_gemm(int m, int n, int k, const float *a, const float *b, const float *bias, const float *residual,
                    enum activation activation, float *c);
void reference_max_pool(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                        int padding, float *out);
/* As average_pool(). */
void reference_average_pool(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                            bool ceil, float *out);
void reference_mean(const float *in, int batch, int pixels, int channels, float *out);
/* As layer_norm(); gamma and beta may both be NULL. */
void reference_layer_norm(const float *in, size_t rows, int channels, const float *gamma, const float *beta,
                          float epsilon, const float *residual, float *out);
/* Depthwise as depthwise_run(), weight [channels, kernel, kernel]. */
void reference_depthwise(const float *in, int batch, int height, int width, int channels, int kernel, int stride,
                         int padding, const float *weight, const float *bias, float *out);

/* As attention_run(). FAILED when memory is short. */
int reference_attention(const struct attention_run *run, error *e);
/* Row kernels of attention for the table: see struct kernels. */
bool reference_softmax_rows(struct softmax_rows *s);
void reference_scale_rows(const float *const *in, int rows, int n, const float *factor, float *const *out);
void reference_transpose_panel(const float *const *rows, int count, int depth, float *panel);
void reference_unit_rows(const float *const *in, int rows, int n, float *out);
void reference_rotate_row(const float *in, int n, const float *cos, const float *sin, float *out);
/* As global_response_norm() and gate_silu(). */
void reference_global_response_norm(const float *in, int batch, int pixels, int channels, const float *gamma,
                                    const float *beta, float *out);
void reference_gate_silu(const float *in, size_t rows, int channels, float *out);

#endif
