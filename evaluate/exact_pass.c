#include "evaluate/exact_pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/products.h"
#include "kernels/memory.h"

struct exact_pass {
  const struct logistic_data *data;
  struct threads *pool;
  size_t panels, stride; /* of packed classes; stride = panels * PRODUCT_CLASSES */
  size_t tiles, chunk;   /* tiles of columns; rows whose residuals are held at a time */
  double *packed;        /* [panels][d][PRODUCT_CLASSES] */
  double *offset;        /* [stride] */
  double *residual;      /* [chunk, stride]: scores, then p - y */
  double *losses;        /* [chunk / PRODUCT_ROWS] */
  double *tile_sums;     /* [tiles][stride, PRODUCT_COLUMNS] */
  double *bias_sums;     /* [stride] */
  size_t first, count;   /* the rows at work: [first, first + count) of the data */
  double *memory;
};

/* Bytes of residuals that are held at a time: they and their rows should still be in the cache when they are read
 * again. It does not depend on threads, so neither does the order of any sum. */
enum { CHUNK_BYTES = 8 << 20, MIN_CHUNK = 4 * PRODUCT_ROWS, MAX_CHUNK = 256 * PRODUCT_ROWS };

static size_t row_index(const struct logistic_data *data, size_t i) { return data->rows ? data->rows[i] : i; }

static size_t gather_rows(const struct logistic_data *data, size_t begin, size_t end, const float **rows) {
  size_t n = end - begin < PRODUCT_ROWS ? end - begin : PRODUCT_ROWS;
  for (size_t i = 0; i < n; i++) rows[i] = data->x + row_index(data, begin + i) * data->d;
  return n;
}

int exact_pass_open(struct exact_pass **result, const struct logistic_data *data, struct threads *pool, error *e) {
  size_t d = data->d, classes = (size_t)data->classes;
  struct exact_pass *p = *result = allocate_zeroed(1, sizeof *p, e);
  if (!p) return FAILED;
  p->data = data;
  p->pool = pool;
  p->panels = (classes + PRODUCT_CLASSES - 1) / PRODUCT_CLASSES;
  p->stride = p->panels * PRODUCT_CLASSES;
  p->tiles = (d + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
  size_t rows = CHUNK_BYTES / (p->stride * sizeof(double) + d * sizeof(float));
  if (rows < MIN_CHUNK) rows = MIN_CHUNK;
  if (rows > MAX_CHUNK) rows = MAX_CHUNK;
  p->chunk = rows / PRODUCT_ROWS * PRODUCT_ROWS;
  /* Sizes are rounded to 8 doubles so that every part is aligned to 64 bytes. */
  double **parts[] = {&p->packed, &p->residual, &p->tile_sums, &p->offset, &p->losses, &p->bias_sums};
  size_t widths[] = {d, p->chunk, p->tiles * PRODUCT_COLUMNS, 1, 1, 1};
  size_t heights[] = {p->stride, p->stride, p->stride, p->stride, p->chunk / PRODUCT_ROWS, p->stride};
  enum { PARTS = sizeof parts / sizeof parts[0] };
  size_t begins[PARTS], total = 0;
  bool fits = true;
  for (size_t i = 0; i < PARTS; i++) {
    size_t size = 0;
    fits = fits && multiply_size(widths[i], heights[i], &size) && add_size(size, 7, &size);
    begins[i] = total;
    fits = fits && add_size(total, size & ~(size_t)7, &total);
  }
  if (fits)
    p->memory = allocate_aligned(total, sizeof(double), e);
  else
    fail(e, "out of memory (%zu features)", d);
  if (!p->memory || threads_reserve_scratch(pool, PRODUCT_SCRATCH * sizeof(double), e) != OK) {
    exact_pass_close(p);
    *result = NULL;
    return FAILED;
  }
  for (size_t i = 0; i < PARTS; i++) *parts[i] = p->memory + begins[i];
  /* Classes beyond the last stay zero. */
  memset(p->packed, 0, p->stride * d * sizeof(double));
  memset(p->offset, 0, p->stride * sizeof(double));
  return OK;
}

void exact_pass_close(struct exact_pass *p) {
  if (p) release_aligned(p->memory);
  free(p);
}

void exact_pass_set_weight(struct exact_pass *p, size_t k, size_t j, double weight) {
  p->packed[(k / PRODUCT_CLASSES * p->data->d + j) * PRODUCT_CLASSES + k % PRODUCT_CLASSES] = weight;
}

double *exact_pass_offset(struct exact_pass *p) { return p->offset; }

/* ---- the two products over a chunk of rows ------------------------------------------------------------------------
 */

/* Scores of a row become softmax - one-hot; returns -log softmax[label]. */
static double softmax_residual(double *scores, const double *offset, size_t classes, size_t label) {
  double most = -INFINITY, sum = 0;
  for (size_t k = 0; k < classes; k++) {
    scores[k] += offset[k];
    if (scores[k] > most) most = scores[k];
  }
  double own = scores[label] - most;
  for (size_t k = 0; k < classes; k++) {
    scores[k] = exp(scores[k] - most);
    sum += scores[k];
  }
  for (size_t k = 0; k < classes; k++) scores[k] /= sum;
  scores[label] -= 1;
  return log(sum) - own;
}

static void score_block(void *context, size_t block, int thread) {
  struct exact_pass *p = context;
  const struct logistic_data *data = p->data;
  const float *rows[PRODUCT_ROWS];
  size_t begin = p->first + block * PRODUCT_ROWS;
  size_t n = gather_rows(data, begin, p->first + p->count, rows);
  double *out = p->residual + block * PRODUCT_ROWS * p->stride;
  product_scores(rows, n, data->d, p->packed, p->panels, threads_scratch(p->pool, thread), out);
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    size_t label = (size_t)data->labels[row_index(data, begin + i)];
    loss += softmax_residual(out + i * p->stride, p->offset, (size_t)data->classes, label);
  }
  p->losses[block] = loss;
}

