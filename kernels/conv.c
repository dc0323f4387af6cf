/* The framework around the register tile: how a product is cut into blocks and tasks.
 *
 * C is [pixels, out channels]; its rows go in tiles of gemm_rows, its columns in panels of gemm_columns. The loops,
 * outermost first: groups, chunks of row tiles, blocks of panels (a task is one block of one chunk), parts of the
 * summed dimension, panels, row tiles. So a chunk's rows, which L2 holds, are gathered or normalised once by each
 * thread that has a block of it; a panel's weights come from memory or L3 once a chunk and from L2 for all tiles but
 * the first; and meanwhile the next panel is fetched, since a network's weights are larger than any cache and a single
 * image would wait for them. Where a layer's weights are larger than L2 and than its rows, blocks go outside chunks: a
 * thread then has its own blocks' weights to read from memory, not all. */
#include <stdlib.h>
#include <string.h>

#include "kernels/conv_internal.h"

enum {
  CHUNK_BYTES = 400 << 10, /* of a chunk's rows: less than half of a common L2 */
  MOST_TILES = 16,         /* of a chunk */
  PANEL_BYTES = 256 << 10, /* of a panel's weights: beyond, the summed dimension is cut */
  LAYER_BYTES = 1 << 20,   /* of a layer's weights: beyond, they are more than L2 holds */
  SHARED_BYTES = 4 << 20,  /* and beyond this more than a thread's part of L3 */
  LINE = 64
};

/* ---- the summed dimension ---- */

/* A part of it: whole taps, or of a single tap some of its depth. */
struct part {
  int first_tap, taps, first, depth;
};

static int parts_of(const struct packed_conv *p) {
  if (p->bf16) return 1;
  size_t bytes = conv_row_floats(p) * (size_t)p->kernels->gemm_columns * sizeof(float);
  size_t parts = (bytes + PANEL_BYTES - 1) / PANEL_BYTES, most = (size_t)(p->taps > 1 ? p->taps : p->depth);
  return (int)(parts < most ? parts : most);
}

static struct part part_of(const struct packed_conv *p, int i, int parts) {
  int n = p->taps > 1 ? p->taps : p->depth;
  int first = (int)((int64_t)n * i / parts), count = (int)((int64_t)n * (i + 1) / parts) - first;
  return p->taps > 1 ? (struct part){first, count, 0, p->depth} : (struct part){0, 1, first, count};
}

/* ---- chunks and blocks ---- */

static int most_chunk_tiles(const struct packed_conv *p) {
  size_t row = conv_row_floats(p) / (size_t)parts_of(p) * (p->bf16 ? sizeof(uint16_t) : sizeof(float));
  size_t tiles = CHUNK_BYTES / (row * (size_t)conv_tile_rows(p));
  return tiles < 1 ? 1 : tiles > MOST_TILES ? MOST_TILES : (int)tiles;
}

/* A thread's scratch: its chunk's tiles, each's rows behind them. */
enum { TILES_BYTES = (MOST_TILES * sizeof(struct conv_rows) + LINE - 1) / LINE * LINE };

size_t conv_scratch_bytes(const struct packed_conv *p) {
  return TILES_BYTES + (size_t)most_chunk_tiles(p) * conv_rows_bytes(p);
}

/* Whether blocks go outside chunks. A thread then reads all rows, half of which another thread wrote; else all weights,
 * and mostly rows of its own. Rows out of another core's cache cost more than weights: hence 5 to 4 (between two dies
 * DINOv2-S' first MLP layer, 2.36 MB of weights for 2.1 MB of rows, takes 5 % less time by chunks). */
static bool blocks_outside(const struct packed_conv *p, size_t rows) {
  size_t weights = conv_packed_bytes(p), pixels = rows * (size_t)p->shape.in_channels * sizeof(float);
  return weights > SHARED_BYTES || (weights > LAYER_BYTES && weights / 5 > pixels / 4);
}

struct division {
  size_t chunks, blocks;
  bool blocks_outside;
};

