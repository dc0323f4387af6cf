#include "evaluate/holdout.h"

#include <stdlib.h>

#include "kernels/memory.h"

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static size_t share_of(size_t n, double share) {
  size_t wanted = (size_t)((double)n * share);
  if (n >= 2 && wanted == 0) return 1;
  return wanted < n ? wanted : n - (n > 0);
}

int holdout_draw(bool *held, const int *labels, size_t n, int classes, double share, uint64_t seed, error *e) {
  size_t *begin = allocate_zeroed((size_t)classes + 1, sizeof *begin, e), *by_class = allocate(n, sizeof *by_class, e);
  if (begin && by_class) {
    for (size_t i = 0; i < n; i++) held[i] = false;
    for (size_t i = 0; i < n; i++) begin[labels[i] + 1]++;
    for (int k = 0; k < classes; k++) begin[k + 1] += begin[k];
    for (size_t i = 0; i < n; i++) by_class[begin[labels[i]]++] = i; /* begin[k] ends at its class's end */
    for (size_t k = 0, first = 0; k < (size_t)classes; first = begin[k++]) {
      size_t *rows = by_class + first, count = begin[k] - first, wanted = share_of(count, share);
      for (size_t i = 0; i < wanted; i++) {
        size_t j = i + (size_t)(next_random(&seed) % (count - i)), row = rows[j];
        rows[j] = rows[i];
        rows[i] = row;
        held[row] = true;
      }
    }
  }
  int status = begin && by_class ? OK : FAILED;
  free(begin);
  free(by_class);
  return status;
}
