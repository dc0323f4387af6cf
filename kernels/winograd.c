/* F(2x2, 3x3) and F(4x4, 3x3) over NHWC, a block of tiles at a time.
 *
 * Per block: transform the input tiles (4x4 or 6x6 pixels each) to V[positions][tiles][in]; per panel of output
 * channels multiply V[i] by U[i] for each of the 16 or 36 positions with the GEMM tile, to M[positions][tiles][panel];
 * transform M back to pixels. One panel's M stays in L2, a block's V near it; U streams by once a block. Where a
 * batch has few tiles the panels are split over threads as well, so that no two of them read the same U: V is then made
 * once a thread, at a fiftieth of a panel's work. */
#include "kernels/winograd.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  MOST_POSITIONS = 36,
  /* Of V, which then lies in L3 as well as in L2 and is read from there once a panel: smaller blocks would read U more
   * often, from memory, and twice for a single image if its 16 tiles of 512 channels did not fit. */
  BLOCK_BYTES = 1300 << 10,
  MOST_TILES = 56,
  LEAST_CHANNELS = 32,
  LEAST_PANELS = 2, /* of a task */
};

/* What a form costs beside its products, in multiply-adds of GEMM: measured per tile and channel on its way in and out.
 */
static const struct form {
  int tile, positions;
  double in_cost, out_cost;
  double G[6][3]; /* U = G g G^T */
  double L[3][6]; /* L G = 1: the left inverse of three terms a row at most, powers of two at the ends */
} forms[WINOGRAD_FORMS] = {
    [WINOGRAD_2] = {.tile = 2,
                    .positions = 16,
                    .in_cost = 40,
                    .out_cost = 40,
                    .G = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
                    .L = {{1, 0, 0, 0}, {0, 1, -1, 0}, {0, 0, 0, 1}}},
    [WINOGRAD_4] = {.tile = 4,
                    .positions = 36,
                    .in_cost = 80,
                    .out_cost = 100,
                    .G = {{1.0 / 4, 0, 0},
                          {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                          {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                          {1.0 / 24, 1.0 / 12, 1.0 / 6},
                          {1.0 / 24, -1.0 / 12, 1.0 / 6},
                          {0, 0, 1}},
                    .L = {{4, 0, 0, 0, 0, 0}, {0, -3, 3, 0, 0, 0}, {0, 0, 0, 0, 0, 1}}},
};

struct packed_winograd {
  const struct kernels *kernels;
  const struct form *form;
  int in, out, panels, block_tiles;
  float *weights; /* [panels][positions][in][gemm_columns] */
  float *bias;    /* [out] or NULL */
  float *zeros;   /* [in]: a pixel outside the image */
};

static int tiles_along(const struct form *form, int pixels) { return (pixels + form->tile - 1) / form->tile; }

/* In multiply-adds. Weights come from memory or a cache far away once a batch, so they are charged at the rate of a
 * core with a share of the bandwidth, and to two images: one alone would pay for all of them, sixteen for next to
 * nothing. */
static double weight_cost(int positions, double channels) {
  enum { MULTIPLY_ADDS_A_FLOAT = 16, IMAGES = 2 };
  return (double)positions * channels * MULTIPLY_ADDS_A_FLOAT / IMAGES;
}

bool winograd_pays(const struct kernels *kernels, const struct conv_shape *s, int height, int width,
                   enum winograd_form *best) {
  bool fits = kernels->winograd_input[WINOGRAD_4] && s->kernel == 3 && s->stride == 1 && s->padding == 1 &&
              s->dilation == 1 && s->groups == 1 && s->in_channels >= LEAST_CHANNELS &&
              s->out_channels >= LEAST_CHANNELS;
  if (!fits || height < 2 || width < 2) return false;
  double channels = (double)s->in_channels * s->out_channels;
  double least = 9.0 * height * width * channels + weight_cost(9, channels);
  bool pays = false;
  for (int i = 0; i < WINOGRAD_FORMS; i++) {
    const struct form *form = &forms[i];
    double tiles = (double)tiles_along(form, height) * tiles_along(form, width);
    double transforms = form->in_cost * s->in_channels + form->out_cost * s->out_channels;
    double cost = tiles * (form->positions * channels + transforms) + weight_cost(form->positions, channels);
    if (cost >= least) continue;
    least = cost;
    *best = (enum winograd_form)i;
    pays = true;
  }
  return pays;
}

/* U in double, rounded once. */
static void transform_weight(const struct form *form, const float *g, double *u) {
  int side = form->tile + 2;
  for (int i = 0; i < side; i++) {
    for (int j = 0; j < side; j++) {
      double sum = 0;
      for (int y = 0; y < 3; y++) {
        for (int x = 0; x < 3; x++) sum += form->G[i][y] * (double)g[y * 3 + x] * form->G[j][x];
      }
      u[i * side + j] = sum;
    }
  }
}

/* Its form's place in the kernels' tables. */
static size_t index_of(const struct packed_winograd *p) { return (size_t)(p->form - forms); }

static size_t positions_of(const struct packed_winograd *p) { return (size_t)p->form->positions; }

static size_t weight_floats(const struct packed_winograd *p) {
  return (size_t)p->panels * positions_of(p) * (size_t)p->in * (size_t)p->kernels->gemm_columns;
}

/* As many tiles as BLOCK_BYTES hold. */
static int choose_block(const struct kernels *kernels, const struct form *form, int in) {
  int rows = kernels->gemm_rows, tiles = BLOCK_BYTES / (form->positions * 4 * in);
  if (tiles > MOST_TILES) tiles = MOST_TILES;
  return tiles < rows ? rows : tiles;
}

struct packed_winograd *winograd_pack(const struct kernels *kernels, const struct conv_shape *shape,
                                      enum winograd_form form, const float *weight, const float *bias, error *e) {
  struct packed_winograd *p = allocate_zeroed(1, sizeof *p, e);
  if (!p) return NULL;
  int columns = kernels->gemm_columns;
  p->kernels = kernels;
  p->form = &forms[form];
  p->in = shape->in_channels;
  p->out = shape->out_channels;
  p->panels = (p->out + columns - 1) / columns;
  p->block_tiles = choose_block(kernels, p->form, p->in);
  p->weights = allocate_aligned(weight_floats(p), sizeof(float), e);
  p->zeros = allocate_zeroed((size_t)p->in, sizeof(float), e);
  if (bias) p->bias = allocate((size_t)p->out, sizeof(float), e);
  if (!p->weights || !p->zeros || (bias && !p->bias)) {
    winograd_release(p);
    return NULL;
  }
  memset(p->weights, 0, weight_floats(p) * sizeof(float));
  for (int o = 0; o < p->out; o++) {
    for (int c = 0; c < p->in; c++) {
      double u[MOST_POSITIONS];
      transform_weight(p->form, weight + ((size_t)o * (size_t)p->in + (size_t)c) * 9, u);
      size_t panel = (size_t)(o / columns) * positions_of(p);
      for (size_t i = 0; i < positions_of(p); i++) {
        size_t row = (panel + i) * (size_t)p->in + (size_t)c;
        p->weights[row * (size_t)columns + (size_t)(o % columns)] = (float)u[i];
      }
    }
  }
  if (bias) memcpy(p->bias, bias, (size_t)p->out * sizeof(float));
  return p;
}

/* g = L U L^T */
static void restore_weight(const struct form *form, const double *u, float *g) {
  int side = form->tile + 2;
  for (int y = 0; y < 3; y++) {
    for (int x = 0; x < 3; x++) {
      double sum = 0;
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) sum += form->L[y][i] * u[i * side + j] * form->L[x][j];
      }
      *g++ = (float)sum;
    }
  }
}

