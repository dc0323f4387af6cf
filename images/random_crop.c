#include "images/random_crop.h"

#include <math.h>

enum { TRIES = 10 };
static const double least_area = 0.08, widest = 4.0 / 3, narrowest = 3.0 / 4;

/* e^x for any x of a small size. */
static double grow(double x) { return x <= 0 ? exact_exp(x) : 1 / exact_exp(-x); }

static int below(struct random_stream *stream, int n) { return (int)(stream_bits(stream) % (uint64_t)n); }

/* Python's int(round()): halves to the even number. */
static int nearest(double x) { return (int)rint(x); }

static struct rectangle middle(int width, int height) {
  double ratio = (double)width / height;
  int w = width, h = height;
  if (ratio < narrowest)
    h = nearest(width / narrowest);
  else if (ratio > widest)
    w = nearest(height * widest);
  return (struct rectangle){(width - w) / 2, (height - h) / 2, w, h};
}

static struct rectangle draw_part(struct random_stream *stream, int width, int height) {
  double area = (double)width * height, low = exact_log(narrowest), high = exact_log(widest);
  for (int i = 0; i < TRIES; i++) {
    double target = area * (least_area + (1 - least_area) * stream_uniform(stream));
    double ratio = grow(low + (high - low) * stream_uniform(stream));
    double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
    if (!(w >= 1 && w <= width && h >= 1 && h <= height)) continue;
    int y = below(stream, height - (int)h + 1);
    return (struct rectangle){below(stream, width - (int)w + 1), y, (int)w, (int)h};
  }
  return middle(width, height);
}

struct random_crop random_crop_draw(struct random_stream *stream, int width, int height) {
  struct random_crop crop = {.part = draw_part(stream, width, height)};
  crop.mirrored = stream_uniform(stream) < 0.5;
  return crop;
}
