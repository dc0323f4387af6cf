/* Attention with the softmax taken as the keys go by: whole, in shifted windows, with biases, rotary positions and as
 * cosines.
 *
 * Source: Dao 2023 ("FlashAttention-2", algorithm 1); the online softmax is Milakov and Gimelshein's (2018, algorithm
 * 3); windows, shift and mask Liu et al. 2021 ("Swin Transformer", section 3.2), cosines Liu et al. 2022 ("Swin
 * Transformer V2", section 3.2), rotary positions Su et al. 2021. A block has one head of one window (or the whole) of
 * one image and a tile of its queries; logits never leave the multiprocessor. float32 by FMA.
 *
 *   head size   queries x keys   threads   shared memory   registers   blocks per multiprocessor (occupancy)
 *      <= 32        64 x 32        128         28 kB         <= 128       4 (25 % of 2048 threads)
 *      <= 64        64 x 32        128         45 kB         <= 128       4 (25 %)
 *     <= 128        32 x 16        128         36 kB         <= 168       3 (19 %)
 *
 * Thread (ty, tx) of 16 x 8 has queries ty + 16 i, keys tx + 8 j and channels 4 tx + 32 j + 0..3; a query's eight
 * threads are neighbouring lanes. Rows are padded by four floats, so that float4 reads have no bank conflicts: per four
 * channels 4 + 4 reads for 64 multiply-adds of logits, per four keys 4 + 8 for 128 of values. */
#include "kernels/cuda/language.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/warp.h"

enum { THREADS = 128, DOWN = 16, ACROSS = 8, PADDING = 4, MOST_ROWS = 4, MOST_DIMS = 4 };
#define APART (-100.0f) /* added to logits of tokens that only the shift made neighbours */

/* Where a row of a tile lies in the image, and the region of the shifted map that it belongs to (Swin's img_mask). */
struct attention_row {
  int token, region;
};

struct attention_32 {
  struct attention_row query[64], key[32];
  float q[64 * 36], k[32 * 36], v[32 * 36], p[64 * 36];
};
struct attention_64 {
  struct attention_row query[64], key[32];
  float q[64 * 68], k[32 * 68], v[32 * 68], p[64 * 36];
};
struct attention_128 {
  struct attention_row query[32], key[16];
  float q[32 * 132], k[16 * 132], v[16 * 132], p[32 * 20];
};

/* A block's place, and where its tiles lie. */
struct attention_place {
  int window, head, image, first_query, queries, keys; /* queries, keys: of a window */
  struct attention_row *query, *key;
  float *q, *k, *v, *p;
};

/* The region of position i of an axis, after the shift. */
DEVICE int region(int i, int size, int window, int shift) {
  return shift == 0 || i < size - window ? 0 : i < size - shift ? 1 : 2;
}

DEVICE struct attention_row row_of(const struct cuda_attention *p, int window, int i) {
  struct attention_row row = {i, 0};
  if (p->window_height == 0) return row;
  int across = p->map_width / p->window_width;
  int y = window / across * p->window_height + i / p->window_width;
  int x = window % across * p->window_width + i % p->window_width;
  row.region =
      3 * region(y, p->map_height, p->window_height, p->shift_y) + region(x, p->map_width, p->window_width, p->shift_x);
  row.token = (y + p->shift_y) % p->map_height * p->map_width + (x + p->shift_x) % p->map_width;
  return row;
}

/* The rows [first, first + rows) of a window that has n, by the first threads; a barrier must follow. */
DEVICE void find_rows(const struct cuda_attention *p, int window, int first, int n, struct attention_row *to,
                      const int rows) {
  int t = (int)threadIdx.x;
  if (t < rows) to[t] = row_of(p, window, min(first + t, n - 1));
}

/* to[rows][dims + PADDING] = the head's channels of these rows, zero beyond the last row and channel. */
DEVICE void load_rows(const struct cuda_attention *p, const float *from, size_t stride, const struct attention_row *row,
                      int present, float *to, const int rows, const int dims) {
  UNROLL
  for (int i = (int)threadIdx.x; i < rows * dims; i += THREADS) {
    int r = i / dims, c = i % dims;
    bool inside = r < present && c < p->head_size;
    to[r * (dims + PADDING) + c] = inside ? from[(size_t)row[r].token * stride + (size_t)c] : 0;
  }
}

/* Queries or keys as they enter the product: divided by their norm, turned by their position. Each row by its eight
 * lanes, which alone read and write it. */
