/* F(4x4, 3x3) over NHWC, a block of tiles at a time.
 *
 * Per block: transform the input tiles (6x6 pixels each) to V[36][tiles][in]; per panel of output channels multiply
 * V[i] by U[i] for each of the 36 positions with the GEMM tile, to M[36][tiles][panel]; transform M back to 4x4 pixels.
 * A block's V and one panel's M stay in L2; U streams by once a block. */
#include "kernels/winograd.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  POSITIONS = 36,
  TILE = 4,
  BLOCK_BYTES = 512 << 10, /* of V: half of a common L2 */
  MOST_TILES = 56,
  LEAST_CHANNELS = 32,
  LEAST_PIXELS = 14 * 14,
};

struct packed_winograd {
  const struct kernels *kernels;
  int in, out, panels, block_tiles;
  float *weights; /* [panels][36][in][gemm_columns] */
  float *bias;    /* [out] or NULL */
  float *zeros;   /* [in]: a pixel outside the image */
};

static int tiles_along(int pixels) { return (pixels + TILE - 1) / TILE; }

bool winograd_pays(const struct kernels *kernels, const struct conv_shape *s, int height, int width) {
  bool fits = kernels->winograd_input && s->kernel == 3 && s->stride == 1 && s->padding == 1 && s->dilation == 1 &&
              s->groups == 1 && s->in_channels >= LEAST_CHANNELS && s->out_channels >= LEAST_CHANNELS;
  if (!fits || height < TILE || width < TILE || (int64_t)height * width < LEAST_PIXELS) return false;
  double covered = 16.0 * tiles_along(height) * tiles_along(width);
  return covered <= 1.5 * height * width;
}

/* U = G g G^T in double, rounded once. */
static void transform_weight(const float *g, double u[POSITIONS]) {
  static const double G[6][3] = {{1.0 / 4, 0, 0},
                                 {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                 {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                 {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                 {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                 {0, 0, 1}};
  for (int i = 0; i < 6; i++) {
    for (int j = 0; j < 6; j++) {
      double sum = 0;
      for (int y = 0; y < 3; y++) {
        for (int x = 0; x < 3; x++) sum += G[i][y] * (double)g[y * 3 + x] * G[j][x];
      }
      u[i * 6 + j] = sum;
    }
  }
}

static size_t weight_floats(const struct packed_winograd *p) {
  return (size_t)p->panels * POSITIONS * (size_t)p->in * (size_t)p->kernels->gemm_columns;
}

/* As many tiles as BLOCK_BYTES hold, in multiples of the register tile's rows. */
static int choose_block(const struct kernels *kernels, int in) {
  int rows = kernels->gemm_rows, tiles = BLOCK_BYTES / (POSITIONS * 4 * in) / rows * rows;
  int most = MOST_TILES / rows * rows;
  if (tiles > most) tiles = most;
  return tiles < rows ? rows : tiles;
}

struct packed_winograd *winograd_pack(const struct kernels *kernels, const struct conv_shape *shape,
                                      const float *weight, const float *bias, error *e) {
  struct packed_winograd *p = allocate_zeroed(1, sizeof *p, e);
  if (!p) return NULL;
  int columns = kernels->gemm_columns;
  p->kernels = kernels;
  p->in = shape->in_channels;
  p->out = shape->out_channels;
  p->panels = (p->out + columns - 1) / columns;
  p->block_tiles = choose_block(kernels, p->in);
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
      double u[POSITIONS];
      transform_weight(weight + ((size_t)o * (size_t)p->in + (size_t)c) * 9, u);
      size_t panel = (size_t)(o / columns) * POSITIONS;
      for (size_t i = 0; i < POSITIONS; i++) {
        size_t row = (panel + i) * (size_t)p->in + (size_t)c;
        p->weights[row * (size_t)columns + (size_t)(o % columns)] = (float)u[i];
      }
    }
  }
  if (bias) memcpy(p->bias, bias, (size_t)p->out * sizeof(float));
  return p;
}

/* g = L U L^T with L G = 1: the left inverse of three terms a row at most, powers of two at the ends. */
static void restore_weight(const double u[POSITIONS], float *g) {
  static const double L[3][6] = {{4, 0, 0, 0, 0, 0}, {0, -3, 3, 0, 0, 0}, {0, 0, 0, 0, 0, 1}};
  for (int y = 0; y < 3; y++) {
    for (int x = 0; x < 3; x++) {
      double sum = 0;
      for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) sum += L[y][i] * u[i * 6 + j] * L[x][j];
      }
      *g++ = (float)sum;
    }
  }
}

