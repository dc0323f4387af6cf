/* GEMM over kernels' register tile. The gallery goes by in blocks of a few panels, which stay in L2 while some tiles of
 * query rows pass; a tile's scores are handed on while they lie in L1. Several blocks are packed at a time, and a
 * thread takes some tiles through all of them: the threads seldom wait for each other. The queries are kept as scaled
 * rows, the gallery is scaled while it is packed, so that a mapped file is read in place. */
#include "evaluate/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/memory.h"

enum {
  BLOCK_BYTES = 512 << 10, /* of packed gallery rows: half of a common L2 */
  MOST_BLOCKS = 16,        /* packed at a time: a part of a common L3 */
  MOST_TILES = 16,         /* of queries that a thread takes at a time */
  MOST_FEATURES = 1 << 24,
  SUMS = 8,     /* partial sums of a norm: independent additions, in a fixed order */
  PADDING = 16, /* floats between rows: rows a multiple of 4 kB apart would fall into the same lines of L1 */
};

struct similarity {
  const struct kernels *kernels;
  struct threads *pool;
  const float *gallery;
  size_t n, d, most_queries;
  size_t stride;  /* floats from row to row of `queries` */
  size_t columns; /* gallery rows of a block: whole panels */
  size_t blocks;  /* packed at a time */
  double *scales; /* [n]: what makes the gallery's rows of length 1 */
  float *queries; /* [most_queries, stride], of length 1 */
  float *panels;  /* [blocks * columns / gemm_columns][d][gemm_columns] */
  float *zeros;   /* [d]: a row beyond the gallery's last */
  /* The run's state. */
  const float *raw;
  size_t count, tiles, chunk; /* chunk: tiles that a thread takes at a time */
  size_t first, packed;       /* of the gallery's rows that are packed */
  similarity_visit *visit;
  void *context;
};

double similarity_scale(const float *row, size_t d) {
  double sums[SUMS] = {0}, sum = 0;
  size_t j = 0;
  for (; j + SUMS <= d; j += SUMS) {
    for (size_t s = 0; s < SUMS; s++) sums[s] += (double)row[j + s] * (double)row[j + s];
  }
  for (; j < d; j++) sum += (double)row[j] * (double)row[j];
  for (size_t s = 0; s < SUMS; s++) sum += sums[s];
  return sum > 0 ? 1 / sqrt(sum) : 0;
}

static void scale_row(const float *row, size_t d, double scale, float *out) {
  for (size_t j = 0; j < d; j++) out[j] = (float)((double)row[j] * scale);
}

static void measure_gallery(void *context, size_t i, int thread) {
  (void)thread;
  struct similarity *s = context;
  s->scales[i] = similarity_scale(s->gallery + i * s->d, s->d);
}

int similarity_open(struct similarity **result, const float *gallery, size_t n, size_t d, size_t most_queries,
                    struct threads *pool, error *e) {
  *result = NULL;
  if (d < 1 || d > MOST_FEATURES) return fail(e, "rows of %zu features: from 1 to %d are possible", d, MOST_FEATURES);
  const struct kernels *kernels = kernels_select(e);
  struct similarity *s = kernels ? allocate_zeroed(1, sizeof *s, e) : NULL;
  if (!s) return FAILED;
  size_t panel_columns = (size_t)kernels->gemm_columns, panels = BLOCK_BYTES / (panel_columns * d * sizeof(float));
  s->kernels = kernels;
  s->pool = pool;
  s->gallery = gallery;
  s->n = n;
  s->d = d;
  s->most_queries = most_queries;
  s->stride = (d + PADDING - 1) / PADDING * PADDING + PADDING;
  s->columns = panel_columns * (panels ? panels : 1);
  size_t all = (n + s->columns - 1) / s->columns;
  s->blocks = all < MOST_BLOCKS ? all : MOST_BLOCKS;
  size_t tile_rows = (size_t)kernels->gemm_rows;
  size_t packing = panel_columns * s->stride, scores = tile_rows * s->columns; /* one after the other */
  size_t scratch = (packing > scores ? packing : scores) * sizeof(float);
  s->scales = allocate(n, sizeof *s->scales, e);
  s->queries = allocate_aligned(most_queries, s->stride * sizeof(float), e);
  s->panels = allocate_aligned(s->blocks * s->columns * d, sizeof(float), e);
  s->zeros = allocate_zeroed(d, sizeof(float), e);
  if (!s->scales || !s->queries || !s->panels || !s->zeros || threads_reserve_scratch(pool, scratch, e) != OK) {
    similarity_close(s);
    return FAILED;
  }
  threads_run(pool, n, measure_gallery, s);
  *result = s;
  return OK;
}

