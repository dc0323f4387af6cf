/* What the files of kernels/simd/ offer to the table of their instruction set. */
#ifndef KERNELS_SIMD_SIMD_KERNELS_H
#define KERNELS_SIMD_SIMD_KERNELS_H

#include "kernels/kernels.h"
#include "kernels/simd.h"

/* Rows of the GEMM register tile: see gemm.c. */
#if defined(ISA_avx512)
#define GEMM_ROWS 14
#elif defined(ISA_avx2)
#define GEMM_ROWS 6
#elif defined(ISA_neon)
#define GEMM_ROWS 12
#else
#define GEMM_ROWS 4
#endif

void ISA_NAME(gemm_tile)(const struct gemm_tile *t);
void ISA_NAME(winograd_input_2)(const float *const *pixels, int channels, float *v, ptrdiff_t matrix_stride);
void ISA_NAME(winograd_input_4)(const float *const *pixels, int channels, float *v, ptrdiff_t matrix_stride);
void ISA_NAME(winograd_output_2)(const struct winograd_output *o);
void ISA_NAME(winograd_output_4)(const struct winograd_output *o);
void ISA_NAME(max_pool_row)(const struct pool_row *row);
void ISA_NAME(mean_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out);
void ISA_NAME(average_pool_row)(const struct pool_row *row);
void ISA_NAME(norm_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out);
void ISA_NAME(scale_row)(const float *in, const float *scale, const float *shift, int channels, float *out);
void ISA_NAME(gate_silu_row)(const float *in, int channels, float *out);
void ISA_NAME(layer_norm_row)(const float *in, int channels, const float *gamma, const float *beta, float epsilon,
                              const float *residual, float *out);
bool ISA_NAME(softmax_rows)(struct softmax_rows *s);
double ISA_NAME(cross_entropy_row)(float *x, const float *bias, int classes, int label);
void ISA_NAME(scale_rows)(const float *const *in, int rows, int n, const float *factor, float *const *out);
void ISA_NAME(transpose_panel)(const float *const *rows, int count, int depth, float *panel);
void ISA_NAME(unit_rows)(const float *const *in, int rows, int n, float *out);
void ISA_NAME(rotate_row)(const float *in, int n, const float *cos, const float *sin, float *out);
void ISA_NAME(depthwise_rows)(const struct depthwise_rows *rows);
double ISA_NAME(fma_peak)(long rounds, float *sink);
void ISA_NAME(bf16_round_row)(const float *in, int n, uint16_t *out);
extern const struct bf16_kernels ISA_NAME(bf16_kernels);
extern const struct kernels ISA_NAME(kernels);
/* Where the compiler knows their instructions. */
void bf16_round_row_avx512_pairs(const float *in, int n, uint16_t *out);
extern const struct bf16_kernels bf16_kernels_avx512_pairs, bf16_kernels_amx;

#endif
