/* Seeded random numbers that are the same on every machine: integer arithmetic, and functions of our own in double
 * where others would call libm. splitmix64 (Steele, Lea and Flood 2014). */
#ifndef IMAGES_RANDOM_H
#define IMAGES_RANDOM_H

#include <stdint.h>

struct random_stream {
  uint64_t state;
  double spare; /* the second of a pair of normal numbers */
  int has_spare;
};

/* The stream of a seed, a text (such as a picture's path) and a number: unrelated for all others. */
struct random_stream stream_begin(uint64_t seed, const char *text, uint64_t number);
uint64_t stream_bits(struct random_stream *r);
/* Within [0, 1), 53 bits. */
double stream_uniform(struct random_stream *r);
/* Normal, mean 0 and deviation 1 (the polar method: Marsaglia and Bray 1964). */
double stream_normal(struct random_stream *r);

/* e^x for x <= 0, and the natural logarithm for x > 0, to about 1e-15, by basic operations alone. */
double exact_exp(double x);
double exact_log(double x);

#endif
