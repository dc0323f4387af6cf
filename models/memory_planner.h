/* Places intermediates in one arena so that those alive at the same time do not overlap. */
#ifndef MODELS_MEMORY_PLANNER_H
#define MODELS_MEMORY_PLANNER_H

#include <stddef.h>

#include "kernels/error.h"

struct placement {
  size_t size;     /* in: floats */
  int first, last; /* in: the first and the last operation during which it is alive */
  size_t offset;   /* out */
};

/* Largest first, each at the lowest gap that fits (greedy by size; Pisarchyk and Lee 2020, section 5.2).
 * *total: the arena's floats. Offsets are multiples of 16 floats. */
int place_all(struct placement *placements, size_t count, size_t *total, error *e);

#endif