/* The division that ends first, by a model in units of one register tile's time: beside the products of its tiles and
 * panels a task waits for some of its weights, and a thread prepares a chunk's rows, which normalising or rounding
 * makes dear. */
static struct division divide(const struct conv_job *product, size_t row_tiles) {
  enum { TASKS_A_THREAD = 4, TRIES = 4 };
  const struct packed_conv *p = product->p;
  const double row_cost = product->copy || p->bf16 ? 0.5 : 0.05, panel_cost = 0.3;
  size_t threads = (size_t)threads_count(product->pool);
  size_t panels = product->panels, groups = (size_t)p->groups, least_tasks = threads > 1 ? threads * TASKS_A_THREAD : 1;
  const bool outside = blocks_outside(p, product->rows);
  struct division best = {0};
  double least = 0;
  for (size_t tiles = (size_t)most_chunk_tiles(p); tiles >= 1; tiles /= 2) {
    size_t chunks = (row_tiles + tiles - 1) / tiles;
    size_t blocks = (least_tasks + chunks * groups - 1) / (chunks * groups);
    for (size_t i = 0; i < TRIES; i++, blocks++) {
      if (blocks > panels) blocks = panels;
      double height = (double)row_tiles / (double)chunks, width = (double)panels / (double)blocks;
      size_t rounds = (chunks * blocks * groups + threads - 1) / threads;
      size_t rows = outside && chunks > 1 ? rounds : (rounds + blocks - 1) / blocks;
      double cost = (double)rounds * (height * width + panel_cost * width) + (double)rows * row_cost * height;
      if (best.chunks && cost >= least) continue;
      least = cost;
      best = (struct division){chunks, blocks, outside};
    }
  }
  return best;
}

struct job {
  struct conv_job product;
  size_t row_tiles;
  struct division division;
  int parts;
};

static size_t first_tile(const struct job *job, size_t chunk) { return chunk * job->row_tiles / job->division.chunks; }
/* Tiles of nearly equal height: 49 rows are 13 + 12 + 12 + 12, not 14 + 14 + 14 + 7. */
static size_t first_row(const struct job *job, size_t tile) { return tile * job->product.rows / job->row_tiles; }
static size_t first_panel(const struct job *job, size_t block) {
  return job->product.first_panel + block * job->product.panels / job->division.blocks;
}

/* Task `index`: its group, chunk of row tiles and block of panels. */
struct place {
  size_t group, chunk, block;
};

static struct place place_of(const struct job *job, size_t index) {
  size_t chunks = job->division.chunks, blocks = job->division.blocks;
  size_t group = index / blocks / chunks;
  if (job->division.blocks_outside) return (struct place){group, index % chunks, index / chunks % blocks};
  return (struct place){group, index / blocks % chunks, index % blocks};
}

/* ---- fetching ahead ---- */

struct range {
  const char *at, *end;
};

/* What a tile of `steps` steps shall fetch: of the first range that has something left. */
static const float *fetch(struct range *weights, struct range *rows, int steps) {
  struct range *from = weights->at < weights->end ? weights : rows;
  if (from->at >= from->end) return NULL;
  const char *at = from->at;
  from->at += (ptrdiff_t)steps * LINE;
  return (const float *)(const void *)at;
}

/* The rows of the task behind this one, where it has the next chunk. */
static struct range next_rows(const struct job *job, const struct place *place, const struct place *next) {
  const struct conv_shape *s = &job->product.p->shape;
  bool follow = s->kernel == 1 && s->stride == 1 && s->groups == 1 && next->group == 0 && next->chunk > place->chunk;
  if (!follow) return (struct range){0};
  ptrdiff_t row = job->product.in_stride * (ptrdiff_t)sizeof(float);
  size_t begin = first_tile(job, next->chunk), end = first_tile(job, next->chunk + 1);
  const char *in = (const char *)job->product.run->in;
  return (struct range){in + (ptrdiff_t)first_row(job, begin) * row, in + (ptrdiff_t)first_row(job, end) * row};
}

/* ---- a task ---- */