void winograd_unpack(const struct packed_winograd *p, float *weight) {
  int columns = p->kernels->gemm_columns;
  for (int o = 0; o < p->out; o++) {
    for (int c = 0; c < p->in; c++, weight += 9) {
      double u[MOST_POSITIONS];
      size_t panel = (size_t)(o / columns) * positions_of(p);
      for (size_t i = 0; i < positions_of(p); i++) {
        size_t row = (panel + i) * (size_t)p->in + (size_t)c;
        u[i] = (double)p->weights[row * (size_t)columns + (size_t)(o % columns)];
      }
      restore_weight(p->form, u, weight);
    }
  }
}

const float *winograd_bias(const struct packed_winograd *p) { return p->bias; }

void winograd_release(struct packed_winograd *p) {
  if (!p) return;
  release_aligned(p->weights);
  free(p->zeros);
  free(p->bias);
  free(p);
}

int winograd_tile(const struct packed_winograd *p) { return p->form->tile; }

size_t winograd_packed_bytes(const struct packed_winograd *p) { return weight_floats(p) * sizeof(float); }

/* Floats between the matrices of V and of M: 16 more than they hold, or all the writes of a transform would fall into
 * the same lines of L1. */
static size_t v_stride(const struct packed_winograd *p) { return (size_t)p->block_tiles * (size_t)p->in + 16; }
static size_t m_stride(const struct packed_winograd *p) {
  return (size_t)p->block_tiles * (size_t)p->kernels->gemm_columns + 16;
}

