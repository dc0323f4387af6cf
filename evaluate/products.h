/* The two products behind a linear classifier, float data times double numbers with double sums.
 *
 * Every sum runs over its index in ascending order in one accumulator, and vectors have eight lanes on every machine
 * and no fused multiply-add: the results are the same bits whatever the instruction set and the number of threads. */
#ifndef EVALUATE_PRODUCTS_H
#define EVALUATE_PRODUCTS_H

#include <stddef.h>

enum {
  PRODUCT_ROWS = 64,                              /* rows of a call, at most */
  PRODUCT_CLASSES = 16,                           /* classes in a panel of packed weights */
  PRODUCT_COLUMNS = 32,                           /* columns in a tile of the gradient */
  PRODUCT_DEPTH = 256,                            /* columns converted to double at a time */
  PRODUCT_SCRATCH = PRODUCT_ROWS * PRODUCT_DEPTH, /* doubles of scratch that a call wants, 64-byte aligned */
};

/* out[i, k] = sum over j of rows[i][j] * w[j, k] for i < n and all classes of all panels.
 * w: [panels][d][PRODUCT_CLASSES], 64-byte aligned; out: [PRODUCT_ROWS, panels * PRODUCT_CLASSES], aligned; rows of it
 * beyond n are written too (zeros). */
void product_scores(const float *const *rows, size_t n, size_t d, const double *w, size_t panels, double *scratch,
                    double *out);

/* tile[k, c] += sum over i of g[i, k] * rows[i][column + c] for k < classes, c < PRODUCT_COLUMNS and column + c < d.
 * g: [n, stride], stride a multiple of PRODUCT_CLASSES, numbers beyond `classes` are zero; tile: [stride,
 * PRODUCT_COLUMNS], aligned. */
void product_gradient(const float *const *rows, size_t n, size_t d, size_t column, const double *g, size_t stride,
                      size_t classes, double *scratch, double *tile);

/* The sum of a[i] * b[i]: sixteen sums over every sixteenth, then their sum. */
double product_dot(const double *a, const double *b, size_t n);
/* to[i] += factor * v[i] */
void product_add(double *to, double factor, const double *v, size_t n);

#endif
