#include "kernels/simd/simd_kernels.h"

const struct kernels ISA_NAME(kernels) = {
    .isa = ISA_TEXT(ISA),
    .gemm_rows = GEMM_ROWS,
    .gemm_columns = 2 * LANES,
    .lanes = LANES,
    .gemm_tile = ISA_NAME(gemm_tile),
    .bf16_widened = &ISA_NAME(bf16_kernels),
#if defined(ISA_avx512) && defined(HAVE_avx512_pairs)
    .bf16_pairs = &bf16_kernels_avx512_pairs,
#endif
#if defined(ISA_avx512) && defined(HAVE_amx)
    .bf16_tiles = &bf16_kernels_amx,
#endif
    .winograd_input = {ISA_NAME(winograd_input_2), ISA_NAME(winograd_input_4)},
    .winograd_output = {ISA_NAME(winograd_output_2), ISA_NAME(winograd_output_4)},
    .max_pool_row = ISA_NAME(max_pool_row),
    .mean_pixels = ISA_NAME(mean_pixels),
    .average_pool_row = ISA_NAME(average_pool_row),
    .norm_pixels = ISA_NAME(norm_pixels),
    .scale_row = ISA_NAME(scale_row),
    .gate_silu_row = ISA_NAME(gate_silu_row),
    .layer_norm_row = ISA_NAME(layer_norm_row),
    .softmax_rows = ISA_NAME(softmax_rows),
    .cross_entropy_row = ISA_NAME(cross_entropy_row),
    .scale_rows = ISA_NAME(scale_rows),
    .transpose_panel = ISA_NAME(transpose_panel),
    .unit_rows = ISA_NAME(unit_rows),
    .rotate_row = ISA_NAME(rotate_row),
    .depthwise_rows = ISA_NAME(depthwise_rows),
    .fma_peak = ISA_NAME(fma_peak),
};
