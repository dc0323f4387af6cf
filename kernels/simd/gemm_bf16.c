/* The GEMM register tile for factors in bfloat16.
 *
 * A step takes two neighbours of K at once: a lane of B holds a column's pair, A's pair is broadcast as one word of 32
 * bits, and the instruction adds both products to the column's float (vdpbf16ps: twice the multiply-adds of a float's
 * instruction, for the same loads). The tile is as large as gemm.c's, for the same reasons. Without such an instruction
 * the pair is widened - its halves are floats but for 16 zero bits - and costs two multiply-adds: this file is compiled
 * for every instruction set, and once more with the instruction (BF16_PAIRS), whose sums differ in rounding alone. */
#include "kernels/simd/gemm_results.h"

#if defined(BF16_PAIRS)
#define BF16_NAME(name) ISA_JOIN(ISA_NAME(name), pairs)
#else
#define BF16_NAME(name) ISA_NAME(name)
#endif

/* sum + a's first * b's first + a's second * b's second, in every lane. */
INLINE vfloat add_products(vfloat sum, vbits a, vbits b) {
#if defined(BF16_PAIRS)
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#else
  sum = v_fma((vfloat)(a << 16), (vfloat)(b << 16), sum);
  return v_fma((vfloat)(a & 0xFFFF0000), (vfloat)(b & 0xFFFF0000), sum);
#endif
}

INLINE vbits load_pairs(const uint16_t *p) {
  vbits v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE vbits broadcast_pair(const char *p) {
  uint32_t pair;
  memcpy(&pair, p, sizeof pair);
  return (vbits){0} + pair;
}

INLINE void tile(const struct gemm_tile *t, const int rows, const int vectors) {
  vfloat sum[GEMM_ROWS][2];
  const uint16_t *b = t->b_bf16;
  prefetch_results(t, rows, vectors);
  begin_sums(t, sum, rows, vectors);
  struct strided_rows a = strided_rows(t->a_bf16, t->a_bf16_stride * (ptrdiff_t)sizeof(uint16_t));
  const char *ahead = t->ahead ? (const char *)t->ahead : (const char *)b;
  for (const uint16_t *end = b + (ptrdiff_t)t->pairs * 4 * LANES; b < end; b += 4 * LANES) {
    vbits b0 = load_pairs(b), b1 = vectors > 1 ? load_pairs(b + 2 * LANES) : b0;
    __builtin_prefetch(ahead, 0, 2);
    ahead += 64;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      vbits pair = broadcast_pair(row_at(&a, r));
      sum[r][0] = add_products(sum[r][0], pair, b0);
      if (vectors > 1) sum[r][1] = add_products(sum[r][1], pair, b1);
    }
    a.low += 2 * sizeof(uint16_t);
    a.high += 2 * sizeof(uint16_t);
  }
  write_results(t, sum, rows, vectors);
}

static void gemm_tile(const struct gemm_tile *t) {
  TILE_OF_ROWS(tile, t)
  activate_tile(t);
}

/* To nearest, ties to even; the payload of a NaN may be cut to nothing, so one bit of it is set. */
static uint16_t round_one(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}

void BF16_NAME(bf16_round_row)(const float *in, int n, uint16_t *out) {
  int i = 0;
#if defined(BF16_PAIRS)
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    __m512bh pairs = _mm512_cvtne2ps_pbh(v_load(in + i + LANES), v_load(in + i));
    memcpy(out + i, &pairs, sizeof pairs);
  }
#endif
  for (; i < n; i++) out[i] = round_one(in[i]);
}

#if defined(BF16_PAIRS)
#define SUFFIX "_bf16"
#else
#define SUFFIX ":bf16"
#endif
const struct bf16_kernels BF16_NAME(bf16_kernels) = {ISA_TEXT(ISA) SUFFIX, GEMM_ROWS, 1, gemm_tile,
                                                     BF16_NAME(bf16_round_row)};
