#include <math.h>
#include <stdlib.h>

#include "kernels/memory.h"
#include "kernels/reference/reference.h"

/* The region of a map, as Swin's img_mask numbers them, that position i of an axis (after the shift) belongs to. */
static int region(int i, int size, int window, int shift) {
  if (shift == 0 || i < size - window) return 0;
  return i < size - shift ? 1 : 2;
}

/* Whether two tokens (i, j: their places in the image) lie in one window; *apart: whether the shift joined them. */
static bool share_window(const struct attention_shape *s, int i, int j, int *within_i, int *within_j, bool *apart) {
  *apart = false;
  *within_i = i;
  *within_j = j;
  if (s->window_height == 0) return true;
  int window[2], region_y[2], region_x[2], within[2];
  for (int t = 0; t < 2; t++) {
    int token = t ? j : i;
    int y = (token / s->map_width - s->shift_y + s->map_height) % s->map_height;
    int x = (token % s->map_width - s->shift_x + s->map_width) % s->map_width;
    window[t] = y / s->window_height * s->map_width + x / s->window_width;
    within[t] = y % s->window_height * s->window_width + x % s->window_width;
    region_y[t] = region(y, s->map_height, s->window_height, s->shift_y);
    region_x[t] = region(x, s->map_width, s->window_width, s->shift_x);
  }
  *within_i = within[0];
  *within_j = within[1];
  *apart = region_y[0] != region_y[1] || region_x[0] != region_x[1];
  return window[0] == window[1];
}

/* A token's query or key of one head as it enters the product. */
static void prepare(const struct attention_shape *s, const float *in, int token, double *out) {
  int d = s->head_size;
  double squares = 0;
  for (int c = 0; c < d; c++) squares += (double)in[c] * (double)in[c];
  double norm = s->cosine ? fmax(sqrt(squares), 1e-12) : 1;
  for (int c = 0; c < d; c++) out[c] = (double)in[c] / norm;
  if (!s->rope_cos || token < s->rope_first) return;
  const float *cosine = s->rope_cos + (ptrdiff_t)(token - s->rope_first) * d;
  const float *sine = s->rope_sin + (ptrdiff_t)(token - s->rope_first) * d;
  for (int c = 0; c < d / 2; c++) {
    double low = out[c], high = out[c + d / 2];
    out[c] = low * (double)cosine[c] - high * (double)sine[c];
    out[c + d / 2] = high * (double)cosine[c + d / 2] + low * (double)sine[c + d / 2];
  }
}

struct reference_scratch {
  double *q, *k, *p, *sum; /* [head_size], [head_size], [keys], [head_size] */
};

static void attend(const struct attention_run *run, int image, int head, int query, const struct reference_scratch *w) {
  const struct attention_shape *s = run->shape;
  int d = s->head_size, n = s->window_height ? s->window_height * s->window_width : s->keys;
  double scale = (double)(s->head_scale ? s->head_scale[head] : s->scale), largest = -INFINITY, total = 0;
  ptrdiff_t column = (ptrdiff_t)head * d;
  prepare(s, run->q + image * run->q_image_stride + query * run->q_stride + column, query, w->q);
  for (int key = 0; key < s->keys; key++) {
    int row, other;
    bool apart;
    w->p[key] = -INFINITY;
    if (!share_window(s, query, key, &row, &other, &apart)) continue;
    prepare(s, run->k + image * run->kv_image_stride + key * run->kv_stride + column, key, w->k);
    double logit = 0;
    for (int c = 0; c < d; c++) logit += w->q[c] * w->k[c];
    logit *= scale;
    if (s->bias) logit += (double)s->bias[((ptrdiff_t)head * n + row) * n + other];
    if (s->relative_bias) {
      int width = s->window_width, line = 2 * width - 1;
      int dy = other / width - row / width + s->window_height - 1, dx = other % width - row % width + width - 1;
      logit += (double)s->relative_bias[((ptrdiff_t)head * (2 * s->window_height - 1) + dy) * line + dx];
    }
    if (apart) logit -= 100;
    w->p[key] = logit;
    largest = fmax(largest, logit);
  }
  for (int c = 0; c < d; c++) w->sum[c] = 0;
  for (int key = 0; key < s->keys; key++) {
    double p = exp(w->p[key] - largest);
    total += p;
    const float *v = run->v + image * run->kv_image_stride + key * run->kv_stride + column;
    for (int c = 0; c < d && p > 0; c++) w->sum[c] += p * (double)v[c];
  }
  ptrdiff_t image_stride = run->out_image_stride ? run->out_image_stride : (ptrdiff_t)s->queries * s->heads * d;
  float *out = run->out + image * image_stride + (ptrdiff_t)query * s->heads * d + column;
  for (int c = 0; c < d; c++) out[c] = (float)(w->sum[c] / total);
}

