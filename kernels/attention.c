/* Attention over the GEMM register tile: logits = Q K^T, softmax, out = P V.
 *
 * The unit of packing is one head of one window of one image (without windows, of the whole image): its keys become
 * transposed panels and its values panels, both in L2. Then its queries go by in tiles of rows: a tile's logits, its
 * softmax and its product with the values stay in L1. All tiles of all units form one list, and each thread takes one
 * contiguous piece, packing a unit where its piece begins; the summed dimensions are never split. */
#include "kernels/attention.h"

#include <string.h>

#include "kernels/prefetch.h"

enum {
  MAX_HEADS = 1 << 10,
  MAX_HEAD_SIZE = 1 << 10,
  MAX_TOKENS = 1 << 16,
  LINE = 16, /* floats of a cache line */
};
static const float APART = -100; /* added to logits of tokens that only the shift made neighbours */

static int check_windows(const struct attention_shape *s, error *e) {
  bool sane = s->window_height > 0 && s->window_width > 0 && s->map_height > 0 && s->map_width > 0 &&
              s->map_height <= MAX_TOKENS && s->map_width <= MAX_TOKENS;
  if (!sane || s->map_height % s->window_height || s->map_width % s->window_width)
    return fail(e, "attention: windows of %dx%d do not divide a map of %dx%d", s->window_height, s->window_width,
                s->map_height, s->map_width);
  if (s->shift_y < 0 || s->shift_y >= s->window_height || s->shift_x < 0 || s->shift_x >= s->window_width)
    return fail(e, "attention: windows of %dx%d shifted by %dx%d", s->window_height, s->window_width, s->shift_y,
                s->shift_x);
  int64_t area = (int64_t)s->map_height * s->map_width;
  if (s->queries != area || s->keys != area)
    return fail(e, "attention: %d queries and %d keys on a map of %dx%d", s->queries, s->keys, s->map_height,
                s->map_width);
  return OK;
}

int attention_check(const struct attention_shape *s, error *e) {
  if (s->heads < 1 || s->heads > MAX_HEADS || s->head_size < 1 || s->head_size > MAX_HEAD_SIZE)
    return fail(e, "attention: %d heads of %d channels", s->heads, s->head_size);
  if (s->queries < 1 || s->queries > MAX_TOKENS || s->keys < 1 || s->keys > MAX_TOKENS)
    return fail(e, "attention: %d queries and %d keys", s->queries, s->keys);
  if ((s->window_height || s->window_width) && check_windows(s, e) != OK) return FAILED;
  if (s->bias && s->queries != s->keys)
    return fail(e, "attention: a bias for %d queries and %d keys", s->queries, s->keys);
  if (s->relative_bias && (s->bias || !s->window_height))
    return fail(e, "attention: a relative bias beside another or without windows");
  if (!s->rope_cos != !s->rope_sin) return fail(e, "attention: rotary positions need both a cosine and a sine");
  if (s->rope_cos && (s->head_size % 2 || s->queries != s->keys || s->rope_first < 0 || s->rope_first > s->keys))
    return fail(e, "attention: rotary positions from token %d on of %d queries and %d keys, heads of %d channels",
                s->rope_first, s->queries, s->keys, s->head_size);
  return OK;
}

/* What follows from a shape: the sizes of a unit, and where scratch lies (in floats from its start). */
struct layout {
  int queries, keys, windows_across, windows;
  int row_tiles;                     /* of a unit's queries */
  int key_panels, value_panels;      /* of gemm_columns */
  int fetched_queries, fetched_keys; /* of the next unit, beside one product of a row tile and a key panel */
  bool masked;                       /* some windows hold tokens that were no neighbours */
  ptrdiff_t logits_stride, results_stride;
  size_t token[2], mask, copies, k, v, q, logits, bias, results, zeros, floats;
};

static size_t place(struct layout *l, size_t floats) {
  size_t at = l->floats;
  l->floats += (floats + LINE - 1) / LINE * LINE;
  return at;
}

