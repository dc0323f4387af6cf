#include "evaluate/products.h"

#include <string.h>

/* Eight doubles: a register of AVX-512, two of AVX2, four of SSE2 and NEON. */
typedef double vdouble __attribute__((vector_size(64)));
typedef float vfloat __attribute__((vector_size(32)));
enum { LANES = 8, TILE_ROWS = 4 };

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

/* Rows of floats as doubles, zeros for what lies beyond the data: to[i, c] = rows[i][column + c], [rows_padded, width].
 */
static inline __attribute__((always_inline)) void widen(const float *const *rows, size_t n, size_t rows_padded,
                                                        size_t column, size_t columns, size_t width, double *to) {
  for (size_t i = 0; i < rows_padded; i++, to += width) {
    size_t used = i < n ? columns : 0;
    const float *from = i < n ? rows[i] + column : NULL;
    size_t c = 0;
    for (; c + LANES <= used; c += LANES) {
      vfloat narrow;
      memcpy(&narrow, from + c, sizeof narrow);
      vdouble wide = __builtin_convertvector(narrow, vdouble);
      memcpy(to + c, &wide, sizeof wide);
    }
    for (; c < used; c++) to[c] = (double)from[c];
    for (; c < width; c++) to[c] = 0;
  }
}

/* One panel over one run of columns: out[4 rows, 16 classes] += x[4, depth] * w[depth, 16]. */
static inline __attribute__((always_inline)) void scores_tile(const double *x, size_t x_stride, size_t depth,
                                                              const double *w, double *out, size_t out_stride) {
  vdouble sum[TILE_ROWS][2];
  UNROLL for (size_t r = 0; r < TILE_ROWS; r++) memcpy(sum[r], out + r * out_stride, sizeof sum[r]);
  for (size_t j = 0; j < depth; j++, w += 2 * LANES) {
    vdouble w0, w1;
    memcpy(&w0, w, sizeof w0);
    memcpy(&w1, w + LANES, sizeof w1);
    UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
      double value = x[r * x_stride + j];
      sum[r][0] += value * w0;
      sum[r][1] += value * w1;
    }
  }
  UNROLL for (size_t r = 0; r < TILE_ROWS; r++) memcpy(out + r * out_stride, sum[r], sizeof sum[r]);
}

static inline __attribute__((always_inline)) void scores(const float *const *rows, size_t n, size_t d, const double *w,
                                                         size_t panels, double *scratch, double *out) {
  size_t padded = (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS, stride = panels * PRODUCT_CLASSES;
  memset(out, 0, PRODUCT_ROWS * stride * sizeof *out);
  for (size_t j = 0; j < d; j += PRODUCT_DEPTH) {
    size_t depth = d - j < PRODUCT_DEPTH ? d - j : PRODUCT_DEPTH;
    widen(rows, n, padded, j, depth, PRODUCT_DEPTH, scratch);
    for (size_t p = 0; p < panels; p++) {
      const double *panel = w + (p * d + j) * PRODUCT_CLASSES;
      for (size_t i = 0; i < padded; i += TILE_ROWS) {
        scores_tile(scratch + i * PRODUCT_DEPTH, PRODUCT_DEPTH, depth, panel, out + i * stride + p * PRODUCT_CLASSES,
                    stride);
      }
    }
  }
}

/* Four classes, sixteen columns: tile[4, 16] += g[n, 4]^T * x[n, 16]. */
static inline __attribute__((always_inline)) void gradient_tile(const double *g, size_t g_stride, size_t n,
                                                                const double *x, double *tile) {
  vdouble sum[TILE_ROWS][2];
  UNROLL for (size_t k = 0; k < TILE_ROWS; k++) memcpy(sum[k], tile + k * PRODUCT_COLUMNS, sizeof sum[k]);
  for (size_t i = 0; i < n; i++, g += g_stride, x += PRODUCT_COLUMNS) {
    vdouble x0, x1;
    memcpy(&x0, x, sizeof x0);
    memcpy(&x1, x + LANES, sizeof x1);
    UNROLL for (size_t k = 0; k < TILE_ROWS; k++) {
      double value = g[k];
      sum[k][0] += value * x0;
      sum[k][1] += value * x1;
    }
  }
  UNROLL for (size_t k = 0; k < TILE_ROWS; k++) memcpy(tile + k * PRODUCT_COLUMNS, sum[k], sizeof sum[k]);
}

static inline __attribute__((always_inline)) void gradient(const float *const *rows, size_t n, size_t d, size_t column,
                                                           const double *g, size_t stride, size_t classes,
                                                           double *scratch, double *tile) {
  size_t columns = d - column < PRODUCT_COLUMNS ? d - column : PRODUCT_COLUMNS;
  widen(rows, n, n, column, columns, PRODUCT_COLUMNS, scratch);
  for (size_t k = 0; k < classes; k += TILE_ROWS) {
    for (size_t c = 0; c < PRODUCT_COLUMNS; c += 2 * LANES) {
      gradient_tile(g + k, stride, n, scratch + c, tile + k * PRODUCT_COLUMNS + c);
    }
  }
}

static inline __attribute__((always_inline)) double dot(const double *a, const double *b, size_t n) {
  vdouble sum0 = {0}, sum1 = {0};
  size_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    vdouble a0, a1, b0, b1;
    memcpy(&a0, a + i, sizeof a0);
    memcpy(&b0, b + i, sizeof b0);
    memcpy(&a1, a + i + LANES, sizeof a1);
    memcpy(&b1, b + i + LANES, sizeof b1);
    sum0 += a0 * b0;
    sum1 += a1 * b1;
  }
  sum0 += sum1;
  double total = 0;
  for (; i < n; i++) total += a[i] * b[i];
  for (int l = 0; l < LANES; l++) total += sum0[l];
  return total;
}

