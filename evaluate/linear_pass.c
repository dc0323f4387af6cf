/* A chunk of rows is held as panels of columns, each [rows, panel_width]: the first product takes rows of it (a run of
 * the register tile is a row's part of one panel), the second takes whole panels. The residuals are held likewise with
 * rows and outputs exchanged. So every chunk is copied once and nothing else is.
 *
 * The limit: 4 * d * outputs FLOPs a row against 4 * d bytes read; from some twenty outputs on the multiply-adds bound
 * it. */
#include "evaluate/linear_pass.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  CHUNK_BYTES = 4 << 20,              /* of tiles: they are written, read and read again within a cache */
  MIN_CHUNK = 1024,                   /* rows: a chunk's gradient is added to memory of d * outputs doubles */
  MAX_CHUNK = 4096,                   /* rows summed in float */
  CHUNK_STEP = 8 * LINEAR_PASS_BLOCK, /* so that 2, 4 or 8 threads have blocks alike to do */
  DEPTH = 512,                        /* columns of weights times a panel stay in L2 while a block's rows pass */
  OUTPUTS_PER_TASK = 64,              /* of the second product */
  VECTOR = 16,                        /* floats of the widest vector: outputs are made up to it */
};

struct linear_pass {
  const struct kernels *kernels;
  struct threads *pool;
  size_t d, width;      /* width: of a panel, kernels->gemm_columns */
  size_t panels, chunk; /* of columns; rows of a chunk, whole blocks */
  size_t panel_stride;  /* floats from panel to panel of z */
  float *z;             /* [panels][chunk, width] */
  float *r;             /* [chunk / width][outputs, width] */
  float *block_sums;    /* [chunk / LINEAR_PASS_BLOCK][outputs made up] */
  float *weights;       /* [output panels][panels * width][width] */
  /* The run's state. */
  const struct linear_rows *rows;
  const double *from;
  double *gradient, *sums;
  size_t stride, outputs, output_panels, score_stride, tasks; /* tasks: of outputs, in the second product */
  size_t first, count;                                        /* rows of the chunk */
  linear_function *f;
  void *context;
};

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

int linear_pass_open(struct linear_pass **result, size_t d, size_t outputs, struct threads *pool, error *e) {
  *result = NULL;
  if (d < 1 || d > LINEAR_PASS_MOST_FEATURES || outputs < 1 || outputs > LINEAR_PASS_MOST_OUTPUTS) {
    return fail(e, "a linear map of %zu features to %zu outputs is too large", d, outputs);
  }
  const struct kernels *kernels = kernels_select(e);
  struct linear_pass *p = kernels ? allocate_zeroed(1, sizeof *p, e) : NULL;
  if (!p) return FAILED;
  p->kernels = kernels;
  p->pool = pool;
  p->d = d;
  p->width = (size_t)kernels->gemm_columns;
  p->panels = round_up(d, p->width) / p->width;
  size_t padded = p->panels * p->width, padded_outputs = round_up(outputs, VECTOR > p->width ? VECTOR : p->width);
  size_t rows = CHUNK_BYTES / (sizeof(float) * (padded + padded_outputs));
  rows = rows < MIN_CHUNK ? MIN_CHUNK : least(rows, MAX_CHUNK);
  p->chunk = rows / CHUNK_STEP * CHUNK_STEP;
  /* The parts of a tile's rows lie in all panels: were those a multiple of 4 kB apart, they would fall into the same
   * lines of L1. */
  p->panel_stride = (p->chunk + GEMM_MAX_ROWS) * p->width;
  p->z = allocate_aligned(p->panels, p->panel_stride * sizeof(float), e);
  p->r = allocate_aligned(padded_outputs * p->chunk, sizeof(float), e);
  p->block_sums = allocate_aligned(p->chunk / LINEAR_PASS_BLOCK * padded_outputs, sizeof(float), e);
  p->weights = allocate_aligned(padded_outputs * padded, sizeof(float), e);
  /* Scratch of the first product: a block's scores, and pointers to a tile's runs. */
  size_t runs = p->panels * GEMM_MAX_ROWS * sizeof(float *);
  size_t scratch = LINEAR_PASS_BLOCK * padded_outputs * sizeof(float) + runs + 64;
  size_t second = p->chunk / p->width * GEMM_MAX_ROWS * sizeof(float *);
  if (!p->z || !p->r || !p->block_sums || !p->weights ||
      threads_reserve_scratch(pool, scratch > second ? scratch : second, e) != OK) {
    linear_pass_close(p);
    return FAILED;
  }
  memset(p->z, 0, p->panels * p->panel_stride * sizeof(float)); /* columns beyond the last stay zero */
  *result = p;
  return OK;
}

