/* What becomes of a register tile's sums: bias, residual, activation, and the way to memory. */
#ifndef KERNELS_SIMD_GEMM_RESULTS_H
#define KERNELS_SIMD_GEMM_RESULTS_H

#include <math.h>
#include <stdbool.h>

#include "kernels/prefetch.h"
#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

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

/* Ask for the lines of a row of C and of the residual, or NULL. */
INLINE void prefetch_row(const float *c, const float *residual, const int vectors) {
  enum { LINE = 16 };
  for (int i = 0; i < vectors * LANES; i += LINE) {
    prefetch_to_write(c + i);
    if (residual) __builtin_prefetch(residual + i);
  }
}

/* Ask for the results' lines before the sums are done: a row of C is `c_stride` away from the next, a step that no
 * hardware prefetcher follows, and with a short K their misses would outlast the arithmetic. */
INLINE void prefetch_results(const struct gemm_tile *t, const int rows, const int vectors) {
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    prefetch_row(t->c + r * t->c_stride, t->residual ? t->residual + r * t->residual_stride : NULL, vectors);
  }
}

/* Rows of A that are equally far apart. A pointer for each is more than x86 has registers for; two pointers and three
 * distances reach 14 rows by the scaled index of a load, and the loop loads nothing but A and B. */
struct strided_rows {
  const char *low, *high; /* rows 0 and 7 */
  ptrdiff_t one, three, five;
};

/* The compiler shall not see through it: it would derive a pointer for each row, and spill. */
#define KEEP_IN_REGISTER(x) __asm__("" : "+r"(x))

INLINE struct strided_rows strided_rows(const void *first, ptrdiff_t bytes) {
  struct strided_rows rows = {first, (const char *)first + 7 * bytes, bytes, 3 * bytes, 5 * bytes};
  KEEP_IN_REGISTER(rows.high);
  KEEP_IN_REGISTER(rows.one);
  KEEP_IN_REGISTER(rows.three);
  KEEP_IN_REGISTER(rows.five);
  return rows;
}

/* `r` is a constant at every call. */
INLINE const char *row_at(const struct strided_rows *rows, const int r) {
  int i = r % 7;
  ptrdiff_t offset = i == 3 ? rows->three : i == 5 ? rows->five : i == 6 ? 2 * rows->three : i * rows->one;
  return (r < 7 ? rows->low : rows->high) + offset;
}

/* Where the sums begin. */
INLINE void begin_sums(const struct gemm_tile *t, vfloat sum[GEMM_ROWS][2], const int rows, const int vectors) {
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = v_set(0);
  if (!t->start) return;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    const float *start = t->start + r * t->start_stride;
    sum[r][0] = v_load_up_to(start, t->columns);
    if (vectors > 1) sum[r][1] = v_load_up_to(start + LANES, t->columns - LANES);
  }
}

/* finish() of whole vectors without a branch for each: bias and the least result stay in the registers that A and B
 * leave free. */
INLINE void write_whole(const struct gemm_tile *t, vfloat sum[GEMM_ROWS][2], const int rows, const int vectors,
                        const bool residual) {
  const vfloat least = v_set(t->activation == ACTIVATION_RELU ? 0 : -INFINITY);
  vfloat bias[2];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) bias[v] = t->bias ? v_load(t->bias + v * LANES) : v_set(0);
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      vfloat c = sum[r][v] + bias[v];
      if (residual) c += v_load(t->residual + r * t->residual_stride + v * LANES);
      v_store(t->c + r * t->c_stride + v * LANES, v_max(least, c)); /* in this order NaN stays NaN */
    }
  }
}

/* What a tile summed, with everything that is fused around it; `rows` and `vectors` are constants at every call. */
INLINE void write_results(const struct gemm_tile *t, vfloat sum[GEMM_ROWS][2], const int rows, const int vectors) {
  const bool whole = t->columns == vectors * LANES;
  /* The plain product: without a branch a vector, which would cost a short sum a quarter of its time. */
  if (whole && !t->bias && !t->residual && t->activation == ACTIVATION_NONE) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      v_store(t->c + r * t->c_stride, sum[r][0]);
      if (vectors > 1) v_store(t->c + r * t->c_stride + LANES, sum[r][1]);
    }
    return;
  }
  if (whole && t->residual) {
    write_whole(t, sum, rows, vectors, true);
    return;
  }
  if (whole) {
    write_whole(t, sum, rows, vectors, false);
    return;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    write_vector(t, sum[r][0], r, 0);
    if (vectors > 1) write_vector(t, sum[r][1], r, LANES);
  }
}

/* tile(t, rows, vectors) with both as constants. */
#define TILE_CASE(tile, t, n) \
  case n:                     \
    if ((t)->columns > LANES) \
      tile(t, n, 2);          \
    else                      \
      tile(t, n, 1);          \
    break;
#define TILE_CASES_4(tile, t) TILE_CASE(tile, t, 1) TILE_CASE(tile, t, 2) TILE_CASE(tile, t, 3) TILE_CASE(tile, t, 4)
#define TILE_CASES_6(tile, t) TILE_CASES_4(tile, t) TILE_CASE(tile, t, 5) TILE_CASE(tile, t, 6)
#define TILE_CASES_9(tile, t) TILE_CASES_6(tile, t) TILE_CASE(tile, t, 7) TILE_CASE(tile, t, 8) TILE_CASE(tile, t, 9)
#define TILE_CASES_12(tile, t) \
  TILE_CASES_9(tile, t) TILE_CASE(tile, t, 10) TILE_CASE(tile, t, 11) TILE_CASE(tile, t, 12)
#define TILE_CASES_14(tile, t) TILE_CASES_12(tile, t) TILE_CASE(tile, t, 13) TILE_CASE(tile, t, 14)
#define TILE_OF_ROWS(tile, t) \
  switch ((t)->rows) { ISA_JOIN(TILE_CASES, GEMM_ROWS)(tile, t) default : break; }

#endif
