#include "images/random.h"

#include <math.h>
#include <string.h>

#define LN2 0.69314718055994531

static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

struct random_stream stream_begin(uint64_t seed, const char *text, uint64_t number) {
  uint64_t state = 0xcbf29ce484222325u; /* FNV-1a of the text */
  for (const char *c = text; *c; c++) state = (state ^ (unsigned char)*c) * 0x100000001b3u;
  return (struct random_stream){.state = mix(state + mix(seed + 0x9e3779b97f4a7c15u * (number + 1)))};
}

uint64_t stream_bits(struct random_stream *r) { return mix(r->state += 0x9e3779b97f4a7c15u); }

double stream_uniform(struct random_stream *r) { return (double)(stream_bits(r) >> 11) * 0x1p-53; }

double stream_normal(struct random_stream *r) {
  if (r->has_spare) {
    r->has_spare = 0;
    return r->spare;
  }
  double x, y, square;
  do {
    x = 2 * stream_uniform(r) - 1;
    y = 2 * stream_uniform(r) - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  double factor = sqrt(-2 * exact_log(square) / square); /* the root is rounded correctly everywhere */
  r->spare = y * factor;
  r->has_spare = 1;
  return x * factor;
}

double exact_exp(double x) {
  if (x < -700) return 0;
  /* x = k ln 2 + rest, |rest| <= ln 2 / 2: a Taylor series of sixteen terms. */
  int k = (int)(x / LN2 - 0.5);
  double rest = x - k * LN2, sum = 1;
  for (int i = 16; i >= 1; i--) sum = 1 + rest / i * sum;
  return ldexp(sum, k);
}

double exact_log(double x) {
  /* x = m * 2^k with m near 1; log m = 2 artanh(z), z = (m - 1) / (m + 1). */
  int k;
  double m = frexp(x, &k);
  if (m < 0.70710678118654752) {
    m *= 2;
    k--;
  }
  double z = (m - 1) / (m + 1), square = z * z, sum = 0;
  for (int i = 23; i >= 1; i -= 2) sum = sum * square + 1.0 / i;
  return 2 * z * sum + k * LN2;
}
