/* What moves and weighs single numbers: gates, tokens, copies, the padded shortcut, pooling, means.
 *
 * One thread an output element, channels side by side, so that a warp reads and writes whole lines; blocks of 256
 * threads in a grid-stride loop. No shared memory, few registers: 8 blocks per multiprocessor (100 %; pooling,
 * with up to 64 registers, 4); bound by memory. Pooling reads a window's pixels from L1 and L2 after the first time. */
#include "kernels/cuda/language.h"

#include "kernels/cuda/activation.h"
#include "kernels/cuda/kernels.h"

enum { THREADS = 256, MOST_BLOCKS = 1 << 16 };

/* A grid-stride loop's first element and step. */
DEVICE size_t first_element(void) { return (size_t)blockIdx.x * THREADS + (size_t)threadIdx.x; }
DEVICE size_t element_step(void) { return (size_t)gridDim.x * THREADS; }

static int blocks_for(size_t elements) {
  size_t blocks = (elements + THREADS - 1) / THREADS;
  return blocks < MOST_BLOCKS ? (int)blocks : MOST_BLOCKS;
}

KERNEL(gate, struct cuda_gate, p, THREADS, 4) {
  size_t channels = (size_t)p.channels;
  for (size_t i = first_element(); i < p.rows * channels; i += element_step()) {
    size_t row = i / channels, c = i % channels;
    p.out[i] = silu(p.in[row * 2 * channels + c]) * p.in[row * 2 * channels + channels + c];
  }
}

void cuda_gate(cuda_stream *stream, const struct cuda_gate *p) {
  LAUNCH(stream, gate, blocks_for(p->rows * (size_t)p->channels), 1, 1, THREADS, p);
}

KERNEL(tokens, struct cuda_tokens, p, THREADS, 4) {
  size_t channels = (size_t)p.channels, first = (size_t)p.first, pixels = (size_t)p.pixels;
  size_t image_floats = (first + pixels) * channels;
  for (size_t i = first_element(); i < (size_t)p.batch * image_floats; i += element_step()) {
    size_t image = i / image_floats, at = i % image_floats;
    if (at < first * channels) {
      p.out[i] = p.token ? p.token[image * channels + at % channels] + p.prefix[at] : p.prefix[at];
    } else {
      at -= first * channels;
      float x = p.in[image * pixels * channels + at];
      p.out[i] = p.position ? x + p.position[at] : x;
    }
  }
}

void cuda_tokens(cuda_stream *stream, const struct cuda_tokens *p) {
  size_t elements = (size_t)p->batch * (size_t)(p->first + p->pixels) * (size_t)p->channels;
  LAUNCH(stream, tokens, blocks_for(elements), 1, 1, THREADS, p);
}

KERNEL(copy_rows, struct cuda_copy, p, THREADS, 4) {
  size_t floats = (size_t)p.floats;
  for (size_t i = first_element(); i < p.rows * floats; i += element_step()) {
    p.out[i / floats * p.out_stride + i % floats] = p.in[i / floats * p.in_stride + i % floats];
  }
}

void cuda_copy_rows(cuda_stream *stream, const struct cuda_copy *p) {
  LAUNCH(stream, copy_rows, blocks_for(p->rows * (size_t)p->floats), 1, 1, THREADS, p);
}

KERNEL(pad_shortcut, struct cuda_shortcut, p, THREADS, 4) {
  size_t channels = (size_t)p.out_channels, width = (size_t)p.out_width, height = (size_t)p.out_height;
  int before = (p.out_channels - p.channels) / 2;
  for (size_t i = first_element(); i < (size_t)p.batch * height * width * channels; i += element_step()) {
    int c = (int)(i % channels) - before;
    size_t pixel = i / channels, x = pixel % width * (size_t)p.stride, y = pixel / width % height * (size_t)p.stride;
    size_t from = (pixel / width / height * (size_t)p.height + y) * (size_t)p.width + x;
    p.out[i] = c >= 0 && c < p.channels ? p.in[from * (size_t)p.channels + (size_t)c] : 0;
  }
}

void cuda_pad_shortcut(cuda_stream *stream, const struct cuda_shortcut *p) {
  size_t elements = (size_t)p->batch * (size_t)p->out_height * (size_t)p->out_width * (size_t)p->out_channels;
  LAUNCH(stream, pad_shortcut, blocks_for(elements), 1, 1, THREADS, p);
}

/* The maximum or the mean of a window's pixels inside the image. */
DEVICE void pool(const struct cuda_pool *p, const bool maximum) {
  size_t channels = (size_t)p->channels, width = (size_t)p->out_width, height = (size_t)p->out_height;
  for (size_t i = first_element(); i < (size_t)p->batch * height * width * channels; i += element_step()) {
    size_t pixel = i / channels;
    int left = (int)(pixel % width) * p->stride - p->padding,
        top = (int)(pixel / width % height) * p->stride - p->padding;
    int end_x = min(left + p->kernel, p->width), end_y = min(top + p->kernel, p->height), count = 0;
    const float *in = p->in + pixel / width / height * (size_t)p->height * (size_t)p->width * channels + i % channels;
    float result = 0;
    for (int y = max(top, 0); y < end_y; y++) {
      for (int x = max(left, 0); x < end_x; x++, count++) {
        float value = in[((size_t)y * (size_t)p->width + (size_t)x) * channels];
        if (maximum)
          result = count == 0 || value > result ? value : result;
        else
          result += value;
      }
    }
    p->out[i] = maximum ? result : result / (float)count;
  }
}

KERNEL(max_pool, struct cuda_pool, p, THREADS, 4) { pool(&p, true); }
KERNEL(average_pool, struct cuda_pool, p, THREADS, 4) { pool(&p, false); }

static int pool_blocks(const struct cuda_pool *p) {
  return blocks_for((size_t)p->batch * (size_t)p->out_height * (size_t)p->out_width * (size_t)p->channels);
}
void cuda_max_pool(cuda_stream *stream, const struct cuda_pool *p) {
  LAUNCH(stream, max_pool, pool_blocks(p), 1, 1, THREADS, p);
}
void cuda_average_pool(cuda_stream *stream, const struct cuda_pool *p) {
  LAUNCH(stream, average_pool, pool_blocks(p), 1, 1, THREADS, p);
}

/* A channel's pixels are one sum, four partial ones at a time so that loads overlap. */
KERNEL(mean, struct cuda_mean, p, THREADS, 4) {
  size_t channels = (size_t)p.channels;
  for (size_t i = first_element(); i < (size_t)p.batch * channels; i += element_step()) {
    const float *in = p.in + (i / channels * (size_t)p.pixels + (size_t)p.first) * channels + i % channels;
    float sums[4] = {0, 0, 0, 0};
    int pixel = 0;
    for (; pixel + 4 <= p.count; pixel += 4) {
      UNROLL
      for (int j = 0; j < 4; j++) sums[j] += in[(size_t)(pixel + j) * channels];
    }
    for (; pixel < p.count; pixel++) sums[0] += in[(size_t)pixel * channels];
    p.out[i] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / (float)p.count;
  }
}

void cuda_mean(cuda_stream *stream, const struct cuda_mean *p) {
  LAUNCH(stream, mean, blocks_for((size_t)p->batch * (size_t)p->channels), 1, 1, THREADS, p);
}
