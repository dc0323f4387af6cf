/* The GEMM register tile, written once for every instruction set.
 *
 * A tile of ROWS x 2 vectors of C stays in registers while all of K streams by: per step of k two loads of B, and per
 * row one broadcast of A and two multiply-adds. AVX-512 has 32 registers: 14 x 2 accumulators, 2 for B, 2 for A. AVX2
 * has 16: 6 x 2, 2, 2. NEON has 32 of 4 lanes: 12 x 2 = 24. The multiply-adds bound the loop (14 x 2 to 16 loads on
 * AVX-512), the chains are independent, so a tile of 5 rows or more hides the latency of 4 cycles. */
#include <stdbool.h>

#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

#define ROWS GEMM_ROWS
#define INLINE static inline __attribute__((always_inline))

INLINE vfloat finish(const struct gemm_tile *t, vfloat sum, int row, int column, int lanes) {
  if (lanes == LANES) {
    if (t->bias) sum += v_load(t->bias + column);
    if (t->residual) sum += v_load(t->residual + row * t->residual_stride + column);
  } else {
    if (t->bias) sum += v_load_first(t->bias + column, lanes);
    if (t->residual) sum += v_load_first(t->residual + row * t->residual_stride + column, lanes);
  }
  if (t->activation == ACTIVATION_RELU) sum = v_activate(sum, ACTIVATION_RELU);
  return sum;
}

INLINE void write_vector(const struct gemm_tile *t, vfloat sum, int row, int column) {
  float *c = t->c + row * t->c_stride + column;
  int lanes = t->columns - column;
  if (lanes >= LANES)
    v_store(c, finish(t, sum, row, column, LANES));
  else if (lanes > 0)
    v_store_first(c, finish(t, sum, row, column, lanes), lanes);
}

/* Activations beyond ReLU, over C as it was just written and still lies in L1: within the unrolled rows above, each
 * vector of the tile would carry a copy of their code. */
INLINE void activate_rows(const struct gemm_tile *t, const enum activation activation) {
  for (int r = 0; r < t->rows; r++) {
    float *c = t->c + r * t->c_stride;
    int n = 0;
    for (; n + LANES <= t->columns; n += LANES) v_store(c + n, v_activate(v_load(c + n), activation));
    if (n < t->columns) {
      int lanes = t->columns - n;
      v_store_first(c + n, v_activate(v_load_first(c + n, lanes), activation), lanes);
    }
  }
}

static void activate_tile(const struct gemm_tile *t) {
  switch (t->activation) {
    case ACTIVATION_NONE:
    case ACTIVATION_RELU:
      break;
    case ACTIVATION_GELU:
      activate_rows(t, ACTIVATION_GELU);
      break;
    case ACTIVATION_GELU_TANH:
      activate_rows(t, ACTIVATION_GELU_TANH);
      break;
    case ACTIVATION_QUICK_GELU:
      activate_rows(t, ACTIVATION_QUICK_GELU);
      break;
    case ACTIVATION_SILU:
      activate_rows(t, ACTIVATION_SILU);
      break;
  }
}

/* Ask for the lines of C and of the residual before the sums are done: a row of C is `c_stride` away from the next, a
 * step that no hardware prefetcher follows, and with a short K their misses would outlast the arithmetic. */
INLINE void prefetch_results(const struct gemm_tile *t, const int rows, const int vectors) {
  enum { LINE = 16 };
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < vectors * LANES; c += LINE) {
      __builtin_prefetch(t->c + r * t->c_stride + c, 1);
      if (t->residual) __builtin_prefetch(t->residual + r * t->residual_stride + c);
    }
  }
}

/* `rows` and `vectors` are constants at every call: the loops over them unroll and `sum` lives in registers. */
INLINE void tile(const struct gemm_tile *t, const int rows, const int vectors) {
  vfloat sum[ROWS][2];
  const float *b = t->b;
  prefetch_results(t, rows, vectors);
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = v_set(0);
  const bool one_tap = t->taps == 1;
  for (int tap = 0; tap < t->taps; tap++) {
    const float *a[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) a[r] = t->a[tap * GEMM_MAX_ROWS + r];
    for (ptrdiff_t k = 0; k < t->depth; k++) {
      vfloat b0 = v_load(b), b1 = vectors > 1 ? v_load(b + LANES) : b0;
      b += 2 * LANES;
      if (one_tap) __builtin_prefetch(t->upcoming + k * 16, 0, 2);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        vfloat x = v_set(a[r][k]);
        sum[r][0] = v_fma(x, b0, sum[r][0]);
        if (vectors > 1) sum[r][1] = v_fma(x, b1, sum[r][1]);
      }
    }
  }
  /* The plain product: without a branch a vector, which would cost a short sum a quarter of its time. */
  if (!t->bias && !t->residual && t->activation == ACTIVATION_NONE && t->columns == vectors * LANES) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      v_store(t->c + r * t->c_stride, sum[r][0]);
      if (vectors > 1) v_store(t->c + r * t->c_stride + LANES, sum[r][1]);
    }
    return;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    write_vector(t, sum[r][0], r, 0);
    if (vectors > 1) write_vector(t, sum[r][1], r, LANES);
  }
}

#define CASE(n)             \
  case n:                   \
    if (t->columns > LANES) \
      tile(t, n, 2);        \
    else                    \
      tile(t, n, 1);        \
    break;

void ISA_NAME(gemm_tile)(const struct gemm_tile *t) {
  switch (t->rows) {
    CASE(1)
    CASE(2)
    CASE(3)
    CASE(4)
#if ROWS > 4
    CASE(5)
    CASE(6)
#endif
#if ROWS > 6
    CASE(7)
    CASE(8)
    CASE(9)
    CASE(10)
    CASE(11)
    CASE(12)
#endif
#if ROWS > 12
    CASE(13)
    CASE(14)
#endif
    default:
      break;
  }
  activate_tile(t);
}
