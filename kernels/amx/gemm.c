/* The GEMM register tile for factors in bfloat16 on AMX: eight times the multiply-adds a cycle of vdpbf16ps.
 *
 * C is 2 x 2 tile registers of 16 x 16 floats, the largest block that leaves room for its factors: 2 of A (16 rows, 32
 * of K each) and 2 of B (16 pairs of K, 16 columns each) make four products of 16 cycles, which so need 32 bytes of B a
 * cycle: a panel's second reading comes from L2, which gives that; with one tile of rows instead of two it would not.
 * Sums are stored to memory for what is fused behind them, as tile registers know no other way out.
 *
 * Registers: 0..3 C (upper left, upper right, lower left, lower right), 4 and 5 A, 6 and 7 B. Their shapes are set and
 * given back in every call, some tens of cycles of a thousand: between calls a thread's state is as if there were no
 * AMX, and costs its context switches nothing. */
#include <immintrin.h>

#include "kernels/simd/gemm_results.h"

enum { REGISTERS = 8, REGISTER_ROWS = 16, ROW_BYTES = 64 };
enum { COLUMNS = 2 * LANES, PAIRS = REGISTER_ROWS, MOST_ROWS = 2 * REGISTER_ROWS };

/* The operand of LDTILECFG. */
struct shapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
_Static_assert(sizeof(struct shapes) == 64, "as the instruction reads it");

static struct shapes shapes_of(int upper, int lower) {
  struct shapes shapes = {.palette = 1};
  for (int i = 0; i < REGISTERS; i++) {
    shapes.row_bytes[i] = ROW_BYTES;
    shapes.rows[i] = REGISTER_ROWS;
  }
  shapes.rows[0] = shapes.rows[1] = shapes.rows[4] = (uint8_t)upper;
  shapes.rows[2] = shapes.rows[3] = shapes.rows[5] = (uint8_t)lower;
  if (!lower) shapes.row_bytes[2] = shapes.row_bytes[3] = shapes.row_bytes[5] = 0;
  return shapes;
}

static void configure(const struct shapes *shapes) {
  /* Compilers take the operand for fewer bytes than it has: let none of it wait in registers. */
  __asm__ volatile("" : : "r"(shapes) : "memory");
  _tile_loadconfig(shapes);
}

/* `lower` and `right`, whether there are more than 16 rows and columns, are constants at every call. */
INLINE void multiply(const struct gemm_tile *t, float sums[MOST_ROWS][COLUMNS], const bool lower, const bool right) {
  const ptrdiff_t a_bytes = t->a_bf16_stride * (ptrdiff_t)sizeof(uint16_t), b_bytes = COLUMNS * 2 * sizeof(uint16_t);
  const char *a = (const char *)t->a_bf16, *b = (const char *)t->b_bf16;
  const char *ahead = t->ahead ? (const char *)t->ahead : b;
  _tile_zero(0);
  _tile_zero(1);
  if (lower) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int k = 0; k < t->pairs; k += PAIRS, a += ROW_BYTES, b += PAIRS * b_bytes) {
    for (int line = 0; line < PAIRS; line++, ahead += 64) __builtin_prefetch(ahead, 0, 2);
    _tile_loadd(6, b, b_bytes);
    _tile_loadd(4, a, a_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if (right) {
      _tile_loadd(7, b + ROW_BYTES, b_bytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (lower) {
      _tile_loadd(5, a + REGISTER_ROWS * a_bytes, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
      if (right) _tile_dpbf16ps(3, 5, 7);
    }
  }
  const ptrdiff_t row = COLUMNS * sizeof(float);
  _tile_stored(0, sums[0], row);
  if (right) _tile_stored(1, sums[0] + LANES, row);
  if (lower) _tile_stored(2, sums[REGISTER_ROWS], row);
  if (lower && right) _tile_stored(3, sums[REGISTER_ROWS] + LANES, row);
}

static void gemm_tile(const struct gemm_tile *t) {
  _Alignas(64) float sums[MOST_ROWS][COLUMNS];
  bool lower = t->rows > REGISTER_ROWS, right = t->columns > LANES;
  struct shapes shapes = shapes_of(lower ? REGISTER_ROWS : t->rows, lower ? t->rows - REGISTER_ROWS : 0);
  prefetch_results(t, t->rows, right ? 2 : 1);
  configure(&shapes);
  if (lower && right)
    multiply(t, sums, true, true);
  else if (lower)
    multiply(t, sums, true, false);
  else if (right)
    multiply(t, sums, false, true);
  else
    multiply(t, sums, false, false);
  _tile_release();
  for (int r = 0; r < t->rows; r++) {
    write_vector(t, v_load(sums[r]), r, 0);
    if (right) write_vector(t, v_load(sums[r] + LANES), r, LANES);
  }
  activate_tile(t);
}

const struct bf16_kernels bf16_kernels_amx = {"amx_bf16", MOST_ROWS, PAIRS, gemm_tile, bf16_round_row_avx512_pairs};
