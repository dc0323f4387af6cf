/* Outputs between guard values, and random inputs that end where their memory ends. */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/harness.h"

enum { GUARD = 64 };

/* An output of n floats between guards, filled with NaN: what a kernel leaves out or writes beside shows. */
struct guarded {
  float *memory, *data;
  size_t n;
};

static inline struct guarded guarded_new(size_t n) {
  struct guarded g = {malloc((n + 2 * GUARD) * sizeof(float)), NULL, n};
  g.data = g.memory + GUARD;
  for (size_t i = 0; i < n + 2 * GUARD; i++) g.memory[i] = NAN;
  return g;
}

static inline bool guards_hold(const struct guarded *g) {
  for (size_t i = 0; i < GUARD; i++) {
    if (!isnan(g->memory[i]) || !isnan(g->data[g->n + i])) return false;
  }
  return true;
}

static inline float *random_floats(struct random *random, size_t n) {
  float *values = malloc((n ? n : 1) * sizeof(float));
  random_fill(random, values, n);
  return values;
}

#endif
