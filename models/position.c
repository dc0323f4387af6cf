#include "models/position.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

/* Keys' cubic convolution (1981). */
static double cubic(double x, double a) {
  x = fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/* The weights [to][from] of one axis. */
static void antialiased_weights(int from, int to, double *weights) {
  double scale = (double)from / to, stretch = scale > 1 ? scale : 1, support = 2 * stretch;
  memset(weights, 0, (size_t)from * (size_t)to * sizeof *weights);
  for (int i = 0; i < to; i++, weights += from) {
    double centre = scale * (i + 0.5), sum = 0;
    int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (end > from) end = from;
    for (int j = first; j < end; j++) sum += weights[j] = cubic((j - centre + 0.5) / stretch, -0.5);
    for (int j = first; j < end; j++) weights[j] /= sum;
  }
}

static void plain_weights(int from, int to, double *weights) {
  double scale = (double)from / to;
  memset(weights, 0, (size_t)from * (size_t)to * sizeof *weights);
  for (int i = 0; i < to; i++, weights += from) {
    double centre = scale * (i + 0.5) - 0.5;
    int left = (int)floor(centre);
    for (int j = left - 1; j <= left + 2; j++) {
      int inside = j < 0 ? 0 : j >= from ? from - 1 : j;
      weights[inside] += cubic(j - centre, -0.75);
    }
  }
}

int square_side(int n) {
  int side = (int)lround(sqrt(n > 0 ? n : 0));
  return side * side == n ? side : 0;
}

/* out[i][k] = sum over j of weights[i][j] * in[j][k]: `steps` outputs from `from` inputs, each `width` floats. */
static void apply_weights(const double *weights, int from, int steps, size_t width, const float *in, float *out) {
  for (int i = 0; i < steps; i++) {
    for (size_t k = 0; k < width; k++) {
      double sum = 0;
      for (int j = 0; j < from; j++) sum += weights[i * from + j] * (double)in[(size_t)j * width + k];
      *out++ = (float)sum;
    }
  }
}

float *position_resample(const float *table, struct grid from, struct grid to, int channels, enum resampling resampling,
                         error *e) {
  size_t c = (size_t)channels, line = (size_t)to.width * c, across = (size_t)from.width * (size_t)to.width;
  float *out = allocate((size_t)to.height, line * sizeof *out, e);
  if (out && from.height == to.height && from.width == to.width) {
    memcpy(out, table, (size_t)to.height * line * sizeof *out);
    return out;
  }
  double *weights = allocate((size_t)from.height * (size_t)to.height + across, sizeof *weights, e);
  float *rows = allocate((size_t)from.height, line * sizeof *rows, e);
  if (out && weights && rows) {
    void (*axis_weights)(int, int, double *) = resampling == RESAMPLE_PLAIN ? plain_weights : antialiased_weights;
    axis_weights(from.width, to.width, weights);
    axis_weights(from.height, to.height, weights + across);
    for (int y = 0; y < from.height; y++)
      apply_weights(weights, from.width, to.width, c, table + (size_t)y * (size_t)from.width * c,
                    rows + (size_t)y * line);
    apply_weights(weights + across, from.height, to.height, line, rows, out);
  } else {
    free(out);
    out = NULL;
  }
  free(weights);
  free(rows);
  return out;
}

void position_rotary(struct grid grid, int head_size, double temperature, float *cosines, float *sines) {
  int quarter = head_size / 4, half = head_size / 2;
  for (int y = 0; y < grid.height; y++) {
    for (int x = 0; x < grid.width; x++) {
      double at[2] = {2 * (y + 0.5) / grid.height - 1, 2 * (x + 0.5) / grid.width - 1};
      for (int j = 0; j < head_size; j++) {
        int i = j % (2 * quarter);
        double period = pow(temperature, 2.0 * (i % quarter) / half);
        double angle = 2 * acos(-1) * at[i / quarter] / period;
        *cosines++ = (float)cos(angle);
        *sines++ = (float)sin(angle);
      }
    }
  }
}