size_t winograd_scratch_bytes(const struct packed_winograd *p) {
  return positions_of(p) * (v_stride(p) + m_stride(p)) * sizeof(float);
}

struct job {
  struct threads *pool;
  const struct packed_winograd *p;
  int height, width, tiles_x;
  size_t image_tiles, tiles; /* of an image, of the batch */
  size_t blocks, panel_groups;
  const float *in, *residual;
  float *out;
  enum activation activation;
};

struct tile_place {
  size_t image;
  int y, x; /* its first output pixel */
};

static struct tile_place place_of(const struct job *job, size_t tile) {
  size_t in_image = tile % job->image_tiles;
  return (struct tile_place){tile / job->image_tiles, (int)(in_image / (size_t)job->tiles_x) * job->p->form->tile,
                             (int)(in_image % (size_t)job->tiles_x) * job->p->form->tile};
}

static void transform_inputs(const struct job *job, size_t first, int tiles, float *v) {
  const struct packed_winograd *p = job->p;
  int side = p->form->tile + 2;
  for (int t = 0; t < tiles; t++) {
    struct tile_place at = place_of(job, first + (size_t)t);
    const float *pixels[MOST_POSITIONS];
    for (int i = 0; i < p->form->positions; i++) {
      int y = at.y + i / side - 1, x = at.x + i % side - 1;
      bool inside = (unsigned)y < (unsigned)job->height && (unsigned)x < (unsigned)job->width;
      size_t index = (at.image * (size_t)job->height + (size_t)y) * (size_t)job->width + (size_t)x;
      pixels[i] = inside ? job->in + index * (size_t)p->in : p->zeros;
    }
    p->kernels->winograd_input[index_of(p)](pixels, p->in, v + (size_t)t * (size_t)p->in, (ptrdiff_t)v_stride(p));
  }
}

/* M[i] = V[i] * U[i] for one panel of columns. */
static void multiply(const struct job *job, int tiles, int panel, const float *v, float *m) {
  const struct packed_winograd *p = job->p;
  int columns = p->kernels->gemm_columns, most = p->kernels->gemm_rows, parts = (tiles + most - 1) / most;
  const float *u = p->weights + (size_t)panel * positions_of(p) * (size_t)p->in * (size_t)columns;
  struct gemm_tile tile = {.columns = columns, .taps = 1, .depth = p->in, .a_stride = p->in, .c_stride = columns};
  for (size_t i = 0; i < positions_of(p); i++) {
    for (int part = 0; part < parts; part++) { /* of nearly equal height */
      const float *a[GEMM_MAX_ROWS];
      int row = part * tiles / parts;
      tile.rows = (part + 1) * tiles / parts - row;
      for (int r = 0; r < tile.rows; r++) a[r] = v + i * v_stride(p) + (size_t)(row + r) * (size_t)p->in;
      tile.a = a;
      tile.b = u + i * (size_t)p->in * (size_t)columns;
      /* The next position's weights, half by each of the first two parts. */
      tile.ahead = part < 2 ? tile.b + (size_t)p->in * (size_t)(columns + 16 * part) : NULL;
      tile.c = m + i * m_stride(p) + (size_t)row * (size_t)columns;
      p->kernels->gemm_tile(&tile);
    }
  }
}