struct task {
  const struct job *job;
  struct place place, next; /* next: of the task behind it */
  size_t first_panel, end_panel;
  size_t tiles;
  const struct conv_rows *rows; /* [tiles] */
  struct range rows_ahead;
  struct gemm_tile tile;
};

/* The weights of a panel from a part on. */
static const char *weights_at(const struct task *task, size_t group, size_t panel, int part) {
  const struct packed_conv *p = task->job->product.p;
  size_t columns = (size_t)p->kernels->gemm_columns, row = (group * (size_t)p->panels + panel) * columns;
  if (p->bf16) return (const char *)(p->weights_bf16 + row * 2 * (size_t)task->tile.pairs);
  struct part from = part_of(p, part, task->job->parts);
  size_t k = (size_t)from.first_tap * (size_t)p->depth + (size_t)from.first;
  return (const char *)(p->weights + row * conv_row_floats(p) + k * columns);
}

/* The weights that will be read behind those of a panel's part. */
static const char *weights_behind(const struct task *task, size_t panel, int part) {
  const struct job *job = task->job;
  if (panel + 1 < task->end_panel) return weights_at(task, task->place.group, panel + 1, part);
  if (part + 1 < job->parts) return weights_at(task, task->place.group, task->first_panel, part + 1);
  bool ends = task->next.group == (size_t)job->product.p->groups;
  return ends ? NULL : weights_at(task, task->next.group, first_panel(job, task->next.block), 0);
}

static void multiply_tile(const struct packed_conv *p, struct gemm_tile *tile, const struct conv_rows *rows,
                          const struct part *part) {
  if (p->bf16) {
    tile->a_bf16 = rows->rounded;
    p->bf16->gemm_tile(tile);
    return;
  }
  const float *a[GEMM_MAX_ROWS];
  tile->a_stride = rows->a_stride;
  tile->a = rows->a + part->first_tap * GEMM_MAX_ROWS;
  if (part->first) {
    for (int r = 0; r < tile->rows; r++) a[r] = rows->a[r] + part->first;
    tile->a = a;
  }
  p->kernels->gemm_tile(tile);
}

/* A part of a panel for all tiles. */
static void multiply_panel(struct task *task, size_t panel, int i) {
  const struct job *job = task->job;
  const struct packed_conv *p = job->product.p;
  const struct conv_run *run = job->product.run;
  struct part part = part_of(p, i, job->parts);
  struct gemm_tile *tile = &task->tile;
  bool last = i + 1 == job->parts;
  int columns = p->kernels->gemm_columns, column = (int)panel * columns;
  size_t channel = task->place.group * (size_t)p->group_out + (size_t)column;
  tile->taps = part.taps;
  tile->depth = part.depth;
  tile->columns = p->group_out - column < columns ? p->group_out - column : columns;
  const char *b = weights_at(task, task->place.group, panel, i);
  tile->b = (const float *)(const void *)b;
  tile->b_bf16 = (const uint16_t *)(const void *)b;
  tile->bias = last && p->bias ? p->bias + channel : NULL;
  tile->activation = last ? run->activation : ACTIVATION_NONE;
  int steps = p->bf16 ? tile->pairs : part.taps * part.depth;
  const char *behind = weights_behind(task, panel, i);
  struct range weights = {behind, behind ? behind + (size_t)steps * (size_t)columns * sizeof(float) : NULL};
  for (size_t t = 0; t < task->tiles; t++) {
    const struct conv_rows *rows = &task->rows[t];
    size_t offset = rows->first * (size_t)job->product.out_stride + channel;
    const float *residual = run->residual ? run->residual + offset : NULL;
    tile->rows = rows->count;
    tile->c = run->out + offset;
    /* Out may be the residual: a sum in parts begins with it. One that is whole ends with it, fetched meanwhile. */
    tile->start = i > 0 ? tile->c : job->parts > 1 ? residual : NULL;
    tile->residual = job->parts > 1 ? NULL : residual;
    tile->ahead = fetch(&weights, &task->rows_ahead, steps);
    multiply_tile(p, tile, rows, &part);
  }
}

