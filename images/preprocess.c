#include "images/preprocess.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/corrupt.h"
#include "images/resize.h"
#include "kernels/memory.h"

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
static int resize_shorter(int shorter, int in_width, int in_height, struct layout *layout, error *e) {
  bool upright = in_width <= in_height;
  int short_side = upright ? in_width : in_height, long_side = upright ? in_height : in_width;
  double longer = (double)((int64_t)shorter * long_side) / short_side;
  if (longer > INT_MAX) return fail(e, "a picture of %dx%d is too elongated to resize", in_width, in_height);
  layout->width = upright ? shorter : (int)longer;
  layout->height = upright ? (int)longer : shorter;
  return OK;
}

/* timm's ResizeKeepRatio: the smallest size of the same ratio that covers width x height, rounded half to even. */
static int resize_to_cover(int width, int height, int in_width, int in_height, struct layout *layout, error *e) {
  double across = (double)in_width / width, down = (double)in_height / height;
  double ratio = across < down ? across : down;
  double resized_width = rint(in_width / ratio), resized_height = rint(in_height / ratio);
  if (resized_width > INT_MAX || resized_height > INT_MAX) {
    return fail(e, "a picture of %dx%d is too elongated to resize", in_width, in_height);
  }
  layout->width = (int)resized_width;
  layout->height = (int)resized_height;
  return OK;
}

int preprocess_layout(int in_width, int in_height, const struct recipe *r, struct layout *layout, error *e) {
  layout->width = in_width;
  layout->height = in_height;
  int status = OK;
  switch (r->crop_mode) {
    case CROP_NONE:
      if (in_width != r->width || in_height != r->height) {
        return fail(e, "is %dx%d, but the model takes %dx%d without resizing", in_width, in_height, r->width,
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
      status = width == height ? resize_shorter(width, in_width, in_height, layout, e)
                               : resize_to_cover(width, height, in_width, in_height, layout, e);
      break;
    }
  }
  center(layout->width, r->width, r->crop_floor, &layout->part.x, &layout->part.width, &layout->left);
  center(layout->height, r->height, r->crop_floor, &layout->part.y, &layout->part.height, &layout->top);
  return status;
}

/* ---- from rows to the tensor --------------------------------------------------------------------------------------*/

/* The sink that decoders fill. */
struct tensor {
  struct row_sink sink;
  const struct recipe *recipe;
  struct layout layout;
  struct resizer *resizer;
  float table[3][256]; /* the float of each byte */
  float *out;          /* [recipe->height, recipe->width, 3] */
  uint8_t *crop;       /* the same in bytes, where they are still to be spoilt; else NULL */
  int rows;            /* of the picture's part that are in it */
};

static void fill_table(const struct recipe *recipe, float table[3][256]) {
  for (int c = 0; c < 3; c++) {
    for (int byte = 0; byte < 256; byte++) {
      table[c][byte] = ((float)byte / 255.0f - recipe->mean[c]) / recipe->std[c];
    }
  }
}

/* What a picture that is smaller than the crop leaves free is black. */
static void fill_black(const struct tensor *t) {
  const struct rectangle *part = &t->layout.part;
  if (part->width == t->recipe->width && part->height == t->recipe->height) return;
  size_t pixels = (size_t)t->recipe->width * (size_t)t->recipe->height;
  for (size_t i = 0; i < pixels; i++) {
    for (size_t c = 0; c < 3; c++) t->out[3 * i + c] = t->table[c][0];
  }
}

static int begin(struct row_sink *sink, int width, int height, struct rectangle *part, error *e) {
  struct tensor *t = (struct tensor *)sink;
  struct layout *l = &t->layout;
  if (preprocess_layout(width, height, t->recipe, l, e) != OK) return FAILED;
  if (resizer_start(&t->resizer, width, height, l->width, l->height, t->recipe->filter, &l->part, e) != OK) {
    return FAILED;
  }
  fill_black(t);
  *part = resizer_source(t->resizer);
  return OK;
}

static uint8_t *room(struct row_sink *sink) { return resizer_room(((struct tensor *)sink)->resizer); }

static void normalise(const struct tensor *t, const uint8_t *rgb, size_t pixels, float *out) {
  for (size_t i = 0; i < pixels; i++, out += 3, rgb += 3) {
    for (size_t c = 0; c < 3; c++) out[c] = t->table[c][rgb[c]];
  }
}

static void put_row(struct tensor *t, const uint8_t *rgb) {
  size_t row = (size_t)(t->layout.top + t->rows++) * (size_t)t->recipe->width;
  size_t place = 3 * (row + (size_t)t->layout.left), pixels = (size_t)t->layout.part.width;
  if (t->crop) {
    memcpy(t->crop + place, rgb, 3 * pixels);
  } else {
    normalise(t, rgb, pixels, t->out + place);
  }
}

static int put(struct row_sink *sink, error *e) {
  (void)e;
  struct tensor *t = (struct tensor *)sink;
  resizer_put(t->resizer);
  for (const uint8_t *row; (row = resizer_take(t->resizer));) put_row(t, row);
  return OK;
}

static void prepare(struct tensor *t, const struct recipe *recipe, float *out) {
  *t = (struct tensor){.sink = {begin, room, put}, .recipe = recipe, .out = out};
  fill_table(recipe, t->table);
}

int preprocess(const struct image *in, const struct recipe *recipe, float *out, error *e) {
  struct tensor tensor;
  prepare(&tensor, recipe, out);
  int status = image_put_rows(in, &tensor.sink, e);
  resizer_stop(tensor.resizer);
  return status;
}

int preprocess_file(const uint8_t *bytes, size_t size, const struct decode_options *options,
                    const struct recipe *recipe, float *out, struct image *about, error *e) {
  struct tensor tensor;
  struct image ignored;
  prepare(&tensor, recipe, out);
  int status = image_stream(&tensor.sink, about ? about : &ignored, bytes, size, options, e);
  resizer_stop(tensor.resizer);
  return status;
}

/* ---- a part of the picture ----------------------------------------------------------------------------------------*/

static void mirror(uint8_t *to, const uint8_t *rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; i++) memcpy(to + 3 * i, rgb + 3 * (pixels - 1 - i), 3);
}

