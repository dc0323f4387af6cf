/* Convolution as implicit GEMM and, as its 1x1 case, the matrix product: float32 by FMA.
 *
 * Source: the blocking of Volkov and Demmel 2008 ("Benchmarking GPUs to tune dense linear algebra", section 4) and the
 * implicit im2col of Chetlur et al. 2014 ("cuDNN", section 3): a block computes a tile of pixels x columns, 16 terms of
 * the sum at a time, which cp.async brings to shared memory while the 16 before are multiplied (two buffers).
 *
 *   tile        threads  a thread's share  shared memory  registers  blocks per multiprocessor (occupancy)
 *   128 x 128     256         8 x 8           40 kB         <= 128         2 (25 % of 2048 threads)
 *    64 x  64     256         4 x 4           21 kB         <=  80         3 (37 %)
 * (The large tile fills its registers: nvcc 13 spills 0 to 36 bytes a thread, by architecture.)
 *
 * Per four terms a thread of the large tile reads 16 float4 for 256 multiply-adds: a warp's reads take 24 cycles of
 * shared memory and its arithmetic 64 of the multiprocessor, so FMA is the bound. Rows of A are padded to 20 floats and
 * a thread's rows lie 16 apart, rows of B to 8 floats more than the tile: no bank conflicts. */
#include "kernels/cuda/language.h"

#include "kernels/cuda/activation.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/product_tile.h"

struct large_tile {
  struct tile_row rows[128];
  float a[2][128 * A_STRIDE];
  float b[2][TERMS * (128 + B_PADDING)];
};

struct small_tile {
  struct tile_row rows[64];
  float a[2][64 * A_STRIDE];
  float b[2][TERMS * (64 + B_PADDING)];
};

/* sums += A * B for the 16 terms in shared memory. Thread (ty, tx) has rows ty + 16 i and columns 4 tx + 64 j + 0..3.
 */
DEVICE void multiply(const float *a, const float *b, int b_stride, int ty, int tx, const int rows, const int quads,
                     float sums[8][8]) {
  for (int k = 0; k < TERMS; k += 4) {
    float4 left[8], right[2];
    UNROLL
    for (int i = 0; i < rows; i++) left[i] = load4(a + (ty + 16 * i) * A_STRIDE + k);
    UNROLL
    for (int term = 0; term < 4; term++) {
      UNROLL
      for (int j = 0; j < quads; j++) right[j] = load4(b + (k + term) * b_stride + 4 * tx + 64 * j);
      UNROLL
      for (int i = 0; i < rows; i++) {
        float x = term == 0 ? left[i].x : term == 1 ? left[i].y : term == 2 ? left[i].z : left[i].w;
        UNROLL
        for (int j = 0; j < quads; j++) {
          sums[i][4 * j] = FMA(x, right[j].x, sums[i][4 * j]);
          sums[i][4 * j + 1] = FMA(x, right[j].y, sums[i][4 * j + 1]);
          sums[i][4 * j + 2] = FMA(x, right[j].z, sums[i][4 * j + 2]);
          sums[i][4 * j + 3] = FMA(x, right[j].w, sums[i][4 * j + 3]);
        }
      }
    }
  }
}

/* A block's tile of 16 * rows pixels and 64 * quads columns. width: floats of a copy of A, 4 where group_in allows;
 * whole: group_out is a multiple of four. */
DEVICE void product_tile(const struct cuda_product *p, struct tile_row *table, float *a0, float *a1, float *b0,
                         float *b1, const int rows, const int quads, const int width, const bool whole) {
  const int b_stride = 64 * quads + B_PADDING;
  int ty = (int)threadIdx.x / 16, tx = (int)threadIdx.x % 16, first_column = (int)blockIdx.y * 64 * quads;
  float sums[8][8];
  UNROLL
  for (int i = 0; i < rows; i++) {
    UNROLL
    for (int j = 0; j < 4 * quads; j++) sums[i][j] = 0;
  }
  fill_table(p, table, 16 * rows);
  __syncthreads();
  struct tap tap = first_tap(p, (int)threadIdx.x % (TERMS / width) * width);
  int depth = p->kernel * p->kernel * p->group_in, steps = (depth + TERMS - 1) / TERMS;
  copy_a(p, table, &tap, a0, 16 * rows, width);
  copy_b(p, 0, first_column, b0, 64 * quads);
  copy_commit();
  for (int step = 0; step < steps; step++) {
    bool odd = step % 2 != 0;
    if (step + 1 < steps) {
      copy_a(p, table, &tap, odd ? a0 : a1, 16 * rows, width);
      copy_b(p, (step + 1) * TERMS, first_column, odd ? b0 : b1, 64 * quads);
    }
    copy_commit();
    copy_wait(1);
    __syncthreads();
    multiply(odd ? a1 : a0, odd ? b1 : b0, b_stride, ty, tx, rows, quads, sums);
    __syncthreads();
  }
  copy_wait(0);
  UNROLL
  for (int i = 0; i < rows; i++) {
    UNROLL
    for (int j = 0; j < quads; j++) {
      finish_quad(p, table, 16 * rows, ty + 16 * i, first_column + 4 * tx + 64 * j, &sums[i][4 * j], whole);
    }
  }
}

KERNEL(product_128, struct cuda_product, p, PRODUCT_THREADS, 2) {
  SHARED(struct large_tile, s);
  product_tile(&p, s->rows, s->a[0], s->a[1], s->b[0], s->b[1], 8, 2, 4, true);
}
KERNEL(product_64, struct cuda_product, p, PRODUCT_THREADS, 3) {
  SHARED(struct small_tile, s);
  product_tile(&p, s->rows, s->a[0], s->a[1], s->b[0], s->b[1], 4, 1, 4, false);
}
/* group_in is no multiple of four: the first layers, whose pixels have three channels. */
KERNEL(product_64_narrow, struct cuda_product, p, PRODUCT_THREADS, 3) {
  SHARED(struct small_tile, s);
  product_tile(&p, s->rows, s->a[0], s->a[1], s->b[0], s->b[1], 4, 1, 1, false);
}

static int tiles(size_t n, size_t size) { return (int)((n + size - 1) / size); }

/* The large tile where it fills a GPU of 100 multiprocessors; the choice changes no bit. */
void cuda_product(cuda_stream *stream, const struct cuda_product *p, enum cuda_precision precision) {
  size_t rows = (size_t)p->batch * (size_t)p->out_height * (size_t)p->out_width, columns = (size_t)p->group_out;
  if (rows == 0) return;
  if (precision != CUDA_FLOAT32) {
    cuda_tensor_product(stream, p, precision);
  } else if (p->group_in % 4) {
    LAUNCH(stream, product_64_narrow, tiles(rows, 64), tiles(columns, 64), p->groups, PRODUCT_THREADS, p);
  } else if (columns > 64 && columns % 4 == 0 && tiles(rows, 128) * tiles(columns, 128) * p->groups >= 100) {
    LAUNCH(stream, product_128, tiles(rows, 128), tiles(columns, 128), p->groups, PRODUCT_THREADS, p);
  } else {
    LAUNCH(stream, product_64, tiles(rows, 64), tiles(columns, 64), p->groups, PRODUCT_THREADS, p);
  }
}