/* Columns of the weights' gradient; the last task sums the offsets'. */
static void gradient_tile(void *context, size_t tile, int thread) {
  struct exact_pass *p = context;
  const struct logistic_data *data = p->data;
  if (tile == p->tiles) {
    for (size_t i = 0; i < p->count; i++) {
      for (size_t k = 0; k < (size_t)data->classes; k++) p->bias_sums[k] += p->residual[i * p->stride + k];
    }
    return;
  }
  for (size_t i = 0; i < p->count; i += PRODUCT_ROWS) {
    const float *rows[PRODUCT_ROWS];
    size_t n = gather_rows(data, p->first + i, p->first + p->count, rows);
    product_gradient(rows, n, data->d, tile * PRODUCT_COLUMNS, p->residual + i * p->stride, p->stride,
                     (size_t)data->classes, threads_scratch(p->pool, thread),
                     p->tile_sums + tile * p->stride * PRODUCT_COLUMNS);
  }
}

double exact_pass_run(struct exact_pass *p, double *g) {
  const struct logistic_data *data = p->data;
  double loss = 0;
  memset(p->tile_sums, 0, p->tiles * p->stride * PRODUCT_COLUMNS * sizeof(double));
  memset(p->bias_sums, 0, p->stride * sizeof(double));
  for (p->first = 0; p->first < data->n; p->first += p->chunk) {
    p->count = data->n - p->first < p->chunk ? data->n - p->first : p->chunk;
    size_t blocks = (p->count + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
    threads_run(p->pool, blocks, score_block, p);
    for (size_t b = 0; b < blocks; b++) loss += p->losses[b];
    threads_run(p->pool, p->tiles + 1, gradient_tile, p);
  }
  for (size_t k = 0; k < (size_t)data->classes; k++) {
    double *to = g + k * (data->d + 1);
    for (size_t j = 0; j < data->d; j++) {
      to[j] = p->tile_sums[(j / PRODUCT_COLUMNS * p->stride + k) * PRODUCT_COLUMNS + j % PRODUCT_COLUMNS];
    }
    to[data->d] = p->bias_sums[k];
  }
  return loss;
}
