/* Layer norm (Ba, Kiros and Hinton 2016, equation 3) and the global response norm (Woo et al. 2023, "ConvNeXt V2",
 * section 3.1, algorithm 1). Both are bound by memory.
 *
 *                 block                               shared memory  registers  blocks per multiprocessor
 *   layer_norm    8 warps, a warp a row                   none         <= 64       4 (50 %)
 *   channel_norms 32 channels x 8 pixels of an image      1 kB         <= 32       8 (100 %)
 *   factors       an image                                1 kB         <= 32       8 (100 %)
 *   respond       256 elements                            none         <= 32       8 (100 %)
 *
 * A layer norm reads its row three times, from L1 after the first: the mean, the variance around it, the result. */
#include "kernels/cuda/language.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/warp.h"

enum { THREADS = 256, WARPS = THREADS / WARP, MOST_BLOCKS = 1 << 16 };

static int divided(size_t n, size_t by) { return (int)((n + by - 1) / by); }

/* Row `run` of a window: kernel * channels floats side by side. */
DEVICE const float *run_of(const struct cuda_layer_norm *p, size_t row, int run) {
  size_t width = (size_t)p->out_width, height = (size_t)p->out_height;
  size_t y = row / width % height * (size_t)p->stride + (size_t)run, x = row % width * (size_t)p->stride;
  return p->in + ((row / width / height * (size_t)p->height + y) * (size_t)p->width + x) * (size_t)p->channels;
}

KERNEL(layer_norm, struct cuda_layer_norm, p, THREADS, 4) {
  size_t row = (size_t)blockIdx.x * WARPS + (size_t)threadIdx.x / WARP;
  if (row >= (size_t)p.batch * (size_t)p.out_height * (size_t)p.out_width) return;
  int lane = (int)threadIdx.x % WARP, n = p.kernel * p.channels;
  float sum = 0;
  for (int run = 0; run < p.kernel; run++) {
    const float *in = run_of(&p, row, run);
    for (int i = lane; i < n; i += WARP) sum += in[i];
  }
  float mean = lanes_sum(sum, WARP) / (float)(p.kernel * n), squares = 0;
  for (int run = 0; run < p.kernel; run++) {
    const float *in = run_of(&p, row, run);
    for (int i = lane; i < n; i += WARP) squares = FMA(in[i] - mean, in[i] - mean, squares);
  }
  float scale = 1 / sqrtf(lanes_sum(squares, WARP) / (float)(p.kernel * n) + p.epsilon);
  for (int run = 0; run < p.kernel; run++) {
    const float *in = run_of(&p, row, run);
    for (int i = lane; i < n; i += WARP) {
      int at = run * n + i;
      size_t to = row * (size_t)(p.kernel * n) + (size_t)at;
      float x = (in[i] - mean) * scale;
      if (p.gamma) x = FMA(x, p.gamma[at], p.beta[at]);
      p.out[to] = p.residual ? x + p.residual[to] : x;
    }
  }
}

void cuda_layer_norm(cuda_stream *stream, const struct cuda_layer_norm *p) {
  size_t rows = (size_t)p->batch * (size_t)p->out_height * (size_t)p->out_width;
  LAUNCH(stream, layer_norm, divided(rows, WARPS), 1, 1, THREADS, p);
}

/* ---- global response norm ---- */

struct partial_sums {
  float values[THREADS];
};

/* norms[image, channel] = the 2-norm over the pixels: eight partial sums, added in order. */
KERNEL(channel_norms, struct cuda_response_norm, p, THREADS, 4) {
  SHARED(struct partial_sums, s);
  int lane = (int)threadIdx.x % WARP, first = (int)threadIdx.x / WARP, channel = (int)blockIdx.x * WARP + lane;
  size_t channels = (size_t)p.channels, image = (size_t)blockIdx.y;
  float squares = 0;
  if (channel < p.channels) {
    const float *in = p.in + image * (size_t)p.pixels * channels + (size_t)channel;
    for (int pixel = first; pixel < p.pixels; pixel += WARPS) {
      float x = in[(size_t)pixel * channels];
      squares = FMA(x, x, squares);
    }
  }
  s->values[threadIdx.x] = squares;
  __syncthreads();
  if (first > 0 || channel >= p.channels) return;
  float sum = 0;
  for (int i = 0; i < WARPS; i++) sum += s->values[i * WARP + lane];
  p.norms[image * channels + (size_t)channel] = sqrtf(sum);
}

/* norms become factors: 1 + gamma * norm / (the mean of all norms + 1e-6). */
KERNEL(factors, struct cuda_response_norm, p, THREADS, 4) {
  SHARED(struct partial_sums, s);
  float *norms = p.norms + (size_t)blockIdx.x * (size_t)p.channels, sum = 0;
  for (int c = (int)threadIdx.x; c < p.channels; c += THREADS) sum += norms[c];
  s->values[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int i = 0; i < THREADS; i++) sum += s->values[i];
  float inverse = 1 / (sum / (float)p.channels + 1e-6f);
  for (int c = (int)threadIdx.x; c < p.channels; c += THREADS) norms[c] = 1 + norms[c] * inverse * p.gamma[c];
}

KERNEL(respond, struct cuda_response_norm, p, THREADS, 4) {
  size_t channels = (size_t)p.channels, image_floats = (size_t)p.pixels * channels;
  size_t step = (size_t)gridDim.x * THREADS;
  for (size_t i = (size_t)blockIdx.x * THREADS + (size_t)threadIdx.x; i < (size_t)p.batch * image_floats; i += step) {
    size_t c = i % channels;
    p.out[i] = FMA(p.in[i], p.norms[i / image_floats * channels + c], p.beta[c]);
  }
}

void cuda_response_norm(cuda_stream *stream, const struct cuda_response_norm *p) {
  int blocks = divided((size_t)p->batch * (size_t)p->pixels * (size_t)p->channels, THREADS);
  LAUNCH(stream, channel_norms, divided((size_t)p->channels, WARP), p->batch, 1, THREADS, p);
  LAUNCH(stream, factors, p->batch, 1, 1, THREADS, p);
  LAUNCH(stream, respond, blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS, 1, 1, THREADS, p);
}
