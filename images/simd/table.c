#include "images/simd/integers.h"
#include "images/simd/pixel_tables.h"

const struct pixel_kernels ISA_NAME(pixel_kernels) = {
    .isa = ISA_TEXT(ISA),
    .rows = PARTS,
    .inverse_dct = ISA_NAME(inverse_dct),
    .double_width = ISA_NAME(double_width),
    .double_height = ISA_NAME(double_height),
    .double_both = ISA_NAME(double_both),
    .vp8_upsample = ISA_NAME(vp8_upsample),
    .ycc_to_rgb = ISA_NAME(ycc_to_rgb),
    .vp8_to_rgb = ISA_NAME(vp8_to_rgb),
    .resize_across = ISA_NAME(resize_across),
    .resize_down = ISA_NAME(resize_down),
};
