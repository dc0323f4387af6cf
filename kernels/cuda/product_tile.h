/* What the products' kernels share (product.cu, tensor_product.cu): a tile's pixels and weights on their way to shared
 * memory, and its results on their way out. */
#ifndef KERNELS_CUDA_PRODUCT_TILE_H
#define KERNELS_CUDA_PRODUCT_TILE_H

#include "kernels/cuda/activation.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/language.h"

enum {
  PRODUCT_THREADS = 256,
  TERMS = 16,    /* of the sums, in shared memory at a time */
  A_STRIDE = 20, /* floats from row to row of A[pixels][TERMS] */
  B_PADDING = 8, /* of the rows of B[TERMS][columns] */
};

/* A row of the tile: an output pixel and the first input pixel of its window, maybe outside of the image. */
struct tile_row {
  const float *image; /* the group's first channel of its image */
  int y, x;
  bool inside; /* there is such a pixel */
};

/* The block's rows, by its first threads; a barrier must follow. */
DEVICE void fill_table(const struct cuda_product *p, struct tile_row *table, int rows) {
  int t = (int)threadIdx.x;
  if (t >= rows) return;
  size_t area = (size_t)p->out_height * (size_t)p->out_width, row = (size_t)blockIdx.x * (size_t)rows + (size_t)t;
  size_t image = row / area;
  int pixel = (int)(row % area);
  table[t].inside = image < (size_t)p->batch;
  table[t].image = p->in + image * (size_t)p->height * (size_t)p->width * (size_t)p->groups * (size_t)p->group_in +
                   (size_t)blockIdx.z * (size_t)p->group_in;
  table[t].y = pixel / p->out_width * p->stride - p->padding;
  table[t].x = pixel % p->out_width * p->stride - p->padding;
}

/* A term of the sum: a position of the kernel and a channel. */
struct tap {
  int y, x, channel;
};

DEVICE void advance(const struct cuda_product *p, struct tap *tap, int terms) {
  for (tap->channel += terms; tap->channel >= p->group_in; tap->channel -= p->group_in) {
    if (++tap->x == p->kernel) {
      tap->x = 0;
      tap->y++;
    }
  }
}

DEVICE struct tap first_tap(const struct cuda_product *p, int term) {
  struct tap tap = {0, 0, 0};
  advance(p, &tap, term);
  return tap;
}

/* A[rows][TERMS] from the tap on, `width` floats a copy; the tap moves on to the next TERMS. */
DEVICE void copy_a(const struct cuda_product *p, const struct tile_row *table, struct tap *tap, float *a,
                   const int rows, const int width) {
  const int copies = TERMS / width; /* of a row */
  int at = (int)threadIdx.x % copies * width, y = tap->y * p->dilation, x = tap->x * p->dilation;
  UNROLL
  for (int row = (int)threadIdx.x / copies; row < rows; row += PRODUCT_THREADS / copies) {
    const struct tile_row *r = &table[row];
    int py = r->y + y, px = r->x + x;
    bool inside = r->inside && tap->y < p->kernel && py >= 0 && py < p->height && px >= 0 && px < p->width;
    size_t pixel = inside ? (size_t)py * (size_t)p->width + (size_t)px : 0;
    const float *from =
        inside ? r->image + pixel * (size_t)p->groups * (size_t)p->group_in + (size_t)tap->channel : p->in;
    float *to = a + row * A_STRIDE + at;
    if (width == 4)
      copy_async16(to, from, inside);
    else
      copy_async4(to, from, inside);
  }
  advance(p, tap, TERMS);
}

/* B[TERMS][columns] from term `first` on. */
DEVICE void copy_b(const struct cuda_product *p, int first, int first_column, float *b, const int columns) {
  int depth = p->kernel * p->kernel * p->group_in;
  UNROLL
  for (int i = (int)threadIdx.x; i < TERMS * columns / 4; i += PRODUCT_THREADS) {
    int term = i / (columns / 4), column = i % (columns / 4) * 4;
    bool inside = first + term < depth && first_column + column < p->columns;
    size_t row = (size_t)blockIdx.z * (size_t)depth + (size_t)(first + term);
    const float *from = inside ? p->weight + row * (size_t)p->columns + (size_t)(first_column + column) : p->weight;
    copy_async16(b + term * (columns + B_PADDING) + column, from, inside);
  }
}

/* out = activation(sum + bias + residual) of a row of the tile and a column of the group, where there is one. */
DEVICE void finish_element(const struct cuda_product *p, const struct tile_row *table, int rows, int row, int column,
                           float sum) {
  if (!table[row].inside || column >= p->group_out) return;
  size_t pixel = (size_t)blockIdx.x * (size_t)rows + (size_t)row;
  size_t channel = (size_t)blockIdx.z * (size_t)p->group_out + (size_t)column;
  size_t at = pixel * (size_t)p->groups * (size_t)p->group_out + channel;
  if (p->bias) sum += p->bias[channel];
  if (p->residual) sum += p->residual[at];
  p->out[at] = activate(sum, p->activation);
}

/* Four neighbouring columns, from a multiple of four on: as float4 where group_out is a multiple of four too, which
 * `whole` promises. */
DEVICE void finish_quad(const struct cuda_product *p, const struct tile_row *table, int rows, int row, int column,
                        const float sums[4], const bool whole) {
  if (!whole && p->group_out % 4) {
    UNROLL
    for (int c = 0; c < 4; c++) finish_element(p, table, rows, row, column + c, sums[c]);
    return;
  }
  if (!table[row].inside || column >= p->group_out) return;
  size_t pixel = (size_t)blockIdx.x * (size_t)rows + (size_t)row;
  size_t channel = (size_t)blockIdx.z * (size_t)p->group_out + (size_t)column;
  size_t at = pixel * (size_t)p->groups * (size_t)p->group_out + channel;
  float4 out = make_float4(sums[0], sums[1], sums[2], sums[3]);
  if (p->bias) {
    float4 bias = load4(p->bias + channel);
    out = make_float4(out.x + bias.x, out.y + bias.y, out.z + bias.z, out.w + bias.w);
  }
  if (p->residual) {
    float4 more = load4(p->residual + at);
    out = make_float4(out.x + more.x, out.y + more.y, out.z + more.z, out.w + more.w);
  }
  store4(p->out + at, make_float4(activate(out.x, p->activation), activate(out.y, p->activation),
                                  activate(out.z, p->activation), activate(out.w, p->activation)));
}

#ifdef __cplusplus
extern "C"
#endif
    /* cuda_product() on tensor cores. */
    void
    cuda_tensor_product(cuda_stream *stream, const struct cuda_product *product, enum cuda_precision precision);

#endif
