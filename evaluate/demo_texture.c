#include "evaluate/demo_texture.h"

#include <math.h>

/* ---- numbers --------------------------------------------------------------------------------------------------- */
static uint64_t scramble(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* The top 53 bits as a number in [0, 1). */
static double unit(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

uint64_t generator_bits(struct generator *generator) {
  generator->state += 0x9e3779b97f4a7c15u;
  return scramble(generator->state);
}

double generator_real(struct generator *generator, double low, double high) {
  return low + (high - low) * unit(generator_bits(generator));
}

int generator_integer(struct generator *generator, int low, int high) {
  return low + (int)(generator_bits(generator) % (uint64_t)(high - low + 1));
}

struct point generator_direction(struct generator *generator) {
  for (;;) { /* a point of the unit disc, pushed to its rim: no sine needed */
    struct point p;
    p.x = generator_real(generator, -1, 1);
    p.y = generator_real(generator, -1, 1);
    double length = sqrt(p.x * p.x + p.y * p.y);
    if (length > 0.1 && length <= 1) return (struct point){p.x / length, p.y / length};
  }
}

double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
double mix(double a, double b, double t) { return a + (b - a) * t; }
double ramp(double x, double edge, double width) { return clamp((x - edge) / width + 0.5, 0, 1); }

/* A random number in [0, 1) for each cell of the integer grid. */
static double cell_value(uint64_t seed, int64_t x, int64_t y) {
  return unit(scramble(scramble(seed + (uint64_t)x * 0x9e3779b97f4a7c15u) + (uint64_t)y * 0xd1b54a32d192ed03u));
}

static double value_noise(uint64_t seed, double x, double y) {
  double left = floor(x), top = floor(y);
  int64_t i = (int64_t)left, j = (int64_t)top;
  double u = x - left, v = y - top;
  u = u * u * (3 - 2 * u);
  v = v * v * (3 - 2 * v);
  double above = mix(cell_value(seed, i, j), cell_value(seed, i + 1, j), u);
  double below = mix(cell_value(seed, i, j + 1), cell_value(seed, i + 1, j + 1), u);
  return mix(above, below, v);
}

double noise(uint64_t seed, double x, double y) {
  return 0.57 * value_noise(seed, x, y) + 0.29 * value_noise(seed + 1, 2 * x, 2 * y) +
         0.14 * value_noise(seed + 2, 4 * x, 4 * y);
}

/* ---- colours --------------------------------------------------------------------------------------------------- */
struct colour colour_mix(struct colour a, struct colour b, double t) {
  return (struct colour){mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)};
}

struct colour colour_scale(struct colour c, double factor) {
  return (struct colour){c.r * factor, c.g * factor, c.b * factor};
}

double colour_distance(struct colour a, struct colour b) {
  double r = a.r - b.r, g = a.g - b.g, b_ = a.b - b.b;
  return sqrt(r * r + g * g + b_ * b_);
}

static double luma(struct colour c) { return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b; }

/* One channel of HSV: a trapezoid wave over the hue (in turns). */
static double hue_wave(double hue) {
  hue -= floor(hue);
  return clamp(fabs(6 * hue - 3) - 1, 0, 1);
}

static struct colour from_hsv(double hue, double saturation, double value) {
  return (struct colour){
      value * mix(1, hue_wave(hue), saturation),
      value * mix(1, hue_wave(hue - 1.0 / 3), saturation),
      value * mix(1, hue_wave(hue - 2.0 / 3), saturation),
  };
}

static struct colour random_colour(struct generator *generator) {
  double hue = generator_real(generator, 0, 1);
  double strong = generator_real(generator, 0, 0.95); /* muted colours are the most frequent, as in photos */
  double saturation = strong * generator_real(generator, 0.2, 1);
  double value = generator_real(generator, 0.15, 0.98);
  return from_hsv(hue, saturation, value);
}

void colour_pair(struct generator *generator, double least, double most, struct colour pair[2]) {
  double gap;
  do {
    pair[0] = random_colour(generator);
    pair[1] = random_colour(generator);
    gap = fabs(luma(pair[0]) - luma(pair[1]));
  } while (gap < least || gap > most);
}

/* ---- textures -------------------------------------------------------------------------------------------------- */
struct texture texture_random(struct generator *generator, enum texture_kind kind, double least_contrast,
                              double most_contrast) {
  struct texture texture = {.kind = kind};
  colour_pair(generator, least_contrast, most_contrast, texture.colours);
  texture.along = generator_direction(generator);
  texture.origin.x = generator_real(generator, -8, 8);
  texture.origin.y = generator_real(generator, -8, 8);
  texture.period = generator_real(generator, 0.2, 0.5);
  texture.duty = generator_real(generator, 0.4, 0.6);
  texture.wobble = generator_real(generator, 0, 0.7);
  texture.seed = generator_bits(generator);
  return texture;
}

/* How much of the second colour a periodic band shows at `phase` (in periods): `duty` of each period. */
static double band(double phase, double duty, double blur) {
  phase -= floor(phase);
  return ramp(duty, fabs(2 * phase - 1), 2 * blur);
}

/* The two nearest of the jittered points, one in each cell of the unit grid: their distances, and the nearest's cell.
 */
struct neighbours {
  double nearest, second, value;
};
static struct neighbours nearest_points(uint64_t seed, double x, double y, double jitter) {
  struct neighbours found = {1e9, 1e9, 0};
  int64_t column = (int64_t)floor(x), row = (int64_t)floor(y);
  for (int64_t j = row - 1; j <= row + 1; j++) {
    for (int64_t i = column - 1; i <= column + 1; i++) {
      double dx = (double)i + 0.5 + jitter * (cell_value(seed, i, j) - 0.5) - x;
      double dy = (double)j + 0.5 + jitter * (cell_value(seed + 1, i, j) - 0.5) - y;
      double distance = sqrt(dx * dx + dy * dy);
      if (distance < found.nearest) {
        found = (struct neighbours){distance, found.nearest, cell_value(seed + 2, i, j)};
      } else if (distance < found.second) {
        found.second = distance;
      }
    }
  }
  return found;
}

/* Mixing weight of the second colour; u, v and blur in periods. */
static double texture_value(const struct texture *t, double u, double v, double blur) {
  switch (t->kind) {
    case STRIPES:
      return band(u + t->wobble * (value_noise(t->seed, 0.6 * u, 0.6 * v) - 0.5), t->duty, blur);
    case SPOTS: {
      struct neighbours spot = nearest_points(t->seed, u, v, 0.45);
      double radius = t->duty * mix(0.6, 0.85, spot.value);
      return ramp(radius, spot.nearest, blur);
    }
    case CHECKS:
      return 0.5 * band(u, t->duty, blur) + 0.5 * band(v, t->duty, blur);
    case WOOD: {
      double ring = u + 2.5 * noise(t->seed, 0.35 * u, 0.08 * v);
      ring -= floor(ring);
      return 0.65 * ring * ring + 0.35 * noise(t->seed + 8, 9 * u, 0.7 * v);
    }
    case CLOUDS:
      return ramp(noise(t->seed, 0.6 * u, 0.6 * v), 0.5, 0.5);
    case GRASS:
      return ramp(noise(t->seed, 3.2 * u + t->wobble * v, 0.6 * v), 0.5, 0.6);
    case PEBBLES: {
      struct neighbours pebble = nearest_points(t->seed, u, v, 0.9);
      return ramp(pebble.second - pebble.nearest, 0.1, 0.1 + blur) * mix(0.35, 1, pebble.value);
    }
    case BRICKS: {
      double row = floor(2 * v), shifted = u + 0.5 * (row - 2 * floor(0.5 * row));
      double brick = band(shifted, 0.92, blur) * band(2 * v, 0.85, 2 * blur);
      return brick * mix(0.5, 1, cell_value(t->seed, (int64_t)floor(shifted), (int64_t)row));
    }
    case PLAIN:
    case TEXTURE_KINDS:
      break;
  }
  return 0.15 * value_noise(t->seed, u, v);
}

struct colour texture_colour(const struct texture *t, double x, double y, double blur) {
  x -= t->origin.x;
  y -= t->origin.y;
  double u = (x * t->along.x + y * t->along.y) / t->period;
  double v = (y * t->along.x - x * t->along.y) / t->period;
  struct colour colour = colour_mix(t->colours[0], t->colours[1], texture_value(t, u, v, blur / t->period));
  return colour_scale(colour, 0.92 + 0.16 * value_noise(t->seed + 16, 14 * x, 14 * y)); /* a rough surface */
}