int reference_attention(const struct attention_run *run, error *e) {
  const struct attention_shape *s = run->shape;
  size_t d = (size_t)s->head_size;
  double *scratch = allocate(3 * d + (size_t)s->keys, sizeof *scratch, e);
  if (!scratch) return FAILED;
  struct reference_scratch w = {scratch, scratch + d, scratch + 3 * d, scratch + 2 * d};
  for (int image = 0; image < run->batch; image++) {
    for (int query = 0; query < s->queries; query++) {
      for (int head = 0; head < s->heads; head++) attend(run, image, head, query, &w);
    }
  }
  free(scratch);
  return OK;
}

bool reference_softmax_rows(struct softmax_rows *s) {
  int lanes = kernels_reference.lanes, padded = (s->columns + lanes - 1) / lanes * lanes;
  for (int r = 0; r < s->rows; r++) {
    float *x = s->x + r * s->stride;
    double largest = -INFINITY, sum = 0;
    for (int i = 0; i < s->columns; i++) {
      double bias = s->bias ? (double)s->bias[(ptrdiff_t)r * s->columns + i] : 0;
      double mask = s->mask[r] ? (double)s->mask[r][i] : 0;
      x[i] = (float)((double)x[i] + bias + mask);
      largest = fmax(largest, (double)x[i]);
    }
    for (int i = 0; i < s->columns; i++) {
      double p = exp((double)x[i] - largest);
      sum += p;
      x[i] = (float)p;
    }
    for (int i = s->columns; i < padded; i++) x[i] = 0;
    s->share[r] = (float)(1 / sum);
  }
  return true; /* it is always careful */
}

void reference_scale_rows(const float *const *in, int rows, int n, const float *factor, float *const *out) {
  for (int r = 0; r < rows; r++) {
    for (int i = 0; i < n; i++) out[r][i] = in[r][i] * factor[r];
  }
}

void reference_transpose_panel(const float *const *rows, int count, int depth, float *panel) {
  for (int k = 0; k < depth; k++) {
    for (int c = 0; c < count; c++) panel[k * kernels_reference.gemm_columns + c] = rows[c][k];
  }
}

void reference_unit_rows(const float *const *in, int rows, int n, float *out) {
  for (int r = 0; r < rows; r++) {
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)in[r][i] * (double)in[r][i];
    double norm = fmax(sqrt(squares), 1e-12);
    for (int i = 0; i < n; i++) out[(ptrdiff_t)r * n + i] = (float)((double)in[r][i] / norm);
  }
}

void reference_rotate_row(const float *in, int n, const float *cos, const float *sin, float *out) {
  int half = n / 2;
  for (int i = 0; i < half; i++) {
    out[i] = (float)((double)in[i] * (double)cos[i] - (double)in[half + i] * (double)sin[i]);
    out[half + i] = (float)((double)in[half + i] * (double)cos[half + i] + (double)in[i] * (double)sin[half + i]);
  }
}
