#include "images/preprocess.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>

#include "images/resize.h"

/* What becomes of a picture: resized to width x height, of which `part` is kept and placed at (left, top) of the input.
 */
struct layout {
  int width, height;
  struct rectangle part;
  int left, top;
};

/* Python's int(round((size - crop) / 2.0)): halves go to the even number; or (size - crop) // 2. */
static int crop_start(int size, int crop, bool at_floor) {
  int difference = size - crop, half = difference / 2;
  return !at_floor && difference % 2 && half % 2 ? half + 1 : half;
}

/* One axis of CenterCrop: `crop` of `size`, or all of it with black around. */
static void center(int size, int crop, bool at_floor, int *start, int *length, int *place) {
  if (crop <= size) {
    *start = crop_start(size, crop, at_floor);
    *length = crop;
    *place = 0;
  } else {
    *start = 0;
    *length = size;
    *place = (crop - size) / 2;
  }
}

/* torchvision's Resize(shorter): as Python computes it, the product is exact, the quotient a double, int() cuts. */
static int resize_shorter(int shorter, const struct image *in, struct layout *layout, error *e) {
  bool upright = in->width <= in->height;
  int short_side = upright ? in->width : in->height, long_side = upright ? in->height : in->width;
  double longer = (double)((int64_t)shorter * long_side) / short_side;
  if (longer > INT_MAX) return fail(e, "a picture of %dx%d is too elongated to resize", in->width, in->height);
  layout->width = upright ? shorter : (int)longer;
  layout->height = upright ? (int)longer : shorter;
  return OK;
}

/* timm's ResizeKeepRatio: the smallest size of the same ratio that covers width x height, rounded half to even. */
static int resize_to_cover(int width, int height, const struct image *in, struct layout *layout, error *e) {
  double across = (double)in->width / width, down = (double)in->height / height;
  double ratio = across < down ? across : down;
  double resized_width = rint(in->width / ratio), resized_height = rint(in->height / ratio);
  if (resized_width > INT_MAX || resized_height > INT_MAX) {
    return fail(e, "a picture of %dx%d is too elongated to resize", in->width, in->height);
  }
  layout->width = (int)resized_width;
  layout->height = (int)resized_height;
  return OK;
}

static int lay_out(const struct image *in, const struct recipe *r, struct layout *layout, error *e) {
  layout->width = in->width;
  layout->height = in->height;
  int status = OK;
  switch (r->crop_mode) {
    case CROP_NONE:
      if (in->width != r->width || in->height != r->height) {
        return fail(e, "is %dx%d, but the model takes %dx%d without resizing", in->width, in->height, r->width,
                    r->height);
      }
      break;
    case CROP_SQUASH:
      layout->width = r->resize ? r->resize : (int)floor(r->width / r->crop_fraction);
      layout->height = r->resize ? r->resize : (int)floor(r->height / r->crop_fraction);
      break;
    case CROP_CENTER: {
      int width = r->resize ? r->resize : (int)floor(r->width / r->crop_fraction);
      int height = r->resize ? r->resize : (int)floor(r->height / r->crop_fraction);
      status = width == height ? resize_shorter(width, in, layout, e) : resize_to_cover(width, height, in, layout, e);
      break;
    }
  }
  center(layout->width, r->width, r->crop_floor, &layout->part.x, &layout->part.width, &layout->left);
  center(layout->height, r->height, r->crop_floor, &layout->part.y, &layout->part.height, &layout->top);
  return status;
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
