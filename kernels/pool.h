/* Pooling and the parameter-free shortcut, over NHWC. */
#ifndef KERNELS_POOL_H
#define KERNELS_POOL_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/threads.h"

/* out [batch, oh, ow, channels] = maximum over kernel x kernel windows; pixels outside the image do not count. */
void max_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int height, int width,
              int channels, int kernel, int stride, int padding, float *out);
/* Pixels out of average_pool() for `pixels` in, along one axis; 0 when the kernel does not fit. */
int average_pool_size(int pixels, int kernel, int stride, bool ceil);
/* out [batch, oh, ow, channels] = mean over the pixels of kernel x kernel windows, no padding. oh = (height - kernel) /
 * stride + 1, rounded up with `ceil`: then the windows that stick out count only the pixels inside (PyTorch's ceil_mode
 * with count_include_pad=False), and a window that would begin outside is left out. */
void average_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int height,
                  int width, int channels, int kernel, int stride, bool ceil, float *out);
/* out [batch, channels] = mean over the pixels of in [batch, pixels, channels]. */
void global_average_pool(const struct kernels *kernels, struct threads *pool, const float *in, int batch, int pixels,
                         int channels, float *out);
/* The CIFAR ResNets' shortcut (He et al. 2015, section 4.2, option A): every `stride`-th pixel of each axis, with
 * (out_channels - channels) / 2 zero channels before and the rest behind. */
void pad_shortcut(struct threads *pool, const float *in, int batch, int height, int width, int channels, int stride,
                  int out_channels, float *out);

#endif