int preprocess_view(const struct image *in, const struct recipe *recipe, const struct random_crop *view, float *out,
                    error *e) {
  struct tensor t;
  prepare(&t, recipe, out);
  size_t width = (size_t)recipe->width;
  t.layout.part = (struct rectangle){0, 0, recipe->width, recipe->height};
  uint8_t *mirrored = allocate(width, 3, e);
  int status = mirrored ? resizer_start(&t.resizer, view->part.width, view->part.height, recipe->width, recipe->height,
                                        recipe->filter, NULL, e)
                        : FAILED;
  struct rectangle source = status == OK ? resizer_source(t.resizer) : (struct rectangle){0};
  for (int y = 0; y < source.height; y++) {
    size_t row = (size_t)(view->part.y + source.y + y) * (size_t)in->width;
    const uint8_t *from = in->rgb + 3 * (row + (size_t)(view->part.x + source.x));
    memcpy(resizer_room(t.resizer), from, 3 * (size_t)source.width);
    resizer_put(t.resizer);
    for (const uint8_t *made; (made = resizer_take(t.resizer));) {
      if (view->mirrored) mirror(mirrored, made, width);
      put_row(&t, view->mirrored ? mirrored : made);
    }
  }
  resizer_stop(t.resizer);
  free(mirrored);
  return status;
}

/* ---- with a corruption between ------------------------------------------------------------------------------------*/

static int prepare_corrupted(struct tensor *t, const struct recipe *recipe, float *out, error *e) {
  prepare(t, recipe, out);
  t->crop = allocate_zeroed((size_t)recipe->width * (size_t)recipe->height, 3, e);
  return t->crop ? OK : FAILED;
}

static int finish_corrupted(struct tensor *t, const struct corruption_choice *choice, const char *key, int status,
                            error *e) {
  struct image crop = {.rgb = t->crop, .width = t->recipe->width, .height = t->recipe->height};
  if (status == OK) status = corrupt(&crop, choice, key, e);
  if (status == OK) normalise(t, t->crop, (size_t)crop.width * (size_t)crop.height, t->out);
  resizer_stop(t->resizer);
  free(t->crop);
  return status;
}

int preprocess_corrupted(const struct image *in, const struct recipe *recipe, const struct corruption_choice *choice,
                         const char *key, float *out, error *e) {
  struct tensor tensor;
  int status = prepare_corrupted(&tensor, recipe, out, e);
  if (status == OK) status = image_put_rows(in, &tensor.sink, e);
  return finish_corrupted(&tensor, choice, key, status, e);
}

int preprocess_file_corrupted(const uint8_t *bytes, size_t size, const struct decode_options *options,
                              const struct recipe *recipe, const struct corruption_choice *choice, const char *key,
                              float *out, struct image *about, error *e) {
  struct tensor tensor;
  struct image ignored;
  int status = prepare_corrupted(&tensor, recipe, out, e);
  if (status == OK) status = image_stream(&tensor.sink, about ? about : &ignored, bytes, size, options, e);
  return finish_corrupted(&tensor, choice, key, status, e);
}