static void transform_outputs(const struct job *job, size_t first, int tiles, int panel, const float *m) {
  const struct packed_winograd *p = job->p;
  int columns = p->kernels->gemm_columns, channel = panel * columns, side = p->form->tile;
  for (int t = 0; t < tiles; t++) {
    struct tile_place at = place_of(job, first + (size_t)t);
    size_t pixel = (at.image * (size_t)job->height + (size_t)at.y) * (size_t)job->width + (size_t)at.x;
    size_t offset = pixel * (size_t)p->out + (size_t)channel;
    struct winograd_output output = {
        .m = m + (size_t)t * (size_t)columns,
        .matrix_stride = (ptrdiff_t)m_stride(p),
        .rows = job->height - at.y < side ? job->height - at.y : side,
        .columns = job->width - at.x < side ? job->width - at.x : side,
        .channels = p->out - channel < columns ? p->out - channel : columns,
        .pixel_stride = p->out,
        .row_stride = (ptrdiff_t)p->out * job->width,
        .bias = p->bias ? p->bias + channel : NULL,
        .residual = job->residual ? job->residual + offset : NULL,
        .out = job->out + offset,
        .activation = job->activation,
    };
    p->kernels->winograd_output[index_of(p)](&output);
  }
}

/* Task (block of tiles, group of panels). */
static void run_block(void *context, size_t index, int thread) {
  const struct job *job = context;
  const struct packed_winograd *p = job->p;
  size_t block = index / job->panel_groups, group = index % job->panel_groups, panels = (size_t)p->panels;
  size_t first = block * job->tiles / job->blocks, end = (block + 1) * job->tiles / job->blocks;
  int tiles = (int)(end - first);
  float *v = threads_scratch(job->pool, thread), *m = v + positions_of(p) * v_stride(p);
  uint64_t *made = threads_note(job->pool, thread);
  if (*made != block + 1) transform_inputs(job, first, tiles, v);
  *made = block + 1;
  int end_panel = (int)((group + 1) * panels / job->panel_groups);
  for (int panel = (int)(group * panels / job->panel_groups); panel < end_panel; panel++) {
    multiply(job, tiles, panel, v, m);
    transform_outputs(job, first, tiles, panel, m);
  }
}

/* Blocks as large as V allows; where these are fewer than a few for every thread, the panels are split; and where that
 * still leaves threads without a task, in single panels and smaller blocks. */
static void divide(struct job *job) {
  enum { TASKS_A_THREAD = 8, LEAST_TILES = 4 };
  const struct packed_winograd *p = job->p;
  size_t threads = (size_t)threads_count(job->pool), block = (size_t)p->block_tiles;
  job->blocks = (job->tiles + block - 1) / block;
  size_t most = ((size_t)p->panels + LEAST_PANELS - 1) / LEAST_PANELS;
  size_t wanted = threads > 1 ? (TASKS_A_THREAD * threads + job->blocks - 1) / job->blocks : 1;
  job->panel_groups = wanted < most ? wanted : most;
  if (job->blocks * job->panel_groups >= threads) return;
  job->panel_groups = (size_t)p->panels;
  size_t blocks = (2 * threads + job->panel_groups - 1) / job->panel_groups;
  size_t finest = (job->tiles + LEAST_TILES - 1) / LEAST_TILES;
  if (blocks > finest) blocks = finest;
  if (blocks > job->blocks) job->blocks = blocks;
}

void winograd_run(struct threads *pool, const struct packed_winograd *p, int batch, int height, int width,
                  const float *in, const float *residual, float *out, enum activation activation) {
  struct job job = {.pool = pool,
                    .p = p,
                    .height = height,
                    .width = width,
                    .in = in,
                    .residual = residual,
                    .out = out,
                    .activation = activation};
  job.tiles_x = tiles_along(p->form, width);
  job.image_tiles = (size_t)job.tiles_x * (size_t)tiles_along(p->form, height);
  job.tiles = (size_t)batch * job.image_tiles;
  divide(&job);
  threads_run(pool, job.blocks * job.panel_groups, run_block, &job);
}