void linear_pass_close(struct linear_pass *p) {
  if (!p) return;
  release_aligned(p->z);
  release_aligned(p->r);
  release_aligned(p->block_sums);
  release_aligned(p->weights);
  free(p);
}

const struct kernels *linear_pass_kernels(const struct linear_pass *p) { return p->kernels; }

/* ---- weights to panels --------------------------------------------------------------------------------------------
 */

static void pack_outputs(void *context, size_t panel, int thread) {
  (void)thread;
  struct linear_pass *p = context;
  size_t depth = p->panels * p->width, begin = panel * p->width, count = least(p->outputs - begin, p->width);
  float *to = p->weights + panel * depth * p->width;
  memset(to, 0, depth * p->width * sizeof *to);
  for (size_t k = 0; k < count; k++) {
    const double *from = p->from + (begin + k) * p->stride;
    for (size_t j = 0; j < p->d; j++) to[j * p->width + k] = (float)from[j];
  }
}

/* ---- a block of rows: copy, first product, the caller's function, transpose ---------------------------------------
 */

static void copy_rows(struct linear_pass *p, size_t begin, size_t count) {
  const struct linear_rows *rows = p->rows;
  /* Made up with zeros to a whole number of runs of the second product. */
  for (size_t i = begin; i < begin + round_up(count, p->width); i++) {
    size_t index = p->first + i;
    bool exists = i < begin + count;
    const float *x = exists ? rows->x + (rows->rows ? rows->rows[index] : index) * p->d : NULL;
    for (size_t panel = 0; panel < p->panels; panel++) {
      size_t column = panel * p->width, columns = least(p->d - column, p->width);
      float *to = p->z + panel * p->panel_stride + i * p->width;
      if (exists) {
        p->kernels->scale_row(x + column, rows->scale + column, rows->shift + column, (int)columns, to);
      } else {
        memset(to, 0, columns * sizeof *to);
      }
    }
  }
}

/* scores[count, outputs] of the chunk's rows from `begin` on. */
static void multiply_block(struct linear_pass *p, size_t begin, size_t count, float *scores, const float **runs) {
  size_t tiles = (count + (size_t)p->kernels->gemm_rows - 1) / (size_t)p->kernels->gemm_rows;
  size_t taps_at_once = DEPTH / p->width;
  for (size_t tap = 0; tap < p->panels; tap += taps_at_once) {
    size_t taps = least(p->panels - tap, taps_at_once);
    for (size_t tile = 0; tile < tiles; tile++) {
      size_t row = tile * count / tiles, rows = (tile + 1) * count / tiles - row; /* of nearly equal height */
      for (size_t t = 0; t < taps; t++) {
        const float *z = p->z + (tap + t) * p->panel_stride + (begin + row) * p->width;
        for (size_t i = 0; i < rows; i++) runs[t * GEMM_MAX_ROWS + i] = z + i * p->width;
      }
      for (size_t panel = 0; panel < p->output_panels; panel++) {
        float *c = scores + row * p->score_stride + panel * p->width;
        struct gemm_tile product = {
            .rows = (int)rows,
            .columns = (int)least(p->outputs - panel * p->width, p->width),
            .taps = (int)taps,
            .depth = (int)p->width,
            .a = runs,
            .b = p->weights + (panel * p->panels + tap) * p->width * p->width,
            .c = c,
            .c_stride = (ptrdiff_t)p->score_stride,
            .residual = tap ? c : NULL,
            .residual_stride = (ptrdiff_t)p->score_stride,
        };
        p->kernels->gemm_tile(&product);
      }
    }
  }
}

static void add_rows(const float *values, size_t rows, size_t stride, size_t n, float *sums) {
  typedef float quad __attribute__((vector_size(16)));
  for (size_t k = 0; k < n; k += 4) {
    quad sum = {0}, row;
    for (size_t i = 0; i < rows; i++) {
      memcpy(&row, values + i * stride + k, sizeof row);
      sum += row;
    }
    memcpy(sums + k, &sum, sizeof sum);
  }
}