/* The rows of a chunk's tiles, in the thread's scratch. */
static const struct conv_rows *find_chunk(const struct job *job, const struct place *place, int thread) {
  const struct packed_conv *p = job->product.p;
  char *scratch = threads_scratch(job->product.pool, thread);
  struct conv_rows *tiles = (struct conv_rows *)(void *)scratch;
  size_t first = first_tile(job, place->chunk), end = first_tile(job, place->chunk + 1);
  uint64_t *found = threads_note(job->product.pool, thread),
           wanted = place->group * job->division.chunks + place->chunk + 1;
  if (*found == wanted) return tiles;
  *found = wanted;
  scratch += TILES_BYTES;
  for (size_t t = first; t < end; t++, scratch += conv_rows_bytes(p)) {
    size_t row = first_row(job, t), count = first_row(job, t + 1) - row;
    tiles[t - first] = conv_find_rows(&job->product, row, (int)count, (int)place->group, scratch);
  }
  return tiles;
}

static void run_task(void *context, size_t index, int thread) {
  const struct job *job = context;
  const struct packed_conv *p = job->product.p;
  struct task task = {.job = job, .place = place_of(job, index), .next = place_of(job, index + 1)};
  task.first_panel = first_panel(job, task.place.block);
  task.end_panel = first_panel(job, task.place.block + 1);
  task.rows_ahead = next_rows(job, &task.place, &task.next);
  task.tiles = first_tile(job, task.place.chunk + 1) - first_tile(job, task.place.chunk);
  task.rows = find_chunk(job, &task.place, thread);
  ptrdiff_t stride = job->product.out_stride;
  task.tile = (struct gemm_tile){.c_stride = stride,
                                 .residual_stride = stride,
                                 .start_stride = stride,
                                 .pairs = p->bf16 ? (int)conv_row_pairs(p) : 0,
                                 .a_bf16_stride = (ptrdiff_t)conv_rounded_stride(p)};
  for (int part = 0; part < job->parts; part++) {
    for (size_t panel = task.first_panel; panel < task.end_panel; panel++) multiply_panel(&task, panel, part);
  }
}

void conv_run(struct threads *pool, const struct conv_run *run) {
  const struct packed_conv *p = run->packed;
  struct conv_job product = {.pool = pool, .run = run, .p = p};
  product.out_height = conv_output_size(&p->shape, run->height);
  product.out_width = conv_output_size(&p->shape, run->width);
  /* Lines of pixels are contiguous only in a whole image. */
  product.in_stride = run->in_stride && !p->lines ? run->in_stride : p->shape.in_channels;
  product.out_stride = run->out_stride ? run->out_stride : p->shape.out_channels;
  product.copy = p->copy && (p->norm || conv_collide(product.in_stride * p->shape.stride));
  product.rows = (size_t)run->batch * (size_t)product.out_height * (size_t)product.out_width;
  if (product.rows == 0) return;
  size_t columns = (size_t)p->kernels->gemm_columns;
  product.first_panel = (size_t)run->first_column / columns;
  product.panels = run->columns ? (size_t)run->columns / columns : (size_t)p->panels;
  size_t tile_rows = (size_t)conv_tile_rows(p), row_tiles = (product.rows + tile_rows - 1) / tile_rows;
  struct job job = {
      .product = product, .row_tiles = row_tiles, .division = divide(&product, row_tiles), .parts = parts_of(p)};
  threads_run(pool, (size_t)p->groups * job.division.blocks * job.division.chunks, run_task, &job);
}

void gemm_run(struct threads *pool, const struct packed_conv *b, int rows, const float *a, ptrdiff_t a_stride,
              const float *residual, float *c, enum activation activation) {
  struct conv_run run = {.packed = b,
                         .batch = rows,
                         .height = 1,
                         .width = 1,
                         .in = a,
                         .in_stride = a_stride,
                         .residual = residual,
                         .out = c,
                         .activation = activation};
  conv_run(pool, &run);
}
