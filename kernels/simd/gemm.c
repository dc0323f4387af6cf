/* The GEMM register tile, written once for every instruction set.
 *
 * A tile of ROWS x 2 vectors of C stays in registers while all of K streams by: per step of k two loads of B, and per
 * row one broadcast of A and two multiply-adds. AVX-512 has 32 registers: 14 x 2 accumulators, 2 for B, 2 for A. AVX2
 * has 16: 6 x 2, 2, 2. NEON has 32 of 4 lanes: 12 x 2 = 24. The multiply-adds bound the loop (14 x 2 to 16 loads on
 * AVX-512), the chains are independent, so a tile of 5 rows or more hides the latency of 4 cycles. */
#include "kernels/simd/gemm_results.h"
/* `rows` and `vectors` are constants at every call: the loops over them unroll and `sum` lives in registers. */
INLINE void tile(const struct gemm_tile *t, const int rows, const int vectors) {
  vfloat sum[GEMM_ROWS][2];
  const float *b = t->b;
  prefetch_results(t, rows, vectors);
  begin_sums(t, sum, rows, vectors);
  const float *ahead = t->ahead ? t->ahead : b;
  for (int tap = 0; tap < t->taps; tap++, ahead += (ptrdiff_t)t->depth * 16) {
    const float *a[GEMM_ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) a[r] = t->a[tap * GEMM_MAX_ROWS + r];
    for (ptrdiff_t k = 0; k < t->depth; k++) {
      vfloat b0 = v_load(b), b1 = vectors > 1 ? v_load(b + LANES) : b0;
      b += 2 * LANES;
      __builtin_prefetch(ahead + k * 16, 0, 2);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        vfloat x = v_set(a[r][k]);
        sum[r][0] = v_fma(x, b0, sum[r][0]);
        if (vectors > 1) sum[r][1] = v_fma(x, b1, sum[r][1]);
      }
    }
  }
  write_results(t, sum, rows, vectors);
}

/* A step of the sum for rows that are equally far apart. */
INLINE void strided_step(struct strided_rows *a, const float *b, vfloat sum[GEMM_ROWS][2], const int rows,
                         const int vectors) {
  vfloat b0 = v_load(b), b1 = vectors > 1 ? v_load(b + LANES) : b0;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    float value;
    memcpy(&value, row_at(a, r), sizeof value);
    vfloat x = v_set(value);
    sum[r][0] = v_fma(x, b0, sum[r][0]);
    if (vectors > 1) sum[r][1] = v_fma(x, b1, sum[r][1]);
  }
  a->low += sizeof(float);
  a->high += sizeof(float);
}

/* The same for rows that are equally far apart. A row of results is asked for at each of the first steps: all at once,
 * they would keep the loads of A and B waiting. */
INLINE void strided_tile(const struct gemm_tile *t, const int rows, const int vectors) {
  vfloat sum[GEMM_ROWS][2];
  begin_sums(t, sum, rows, vectors);
  struct strided_rows a = strided_rows(t->a[0], t->a_stride * (ptrdiff_t)sizeof(float));
  const float *b = t->b, *end = b + (ptrdiff_t)t->depth * 2 * LANES;
  const char *ahead = (const char *)(t->ahead ? t->ahead : b);
  const float *c = t->c, *residual = t->residual ? t->residual : c;
  const ptrdiff_t residual_stride = t->residual ? t->residual_stride : t->c_stride;
  for (const float *results_end = t->depth > rows ? b + (ptrdiff_t)rows * 2 * LANES : end; b < results_end;
       b += 2 * LANES, ahead += 64, c += t->c_stride, residual += residual_stride) {
    __builtin_prefetch(ahead, 0, 2);
    prefetch_row(c, residual, vectors);
    strided_step(&a, b, sum, rows, vectors);
  }
  for (; b < end; b += 2 * LANES, ahead += 64) {
    __builtin_prefetch(ahead, 0, 2);
    strided_step(&a, b, sum, rows, vectors);
  }
  write_results(t, sum, rows, vectors);
}

void ISA_NAME(gemm_tile)(const struct gemm_tile *t) {
  if (t->a_stride) {
    TILE_OF_ROWS(strided_tile, t)
  } else {
    TILE_OF_ROWS(tile, t)
  }
  activate_tile(t);
}
