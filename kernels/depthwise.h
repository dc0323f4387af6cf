/* Depthwise convolution over NHWC: every channel has a kernel of its own. */
#ifndef KERNELS_DEPTHWISE_H
#define KERNELS_DEPTHWISE_H

#include "kernels/kernels.h"
#include "kernels/threads.h"

struct packed_depthwise;

/* weight: [channels, 1, kernel, kernel] as published, bias: [channels] or NULL. Output pixels along an axis:
 * (pixels + 2 padding - kernel) / stride + 1. NULL with a message when the shape makes no sense or memory is short. */
struct packed_depthwise *depthwise_pack(const struct kernels *kernels, int channels, int kernel, int stride,
                                        int padding, const float *weight, const float *bias, error *e);
void depthwise_release(struct packed_depthwise *packed);
size_t depthwise_packed_bytes(const struct packed_depthwise *packed);
/* What was packed: weight [kernel * kernel, channels], a pixel's weights side by side, and bias [channels]. */
void depthwise_unpack(const struct packed_depthwise *packed, float *weight, float *bias);
/* in: [batch, height, width, channels], out: [batch, out_height, out_width, channels], apart from each other. */
void depthwise_run(struct threads *pool, const struct packed_depthwise *packed, int batch, int height, int width,
                   const float *in, float *out);

#endif