static struct layout layout_of(const struct kernels *kernels, const struct attention_shape *s) {
  struct layout l = {.queries = s->queries, .keys = s->keys, .windows_across = 1, .windows = 1};
  if (s->window_height) {
    l.queries = l.keys = s->window_height * s->window_width;
    l.windows_across = s->map_width / s->window_width;
    l.windows = s->map_height / s->window_height * l.windows_across;
    l.masked = s->shift_y || s->shift_x;
  }
  size_t rows = (size_t)kernels->gemm_rows, columns = (size_t)kernels->gemm_columns, head_size = (size_t)s->head_size;
  l.row_tiles = (l.queries + (int)rows - 1) / (int)rows;
  l.key_panels = (l.keys + (int)columns - 1) / (int)columns;
  l.value_panels = (s->head_size + (int)columns - 1) / (int)columns;
  int products = l.row_tiles * l.key_panels;
  l.fetched_queries = (l.queries + products - 1) / products;
  l.fetched_keys = (l.keys + products - 1) / products;
  l.logits_stride = (ptrdiff_t)l.key_panels * kernels->gemm_columns + LINE; /* rows fall into different L1 sets */
  l.results_stride = (ptrdiff_t)l.value_panels * kernels->gemm_columns;
  _Static_assert(sizeof(int) == sizeof(float), "tokens lie among floats");
  for (int i = 0; i < 2; i++) l.token[i] = place(&l, (size_t)(l.queries > l.keys ? l.queries : l.keys));
  l.mask = place(&l, l.masked ? 4 * (size_t)l.keys : 0);
  l.copies = place(&l, columns * head_size);
  l.k = place(&l, (size_t)l.key_panels * columns * head_size);
  l.v = place(&l, (size_t)l.value_panels * columns * (size_t)l.keys);
  l.q = place(&l, rows * head_size);
  l.logits = place(&l, rows * (size_t)l.logits_stride);
  l.bias = place(&l, s->relative_bias ? rows * (size_t)l.keys : 0);
  l.results = place(&l, rows * (size_t)l.results_stride);
  l.zeros = place(&l, head_size);
  return l;
}

size_t attention_scratch_bytes(const struct kernels *kernels, const struct attention_shape *shape) {
  return layout_of(kernels, shape).floats * sizeof(float);
}

/* The first of n rows that belongs to a row tile. Tiles are nearly equal: 49 rows are 13 + 12 + 12 + 12, not 14 + 14 +
 * 14 + 7. */
static int first_of(int row_tile, int n, const struct layout *l) { return (int)((int64_t)row_tile * n / l->row_tiles); }

struct job {
  const struct kernels *kernels;
  struct threads *pool;
  const struct attention_run *run;
  struct layout layout;
  size_t tiles, pieces;
};

/* A unit's place. Units are ordered by image, window, head. */
struct place {
  size_t unit, image;
  int window, head;
  int *token; /* [queries or keys]: where the window's tokens lie in the image */
};

/* One thread's work: a unit, and the one that will be fetched into the caches meanwhile. */
struct worker {
  const struct job *job;
  struct place now, next;
  bool ahead;                           /* there is a next one */
  int masked;                           /* the window whose mask it is, or -1 */
  float *mask;                          /* [4][keys]: what is added to the logits of a query of each region */
  float *k, *v;                         /* [key_panels][head_size][columns], [value_panels][keys][columns] */
  float *copies, *q, *logits, *results; /* of a panel's keys, of a tile's queries ... */
  float *bias;                          /* [gemm_rows][keys]: a tile's relative bias, spread */
  float *zeros;                         /* [head_size]: a key beyond the last one */
};

/* The first row and column of a window in the map, before they come around. */
static int first_row(const struct job *job, int window) {
  const struct attention_shape *s = job->run->shape;
  return window / job->layout.windows_across * s->window_height + s->shift_y;
}
static int first_column(const struct job *job, int window) {
  const struct attention_shape *s = job->run->shape;
  return window % job->layout.windows_across * s->window_width + s->shift_x;
}

static void find_tokens(const struct job *job, int window, int *token) {
  const struct attention_shape *s = job->run->shape;
  if (!s->window_height) {
    int n = s->queries > s->keys ? s->queries : s->keys;
    for (int i = 0; i < n; i++) token[i] = i;
    return;
  }
  int top = first_row(job, window), left = first_column(job, window);
  for (int y = top; y < top + s->window_height; y++) {
    int line = (y < s->map_height ? y : y - s->map_height) * s->map_width;
    for (int x = left; x < left + s->window_width; x++) {
      *token++ = line + (x < s->map_width ? x : x - s->map_width);
    }
  }
}

static void go_to(const struct job *job, struct place *place, size_t unit) {
  size_t heads = (size_t)job->run->shape->heads, windows = (size_t)job->layout.windows;
  int window = (int)(unit / heads % windows);
  if (window != place->window) find_tokens(job, window, place->token);
  *place = (struct place){unit, unit / heads / windows, window, (int)(unit % heads), place->token};
}

