#include "models/memory_planner.h"

#include <stdbool.h>
#include <stdlib.h>

#include "kernels/memory.h"

static int larger_first(const void *a, const void *b) {
  const struct placement *x = *(struct placement *const *)a, *y = *(struct placement *const *)b;
  if (x->size != y->size) return x->size < y->size ? 1 : -1;
  return x < y ? -1 : x > y; /* as given: qsort is not stable */
}

static bool alive_together(const struct placement *a, const struct placement *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which `wanted` overlaps none of the n placed ones that live at the same time. */
static size_t lowest_gap(const struct placement *wanted, struct placement *const *placed, size_t n) {
  size_t offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < n; i++) {
      const struct placement *other = placed[i];
      if (!alive_together(wanted, other)) continue;
      if (offset < other->offset + other->size && other->offset < offset + wanted->size) {
        offset = other->offset + other->size;
        moved = true;
      }
    }
  }
  return offset;
}

int place_all(struct placement *placements, size_t count, size_t *total, error *e) {
  *total = 0;
  struct placement **order = allocate(count, sizeof *order, e);
  if (!order) return FAILED;
  for (size_t i = 0; i < count; i++) {
    placements[i].size = (placements[i].size + 15) / 16 * 16;
    order[i] = &placements[i];
  }
  qsort(order, count, sizeof *order, larger_first);
  for (size_t i = 0; i < count; i++) {
    order[i]->offset = lowest_gap(order[i], order, i);
    size_t end = order[i]->offset + order[i]->size;
    if (end > *total) *total = end;
  }
  free(order);
  return OK;
}