DEVICE void prepare_rows(const struct cuda_attention *p, const struct attention_row *row, float *tile, const int rows,
                         const int dims) {
  int ty = (int)threadIdx.x / ACROSS, tx = (int)threadIdx.x % ACROSS, half = p->head_size / 2;
  for (int r = ty; r < rows; r += DOWN) {
    float *x = tile + r * (dims + PADDING), squares = 0;
    if (p->cosine) {
      for (int c = tx; c < p->head_size; c += ACROSS) squares = FMA(x[c], x[c], squares);
      float norm = fmaxf(sqrtf(lanes_sum(squares, ACROSS)), 1e-12f);
      for (int c = tx; c < p->head_size; c += ACROSS) x[c] /= norm;
    }
    __syncwarp();
    int position = row[r].token - p->rope_first;
    if (!p->rope_cos || position < 0) continue;
    const float *cosine = p->rope_cos + (size_t)position * (size_t)p->head_size;
    const float *sine = p->rope_sin + (size_t)position * (size_t)p->head_size;
    for (int c = tx; c < half; c += ACROSS) {
      float low = x[c], high = x[c + half];
      x[c] = low * cosine[c] - high * sine[c];
      x[c + half] = high * cosine[c + half] + low * sine[c + half];
    }
  }
}

/* What is added to the logit of query i and key j of the window, their rows in the tile at hand. */
DEVICE float bias_of(const struct cuda_attention *p, const struct attention_place *at, int i, int j, int query_region,
                     int key_region) {
  float bias = query_region == key_region ? 0 : APART;
  if (p->bias) bias += p->bias[((size_t)at->head * (size_t)at->queries + (size_t)i) * (size_t)at->keys + (size_t)j];
  if (p->relative_bias) {
    int width = p->window_width, height = p->window_height, line = 2 * width - 1;
    int dy = j / width - i / width + height - 1, dx = j % width - i % width + width - 1;
    bias += p->relative_bias[(size_t)at->head * (size_t)((2 * height - 1) * line) + (size_t)(dy * line + dx)];
  }
  return bias;
}

/* p[query][key] of the tile at hand = e^(logit - the largest so far); sums, largest and the results so far follow. */
DEVICE void weigh_keys(const struct cuda_attention *p, const struct attention_place *at, int first_key, float scale,
                       float largest[MOST_ROWS], float total[MOST_ROWS], float result[MOST_ROWS][4 * MOST_DIMS],
                       const int queries, const int keys, const int dims) {
  const int rows = queries / DOWN, columns = keys / ACROSS, stride = dims + PADDING;
  int ty = (int)threadIdx.x / ACROSS, tx = (int)threadIdx.x % ACROSS;
  float logit[MOST_ROWS][4];
  UNROLL
  for (int i = 0; i < rows; i++) {
    UNROLL
    for (int j = 0; j < columns; j++) logit[i][j] = 0;
  }
  UNROLL
  for (int c = 0; c < dims; c += 4) {
    float4 k[4];
    UNROLL
    for (int j = 0; j < columns; j++) k[j] = load4(at->k + (tx + ACROSS * j) * stride + c);
    UNROLL
    for (int i = 0; i < rows; i++) {
      float4 q = load4(at->q + (ty + DOWN * i) * stride + c);
      UNROLL
      for (int j = 0; j < columns; j++) {
        logit[i][j] = FMA(q.x, k[j].x, logit[i][j]);
        logit[i][j] = FMA(q.y, k[j].y, logit[i][j]);
        logit[i][j] = FMA(q.z, k[j].z, logit[i][j]);
        logit[i][j] = FMA(q.w, k[j].w, logit[i][j]);
      }
    }
  }
  UNROLL
  for (int i = 0; i < rows; i++) {
    int row = ty + DOWN * i, query = min(at->first_query + row, at->queries - 1);
    float most = largest[i], sum = 0;
    UNROLL
    for (int j = 0; j < columns; j++) {
      int column = tx + ACROSS * j, key = first_key + column;
      logit[i][j] = key < at->keys ? FMA(logit[i][j], scale,
                                         bias_of(p, at, query, key, at->query[row].region, at->key[column].region))
                                   : -INFINITY;
      most = fmaxf(most, logit[i][j]);
    }
    most = lanes_maximum(most, ACROSS);
    float shrink = expf(largest[i] - most);
    UNROLL
    for (int j = 0; j < columns; j++) {
      float weight = expf(logit[i][j] - most);
      sum += weight;
      at->p[row * (keys + PADDING) + tx + ACROSS * j] = weight;
    }
    total[i] = FMA(total[i], shrink, lanes_sum(sum, ACROSS));
    largest[i] = most;
    UNROLL
    for (int c = 0; c < dims / ACROSS; c++) result[i][c] *= shrink;
  }
}

/* result += p * v of the tile at hand. */
DEVICE void add_values(const struct attention_place *at, float result[MOST_ROWS][4 * MOST_DIMS], const int queries,
                       const int keys, const int dims) {
  const int rows = queries / DOWN, quads = dims / 32;
  int ty = (int)threadIdx.x / ACROSS, tx = (int)threadIdx.x % ACROSS;
  for (int key = 0; key < keys; key += 4) {
    float4 weight[MOST_ROWS];
    UNROLL
    for (int i = 0; i < rows; i++) weight[i] = load4(at->p + (ty + DOWN * i) * (keys + PADDING) + key);
    UNROLL
    for (int k = 0; k < 4; k++) {
      UNROLL
      for (int j = 0; j < quads; j++) {
        float4 v = load4(at->v + (key + k) * (dims + PADDING) + 4 * tx + 32 * j);
        UNROLL
        for (int i = 0; i < rows; i++) {
          float w = k == 0 ? weight[i].x : k == 1 ? weight[i].y : k == 2 ? weight[i].z : weight[i].w;
          result[i][4 * j] = FMA(w, v.x, result[i][4 * j]);
          result[i][4 * j + 1] = FMA(w, v.y, result[i][4 * j + 1]);
          result[i][4 * j + 2] = FMA(w, v.z, result[i][4 * j + 2]);
          result[i][4 * j + 3] = FMA(w, v.w, result[i][4 * j + 3]);
        }
      }
    }
  }
}

