#include "images/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

enum {
  FRACTION = 32 - 8 - 2, /* bits: a byte, a sign and some headroom stay free */
  HALF = 1 << (FRACTION - 1),
  MOST_SIDE = 1 << 20,
};

/* ---- coefficients -------------------------------------------------------------------------------------------------
 */

/* For each output position of one axis: where its window of input positions begins, how long it is, and the weights. */
struct axis {
  int count; /* output positions */
  int taps;  /* room for each window */
  int *first, *length;
  int32_t *weights; /* [count][taps] */
};

static double triangle(double x) {
  x = fabs(x);
  return x < 1 ? 1 - x : 0;
}

static double cubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

static void axis_free(struct axis *axis) {
  free(axis->first);
  free(axis->length);
  free(axis->weights);
}

/* Positions [begin, begin + count) of an axis that goes from `in` to `out` samples. */
static int axis_make(struct axis *axis, int in, int out, int begin, int count, enum filter filter, error *e) {
  double (*shape)(double) = filter == FILTER_BICUBIC ? cubic : triangle;
  double scale = (double)in / out, stretch = scale < 1 ? 1 : scale;
  double support = (filter == FILTER_BICUBIC ? 2.0 : 1.0) * stretch;
  *axis = (struct axis){.count = count, .taps = (int)ceil(support) * 2 + 1};
  axis->first = allocate((size_t)count, sizeof *axis->first, e);
  axis->length = allocate((size_t)count, sizeof *axis->length, e);
  size_t weights;
  if (!multiply_size((size_t)count, (size_t)axis->taps, &weights)) return fail(e, "the resize is too large");
  axis->weights = allocate(weights, sizeof *axis->weights, e);
  double *window = allocate((size_t)axis->taps, sizeof *window, e);
  if (!axis->first || !axis->length || !axis->weights || !window) {
    free(window);
    return FAILED;
  }
  for (int i = 0; i < count; i++) {
    double center = (begin + i + 0.5) * scale, sum = 0, inverse = 1.0 / stretch;
    int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    if (low < 0) low = 0;
    if (high > in) high = in;
    for (int k = 0; k < high - low; k++) {
      window[k] = shape((k + low - center + 0.5) * inverse);
      sum += window[k];
    }
    for (int k = 0; k < high - low; k++) {
      double weight = sum != 0 ? window[k] / sum : window[k];
      double fixed = weight * (1 << FRACTION);
      axis->weights[(size_t)i * (size_t)axis->taps + (size_t)k] = (int32_t)(weight < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    axis->first[i] = low;
    axis->length[i] = high - low;
  }
  free(window);
  return OK;
}

/* ---- the two passes -----------------------------------------------------------------------------------------------
 */

static inline uint8_t to_byte(int32_t sum) {
  sum >>= FRACTION;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One line: out [axis->count] pixels from in. */
static void resize_line(const struct axis *axis, const uint8_t *in, uint8_t *out) {
  for (int x = 0; x < axis->count; x++) {
    const int32_t *weights = axis->weights + (size_t)x * (size_t)axis->taps;
    const uint8_t *pixel = in + (size_t)axis->first[x] * 3;
    int32_t r = HALF, g = HALF, b = HALF;
    for (int k = 0; k < axis->length[x]; k++, pixel += 3) {
      r += pixel[0] * weights[k];
      g += pixel[1] * weights[k];
      b += pixel[2] * weights[k];
    }
    out[3 * x] = to_byte(r);
    out[3 * x + 1] = to_byte(g);
    out[3 * x + 2] = to_byte(b);
  }
}

/* One line of `bytes` from `n` lines below each other, stride apart. */
static void resize_column(const int32_t *weights, int n, const uint8_t *in, size_t stride, size_t bytes, int32_t *sums,
                          uint8_t *out) {
  for (size_t i = 0; i < bytes; i++) sums[i] = HALF;
  for (int k = 0; k < n; k++, in += stride) {
    for (size_t i = 0; i < bytes; i++) sums[i] += in[i] * weights[k];
  }
  for (size_t i = 0; i < bytes; i++) out[i] = to_byte(sums[i]);
}

static int resample(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
                    struct image *out, error *e) {
  struct axis across = {0}, down = {0};
  uint8_t *lines = NULL;
  int32_t *sums = NULL;
  int status = axis_make(&across, in->width, width, part->x, part->width, filter, e);
  if (status == OK) status = axis_make(&down, in->height, height, part->y, part->height, filter, e);
  if (status == OK) {
    /* An axis that keeps its size is not filtered at all. */
    bool filters_across = width != in->width, filters_down = height != in->height;
    int first = filters_down ? down.first[0] : part->y;
    int last = filters_down ? down.first[down.count - 1] + down.length[down.count - 1] : part->y + part->height;
    size_t row = (size_t)part->width * 3, in_row = (size_t)in->width * 3;
    lines = allocate((size_t)(last - first), row, e);
    sums = allocate(row, sizeof *sums, e);
    status = lines && sums ? OK : FAILED;
    for (int y = first; status == OK && y < last; y++) {
      const uint8_t *from = in->rgb + (size_t)y * in_row;
      uint8_t *to = lines + (size_t)(y - first) * row;
      if (filters_across)
        resize_line(&across, from, to);
      else
        memcpy(to, from + (size_t)part->x * 3, row);
    }
    for (int y = 0; status == OK && y < part->height; y++) {
      uint8_t *to = out->rgb + (size_t)y * row;
      if (!filters_down) {
        memcpy(to, lines + (size_t)y * row, row);
        continue;
      }
      const int32_t *weights = down.weights + (size_t)y * (size_t)down.taps;
      resize_column(weights, down.length[y], lines + (size_t)(down.first[y] - first) * row, row, row, sums, to);
    }
  }
  axis_free(&across);
  axis_free(&down);
  free(lines);
  free(sums);
  return status;
}

/* The input position of each output position. Pillow adds the step up, one rounding after the other. */
static void nearest_positions(int in, int out, int begin, int count, int *positions) {
  double step = (double)in / out, at = step * 0.5;
  for (int i = 0; i < begin + count; i++, at += step) {
    int position = (int)at;
    if (i >= begin) positions[i - begin] = position < in ? position : in - 1;
  }
}

static int pick_nearest(const struct image *in, int width, int height, const struct rectangle *part, struct image *out,
                        error *e) {
  int *across = allocate((size_t)part->width, sizeof *across, e),
      *down = allocate((size_t)part->height, sizeof *down, e);
  int status = across && down ? OK : FAILED;
  if (status == OK) {
    nearest_positions(in->width, width, part->x, part->width, across);
    nearest_positions(in->height, height, part->y, part->height, down);
    uint8_t *to = out->rgb;
    for (int y = 0; y < part->height; y++) {
      const uint8_t *line = in->rgb + (size_t)down[y] * (size_t)in->width * 3;
      for (int x = 0; x < part->width; x++, to += 3) memcpy(to, line + (size_t)across[x] * 3, 3);
    }
  }
  free(across);
  free(down);
  return status;
}

int resize(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
           struct image *out, error *e) {
  *out = (struct image){0};
  struct rectangle all = {0, 0, width, height};
  if (!part) part = &all;
  if (width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE || in->width < 1 || in->height < 1) {
    return fail(e, "cannot resize %dx%d to %dx%d", in->width, in->height, width, height);
  }
  if (part->x < 0 || part->y < 0 || part->width < 1 || part->height < 1 || part->width > width - part->x ||
      part->height > height - part->y) {
    return fail(e, "a part of %dx%d at %d,%d lies outside of %dx%d", part->width, part->height, part->x, part->y, width,
                height);
  }
  if (image_allocate(out, part->width, part->height, NULL, e) != OK) return FAILED;
  int status = filter == FILTER_NEAREST ? pick_nearest(in, width, height, part, out, e)
                                        : resample(in, width, height, filter, part, out, e);
  if (status != OK) image_free(out);
  return status;
}
