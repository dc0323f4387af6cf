/* One axis of a resize: which input positions make each output position, and their weights. */
#ifndef IMAGES_RESIZE_AXIS_H
#define IMAGES_RESIZE_AXIS_H

#include <stdbool.h>

#include "images/pixel_kernels.h"
#include "kernels/error.h"
#include "weights-tools/recipe.h"

struct axis {
  struct resize_axis windows; /* positions count from `begin` of the input */
  bool is_picked;             /* each output position is one input position, and there are no weights */
  int begin, end; /* the input positions that windows cover; with alignment, rather more, but none outside */
  int longest;    /* positions of a window */
};

/* Output positions [first, first + count) of an axis that goes from `in` to `out` samples. even: windows begin an even
 * number of positions after `begin`, with weights of zero in front where needed. FAILED when memory does not suffice or
 * the weights would take absurdly much. */
int axis_make(struct axis *axis, int in, int out, int first, int count, enum filter filter, bool even, error *e);
void axis_free(struct axis *axis);

#endif
