/* The functions of images/simd/, which table.c gathers. */
#ifndef IMAGES_SIMD_PIXEL_TABLES_H
#define IMAGES_SIMD_PIXEL_TABLES_H

#include "images/pixel_kernels.h"
#include "kernels/simd.h"

void ISA_NAME(inverse_dct)(const int16_t *blocks, int n, const uint16_t *quantisation, uint8_t *samples, size_t stride);
void ISA_NAME(double_width)(const uint8_t *in, int n, uint8_t *out);
void ISA_NAME(double_height)(const uint8_t *near, const uint8_t *far, int n, int lower, uint8_t *out);
void ISA_NAME(double_both)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out);
void ISA_NAME(vp8_upsample)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out);
void ISA_NAME(ycc_to_rgb)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n, uint8_t *rgb);
void ISA_NAME(vp8_to_rgb)(const uint8_t *y, const uint8_t *u, const uint8_t *v, int n, uint8_t *rgb);
void ISA_NAME(resize_across)(const struct resize_axis *axis, const uint8_t *in, size_t in_stride, int in_width,
                             uint8_t *out, size_t out_stride, void *scratch);
void ISA_NAME(resize_down)(const struct weight_pair *weights, int pairs, const uint8_t *const *lines, size_t n,
                           uint8_t *out);

#endif