void similarity_close(struct similarity *s) {
  if (!s) return;
  free(s->scales);
  release_aligned(s->queries);
  release_aligned(s->panels);
  free(s->zeros);
  free(s);
}

static void prepare_query(void *context, size_t i, int thread) {
  (void)thread;
  struct similarity *s = context;
  const float *row = s->raw + i * s->d;
  scale_row(row, s->d, similarity_scale(row, s->d), s->queries + i * s->stride);
}

static void pack_panel(void *context, size_t panel, int thread) {
  struct similarity *s = context;
  size_t width = (size_t)s->kernels->gemm_columns, first = s->first + panel * width;
  float *copies = threads_scratch(s->pool, thread);
  const float *rows[GEMM_MAX_COLUMNS];
  for (size_t c = 0; c < width; c++) {
    size_t i = first + c;
    float *copy = copies + c * s->stride;
    rows[c] = i < s->n ? copy : s->zeros;
    if (i < s->n) scale_row(s->gallery + i * s->d, s->d, s->scales[i], copy);
  }
  s->kernels->transpose_panel(rows, (int)width, (int)s->d, s->panels + panel * width * s->d);
}

/* One tile of queries against `count` packed rows from `first` on. */
static void multiply_tile(struct similarity *s, size_t tile, size_t first, size_t count, float *scores) {
  /* Tiles of nearly equal height. */
  size_t begin = tile * s->count / s->tiles, end = (tile + 1) * s->count / s->tiles;
  size_t width = (size_t)s->kernels->gemm_columns, panels = (count + width - 1) / width;
  const float *rows[GEMM_MAX_ROWS];
  for (size_t r = begin; r < end; r++) rows[r - begin] = s->queries + r * s->stride;
  struct gemm_tile product = {
      .rows = (int)(end - begin),
      .columns = s->kernels->gemm_columns,
      .taps = 1,
      .depth = (int)s->d,
      .a = rows,
      .a_stride = (ptrdiff_t)s->stride,
      .c_stride = (ptrdiff_t)s->columns,
  };
  for (size_t panel = 0; panel < panels; panel++) {
    product.b = s->panels + (first + panel * width) * s->d;
    product.c = scores + panel * width;
    product.ahead = panel == 0 && end < s->count ? s->queries + end * s->stride : NULL;
    s->kernels->gemm_tile(&product);
  }
  for (size_t r = begin; r < end; r++) {
    s->visit(s->context, r, s->first + first, scores + (r - begin) * s->columns, count);
  }
}

static void multiply_chunk(void *context, size_t chunk, int thread) {
  struct similarity *s = context;
  size_t begin = chunk * s->chunk, end = begin + s->chunk < s->tiles ? begin + s->chunk : s->tiles;
  for (size_t first = 0; first < s->packed; first += s->columns) {
    size_t count = s->packed - first < s->columns ? s->packed - first : s->columns;
    for (size_t tile = begin; tile < end; tile++)
      multiply_tile(s, tile, first, count, threads_scratch(s->pool, thread));
  }
}

void similarity_run(struct similarity *s, const float *queries, size_t count, similarity_visit *visit, void *context) {
  size_t tile_rows = (size_t)s->kernels->gemm_rows, width = (size_t)s->kernels->gemm_columns;
  size_t most = s->blocks * s->columns;
  s->raw = queries;
  s->count = count;
  s->tiles = (count + tile_rows - 1) / tile_rows;
  s->chunk = s->tiles / (4 * (size_t)threads_count(s->pool));
  s->chunk = s->chunk < 1 ? 1 : s->chunk < MOST_TILES ? s->chunk : MOST_TILES;
  s->visit = visit;
  s->context = context;
  threads_run(s->pool, count, prepare_query, s);
  for (s->first = 0; s->first < s->n; s->first += most) {
    s->packed = s->n - s->first < most ? s->n - s->first : most;
    threads_run(s->pool, (s->packed + width - 1) / width, pack_panel, s);
    threads_run(s->pool, (s->tiles + s->chunk - 1) / s->chunk, multiply_chunk, s);
  }
}
