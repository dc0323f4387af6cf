#include "images/resize.h"

#include <stdlib.h>
#include <string.h>

#include "images/resize_axis.h"
#include "kernels/memory.h"

enum {
  MOST_SIDE = 1 << 24,
  MOST_BYTES = 1 << 30, /* of lines between the passes: passed only by absurdly elongated pictures */
};

/* Rows of the source gather in `batch` until there are as many as the kernel filters at once; filtered, they are the
 * lines of a ring, which a window of the other axis fits in. */
struct resizer {
  const struct pixel_kernels *kernels;
  struct axis across, down;
  struct rectangle source;
  uint8_t *batch; /* [PIXEL_ROWS] rows, batch_stride apart */
  size_t batch_stride;
  uint8_t *ring; /* [ring_lines] lines, ring_stride apart */
  size_t ring_stride;
  int ring_lines;
  int batched;            /* rows in the batch */
  int filtered;           /* rows of the source that have become lines */
  int taken;              /* rows of the result that were given out */
  const uint8_t **window; /* lines of a window */
  uint8_t *row;           /* of the result */
  void *scratch;
};

static int allocate_lines(struct resizer *r, error *e) {
  size_t slack = PIXEL_SLACK;
  r->batch_stride = (size_t)r->source.width * 3 + slack;
  r->ring_stride = (size_t)r->across.windows.count * 3 + slack;
  /* A batch is added while a whole window may still be needed, and never wraps around. */
  r->ring_lines = (r->down.longest + 2 * PIXEL_ROWS - 1) / PIXEL_ROWS * PIXEL_ROWS;
  size_t scratch = r->across.is_picked ? 1 : resize_scratch(r->source.width);
  if (r->ring_stride > MOST_BYTES / (size_t)r->ring_lines || scratch > MOST_BYTES) {
    return fail(e, "resizing %d lines to %d takes too much memory", r->source.height, r->down.windows.count);
  }
  r->batch = allocate_zeroed(PIXEL_ROWS, r->batch_stride, e);
  r->ring = allocate_zeroed((size_t)r->ring_lines, r->ring_stride, e);
  r->window = allocate((size_t)r->down.longest + 1, sizeof *r->window, e);
  r->row = allocate(r->ring_stride, 1, e);
  r->scratch = allocate_aligned(scratch, 1, e);
  return r->batch && r->ring && r->window && r->row && r->scratch ? OK : FAILED;
}

int resizer_start(struct resizer **resizer, int in_width, int in_height, int width, int height, enum filter filter,
                  const struct rectangle *part, error *e) {
  *resizer = NULL;
  struct rectangle all = {0, 0, width, height};
  if (!part) part = &all;
  if (width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE || in_width < 1 || in_height < 1) {
    return fail(e, "cannot resize %dx%d to %dx%d", in_width, in_height, width, height);
  }
  if (part->x < 0 || part->y < 0 || part->width < 1 || part->height < 1 || part->width > width - part->x ||
      part->height > height - part->y) {
    return fail(e, "a part of %dx%d at %d,%d lies outside of %dx%d", part->width, part->height, part->x, part->y, width,
                height);
  }
  struct resizer *r = allocate_zeroed(1, sizeof *r, e);
  if (!r) return FAILED;
  r->kernels = pixel_kernels();
  int status = axis_make(&r->across, in_width, width, part->x, part->width, filter, true, e);
  if (status == OK) status = axis_make(&r->down, in_height, height, part->y, part->height, filter, false, e);
  if (status == OK) {
    r->source = (struct rectangle){r->across.begin, r->down.begin, r->across.end - r->across.begin,
                                   r->down.end - r->down.begin};
    status = allocate_lines(r, e);
  }
  if (status != OK) {
    resizer_stop(r);
    return FAILED;
  }
  *resizer = r;
  return OK;
}

void resizer_stop(struct resizer *r) {
  if (!r) return;
  axis_free(&r->across);
  axis_free(&r->down);
  free(r->batch);
  free(r->ring);
  free(r->window);
  free(r->row);
  release_aligned(r->scratch);
  free(r);
}

struct rectangle resizer_source(const struct resizer *r) {
  return r->source;
}

uint8_t *resizer_room(struct resizer *r) { return r->batch + (size_t)r->batched * r->batch_stride; }

static uint8_t *ring_line(const struct resizer *r, int row) {
  return r->ring + (size_t)(row % r->ring_lines) * r->ring_stride;
}

static void pick_pixels(const struct resize_axis *windows, const uint8_t *in, uint8_t *out) {
  for (int x = 0; x < windows->count; x++, out += 3) memcpy(out, in + (size_t)windows->first[x] * 3, 3);
}

/* The rows of the batch become lines. What the kernel makes of missing ones in the last batch is never read. */
static void filter_batch(struct resizer *r) {
  const struct resize_axis *windows = &r->across.windows;
  for (int i = 0; i < r->batched;) {
    const uint8_t *from = r->batch + (size_t)i * r->batch_stride;
    uint8_t *to = ring_line(r, r->filtered + i);
    if (r->across.is_picked) {
      pick_pixels(windows, from, to);
      i++;
    } else {
      r->kernels->resize_across(windows, from, r->batch_stride, r->source.width, to, r->ring_stride, r->scratch);
      i += r->kernels->rows;
    }
  }
  r->filtered += r->batched;
  r->batched = 0;
}

void resizer_put(struct resizer *r) {
  r->batched++;
  if (r->batched == PIXEL_ROWS || r->filtered + r->batched == r->source.height) filter_batch(r);
}

const uint8_t *resizer_take(struct resizer *r) {
  const struct resize_axis *windows = &r->down.windows;
  int y = r->taken;
  if (y == windows->count) return NULL;
  int first = windows->first[y], pairs = windows->pairs[y];
  int last = first + (r->down.is_picked ? 1 : 2 * pairs) - 1, bottom = r->source.height - 1;
  if ((last < bottom ? last : bottom) >= r->filtered) return NULL;
  r->taken++;
  if (r->down.is_picked) return ring_line(r, first);
  /* Of a window of odd length the last line weighs nothing, and need not exist. */
  for (int k = 0; k < 2 * pairs; k++) r->window[k] = ring_line(r, first + k < r->filtered ? first + k : first);
  r->kernels->resize_down(windows->weights + (size_t)y * (size_t)windows->room, pairs, r->window,
                          (size_t)r->across.windows.count * 3, r->row);
  return r->row;
}

/* ---- whole pictures -----------------------------------------------------------------------------------------------*/

int resize(const struct image *in, int width, int height, enum filter filter, const struct rectangle *part,
           struct image *out, error *e) {
  *out = (struct image){0};
  struct resizer *r;
  if (resizer_start(&r, in->width, in->height, width, height, filter, part, e) != OK) return FAILED;
  int status = image_allocate(out, r->across.windows.count, r->down.windows.count, NULL, e);
  size_t row_bytes = (size_t)out->width * 3;
  uint8_t *to = out->rgb;
  for (int y = 0; y < r->source.height && status == OK; y++) {
    size_t pixel = (size_t)(r->source.y + y) * (size_t)in->width + (size_t)r->source.x;
    memcpy(resizer_room(r), in->rgb + 3 * pixel, 3 * (size_t)r->source.width);
    resizer_put(r);
    for (const uint8_t *row; (row = resizer_take(r)); to += row_bytes) memcpy(to, row, row_bytes);
  }
  resizer_stop(r);
  return status;
}
