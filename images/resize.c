#include "images/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/pairs.h"
#include "kernels/memory.h"

enum {
  FRACTION = 32 - 8 - 2, /* bits: a byte, a sign and some headroom stay free */
  MOST_SIDE = 1 << 24,
  MOST_BYTES = 1 << 30, /* of weights, and of lines between the passes: passed only by absurdly elongated pictures */
  BLOCK = 16,           /* bytes of a line that are filtered at a time */
};

/* ---- coefficients -------------------------------------------------------------------------------------------------
 */

/* The weights of two neighbouring positions (see images/pairs.h). */
struct weight_pair {
  int16_t high[2], low[2];
};

/* For each output position of one axis: where its window of input positions begins, how long it is, and the weights. */
struct axis {
  int count; /* output positions */
  int room;  /* pairs of weights for each window; a window of odd length ends with a zero */
  int *first, *length;
  struct weight_pair *weights; /* [count][room] */
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

static double lanczos(double x) {
  const double lobes = 3;
  x = fabs(x);
  if (x >= lobes) return 0;
  if (x == 0) return 1;
  double angle = x * M_PI, wider = x / lobes * M_PI;
  return sin(angle) / angle * (sin(wider) / wider);
}

/* Half-open, so that neighbouring boxes share no sample. */
static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double hamming(double x) {
  x = fabs(x);
  if (x == 0) return 1;
  if (x >= 1) return 0;
  x *= M_PI;
  return sin(x) / x * (0.54 + 0.46 * cos(x));
}

/* A filter's shape, zero beyond `support` on either side. */
struct shape {
  double (*at)(double x);
  double support;
};

static struct shape shape_of(enum filter filter) {
  switch (filter) {
    case FILTER_BICUBIC:
      return (struct shape){cubic, 2};
    case FILTER_LANCZOS:
      return (struct shape){lanczos, 3};
    case FILTER_BOX:
      return (struct shape){box, 0.5};
    case FILTER_HAMMING:
      return (struct shape){hamming, 1};
    case FILTER_BILINEAR:
    case FILTER_NEAREST: /* it has none: positions are picked */
      break;
  }
  return (struct shape){triangle, 1};
}

static void axis_free(struct axis *axis) {
  free(axis->first);
  free(axis->length);
  free(axis->weights);
}

static void put_weight(struct weight_pair *weights, int k, int32_t weight) {
  weights[k / 2].high[k % 2] = (int16_t)(weight >> WEIGHT_LOW_BITS);
  weights[k / 2].low[k % 2] = (int16_t)(weight & ((1 << WEIGHT_LOW_BITS) - 1));
}

/* Positions [begin, begin + count) of an axis that goes from `in` to `out` samples. */
static int axis_make(struct axis *axis, int in, int out, int begin, int count, enum filter filter, error *e) {
  struct shape shape = shape_of(filter);
  double scale = (double)in / out, stretch = scale < 1 ? 1 : scale;
  double support = shape.support * stretch;
  int longest = (int)ceil(support) * 2 + 1;
  if (longest > in) longest = in;
  *axis = (struct axis){.count = count, .room = (longest + 1) / 2};
  axis->first = allocate((size_t)count, sizeof *axis->first, e);
  axis->length = allocate((size_t)count, sizeof *axis->length, e);
  if ((size_t)axis->room > MOST_BYTES / sizeof *axis->weights / (size_t)count) {
    return fail(e, "resizing %d pixels to %d takes too much memory", in, out);
  }
  axis->weights = allocate_zeroed((size_t)count * (size_t)axis->room, sizeof *axis->weights, e);
  double *window = allocate((size_t)longest, sizeof *window, e);
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
      window[k] = shape.at((k + low - center + 0.5) * inverse);
      sum += window[k];
    }
    for (int k = 0; k < high - low; k++) {
      double weight = sum != 0 ? window[k] / sum : window[k];
      double fixed = weight * (1 << FRACTION);
      put_weight(axis->weights + (size_t)i * (size_t)axis->room, k, (int32_t)(weight < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    axis->first[i] = low;
    axis->length[i] = high - low;
  }
  free(window);
  return OK;
}

/* The input positions [*first, *last) that the windows of an axis cover. */
static void axis_range(const struct axis *axis, int *first, int *last) {
  *first = axis->first[0];
  *last = axis->first[axis->count - 1] + axis->length[axis->count - 1];
}

/* ---- the two passes -----------------------------------------------------------------------------------------------
 */

/* neighbours [last - first]: each pixel with the one after it, which is black after the last of the line. */
static void pair_neighbours(const uint8_t *line, int first, int last, int width, pairs *neighbours) {
  int x = first;
  for (; x < last && x < width - 2; x++) neighbours[x - first] = pairs_of_neighbours(line + 3 * (size_t)x);
  for (; x < last; x++) {
    uint8_t end[8] = {0};
    memcpy(end, line + 3 * (size_t)x, 3 * (size_t)(width - x));
    neighbours[x - first] = pairs_of_neighbours(end);
  }
}

/* One line: out [axis->count] pixels; neighbours: of the input positions from `first` on. */
static void resize_line(const struct axis *axis, const pairs *neighbours, int first, uint8_t *out) {
  for (int x = 0; x < axis->count; x++) {
    const struct weight_pair *weights = axis->weights + (size_t)x * (size_t)axis->room;
    const pairs *from = neighbours + (axis->first[x] - first);
    sums high = sums_zero(), low = sums_zero();
    for (int k = 0; k < axis->length[x]; k += 2, from += 2, weights++) {
      high = sums_add(high, *from, pairs_repeat(weights->high));
      low = sums_add(low, *from, pairs_repeat(weights->low));
    }
    uint32_t pixel = sums_to_bytes_4(sums_scale(high, low, FRACTION));
    memcpy(out + 3 * (size_t)x, &pixel, 3);
  }
}

/* BLOCK bytes of a line from `n` lines below each other, stride apart. */
static void resize_block(const struct weight_pair *weights, int n, const uint8_t *in, size_t stride, uint8_t *out) {
  sums high[4], low[4];
  for (int i = 0; i < 4; i++) high[i] = low[i] = sums_zero();
  for (int k = 0; k < n; k += 2, in += 2 * stride, weights++) {
    pairs lines[4], weight_high = pairs_repeat(weights->high), weight_low = pairs_repeat(weights->low);
    pairs_of_lines(in, k + 1 < n ? in + stride : in, lines);
    for (int i = 0; i < 4; i++) {
      high[i] = sums_add(high[i], lines[i], weight_high);
      low[i] = sums_add(low[i], lines[i], weight_low);
    }
  }
  for (int i = 0; i < 4; i++) low[i] = sums_scale(high[i], low[i], FRACTION);
  sums_to_bytes_16(low, out);
}

/* One line of `bytes` (of the input's lines, BLOCK can be read at least). The last block overlaps the one before. */
static void resize_column(const struct weight_pair *weights, int n, const uint8_t *in, size_t stride, size_t bytes,
                          uint8_t *out) {
  if (bytes < BLOCK) {
    uint8_t block[BLOCK];
    resize_block(weights, n, in, stride, block);
    memcpy(out, block, bytes);
    return;
  }
  size_t i = 0;
  for (; i + BLOCK <= bytes; i += BLOCK) resize_block(weights, n, in + i, stride, out + i);
  if (i < bytes) resize_block(weights, n, in + bytes - BLOCK, stride, out + bytes - BLOCK);
}

/* The columns of `part` of the lines [first, last), to `lines`, stride apart. axis NULL: the columns keep their size.
 */
static int pass_across(const struct image *in, const struct axis *axis, const struct rectangle *part, int first,
                       int last, uint8_t *lines, size_t stride, error *e) {
  pairs *neighbours = NULL;
  int left = 0, right = 0;
  if (axis) {
    axis_range(axis, &left, &right);
    neighbours = allocate_aligned((size_t)(right - left), sizeof *neighbours, e);
    if (!neighbours) return FAILED;
  }
  for (int y = first; y < last; y++, lines += stride) {
    const uint8_t *line = in->rgb + (size_t)y * (size_t)in->width * 3;
    if (axis) {
      pair_neighbours(line, left, right, in->width, neighbours);
      resize_line(axis, neighbours, left, lines);
    } else {
      memcpy(lines, line + (size_t)part->x * 3, (size_t)part->width * 3);
    }
  }
  release_aligned(neighbours);
  return OK;
}

/* out from lines that begin with line `first` of the input. axis NULL: the lines are the output's. */
static void pass_down(const struct axis *axis, const uint8_t *lines, int first, size_t stride, struct image *out) {
  size_t row = (size_t)out->width * 3;
  for (int y = 0; y < out->height; y++) {
    uint8_t *to = out->rgb + (size_t)y * row;
    if (axis) {
      const struct weight_pair *weights = axis->weights + (size_t)y * (size_t)axis->room;
      resize_column(weights, axis->length[y], lines + (size_t)(axis->first[y] - first) * stride, stride, row, to);
    } else {
      memcpy(to, lines + (size_t)y * stride, row);
    }
  }
}

/* An axis that keeps its size is not filtered at all. */
static int resample(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
                    struct image *out, error *e) {
  struct axis across_axis = {0}, down_axis = {0};
  const struct axis *across = width == in->width ? NULL : &across_axis;
  const struct axis *down = height == in->height ? NULL : &down_axis;
  int first = part->y, last = part->y + part->height, status = OK;
  if (across) status = axis_make(&across_axis, in->width, width, part->x, part->width, filter, e);
  if (status == OK && down) status = axis_make(&down_axis, in->height, height, part->y, part->height, filter, e);
  if (status == OK && down) axis_range(down, &first, &last);
  size_t stride = (size_t)part->width * 3 < BLOCK ? BLOCK : (size_t)part->width * 3;
  if (status == OK && (size_t)(last - first) > MOST_BYTES / stride) {
    status = fail(e, "resizing %d lines to %d takes too much memory", in->height, height);
  }
  if (status == OK) {
    uint8_t *lines = allocate_zeroed((size_t)(last - first), stride, e);
    status = lines ? pass_across(in, across, part, first, last, lines, stride, e) : FAILED;
    if (status == OK) pass_down(down, lines, first, stride, out);
    free(lines);
  }
  axis_free(&across_axis);
  axis_free(&down_axis);
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
