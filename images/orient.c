#include <stdlib.h>
#include <string.h>

#include "images/exif.h"
#include "kernels/memory.h"

/* Where the pixels of a turned picture come from: in the given picture, `first` is the top left one's, and a step to
 * the right or down is so many bytes. */
struct source {
  const uint8_t *first;
  ptrdiff_t right, down;
  int width, height;
};

static struct source turned(const struct image *image, int orientation) {
  const ptrdiff_t pixel = 3, row = pixel * image->width;
  const uint8_t *left_top = image->rgb, *left_bottom = left_top + row * (image->height - 1);
  const ptrdiff_t across = pixel * (image->width - 1);
  int w = image->width, h = image->height;
  switch (orientation) {
    case 2:
      return (struct source){left_top + across, -pixel, row, w, h};
    case 3:
      return (struct source){left_bottom + across, -pixel, -row, w, h};
    case 4:
      return (struct source){left_bottom, pixel, -row, w, h};
    case 5:
      return (struct source){left_top, row, pixel, h, w};
    case 6:
      return (struct source){left_bottom, -row, pixel, h, w};
    case 7:
      return (struct source){left_bottom + across, -row, -pixel, h, w};
    case 8:
      return (struct source){left_top + across, row, -pixel, h, w};
    default:
      return (struct source){left_top, pixel, row, w, h};
  }
}

/* One block, small enough that the rows and the columns it touches stay in the first cache. */
static void turn_block(const struct source *from, uint8_t *rgb, int x0, int y0, int columns, int rows) {
  for (int y = y0; y < y0 + rows; y++) {
    const uint8_t *in = from->first + y * from->down + x0 * from->right;
    uint8_t *out = rgb + ((size_t)y * (size_t)from->width + (size_t)x0) * 3;
    for (int x = 0; x < columns; x++, in += from->right, out += 3) memcpy(out, in, 3);
  }
}

int image_orient(struct image *image, int orientation, error *e) {
  enum { BLOCK = 32 };
  if (orientation < 2 || orientation > 8) return OK;
  struct source from = turned(image, orientation);
  uint8_t *rgb = allocate((size_t)image->width * (size_t)image->height, 3, e);
  if (!rgb) return FAILED;
  for (int y = 0; y < from.height; y += BLOCK) {
    int rows = from.height - y < BLOCK ? from.height - y : BLOCK;
    for (int x = 0; x < from.width; x += BLOCK) {
      int columns = from.width - x < BLOCK ? from.width - x : BLOCK;
      turn_block(&from, rgb, x, y, columns, rows);
    }
  }
  free(image->rgb);
  image->rgb = rgb;
  image->width = from.width;
  image->height = from.height;
  return OK;
}