/* Only windows at the map's end are cut: those whose tokens came around. */
static bool is_cut(const struct job *job, int window) {
  const struct attention_shape *s = job->run->shape;
  return job->layout.masked && (first_row(job, window) + s->window_height > s->map_height ||
                                first_column(job, window) + s->window_width > s->map_width);
}

/* On which sides of the cuts a token of a cut window lies: 0..3. */
static int region_of(const struct job *job, int window, int token) {
  const struct attention_shape *s = job->run->shape;
  int y = first_row(job, window) + token / s->window_width, x = first_column(job, window) + token % s->window_width;
  return 2 * (y >= s->map_height) + (x >= s->map_width);
}

static void make_mask(struct worker *w) {
  int window = w->now.window, keys = w->job->layout.keys;
  if (w->masked == window) return;
  w->masked = window;
  for (int i = 0; i < keys; i++) {
    int region = region_of(w->job, window, i);
    for (int r = 0; r < 4; r++) w->mask[r * keys + i] = r == region ? 0 : APART;
  }
}

/* The rows of n tokens' queries or keys as they enter the product: as they are, or in `copies` of unit length and
 * rotated. */
static void prepare(const struct worker *w, const int *token, int n, float *copies, const float **rows) {
  const struct kernels *kernels = w->job->kernels;
  const struct attention_shape *s = w->job->run->shape;
  const int d = s->head_size;
  if (s->cosine) kernels->unit_rows(rows, n, d, copies);
  for (int i = 0; i < n; i++, copies += d) {
    if (s->cosine) rows[i] = copies;
    if (!s->rope_cos || token[i] < s->rope_first) continue;
    ptrdiff_t position = (ptrdiff_t)(token[i] - s->rope_first) * d;
    if (s->cosine) rows[i] = memcpy(w->results, copies, (size_t)d * sizeof(float)); /* apart from where it goes */
    kernels->rotate_row(rows[i], d, s->rope_cos + position, s->rope_sin + position, copies);
    rows[i] = copies;
  }
}

/* Products are written in whole vectors: faster, and softmax expects the room. */
static int whole_vectors(const struct job *job, int n) {
  int lanes = job->kernels->lanes;
  return (n + lanes - 1) / lanes * lanes;
}

static void pack_keys(const struct worker *w, const float *k) {
  const struct attention_run *run = w->job->run;
  const struct layout *l = &w->job->layout;
  int head_size = run->shape->head_size, columns = w->job->kernels->gemm_columns;
  const float *rows[GEMM_MAX_COLUMNS];
  float *panel = w->k;
  for (int first = 0; first < l->keys; first += columns, panel += columns * head_size) {
    int count = l->keys - first < columns ? l->keys - first : columns;
    const int *token = w->now.token + first;
    for (int c = 0; c < count; c++) rows[c] = k + token[c] * run->kv_stride;
    prepare(w, token, count, w->copies, rows);
    int whole = whole_vectors(w->job, count);
    for (int c = count; c < whole; c++) rows[c] = w->zeros;
    w->job->kernels->transpose_panel(rows, whole, head_size, panel);
  }
}

/* By pieces whose size the compiler knows, the last two overlapping: a call of memcpy() for so little would cost more
 * than the copy. */
static inline void copy(const float *from, int n, float *to) {
  enum { PIECE = 4 };
  if (n < PIECE) {
    for (int i = 0; i < n; i++) to[i] = from[i];
    return;
  }
  for (int i = 0; i + PIECE <= n; i += PIECE) memcpy(to + i, from + i, PIECE * sizeof *to);
  memcpy(to + n - PIECE, from + n - PIECE, PIECE * sizeof *to);
}

static void pack_values(const struct worker *w, const float *v) {
  const struct attention_run *run = w->job->run;
  int keys = w->job->layout.keys, head_size = run->shape->head_size, columns = w->job->kernels->gemm_columns;
  for (int i = 0; i < keys; i++) {
    const float *from = v + w->now.token[i] * run->kv_stride;
    float *to = w->v + (ptrdiff_t)i * columns;
    for (int c = 0; c < head_size; c += columns, to += (ptrdiff_t)keys * columns) {
      int count = head_size - c < columns ? head_size - c : columns;
      copy(from + c, count, to);
      if (count < columns) memset(to + count, 0, (size_t)(columns - count) * sizeof(float));
    }
  }
}

