#include "images/preprocess.h"

#include <math.h>

#include "images/resize.h"

/* What becomes of a picture: resized to width x height, of which `part` is kept and placed at (left, top) of the input.
 */
struct layout {
  int width, height;
  struct rectangle part;
  int left, top;
};

/* Python's int(round((size - crop) / 2.0)): halves go to the even number. */
static int crop_start(int size, int crop) {
  int difference = size - crop, half = difference / 2;
  return difference % 2 && half % 2 ? half + 1 : half;
}

/* One axis of CenterCrop: `crop` of `size`, or all of it with black around. */
static void center(int size, int crop, int *start, int *length, int *place) {
  if (crop <= size) {
    *start = crop_start(size, crop);
    *length = crop;
    *place = 0;
  } else {
    *start = 0;
    *length = size;
    *place = (crop - size) / 2;
  }
}

static int lay_out(const struct image *in, const struct recipe *r, struct layout *layout, error *e) {
  layout->width = in->width;
  layout->height = in->height;
  switch (r->crop_mode) {
    case CROP_NONE:
      if (in->width != r->width || in->height != r->height) {
        return fail(e, "is %dx%d, but the model takes %dx%d without resizing", in->width, in->height, r->width,
                    r->height);
      }
      break;
    case CROP_SQUASH:
      layout->width = r->width;
      layout->height = r->height;
      break;
    case CROP_CENTER: {
      if (r->width != r->height) {
        return fail(e, "a centre crop to %dx%d is not supported: only squares are", r->width, r->height);
      }
      int shorter = r->resize ? r->resize : (int)floor(r->height / r->crop_fraction);
      /* As Python computes it: the product is exact, the quotient a double, int() cuts. */
      if (in->width <= in->height) {
        layout->width = shorter;
        layout->height = (int)((double)((int64_t)shorter * in->height) / in->width);
      } else {
        layout->height = shorter;
        layout->width = (int)((double)((int64_t)shorter * in->width) / in->height);
      }
      break;
    }
  }
  center(layout->width, r->width, &layout->part.x, &layout->part.width, &layout->left);
  center(layout->height, r->height, &layout->part.y, &layout->part.height, &layout->top);
  return OK;
}

static void fill_table(const struct recipe *recipe, float table[3][256]) {
  for (int c = 0; c < 3; c++) {
    for (int byte = 0; byte < 256; byte++) {
      table[c][byte] = ((float)byte / 255.0f - recipe->mean[c]) / recipe->std[c];
    }
  }
}

/* Normalise `part` of the pixels (rows row_pixels apart) into its place; black around. */
static void normalise(const uint8_t *rgb, int row_pixels, const struct layout *layout, const struct recipe *recipe,
                      float *out) {
  float table[3][256];
  fill_table(recipe, table);
  for (int y = 0; y < recipe->height; y++) {
    int from_y = y - layout->top;
    bool line = from_y >= 0 && from_y < layout->part.height;
    const uint8_t *pixel = line ? rgb + (size_t)from_y * (size_t)row_pixels * 3 : NULL;
    for (int x = 0; x < recipe->width; x++, out += 3) {
      bool inside = line && x >= layout->left && x < layout->left + layout->part.width;
      for (int c = 0; c < 3; c++) out[c] = table[c][inside ? pixel[c] : 0];
      if (inside) pixel += 3;
    }
  }
}

int preprocess(const struct image *in, const struct recipe *recipe, float *out, error *e) {
  struct layout layout;
  int status = lay_out(in, recipe, &layout, e);
  if (status != OK) return status;
  if (layout.width == in->width && layout.height == in->height) {
    const uint8_t *first = in->rgb + ((size_t)layout.part.y * (size_t)in->width + (size_t)layout.part.x) * 3;
    normalise(first, in->width, &layout, recipe, out);
    return OK;
  }
  struct image resized;
  status = resize(in, layout.width, layout.height, recipe->filter, &layout.part, &resized, e);
  if (status != OK) return status;
  normalise(resized.rgb, resized.width, &layout, recipe, out);
  image_free(&resized);
  return OK;
}