static void score_block(void *context, size_t block, int thread) {
  struct linear_pass *p = context;
  size_t begin = block * LINEAR_PASS_BLOCK, count = least(p->count - begin, LINEAR_PASS_BLOCK);
  size_t made_up = round_up(p->outputs, VECTOR), stride = p->score_stride;
  float *scores = threads_scratch(p->pool, thread);
  const float **runs = (const float **)(void *)(scores + LINEAR_PASS_BLOCK * stride);
  copy_rows(p, begin, count);
  if (p->from) multiply_block(p, begin, count, scores, runs);
  for (size_t i = 0; i < count; i++) {
    memset(scores + i * stride + p->outputs, 0, (made_up - p->outputs) * sizeof *scores);
  }
  p->f(p->context, p->first + begin, count, scores, stride);
  add_rows(scores, count, stride, made_up, p->block_sums + block * made_up);
  size_t padded = round_up(count, p->width);
  for (size_t i = count; i < padded; i++) memset(scores + i * stride, 0, p->outputs * sizeof *scores);
  for (size_t i = 0; i < padded; i += p->width) {
    const float *rows[GEMM_MAX_COLUMNS];
    for (size_t c = 0; c < p->width; c++) rows[c] = scores + (i + c) * stride;
    p->kernels->transpose_panel(rows, (int)p->width, (int)p->outputs, p->r + (begin + i) * p->outputs);
  }
}

/* ---- the second product -------------------------------------------------------------------------------------------
 */

/* Rows [k, k + rows) of the gradient, columns of one panel. */
static void multiply_tile(struct linear_pass *p, size_t panel, size_t k, size_t rows, const float **runs) {
  float sums[GEMM_MAX_ROWS * GEMM_MAX_COLUMNS];
  size_t taps = round_up(p->count, p->width) / p->width, columns = least(p->d - panel * p->width, p->width);
  for (size_t t = 0; t < taps; t++) {
    const float *r = p->r + (t * p->outputs + k) * p->width;
    for (size_t i = 0; i < rows; i++) runs[t * GEMM_MAX_ROWS + i] = r + i * p->width;
  }
  struct gemm_tile product = {
      .rows = (int)rows,
      .columns = (int)columns,
      .taps = (int)taps,
      .depth = (int)p->width,
      .a = runs,
      .b = p->z + panel * p->panel_stride,
      .c = sums,
      .c_stride = (ptrdiff_t)p->width,
  };
  p->kernels->gemm_tile(&product);
  for (size_t i = 0; i < rows; i++) {
    double *to = p->gradient + (k + i) * p->stride + panel * p->width;
    for (size_t c = 0; c < columns; c++) to[c] += (double)sums[i * p->width + c];
  }
}

/* Tasks: (panel, part of the outputs). */
static void gradient_task(void *context, size_t task, int thread) {
  struct linear_pass *p = context;
  size_t panel = task / p->tasks, part = task % p->tasks;
  size_t begin = part * p->outputs / p->tasks, count = (part + 1) * p->outputs / p->tasks - begin;
  size_t tiles = (count + (size_t)p->kernels->gemm_rows - 1) / (size_t)p->kernels->gemm_rows;
  for (size_t tile = 0; tile < tiles; tile++) {
    size_t k = tile * count / tiles, rows = (tile + 1) * count / tiles - k;
    multiply_tile(p, panel, begin + k, rows, threads_scratch(p->pool, thread));
  }
}

void linear_pass_run(struct linear_pass *p, const struct linear_rows *rows, const double *weights, size_t stride,
                     size_t outputs, linear_function *f, void *context, double *gradient, double *sums) {
  p->rows = rows;
  p->from = weights;
  p->gradient = gradient;
  p->sums = sums;
  p->stride = stride;
  p->outputs = outputs;
  p->output_panels = round_up(outputs, p->width) / p->width;
  p->score_stride = round_up(outputs, VECTOR > p->width ? VECTOR : p->width);
  p->tasks = (outputs + OUTPUTS_PER_TASK - 1) / OUTPUTS_PER_TASK;
  p->f = f;
  p->context = context;
  if (weights) threads_run(p->pool, p->output_panels, pack_outputs, p);
  for (size_t k = 0; k < outputs; k++) {
    memset(gradient + k * stride, 0, p->d * sizeof *gradient);
    sums[k] = 0;
  }
  for (p->first = 0; p->first < rows->n; p->first += p->chunk) {
    p->count = least(rows->n - p->first, p->chunk);
    size_t blocks = (p->count + LINEAR_PASS_BLOCK - 1) / LINEAR_PASS_BLOCK;
    threads_run(p->pool, blocks, score_block, p);
    threads_run(p->pool, p->panels * p->tasks, gradient_task, p);
    for (size_t b = 0; b < blocks; b++) {
      const float *from = p->block_sums + b * round_up(outputs, VECTOR);
      for (size_t k = 0; k < outputs; k++) sums[k] += (double)from[k];
    }
  }
}
