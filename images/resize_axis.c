#include "images/resize_axis.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/memory.h"

enum { MOST_BYTES = 1 << 30 /* of weights: passed only by absurdly elongated pictures */ };

/* ---- filters ------------------------------------------------------------------------------------------------------*/

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
  return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x)); /* Pillow has the constants in float */
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

/* ---- windows ------------------------------------------------------------------------------------------------------*/

/* Where the windows of an axis lie: the range of position `i` in [*low, *high). */
struct geometry {
  double scale, stretch, support;
  int in;
};

static double window_range(const struct geometry *g, int i, int *low, int *high) {
  double center = (i + 0.5) * g->scale;
  *low = (int)(center - g->support + 0.5);
  *high = (int)(center + g->support + 0.5);
  if (*low < 0) *low = 0;
  if (*high > g->in) *high = g->in;
  return center;
}

static void put_weight(struct weight_pair *weights, int k, int32_t weight) {
  weights[k / 2].high[k % 2] = (int16_t)(weight >> WEIGHT_LOW_BITS);
  weights[k / 2].low[k % 2] = (int16_t)(weight & ((1 << WEIGHT_LOW_BITS) - 1));
}

/* The window of output position `i`, number n of the axis; values: room for the longest. */
static void fill_window(struct axis *axis, const struct geometry *g, struct shape shape, int i, int n, bool even,
                        double *values) {
  int low, high;
  double center = window_range(g, i, &low, &high), sum = 0, inverse = 1.0 / g->stretch;
  for (int k = 0; k < high - low; k++) {
    values[k] = shape.at((k + low - center + 0.5) * inverse);
    sum += values[k];
  }
  struct resize_axis *windows = &axis->windows;
  int skipped = even ? (low - axis->begin) % 2 : 0;
  for (int k = 0; k < high - low; k++) {
    double weight = sum != 0 ? values[k] / sum : values[k];
    double fixed = weight * (1 << WEIGHT_FRACTION);
    put_weight(windows->weights + (size_t)n * (size_t)windows->room, k + skipped,
               (int32_t)(weight < 0 ? fixed - 0.5 : fixed + 0.5));
  }
  windows->first[n] = low - axis->begin - skipped;
  windows->pairs[n] = (high - low + skipped + 1) / 2;
}

static int filtered_axis(struct axis *axis, int in, int out, int first, int count, enum filter filter, bool even,
                         error *e) {
  struct shape shape = shape_of(filter);
  struct geometry g = {.scale = (double)in / out, .in = in};
  g.stretch = g.scale < 1 ? 1 : g.scale;
  g.support = shape.support * g.stretch;
  int unused;
  window_range(&g, first, &axis->begin, &unused);
  window_range(&g, first + count - 1, &unused, &axis->end);
  double longest = ceil(g.support) * 2 + 1;
  axis->longest = longest < in ? (int)longest : in;
  struct resize_axis *windows = &axis->windows;
  windows->room = (axis->longest + (even ? 2 : 1)) / 2;
  if ((size_t)windows->room > MOST_BYTES / sizeof *windows->weights / (size_t)count) {
    return fail(e, "resizing %d pixels to %d takes too much memory", in, out);
  }
  windows->weights = allocate_zeroed((size_t)count * (size_t)windows->room, sizeof *windows->weights, e);
  double *values = allocate((size_t)axis->longest, sizeof *values, e);
  int status = windows->weights && values ? OK : FAILED;
  for (int i = 0; i < count && status == OK; i++) fill_window(axis, &g, shape, first + i, i, even, values);
  free(values);
  return status;
}

/* Pillow adds the step up, one rounding after the other. */
static void picked_axis(struct axis *axis, int in, int out, int first, int count) {
  double step = (double)in / out, at = step * 0.5;
  int *positions = axis->windows.first;
  for (int i = 0; i < first + count; i++, at += step) {
    int position = in == out ? i : (int)at;
    if (i >= first) positions[i - first] = position < in ? position : in - 1;
  }
  axis->begin = positions[0];
  axis->end = positions[count - 1] + 1;
  for (int i = 0; i < count; i++) {
    positions[i] -= axis->begin;
    axis->windows.pairs[i] = 1;
  }
}

int axis_make(struct axis *axis, int in, int out, int first, int count, enum filter filter, bool even, error *e) {
  /* An axis that keeps its size is not filtered at all. */
  *axis = (struct axis){.is_picked = filter == FILTER_NEAREST || in == out, .longest = 1};
  axis->windows.count = count;
  axis->windows.first = allocate((size_t)count, sizeof *axis->windows.first, e);
  axis->windows.pairs = allocate((size_t)count, sizeof *axis->windows.pairs, e);
  if (!axis->windows.first || !axis->windows.pairs) return FAILED;
  if (!axis->is_picked) return filtered_axis(axis, in, out, first, count, filter, even, e);
  picked_axis(axis, in, out, first, count);
  return OK;
}

void axis_free(struct axis *axis) {
  free(axis->windows.first);
  free(axis->windows.pairs);
  free(axis->windows.weights);
  *axis = (struct axis){0};
}