static void pack(struct worker *w) {
  const struct attention_run *run = w->job->run;
  ptrdiff_t offset = (ptrdiff_t)w->now.image * run->kv_image_stride + (ptrdiff_t)w->now.head * run->shape->head_size;
  pack_keys(w, run->k + offset);
  pack_values(w, run->v + offset);
  if (is_cut(w->job, w->now.window)) make_mask(w);
}

/* Calls of functions that only fetch ahead have no effect in gcc's eyes and would be left out: inline at all costs. */
#define FETCH static inline __attribute__((always_inline))

FETCH void fetch(const float *from, int n) {
  for (int c = 0; c < n; c += LINE) __builtin_prefetch(from + c, 0, 2);
}

/* Ask for a row tile's share of the next unit's tokens, in as many parts as the tile's keys have panels: they are too
 * far apart for a hardware prefetcher to follow, and a whole share at once would keep the tile's own loads waiting. */
FETCH void fetch_ahead(const struct worker *w, int row_tile, int part) {
  const struct attention_run *run = w->job->run;
  const struct layout *l = &w->job->layout;
  int d = run->shape->head_size, step = row_tile * l->key_panels + part;
  const ptrdiff_t head = (ptrdiff_t)w->next.head * d, image = (ptrdiff_t)w->next.image;
  const float *q = run->q + image * run->q_image_stride + head;
  const float *k = run->k + image * run->kv_image_stride + head;
  const float *v = run->v + image * run->kv_image_stride + head;
  for (int i = step * l->fetched_queries, n = l->fetched_queries; n > 0 && i < l->queries; i++, n--) {
    fetch(q + w->next.token[i] * run->q_stride, d);
  }
  for (int i = step * l->fetched_keys, n = l->fetched_keys; n > 0 && i < l->keys; i++, n--) {
    fetch(k + w->next.token[i] * run->kv_stride, d);
    fetch(v + w->next.token[i] * run->kv_stride, d);
  }
}

/* C[rows, n] = A * B, B in panels. */
static void multiply(const struct worker *w, struct gemm_tile tile, int n, const float *panels, int row_tile) {
  const struct kernels *kernels = w->job->kernels;
  int columns = kernels->gemm_columns;
  tile.taps = 1;
  tile.b = panels;
  for (int first = 0; first < n; first += columns) {
    if (row_tile >= 0) fetch_ahead(w, row_tile, first / columns);
    tile.columns = n - first < columns ? n - first : columns;
    kernels->gemm_tile(&tile);
    tile.b += (ptrdiff_t)tile.depth * columns;
    tile.c += columns;
  }
}

/* Gather a tile's queries, scaled: side by side, as tokens may lie a multiple of 4 kB apart and collide in L1. */
static void gather_queries(const struct worker *w, int first, int rows) {
  const struct attention_run *run = w->job->run;
  const struct attention_shape *s = run->shape;
  const float *q = run->q + (ptrdiff_t)w->now.image * run->q_image_stride + (ptrdiff_t)w->now.head * s->head_size;
  const float *from[GEMM_MAX_ROWS];
  float *to[GEMM_MAX_ROWS], scale[GEMM_MAX_ROWS];
  const int *token = w->now.token + first;
  for (int r = 0; r < rows; r++) {
    from[r] = q + token[r] * run->q_stride;
    to[r] = w->q + r * s->head_size;
    scale[r] = s->head_scale ? s->head_scale[w->now.head] : s->scale;
  }
  prepare(w, token, rows, w->q, from);
  w->job->kernels->scale_rows(from, rows, s->head_size, scale, to);
}

/* A tile's rows of the relative bias: a line of keys is a run of a line of offsets. */
static const float *spread_bias(const struct worker *w, int first, int rows) {
  const struct attention_shape *s = w->job->run->shape;
  int height = s->window_height, width = s->window_width, line = 2 * width - 1;
  const float *offsets = s->relative_bias + (ptrdiff_t)w->now.head * (2 * height - 1) * line;
  float *to = w->bias;
  for (int r = first; r < first + rows; r++) {
    int y = r / width, x = r % width;
    for (int key_y = 0; key_y < height; key_y++, to += width) {
      const float *from = offsets + (key_y - y + height - 1) * line + width - 1 - x;
      memcpy(to, from, (size_t)width * sizeof *to);
    }
  }
  return w->bias;
}