/* A block: `queries` queries against all keys, `keys` at a time, heads of up to `dims` channels. */
DEVICE void attend(const struct cuda_attention *p, struct attention_place *at, const int queries, const int keys,
                   const int dims) {
  const int rows = queries / DOWN;
  int windows = p->window_height ? p->map_height / p->window_height * (p->map_width / p->window_width) : 1;
  at->window = (int)blockIdx.x % windows;
  at->first_query = (int)blockIdx.x / windows * queries;
  at->head = (int)blockIdx.y;
  at->image = (int)blockIdx.z;
  at->queries = p->window_height ? p->window_height * p->window_width : p->queries;
  at->keys = p->window_height ? at->queries : p->keys;
  size_t column = (size_t)at->head * (size_t)p->head_size, image = (size_t)at->image;
  float scale = p->head_scale ? p->head_scale[at->head] : p->scale;
  float largest[MOST_ROWS], total[MOST_ROWS], result[MOST_ROWS][4 * MOST_DIMS];
  UNROLL
  for (int i = 0; i < rows; i++) {
    largest[i] = -INFINITY;
    total[i] = 0;
    UNROLL
    for (int c = 0; c < dims / ACROSS; c++) result[i][c] = 0;
  }
  find_rows(p, at->window, at->first_query, at->queries, at->query, queries);
  __syncthreads();
  load_rows(p, p->q + image * p->q_image_stride + column, p->q_stride, at->query, at->queries - at->first_query, at->q,
            queries, dims);
  __syncthreads();
  prepare_rows(p, at->query, at->q, queries, dims);
  for (int first = 0; first < at->keys; first += keys) {
    find_rows(p, at->window, first, at->keys, at->key, keys);
    __syncthreads();
    load_rows(p, p->k + image * p->kv_image_stride + column, p->kv_stride, at->key, at->keys - first, at->k, keys,
              dims);
    load_rows(p, p->v + image * p->kv_image_stride + column, p->kv_stride, at->key, at->keys - first, at->v, keys,
              dims);
    __syncthreads();
    if (p->cosine || p->rope_cos) {
      prepare_rows(p, at->key, at->k, keys, dims);
      __syncthreads();
    }
    weigh_keys(p, at, first, scale, largest, total, result, queries, keys, dims);
    __syncwarp(); /* a query's weights come from its own lanes */
    add_values(at, result, queries, keys, dims);
    __syncthreads();
  }
  int ty = (int)threadIdx.x / ACROSS, tx = (int)threadIdx.x % ACROSS;
  UNROLL
  for (int i = 0; i < rows; i++) {
    int row = ty + DOWN * i;
    if (at->first_query + row >= at->queries) continue;
    size_t token = image * (size_t)p->queries + (size_t)at->query[row].token;
    float *out = p->out + token * (size_t)p->heads * (size_t)p->head_size + column;
    UNROLL
    for (int c = 0; c < dims / ACROSS; c++) {
      int channel = 4 * tx + 32 * (c / 4) + c % 4;
      if (channel < p->head_size) out[channel] = result[i][c] / total[i];
    }
  }
}

#define ATTENTION_KERNEL(size, queries, keys, blocks)                                         \
  KERNEL(attend_##size, struct cuda_attention, p, THREADS, blocks) {                          \
    SHARED(struct attention_##size, s);                                                       \
    struct attention_place at = {0, 0, 0, 0, 0, 0, s->query, s->key, s->q, s->k, s->v, s->p}; \
    attend(&p, &at, queries, keys, size);                                                     \
  }
ATTENTION_KERNEL(32, 64, 32, 4)
ATTENTION_KERNEL(64, 64, 32, 4)
ATTENTION_KERNEL(128, 32, 16, 3)

void cuda_attention(cuda_stream *stream, const struct cuda_attention *p) {
  int windows = p->window_height ? p->map_height / p->window_height * (p->map_width / p->window_width) : 1;
  int queries = p->window_height ? p->window_height * p->window_width : p->queries;
  int tile = p->head_size <= 64 ? 64 : 32, x = (queries + tile - 1) / tile * windows;
  if (p->head_size <= 32)
    LAUNCH(stream, attend_32, x, p->heads, p->batch, THREADS, p);
  else if (p->head_size <= 64)
    LAUNCH(stream, attend_64, x, p->heads, p->batch, THREADS, p);
  else
    LAUNCH(stream, attend_128, x, p->heads, p->batch, THREADS, p);
}
