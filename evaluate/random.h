/* splitmix64 (Steele, Lea, Flood 2014): the same numbers for a seed on every machine. */
#ifndef EVALUATE_RANDOM_H
#define EVALUATE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_stream {
  uint64_t state; /* the seed, at first */
};

static inline uint64_t random_next(struct random_stream *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Uniform in [0, n) for n up to 2^32, to within n / 2^32. */
static inline size_t random_below(struct random_stream *r, size_t n) {
  return (size_t)(((random_next(r) >> 32) * (uint64_t)n) >> 32);
}

/* Stream i of a seed: it begins where the seed's generator comes to in i + 1 steps. */
static inline struct random_stream random_substream(uint64_t seed, uint64_t i) {
  struct random_stream outer = {seed + i * 0x9e3779b97f4a7c15u};
  return (struct random_stream){random_next(&outer)};
}

#endif
