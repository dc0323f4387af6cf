/* Seeded numbers, colours and procedural textures for the drawn demo pictures.
 *
 * Bytes must be the same on every machine: only + - * / floor sqrt on doubles (exact by IEEE 754, built without
 * contraction to fused multiply-adds), never libm's sin, pow or exp; and never two draws in one expression, whose order
 * C leaves open. */
#ifndef EVALUATE_DEMO_TEXTURE_H
#define EVALUATE_DEMO_TEXTURE_H

#include <stdint.h>

/* ---- numbers --------------------------------------------------------------------------------------------------- */
struct generator { /* splitmix64 */
  uint64_t state;
};
uint64_t generator_bits(struct generator *generator);
double generator_real(struct generator *generator, double low, double high); /* uniform in [low, high) */
int generator_integer(struct generator *generator, int low, int high);       /* uniform in [low, high] */

struct point {
  double x, y;
};
/* A direction (unit vector), uniform over the circle. */
struct point generator_direction(struct generator *generator);

double clamp(double x, double low, double high);
double mix(double a, double b, double t);
/* 0 below `edge`, 1 above it, linear over `width` between. */
double ramp(double x, double edge, double width);
/* Smooth noise in [0, 1], three octaves; features are about one unit wide. */
double noise(uint64_t seed, double x, double y);

/* ---- colours --------------------------------------------------------------------------------------------------- */
struct colour { /* 0..1 */
  double r, g, b;
};
struct colour colour_mix(struct colour a, struct colour b, double t);
struct colour colour_scale(struct colour c, double factor);
double colour_distance(struct colour a, struct colour b);
/* Two colours of any hue whose brightness (luma, 0..1) differs by at least `least`, and at most `most`. */
void colour_pair(struct generator *generator, double least, double most, struct colour pair[2]);

/* ---- textures -------------------------------------------------------------------------------------------------- */
enum texture_kind { PLAIN, STRIPES, SPOTS, CHECKS, WOOD, CLOUDS, GRASS, PEBBLES, BRICKS, TEXTURE_KINDS };

struct texture {
  enum texture_kind kind;
  struct colour colours[2]; /* the ground, and what lies on it */
  struct point along;       /* unit vector: the direction in which stripes follow each other */
  struct point origin;
  double period; /* of stripes, cells, bricks, in the caller's units */
  double duty;   /* share of a stripe or a spot in its period */
  double wobble; /* how much stripes bend, in periods */
  uint64_t seed;
};

/* A texture of this kind with random direction, proportions and seed; colours from colour_pair(). */
struct texture texture_random(struct generator *generator, enum texture_kind kind, double least_contrast,
                              double most_contrast);
/* `blur`: width of edges in the caller's units, about one sample. */
struct colour texture_colour(const struct texture *texture, double x, double y, double blur);

#endif