static inline __attribute__((always_inline)) void add(double *to, double factor, const double *v, size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    vdouble sum, more;
    memcpy(&sum, to + i, sizeof sum);
    memcpy(&more, v + i, sizeof more);
    sum += factor * more;
    memcpy(to + i, &sum, sizeof sum);
  }
  for (; i < n; i++) to[i] += factor * v[i];
}

/* The same source compiled for the instruction sets of x86-64; others have one. */
#define DEFINE(suffix, attribute)                                                                                     \
  attribute static void scores_##suffix(const float *const *rows, size_t n, size_t d, const double *w, size_t panels, \
                                        double *scratch, double *out) {                                               \
    scores(rows, n, d, w, panels, scratch, out);                                                                      \
  }                                                                                                                   \
  attribute static void gradient_##suffix(const float *const *rows, size_t n, size_t d, size_t column,                \
                                          const double *g, size_t stride, size_t classes, double *scratch,            \
                                          double *tile) {                                                             \
    gradient(rows, n, d, column, g, stride, classes, scratch, tile);                                                  \
  }                                                                                                                   \
  attribute static double dot_##suffix(const double *a, const double *b, size_t n) { return dot(a, b, n); }           \
  attribute static void add_##suffix(double *to, double factor, const double *v, size_t n) { add(to, factor, v, n); }
DEFINE(plain, )
#if defined(__x86_64__)
DEFINE(avx2, __attribute__((target("avx2"))))
DEFINE(avx512, __attribute__((target("avx512f,avx512vl"))))
#define CHOOSE(name)                                                       \
  (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") \
       ? name##_avx512                                                     \
       : (__builtin_cpu_supports("avx2") ? name##_avx2 : name##_plain))
#else
#define CHOOSE(name) name##_plain
#endif

void product_scores(const float *const *rows, size_t n, size_t d, const double *w, size_t panels, double *scratch,
                    double *out) {
  CHOOSE(scores)(rows, n, d, w, panels, scratch, out);
}

void product_gradient(const float *const *rows, size_t n, size_t d, size_t column, const double *g, size_t stride,
                      size_t classes, double *scratch, double *tile) {
  CHOOSE(gradient)(rows, n, d, column, g, stride, classes, scratch, tile);
}

double product_dot(const double *a, const double *b, size_t n) { return CHOOSE(dot)(a, b, n); }

void product_add(double *to, double factor, const double *v, size_t n) { CHOOSE(add)(to, factor, v, n); }