/* One tile of queries against the unit's keys and values. */
static void attend(const struct worker *w, int row_tile) {
  const struct job *job = w->job;
  const struct attention_shape *s = job->run->shape;
  const struct layout *l = &job->layout;
  int d = s->head_size, width = s->heads * d;
  int first = first_of(row_tile, l->queries, l), rows = first_of(row_tile + 1, l->queries, l) - first;
  ptrdiff_t image_stride = job->run->out_image_stride ? job->run->out_image_stride : (ptrdiff_t)s->queries * width;
  float *out = job->run->out + (ptrdiff_t)w->now.image * image_stride + (ptrdiff_t)w->now.head * d;

  const float *a[GEMM_MAX_ROWS];
  float *to[GEMM_MAX_ROWS];
  gather_queries(w, first, rows);
  for (int r = 0; r < rows; r++) a[r] = w->q + r * d;
  struct gemm_tile product = {
      .rows = rows, .depth = d, .a = a, .a_stride = d, .c = w->logits, .c_stride = l->logits_stride};
  struct softmax_rows softmax = {.rows = rows, .columns = l->keys, .x = w->logits, .stride = l->logits_stride};
  if (s->relative_bias) softmax.bias = spread_bias(w, first, rows);
  if (s->bias) softmax.bias = s->bias + ((ptrdiff_t)w->now.head * l->queries + first) * l->keys;
  if (is_cut(job, w->now.window)) {
    for (int r = 0; r < rows; r++) softmax.mask[r] = w->mask + region_of(job, w->now.window, first + r) * l->keys;
  }
  multiply(w, product, whole_vectors(job, l->keys), w->k, w->ahead ? row_tile : -1);
  if (!job->kernels->softmax_rows(&softmax)) {
    softmax.careful = true;
    multiply(w, product, whole_vectors(job, l->keys), w->k, -1);
    job->kernels->softmax_rows(&softmax);
  }

  for (int r = 0; r < rows; r++) {
    to[r] = out + (ptrdiff_t)w->now.token[first + r] * width;
    for (int c = 0; c < d; c += LINE) prefetch_to_write(to[r] + c);
  }
  for (int r = 0; r < rows; r++) a[r] = w->logits + r * l->logits_stride;
  product = (struct gemm_tile){.rows = rows,
                               .depth = l->keys,
                               .a = a,
                               .a_stride = l->logits_stride,
                               .c = w->results,
                               .c_stride = l->results_stride};
  multiply(w, product, whole_vectors(job, d), w->v, -1);
  for (int r = 0; r < rows; r++) a[r] = w->results + r * l->results_stride;
  job->kernels->scale_rows(a, rows, d, softmax.share, to);
}

/* A piece of the list of tiles. */
static void run_piece(void *context, size_t index, int thread) {
  const struct job *job = context;
  const struct layout *l = &job->layout;
  float *scratch = threads_scratch(job->pool, thread);
  struct worker w = {.job = job,
                     .now = {.window = -1, .token = (int *)(void *)(scratch + l->token[0])},
                     .next = {.window = -1, .token = (int *)(void *)(scratch + l->token[1])},
                     .masked = -1,
                     .mask = scratch + l->mask,
                     .copies = scratch + l->copies,
                     .k = scratch + l->k,
                     .v = scratch + l->v,
                     .q = scratch + l->q,
                     .logits = scratch + l->logits,
                     .bias = scratch + l->bias,
                     .results = scratch + l->results,
                     .zeros = scratch + l->zeros};
  memset(w.zeros, 0, (size_t)job->run->shape->head_size * sizeof(float));
  size_t tiles = (size_t)l->row_tiles;
  size_t tile = index * job->tiles / job->pieces, end = (index + 1) * job->tiles / job->pieces;
  for (go_to(job, &w.next, tile / tiles); tile < end;) {
    struct place done = w.now;
    w.now = w.next;
    w.next = done;
    size_t unit_end = (w.now.unit + 1) * tiles;
    w.ahead = unit_end < end;
    if (w.ahead) go_to(job, &w.next, w.now.unit + 1);
    pack(&w);
    for (; tile < end && tile < unit_end; tile++) attend(&w, (int)(tile % tiles));
  }
}

void attention_run(const struct kernels *kernels, struct threads *pool, const struct attention_run *run) {
  struct job job = {.kernels = kernels, .pool = pool, .run = run, .layout = layout_of(kernels, run->shape)};
  size_t units = (size_t)run->batch * (size_t)job.layout.windows * (size_t)run->shape->heads;
  job.tiles = units * (size_t)job.layout.row_tiles;
  job.pieces = (size_t)threads_count(pool);
  if (job.pieces > job.tiles) job.pieces = job.tiles;
  threads_run(pool, job.pieces, run_piece, &job);
}
