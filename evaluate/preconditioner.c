#include "evaluate/preconditioner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/products.h"
#include "kernels/conv.h"
#include "kernels/memory.h"

enum {
  ROWS_A_COLUMN = 8, /* rows that are looked at: the eigenvalues of S come out within a factor of two */
  BLOCK = 64,        /* rows of the factor that are made one after the other; also tasks of the inversion */
};

/* S is a sum of floats: what lies below this part of its diagonal is rounding. */
#define LEAST_PIVOT 1e-6

struct preconditioner {
  const struct kernels *kernels;
  struct threads *pool;
  size_t d;
  double *covariance;             /* [d, d]: the lower half counts */
  double *factor;                 /* [d, d]: below the diagonal L, with L L^T = S + R; from the diagonal on R = L^-T */
  float *inverse;                 /* [d, d] */
  struct packed_conv *packed;     /* it, for the product */
  const struct linear_rows *rows; /* while S is made */
  size_t first;                   /* the block of rows that the factor has come to */
};

/* ---- S ------------------------------------------------------------------------------------------------------------
 */

static void take_rows(void *context, size_t first, size_t count, float *values, size_t stride) {
  const struct preconditioner *p = context;
  const struct linear_rows *rows = p->rows;
  for (size_t i = 0; i < count; i++) {
    const float *x = rows->x + (rows->rows ? rows->rows[first + i] : first + i) * p->d;
    p->kernels->scale_row(x, rows->scale, rows->shift, (int)p->d, values + i * stride);
  }
}

static int sum_products(struct preconditioner *p, const struct linear_rows *rows, error *e) {
  struct linear_pass *pass;
  if (linear_pass_open(&pass, p->d, p->d, p->pool, e) != OK) return FAILED;
  double *sums = allocate(p->d, sizeof *sums, e);
  p->rows = rows;
  if (sums) linear_pass_run(pass, rows, NULL, p->d, p->d, take_rows, p, p->covariance, sums);
  for (size_t i = 0; i < p->d * p->d; i++) p->covariance[i] /= (double)rows->n;
  linear_pass_close(pass);
  free(sums);
  return sums ? OK : FAILED;
}

int preconditioner_open(struct preconditioner **result, const struct linear_rows *rows, size_t d, struct threads *pool,
                        error *e) {
  *result = NULL;
  if (d < 1 || d > PRECONDITIONER_MOST_FEATURES) return fail(e, "a preconditioner of %zu features is too large", d);
  struct preconditioner *p = allocate_zeroed(1, sizeof *p, e);
  if (!p) return FAILED;
  p->kernels = kernels_select(e);
  p->pool = pool;
  p->d = d;
  size_t count = rows->n < ROWS_A_COLUMN * d ? rows->n : ROWS_A_COLUMN * d;
  size_t *chosen = allocate(count, sizeof *chosen, e);
  p->covariance = allocate(d * d, sizeof(double), e);
  p->factor = allocate_aligned(d * d, sizeof(double), e);
  p->inverse = allocate(d * d, sizeof(float), e);
  int status = p->kernels && chosen && p->covariance && p->factor && p->inverse ? OK : FAILED;
  if (status == OK) {
    for (size_t i = 0; i < count; i++) {
      size_t row = (size_t)((double)i * ((double)rows->n / (double)count));
      chosen[i] = rows->rows ? rows->rows[row] : row;
    }
    struct linear_rows sample = {rows->x, chosen, count, rows->scale, rows->shift};
    status = sum_products(p, &sample, e);
  }
  free(chosen);
  if (status == OK)
    *result = p;
  else
    preconditioner_close(p);
  return status;
}

void preconditioner_close(struct preconditioner *p) {
  if (!p) return;
  free(p->covariance);
  release_aligned(p->factor);
  free(p->inverse);
  conv_release(p->packed);
  free(p);
}

/* ---- its inverse --------------------------------------------------------------------------------------------------
 */

/* Row i of L as far as column `end`, from the rows above; the diagonal of `factor` holds 1 / L_jj, as L^-T does. */
static void factor_row(struct preconditioner *p, size_t i, size_t begin, size_t end) {
  double *row = p->factor + i * p->d;
  for (size_t j = begin; j < end; j++) {
    const double *other = p->factor + j * p->d;
    row[j] = (row[j] - product_dot(row, other, j)) * other[j];
  }
}

static void factor_below(void *context, size_t index, int thread) {
  (void)thread;
  struct preconditioner *p = context;
  factor_row(p, p->first + BLOCK + index, p->first, p->first + BLOCK);
}

/* L, a block of columns at a time: its own rows one after the other, then all rows below at once. */
static void factorise(struct preconditioner *p) {
  for (p->first = 0; p->first < p->d; p->first += BLOCK) {
    size_t end = p->first + BLOCK < p->d ? p->first + BLOCK : p->d;
    for (size_t i = p->first; i < end; i++) {
      double *row = p->factor + i * p->d;
      factor_row(p, i, p->first, i);
      row[i] = 1 / sqrt(fmax(row[i] - product_dot(row, row, i), LEAST_PIVOT));
    }
    threads_run(p->pool, p->d - end, factor_below, p);
  }
}

/* Rows part, part + BLOCK, ... of L^-T: (L^-T)_ji = -1 / L_ii * sum of L_ik (L^-T)_jk for j <= k < i. */
static void invert_factor(void *context, size_t part, int thread) {
  (void)thread;
  struct preconditioner *p = context;
  for (size_t j = part; j < p->d; j += BLOCK) {
    double *row = p->factor + j * p->d;
    for (size_t i = j + 1; i < p->d; i++) {
      const double *other = p->factor + i * p->d;
      row[i] = -product_dot(other + j, row + j, i - j) * other[i];
    }
  }
}

/* Rows of (L L^T)^-1 = L^-T L^-1. */
static void multiply_factors(void *context, size_t part, int thread) {
  (void)thread;
  struct preconditioner *p = context;
  for (size_t i = part; i < p->d; i += BLOCK) {
    for (size_t j = 0; j <= i; j++) {
      double sum = product_dot(p->factor + i * p->d + i, p->factor + j * p->d + i, p->d - i);
      p->inverse[i * p->d + j] = p->inverse[j * p->d + i] = (float)sum;
    }
  }
}

int preconditioner_invert(struct preconditioner *p, const double *ridge, error *e) {
  size_t d = p->d;
  for (size_t i = 0; i < d; i++) {
    memcpy(p->factor + i * d, p->covariance + i * d, (i + 1) * sizeof *p->factor);
    p->factor[i * d + i] += ridge[i];
  }
  factorise(p);
  threads_run(p->pool, BLOCK, invert_factor, p);
  threads_run(p->pool, BLOCK, multiply_factors, p);
  struct conv_shape shape = {(int)d, (int)d, 1, 1, 0, 1, 1};
  conv_release(p->packed);
  p->packed = conv_pack(p->kernels, &shape, p->inverse, NULL, e);
  return p->packed ? threads_reserve_scratch(p->pool, conv_scratch_bytes(p->packed), e) : FAILED;
}

void preconditioner_apply(const struct preconditioner *p, const float *in, size_t count, float *out) {
  gemm_run(p->pool, p->packed, (int)count, in, 0, NULL, out, ACTIVATION_NONE);
}