void winograd_unpack(const struct packed_winograd *p, float *weight) {
  int columns = p->kernels->gemm_columns;
  for (int o = 0; o < p->out; o++) {
    for (int c = 0; c < p->in; c++, weight += 9) {
      double u[POSITIONS];
      size_t panel = (size_t)(o / columns) * POSITIONS;
      for (size_t i = 0; i < POSITIONS; i++) {
        size_t row = (panel + i) * (size_t)p->in + (size_t)c;
        u[i] = (double)p->weights[row * (size_t)columns + (size_t)(o % columns)];
      }
      restore_weight(u, weight);
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

size_t winograd_packed_bytes(const struct packed_winograd *p) { return weight_floats(p) * sizeof(float); }

/* Floats between the 36 matrices of V and of M: 16 more than they hold, or all 36 writes of a transform would fall into
 * the same lines of L1. */
static size_t v_stride(const struct packed_winograd *p) { return (size_t)p->block_tiles * (size_t)p->in + 16; }
static size_t m_stride(const struct packed_winograd *p) {
  return (size_t)p->block_tiles * (size_t)p->kernels->gemm_columns + 16;
}

size_t winograd_scratch_bytes(const struct packed_winograd *p) {
  return POSITIONS * (v_stride(p) + m_stride(p)) * sizeof(float);
}

struct job {
  struct threads *pool;
  const struct packed_winograd *p;
  int height, width, tiles_x;
  size_t image_tiles, tiles; /* of an image, of the batch */
  size_t blocks;
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
  return (struct tile_place){tile / job->image_tiles, (int)(in_image / (size_t)job->tiles_x) * TILE,
                             (int)(in_image % (size_t)job->tiles_x) * TILE};
}

static void transform_inputs(const struct job *job, size_t first, int tiles, float *v) {
  const struct packed_winograd *p = job->p;
  for (int t = 0; t < tiles; t++) {
    struct tile_place at = place_of(job, first + (size_t)t);
    const float *pixels[POSITIONS];
    for (int i = 0; i < POSITIONS; i++) {
      int y = at.y + i / 6 - 1, x = at.x + i % 6 - 1;
      bool inside = (unsigned)y < (unsigned)job->height && (unsigned)x < (unsigned)job->width;
      size_t index = (at.image * (size_t)job->height + (size_t)y) * (size_t)job->width + (size_t)x;
      pixels[i] = inside ? job->in + index * (size_t)p->in : p->zeros;
    }
    p->kernels->winograd_input(pixels, p->in, v + (size_t)t * (size_t)p->in, (ptrdiff_t)v_stride(p));
  }
}

/* M[i] = V[i] * U[i] for one panel of columns. */
static void multiply(const struct job *job, int tiles, int panel, const float *v, float *m) {
  const struct packed_winograd *p = job->p;
  int columns = p->kernels->gemm_columns, most = p->kernels->gemm_rows;
  const float *u = p->weights + (size_t)panel * POSITIONS * (size_t)p->in * (size_t)columns;
  struct gemm_tile tile = {.columns = columns, .taps = 1, .depth = p->in, .c_stride = columns};
  for (size_t i = 0; i < POSITIONS; i++) {
    for (int row = 0; row < tiles; row += most) {
      const float *a[GEMM_MAX_ROWS];
      tile.rows = tiles - row < most ? tiles - row : most;
      for (int r = 0; r < tile.rows; r++) a[r] = v + i * v_stride(p) + (size_t)(row + r) * (size_t)p->in;
      tile.a = a;
      tile.upcoming = a[0];
      tile.b = u + i * (size_t)p->in * (size_t)columns;
      tile.c = m + i * m_stride(p) + (size_t)row * (size_t)columns;
      p->kernels->gemm_tile(&tile);
    }
  }
}

static void transform_outputs(const struct job *job, size_t first, int tiles, int panel, const float *m) {
  const struct packed_winograd *p = job->p;
  int columns = p->kernels->gemm_columns, channel = panel * columns;
  for (int t = 0; t < tiles; t++) {
    struct tile_place at = place_of(job, first + (size_t)t);
    size_t pixel = (at.image * (size_t)job->height + (size_t)at.y) * (size_t)job->width + (size_t)at.x;
    size_t offset = pixel * (size_t)p->out + (size_t)channel;
    struct winograd_output output = {
        .m = m + (size_t)t * (size_t)columns,
        .matrix_stride = (ptrdiff_t)m_stride(p),
        .rows = job->height - at.y < TILE ? job->height - at.y : TILE,
        .columns = job->width - at.x < TILE ? job->width - at.x : TILE,
        .channels = p->out - channel < columns ? p->out - channel : columns,
        .pixel_stride = p->out,
        .row_stride = (ptrdiff_t)p->out * job->width,
        .bias = p->bias ? p->bias + channel : NULL,
        .residual = job->residual ? job->residual + offset : NULL,
        .out = job->out + offset,
        .activation = job->activation,
    };
    p->kernels->winograd_output(&output);
  }
}

static void run_block(void *context, size_t index, int thread) {
  const struct job *job = context;
  const struct packed_winograd *p = job->p;
  size_t first = index * job->tiles / job->blocks, end = (index + 1) * job->tiles / job->blocks;
  int tiles = (int)(end - first);
  float *v = threads_scratch(job->pool, thread), *m = v + POSITIONS * v_stride(p);
  transform_inputs(job, first, tiles, v);
  for (int panel = 0; panel < p->panels; panel++) {
    multiply(job, tiles, panel, v, m);
    transform_outputs(job, first, tiles, panel, m);
  }
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
  job.tiles_x = tiles_along(width);
  job.image_tiles = (size_t)job.tiles_x * (size_t)tiles_along(height);
  job.tiles = (size_t)batch * job.image_tiles;
  size_t block = (size_t)p->block_tiles;
  job.blocks = (job.tiles + block - 1) / block;
  /* The same number of blocks for every thread. */
  size_t threads = (size_t)threads_count(pool), even = (job.blocks + threads - 1) / threads * threads;
  if (even <= job.tiles) job.blocks = even;
  threads_run(pool, job.blocks, run_block, &job);
}
