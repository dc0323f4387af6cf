/* Depthwise convolution of stride 1.
 *
 * Source: the direct sum, blocked in registers as in Zhang, Lo and Lu 2020 ("High performance depthwise and pointwise
 * convolutions on mobile devices", section 3.1): a thread has one channel and eight neighbouring outputs, so that a row
 * of 8 + kernel - 1 inputs and one of `kernel` weights serve 8 * kernel multiply-adds; the 32 lanes of a warp are
 * neighbouring channels. For 7x7: 21 loads for 56 multiply-adds, most from L1: memory is the bound, 8 bytes a 49
 * multiply-adds.
 *
 * Tile: 32 channels x 8 columns x 8 rows a block of 256 threads. No shared memory, at most 64 registers: 4 blocks per
 * multiprocessor (50 % of 2048 threads). */
#include "kernels/cuda/language.h"

#include "kernels/cuda/kernels.h"

enum { THREADS = 256, CHANNELS = WARP, ROWS = THREADS / CHANNELS, OUTPUTS = 8 };

/* kernel: p->kernel, a constant where it is a usual one. */
DEVICE void depthwise_strip(const struct cuda_depthwise *p, const int kernel) {
  int columns = (p->width + OUTPUTS - 1) / OUTPUTS;
  int channel = (int)blockIdx.y * CHANNELS + (int)threadIdx.x % CHANNELS;
  size_t image = (size_t)blockIdx.z;
  int y = (int)blockIdx.x / columns * ROWS + (int)threadIdx.x / CHANNELS, x0 = (int)blockIdx.x % columns * OUTPUTS;
  if (channel >= p->channels || y >= p->height) return;
  size_t channels = (size_t)p->channels,
         first = image * (size_t)p->height * (size_t)p->width * channels + (size_t)channel;
  float sums[OUTPUTS];
  UNROLL
  for (int i = 0; i < OUTPUTS; i++) sums[i] = p->bias[channel];
  for (int ky = 0; ky < kernel; ky++) {
    int in_y = y + ky - kernel / 2;
    if (in_y < 0 || in_y >= p->height) continue;
    const float *row = p->in + first + (size_t)in_y * (size_t)p->width * channels;
    const float *weight = p->weight + (size_t)(ky * kernel) * channels + (size_t)channel;
    UNROLL
    for (int kx = 0; kx < kernel; kx++) {
      float w = weight[(size_t)kx * channels];
      UNROLL
      for (int i = 0; i < OUTPUTS; i++) {
        int x = x0 + i + kx - kernel / 2;
        bool inside = x >= 0 && x < p->width;
        sums[i] = FMA(inside ? row[(size_t)(inside ? x : 0) * channels] : 0, w, sums[i]);
      }
    }
  }
  UNROLL
  for (int i = 0; i < OUTPUTS; i++) {
    if (x0 + i < p->width) p->out[first + ((size_t)y * (size_t)p->width + (size_t)(x0 + i)) * channels] = sums[i];
  }
}

KERNEL(depthwise_7x7, struct cuda_depthwise, p, THREADS, 4) { depthwise_strip(&p, 7); }
KERNEL(depthwise_3x3, struct cuda_depthwise, p, THREADS, 4) { depthwise_strip(&p, 3); }
KERNEL(depthwise_any, struct cuda_depthwise, p, THREADS, 4) { depthwise_strip(&p, p.kernel); }

void cuda_depthwise(cuda_stream *stream, const struct cuda_depthwise *p) {
  int x = (p->width + OUTPUTS - 1) / OUTPUTS * ((p->height + ROWS - 1) / ROWS);
  int y = (p->channels + CHANNELS - 1) / CHANNELS;
  if (p->kernel == 7)
    LAUNCH(stream, depthwise_7x7, x, y, p->batch, THREADS, p);
  else if (p->kernel == 3)
    LAUNCH(stream, depthwise_3x3, x, y, p->batch, THREADS, p);
  else
    LAUNCH(stream, depthwise_any, x, y, p->batch, THREADS, p);
}
