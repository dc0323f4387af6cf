/* The product on tensor cores: factors rounded to TF32 or bfloat16 on their way from shared memory, sums in float32.
 *
 * Source: the warp tiling of CUTLASS (Kerr et al. 2017, "CUTLASS: Fast Linear Algebra in CUDA C++", "Warp Tile") over
 * mma.sync; the tile's way to shared memory is product.cu's. A block of 8 warps computes 128 pixels x 128 columns, each
 * warp 64 x 32 as 4 x 4 results of 16 x 8. Shared memory 40 kB, at most 128 registers: 2 blocks per multiprocessor
 * (25 % of 2048 threads). A fragment's reads are free of bank conflicts (A_STRIDE, B_PADDING). The rounding costs
 * accuracy: a factor is off by up to 2^-11 of itself (TF32) or 2^-9 (bfloat16) instead of 2^-24. */
#include "kernels/cuda/language.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/product_tile.h"
#include "kernels/cuda/tensor_core.h"

enum { SIDE = 128, B_STRIDE = SIDE + B_PADDING, WARP_ROWS = 64, WARP_COLUMNS = 32 };

struct tensor_tile {
  struct tile_row rows[SIDE];
  float a[2][SIDE * A_STRIDE];
  float b[2][TERMS * B_STRIDE];
};

/* sums += A * B for 8 of the terms in shared memory, a and b the warp's first row and column. */
DEVICE void multiply_tf32(const float *a, const float *b, int g, int t, float sums[4][4][4]) {
  float right[4][2];
  UNROLL
  for (int j = 0; j < 4; j++) {
    right[j][0] = b[t * B_STRIDE + 8 * j + g];
    right[j][1] = b[(t + 4) * B_STRIDE + 8 * j + g];
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    const float *row = a + (16 * i + g) * A_STRIDE + t;
    float left[4] = {row[0], row[8 * A_STRIDE], row[4], row[8 * A_STRIDE + 4]};
    UNROLL
    for (int j = 0; j < 4; j++) mma_tf32(sums[i][j], left, right[j]);
  }
}

/* The same for all 16. */
DEVICE void multiply_bfloat16(const float *a, const float *b, int g, int t, float sums[4][4][4]) {
  float right[4][4];
  UNROLL
  for (int j = 0; j < 4; j++) {
    const float *column = b + 2 * t * B_STRIDE + 8 * j + g;
    right[j][0] = column[0];
    right[j][1] = column[B_STRIDE];
    right[j][2] = column[8 * B_STRIDE];
    right[j][3] = column[9 * B_STRIDE];
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    const float *row = a + (16 * i + g) * A_STRIDE + 2 * t, *below = row + 8 * A_STRIDE;
    float left[8] = {row[0], row[1], below[0], below[1], row[8], row[9], below[8], below[9]};
    UNROLL
    for (int j = 0; j < 4; j++) mma_bfloat16(sums[i][j], left, right[j]);
  }
}

DEVICE void tensor_tile(const struct cuda_product *p, struct tensor_tile *s, const int width, const bool bfloat16) {
  int warp = (int)threadIdx.x / WARP, g = (int)threadIdx.x % WARP / 4, t = (int)threadIdx.x % 4;
  int first_row = warp / 4 * WARP_ROWS, warp_column = warp % 4 * WARP_COLUMNS, first_column = (int)blockIdx.y * SIDE;
  float sums[4][4][4];
  UNROLL
  for (int i = 0; i < 4; i++) {
    UNROLL
    for (int j = 0; j < 4; j++) sums[i][j][0] = sums[i][j][1] = sums[i][j][2] = sums[i][j][3] = 0;
  }
  fill_table(p, s->rows, SIDE);
  __syncthreads();
  struct tap tap = first_tap(p, (int)threadIdx.x % (TERMS / width) * width);
  int depth = p->kernel * p->kernel * p->group_in, steps = (depth + TERMS - 1) / TERMS;
  copy_a(p, s->rows, &tap, s->a[0], SIDE, width);
  copy_b(p, 0, first_column, s->b[0], SIDE);
  copy_commit();
  for (int step = 0; step < steps; step++) {
    if (step + 1 < steps) {
      copy_a(p, s->rows, &tap, s->a[(step + 1) % 2], SIDE, width);
      copy_b(p, (step + 1) * TERMS, first_column, s->b[(step + 1) % 2], SIDE);
    }
    copy_commit();
    copy_wait(1);
    __syncthreads();
    const float *a = s->a[step % 2] + first_row * A_STRIDE, *b = s->b[step % 2] + warp_column;
    if (bfloat16) {
      multiply_bfloat16(a, b, g, t, sums);
    } else {
      multiply_tf32(a, b, g, t, sums);
      multiply_tf32(a + 8, b + 8 * B_STRIDE, g, t, sums);
    }
    __syncthreads();
  }
  copy_wait(0);
  UNROLL
  for (int i = 0; i < 4; i++) {
    UNROLL
    for (int j = 0; j < 4; j++) {
      int row = first_row + 16 * i + g, column = first_column + warp_column + 8 * j + 2 * t;
      finish_element(p, s->rows, SIDE, row, column, sums[i][j][0]);
      finish_element(p, s->rows, SIDE, row, column + 1, sums[i][j][1]);
      finish_element(p, s->rows, SIDE, row + 8, column, sums[i][j][2]);
      finish_element(p, s->rows, SIDE, row + 8, column + 1, sums[i][j][3]);
    }
  }
}

KERNEL(product_tf32, struct cuda_product, p, PRODUCT_THREADS, 2) {
  SHARED(struct tensor_tile, s);
  tensor_tile(&p, s, 4, false);
}
KERNEL(product_tf32_narrow, struct cuda_product, p, PRODUCT_THREADS, 2) {
  SHARED(struct tensor_tile, s);
  tensor_tile(&p, s, 1, false);
}
KERNEL(product_bfloat16, struct cuda_product, p, PRODUCT_THREADS, 2) {
  SHARED(struct tensor_tile, s);
  tensor_tile(&p, s, 4, true);
}
KERNEL(product_bfloat16_narrow, struct cuda_product, p, PRODUCT_THREADS, 2) {
  SHARED(struct tensor_tile, s);
  tensor_tile(&p, s, 1, true);
}

void cuda_tensor_product(cuda_stream *stream, const struct cuda_product *p, enum cuda_precision precision) {
  size_t rows = (size_t)p->batch * (size_t)p->out_height * (size_t)p->out_width;
  int x = (int)((rows + SIDE - 1) / SIDE), y = (p->group_out + SIDE - 1) / SIDE;
  bool narrow = p->group_in % 4 != 0;
  if (precision == CUDA_TF32 && narrow)
    LAUNCH(stream, product_tf32_narrow, x, y, p->groups, PRODUCT_THREADS, p);
  else if (precision == CUDA_TF32)
    LAUNCH(stream, product_tf32, x, y, p->groups, PRODUCT_THREADS, p);
  else if (narrow)
    LAUNCH(stream, product_bfloat16_narrow, x, y, p->groups, PRODUCT_THREADS, p);
  else
    LAUNCH(stream, product_bfloat16, x, y, p->groups, PRODUCT_THREADS, p);
}
