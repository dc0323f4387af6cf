/* The reference as a table: the framework of conv.c and pool.c around tiles that add in double. */
#include <math.h>
#include <stdbool.h>

#include "kernels/dtype.h"
#include "kernels/reference/reference.h"

enum { COLUMNS = 8, ROWS = 4, LANES = 4 };

static void gemm_tile(const struct gemm_tile *t) {
  for (int r = 0; r < t->rows; r++) {
    for (int n = 0; n < t->columns; n++) {
      double sum = t->start ? (double)t->start[r * t->start_stride + n] : 0;
      const float *b = t->b + n;
      for (int tap = 0; tap < t->taps; tap++) {
        const float *a = t->a[tap * GEMM_MAX_ROWS + r];
        for (int k = 0; k < t->depth; k++, b += COLUMNS) sum += (double)a[k] * (double)*b;
      }
      if (t->bias) sum += (double)t->bias[n];
      if (t->residual) sum += (double)t->residual[r * t->residual_stride + n];
      t->c[r * t->c_stride + n] = (float)reference_activate(sum, t->activation);
    }
  }
}

static double widen(uint16_t bf16) {
  float value;
  dtype_to_float(DTYPE_BF16, &bf16, &value, 1);
  return (double)value;
}

static void bf16_gemm_tile(const struct gemm_tile *t) {
  for (int r = 0; r < t->rows; r++) {
    const uint16_t *a = t->a_bf16 + r * t->a_bf16_stride;
    for (int n = 0; n < t->columns; n++) {
      double sum = t->start ? (double)t->start[r * t->start_stride + n] : 0;
      for (int k = 0; k < 2 * t->pairs; k++) sum += widen(a[k]) * widen(t->b_bf16[(k / 2 * COLUMNS + n) * 2 + k % 2]);
      if (t->bias) sum += (double)t->bias[n];
      if (t->residual) sum += (double)t->residual[r * t->residual_stride + n];
      t->c[r * t->c_stride + n] = (float)reference_activate(sum, t->activation);
    }
  }
}

static void bf16_round_row(const float *in, int n, uint16_t *out) { float_to_bf16(in, out, (size_t)n); }

static const struct bf16_kernels bf16_kernels = {"reference:bf16", ROWS, 1, bf16_gemm_tile, bf16_round_row};

static void max_pool_row(const struct pool_row *p) {
  for (int x = 0; x < p->out_width; x++) {
    for (int c = 0; c < p->channels; c++) {
      float *out = &p->out[(ptrdiff_t)x * p->channels + c];
      bool first = true;
      for (int ky = 0; ky < p->kernel; ky++) {
        for (int kx = 0; kx < p->kernel; kx++) {
          int iy = p->y * p->stride - p->padding + ky, ix = x * p->stride - p->padding + kx;
          if (iy < 0 || iy >= p->in_height || ix < 0 || ix >= p->in_width) continue;
          float value = p->in[((ptrdiff_t)iy * p->in_width + ix) * p->channels + c];
          if (first || value > *out) *out = value;
          first = false;
        }
      }
    }
  }
}

static void mean_pixels(const float *in, ptrdiff_t stride, int n, int channels, float *out) {
  for (int c = 0; c < channels; c++) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)in[i * stride + c];
    out[c] = (float)(sum / n);
  }
}

static void average_pool_row(const struct pool_row *p) {
  for (int x = 0; x < p->out_width; x++) {
    for (int c = 0; c < p->channels; c++) {
      double sum = 0;
      int n = 0;
      for (int tap = 0; tap < p->kernel * p->kernel; tap++) {
        int iy = p->y * p->stride - p->padding + tap / p->kernel, ix = x * p->stride - p->padding + tap % p->kernel;
        if (iy < 0 || iy >= p->in_height || ix < 0 || ix >= p->in_width) continue;
        sum += (double)p->in[((ptrdiff_t)iy * p->in_width + ix) * p->channels + c];
        n++;
      }
      p->out[(ptrdiff_t)x * p->channels + c] = (float)(sum / n);
    }
  }
}

static void norm_pixels(const float *in, ptrdiff_t stride, int n, int channels, float *out) {
  for (int c = 0; c < channels; c++) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)in[i * stride + c] * (double)in[i * stride + c];
    out[c] = (float)sqrt(sum);
  }
}

static void scale_row(const float *in, const float *scale, const float *shift, int channels, float *out) {
  for (int c = 0; c < channels; c++) out[c] = (float)((double)in[c] * (double)scale[c] + (double)shift[c]);
}

static void gate_silu_row(const float *in, int channels, float *out) { reference_gate_silu(in, 1, channels, out); }

static void layer_norm_row(const float *in, int channels, const float *gamma, const float *beta, float epsilon,
                           const float *residual, float *out) {
  reference_layer_norm(in, 1, channels, gamma, beta, epsilon, residual, out);
}

static double cross_entropy_row(float *x, const float *bias, int classes, int label) {
  double top = -INFINITY, sum = 0;
  for (int k = 0; k < classes; k++) {
    double score = (double)x[k] + (double)bias[k];
    if (score > top) top = score;
  }
  for (int k = 0; k < classes; k++) sum += exp((double)x[k] + (double)bias[k] - top);
  double loss = log(sum) - ((double)x[label] + (double)bias[label] - top);
  for (int k = 0; k < classes; k++) x[k] = (float)(exp((double)x[k] + (double)bias[k] - top) / sum);
  x[label] = (float)expm1(-loss);
  for (int k = classes; k % LANES; k++) x[k] = 0;
  return loss;
}

static void depthwise_rows(const struct depthwise_rows *d) {
  for (int y = d->first_row; y < d->end_row; y++) {
    for (int x = 0; x < d->out_width; x++) {
      for (int c = 0; c < d->channels; c++) {
        double sum = (double)d->bias[c];
        for (int tap = 0; tap < d->kernel * d->kernel; tap++) {
          int iy = y * d->stride - d->padding + tap / d->kernel, ix = x * d->stride - d->padding + tap % d->kernel;
          if (iy < 0 || iy >= d->in_height || ix < 0 || ix >= d->in_width) continue;
          sum += (double)d->in[((ptrdiff_t)iy * d->in_width + ix) * d->pixel_stride + c] *
                 (double)d->weight[tap * LANES + c];
        }
        d->out[((ptrdiff_t)y * d->out_width + x) * d->pixel_stride + c] = (float)sum;
      }
    }
  }
}

static double fma_peak(long rounds, float *sink) {
  double sum = 1;
  for (long i = 0; i < rounds; i++) sum = sum * 0.999 + 0.001;
  *sink = (float)sum;
  return 2.0 * (double)rounds;
}

const struct kernels kernels_reference = {
    .isa = "reference",
    .gemm_rows = ROWS,
    .gemm_columns = COLUMNS,
    .lanes = LANES,
    .gemm_tile = gemm_tile,
    .bf16_widened = &bf16_kernels,
    .max_pool_row = max_pool_row,
    .mean_pixels = mean_pixels,
    .average_pool_row = average_pool_row,
    .norm_pixels = norm_pixels,
    .scale_row = scale_row,
    .gate_silu_row = gate_silu_row,
    .layer_norm_row = layer_norm_row,
    .softmax_rows = reference_softmax_rows,
    .cross_entropy_row = cross_entropy_row,
    .scale_rows = reference_scale_rows,
    .transpose_panel = reference_transpose_panel,
    .unit_rows = reference_unit_rows,
    .rotate_row = reference_rotate_row,
    .depthwise_rows = depthwise_rows,
    .fma_peak = fma_peak,
};
