#include "evaluate/column_statistics.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

/* Parts of the rows are summed apart, each a block after the other: a block is read twice while it lies in the cache,
 * for its mean, then for the squares about it. */
enum { PARTS = 64, BLOCK_ROWS = 32 };

struct moments {
  size_t n;
  double *mean, *squares; /* [d]; squares: the sum of (x - mean)^2 */
};

struct statistics {
  const struct logistic_data *data;
  struct moments parts[PARTS], blocks[PARTS];
};

/* Chan, Golub, LeVeque 1983. */
static void join(struct moments *to, const struct moments *from, size_t d) {
  size_t n = to->n + from->n;
  if (!from->n) return;
  double share = (double)from->n / (double)n, weight = (double)to->n * share;
  for (size_t j = 0; j < d; j++) {
    double difference = from->mean[j] - to->mean[j];
    to->mean[j] += difference * share;
    to->squares[j] += from->squares[j] + difference * difference * weight;
  }
  to->n = n;
}

static void sum_block(const struct logistic_data *data, size_t begin, struct moments *block) {
  size_t d = data->d;
  const float *rows[BLOCK_ROWS];
  for (size_t i = 0; i < block->n; i++) rows[i] = data->x + (data->rows ? data->rows[begin + i] : begin + i) * d;
  memset(block->mean, 0, d * sizeof(double));
  memset(block->squares, 0, d * sizeof(double));
  for (size_t i = 0; i < block->n; i++) {
    for (size_t j = 0; j < d; j++) block->mean[j] += (double)rows[i][j];
  }
  for (size_t j = 0; j < d; j++) block->mean[j] /= (double)block->n;
  for (size_t i = 0; i < block->n; i++) {
    for (size_t j = 0; j < d; j++) {
      double difference = (double)rows[i][j] - block->mean[j];
      block->squares[j] += difference * difference;
    }
  }
}

static void sum_part(void *context, size_t part, int thread) {
  (void)thread;
  struct statistics *s = context;
  size_t end = (part + 1) * s->data->n / PARTS;
  for (size_t i = part * s->data->n / PARTS; i < end; i += BLOCK_ROWS) {
    s->blocks[part].n = end - i < BLOCK_ROWS ? end - i : BLOCK_ROWS;
    sum_block(s->data, i, &s->blocks[part]);
    join(&s->parts[part], &s->blocks[part], s->data->d);
  }
}

int column_statistics(const struct logistic_data *data, struct threads *pool, double *mean, double *variance,
                      error *e) {
  size_t d = data->d, width;
  struct statistics s = {.data = data};
  double *memory = NULL;
  if (multiply_size(d, 4 * PARTS, &width))
    memory = allocate_zeroed(width, sizeof *memory, e);
  else
    fail(e, "out of memory (%zu features)", d);
  if (!memory) return FAILED;
  for (size_t p = 0; p < PARTS; p++) {
    double *at = memory + 4 * p * d;
    s.parts[p] = (struct moments){0, at, at + d};
    s.blocks[p] = (struct moments){0, at + 2 * d, at + 3 * d};
  }
  threads_run(pool, PARTS, sum_part, &s);
  struct moments all = {0, mean, variance};
  memset(mean, 0, d * sizeof *mean);
  memset(variance, 0, d * sizeof *variance);
  for (size_t p = 0; p < PARTS; p++) join(&all, &s.parts[p], d);
  for (size_t j = 0; j < d; j++) variance[j] /= (double)data->n;
  free(memory);
  return OK;
}
