/* Every instruction set's pixel kernels against their definition, on random data, between guard bytes. */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "images/pixel_kernels.h"
#include "images/resize_axis.h"
#include "kernels/kernels.h"
#include "tests/harness.h"

enum { MARK = 0xa5, BESIDE = PIXEL_SLACK + 1 };

/* Bytes between guards. */
struct bytes {
  uint8_t *memory, *data;
  size_t size;
};

static struct bytes bytes_new(size_t size) {
  struct bytes b = {malloc(size + 2 * BESIDE), NULL, size};
  memset(b.memory, MARK, size + 2 * BESIDE);
  b.data = b.memory + BESIDE;
  return b;
}

static struct bytes bytes_random(struct random *random, size_t size) {
  struct bytes b = bytes_new(size);
  for (size_t i = 0; i < size + 2 * BESIDE; i++) b.memory[i] = (uint8_t)random_between(random, 0, 255);
  return b;
}

/* The same, and nothing written before it nor `slack` bytes and more behind it. */
static bool bytes_equal(const struct bytes *a, const struct bytes *b, size_t slack) {
  for (size_t i = 0; i < BESIDE; i++) {
    if (a->memory[i] != MARK || (i >= slack && a->data[a->size + i] != MARK)) return false;
  }
  return !memcmp(a->data, b->data, a->size);
}

static const struct pixel_kernels *reference(void) { return pixel_kernels_find("reference"); }

/* Blocks as files have them, sparse and full, and absurd ones. */
static void fill_blocks(struct random *random, int16_t *blocks, int n, uint16_t *quantisation) {
  bool absurd = random_between(random, 0, 3) == 0;
  for (int i = 0; i < JPEG_BLOCK; i++) quantisation[i] = (uint16_t)random_between(random, 1, absurd ? 65535 : 99);
  for (int b = 0; b < n; b++, blocks += JPEG_BLOCK) {
    int filled = random_between(random, 0, 1) ? random_between(random, 1, 3) : random_between(random, 1, JPEG_BLOCK);
    int most = 1 << random_between(random, 0, absurd ? 14 : 8);
    for (int i = 0; i < filled; i++) blocks[jpeg_natural_order[i]] = (int16_t)random_between(random, -most, most);
  }
}

static int check_inverse_dct(const struct pixel_kernels *kernels, struct random *random) {
  enum { MOST = 9 };
  int n = random_between(random, 1, MOST), room = (n + PIXEL_BLOCKS - 1) / PIXEL_BLOCKS * PIXEL_BLOCKS;
  int16_t *blocks = calloc((size_t)room * JPEG_BLOCK, sizeof *blocks);
  uint16_t quantisation[JPEG_BLOCK];
  fill_blocks(random, blocks, n, quantisation);
  size_t stride = (size_t)room * 8 + (size_t)random_between(random, 0, 9);
  struct bytes expected = bytes_new(8 * stride), actual = bytes_new(8 * stride);
  reference()->inverse_dct(blocks, n, quantisation, expected.data, stride);
  kernels->inverse_dct(blocks, n, quantisation, actual.data, stride);
  for (size_t y = 0; y < 8; y++) { /* surplus blocks are not compared, what lies beside them is */
    memcpy(expected.data + y * stride + (size_t)n * 8, actual.data + y * stride + (size_t)n * 8,
           (size_t)(room - n) * 8);
  }
  bool same = bytes_equal(&actual, &expected, 0);
  free(blocks);
  free(expected.memory);
  free(actual.memory);
  return !same;
}

static int check_upsampling(const struct pixel_kernels *kernels, struct random *random) {
  int n = random_between(random, 1, 700), lower = random_between(random, 0, 1), wrong = 0;
  size_t samples = (size_t)n;
  struct bytes near = bytes_random(random, samples), far = bytes_random(random, samples);
  for (int kind = 0; kind < 4; kind++) {
    struct bytes expected = bytes_new(kind == 1 ? samples : 2 * samples), actual = bytes_new(expected.size);
    const struct pixel_kernels *both[2] = {reference(), kernels};
    for (int i = 0; i < 2; i++) {
      uint8_t *out = i == 0 ? expected.data : actual.data;
      if (kind == 0) both[i]->double_width(near.data, n, out);
      if (kind == 1) both[i]->double_height(near.data, far.data, n, lower, out);
      if (kind == 2) both[i]->double_both(near.data, far.data, n, out);
      if (kind == 3) both[i]->vp8_upsample(near.data, far.data, n, out);
    }
    wrong += !bytes_equal(&actual, &expected, 0);
    free(expected.memory);
    free(actual.memory);
  }
  free(near.memory);
  free(far.memory);
  return wrong;
}

static int check_colour(const struct pixel_kernels *kernels, struct random *random) {
  int n = random_between(random, 1, 300);
  struct bytes planes[3], expected = bytes_new(3 * (size_t)n), actual = bytes_new(3 * (size_t)n);
  for (int i = 0; i < 3; i++) planes[i] = bytes_random(random, (size_t)n);
  reference()->ycc_to_rgb(planes[0].data, planes[1].data, planes[2].data, n, expected.data);
  kernels->ycc_to_rgb(planes[0].data, planes[1].data, planes[2].data, n, actual.data);
  bool same = bytes_equal(&actual, &expected, 0);
  reference()->vp8_to_rgb(planes[0].data, planes[1].data, planes[2].data, n, expected.data);
  kernels->vp8_to_rgb(planes[0].data, planes[1].data, planes[2].data, n, actual.data);
  same = same && bytes_equal(&actual, &expected, 0);
  for (int i = 0; i < 3; i++) free(planes[i].memory);
  free(expected.memory);
  free(actual.memory);
  return !same;
}

static int check_resize_across(const struct pixel_kernels *kernels, struct random *random) {
  int in = random_between(random, 1, 300), out = random_between(random, 1, 300);
  int first = random_between(random, 0, out - 1), count = random_between(random, 1, out - first), wrong = 0;
  if (in == out) return 0;
  struct axis axis;
  error e;
  enum filter filter = (enum filter)random_between(random, FILTER_BILINEAR, FILTER_HAMMING);
  if (axis_make(&axis, in, out, first, count, filter, true, &e) != OK) return 1;
  int width = axis.end - axis.begin;
  size_t rows = (size_t)kernels->rows, in_stride = (size_t)width * 3 + PIXEL_SLACK;
  size_t out_stride = (size_t)count * 3 + PIXEL_SLACK;
  struct bytes lines = bytes_random(random, rows * in_stride);
  struct bytes result = bytes_new(rows * out_stride), expected = bytes_new((size_t)count * 3);
  void *scratch = aligned_alloc(64, resize_scratch(width));
  kernels->resize_across(&axis.windows, lines.data, in_stride, width, result.data, out_stride, scratch);
  for (size_t i = 0; i < rows; i++) {
    reference()->resize_across(&axis.windows, lines.data + i * in_stride, in_stride, width, expected.data, 0, NULL);
    wrong += memcmp(result.data + i * out_stride, expected.data, expected.size) != 0;
  }
  for (size_t i = 0; i < BESIDE; i++) wrong += result.memory[i] != MARK || result.data[result.size + i] != MARK;
  free(scratch);
  free(lines.memory);
  free(result.memory);
  free(expected.memory);
  axis_free(&axis);
  return wrong;
}

static int check_resize_down(const struct pixel_kernels *kernels, struct random *random) {
  enum { MOST_PAIRS = 9 };
  int pairs = random_between(random, 1, MOST_PAIRS);
  size_t n = (size_t)random_between(random, 1, 300);
  struct weight_pair weights[MOST_PAIRS];
  for (int i = 0; i < 2 * pairs; i++) {
    int most = (1 << WEIGHT_FRACTION) / pairs; /* so that the sum fits */
    int weight = random_between(random, -most / 4, most / 2);
    weights[i / 2].high[i % 2] = (int16_t)(weight >> WEIGHT_LOW_BITS);
    weights[i / 2].low[i % 2] = (int16_t)(weight & ((1 << WEIGHT_LOW_BITS) - 1));
  }
  struct bytes lines[2 * MOST_PAIRS], expected = bytes_new(n), actual = bytes_new(n);
  const uint8_t *pointers[2 * MOST_PAIRS];
  for (int i = 0; i < 2 * pairs; i++) {
    lines[i] = bytes_random(random, n);
    pointers[i] = lines[i].data;
  }
  reference()->resize_down(weights, pairs, pointers, n, expected.data);
  kernels->resize_down(weights, pairs, pointers, n, actual.data);
  bool same = bytes_equal(&actual, &expected, PIXEL_SLACK);
  for (int i = 0; i < 2 * pairs; i++) free(lines[i].memory);
  free(expected.memory);
  free(actual.memory);
  return !same;
}

TEST(pixel_kernels_equal_their_reference) {
  static const struct {
    const char *name;
    int (*check)(const struct pixel_kernels *kernels, struct random *random);
    int rounds;
  } checks[] = {{"inverse_dct", check_inverse_dct, 4000},
                {"upsampling", check_upsampling, 300},
                {"ycc_to_rgb", check_colour, 300},
                {"resize_across", check_resize_across, 300},
                {"resize_down", check_resize_down, 500}};
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct pixel_kernels *kernels = pixel_kernels_find(*isa);
    REQUIRE(kernels != NULL);
    CHECK_STRING(kernels->isa, *isa);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
      struct random random = {7};
      int wrong = 0;
      for (int round = 0; round < checks[i].rounds; round++) wrong += checks[i].check(kernels, &random);
      CHECK_MSG(wrong == 0, "%s on %s: %d of %d differ", checks[i].name, *isa, wrong, checks[i].rounds);
    }
  }
}

/* Every colour that there is, exhaustively: the vector code's factors are taken apart. */
TEST(every_jfif_colour_is_right) {
  enum { COLOURS = 256 * 256 };
  uint8_t y[256 + PIXEL_SLACK], b[256 + PIXEL_SLACK], r[256 + PIXEL_SLACK], expected[768], actual[768];
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    int wrong = 0;
    for (int i = 0; i < COLOURS; i++) {
      memset(b, i >> 8, sizeof b);
      memset(r, i & 255, sizeof r);
      for (int k = 0; k < 256 + PIXEL_SLACK; k++) y[k] = (uint8_t)k;
      reference()->ycc_to_rgb(y, b, r, 256, expected);
      pixel_kernels_find(*isa)->ycc_to_rgb(y, b, r, 256, actual);
      wrong += memcmp(expected, actual, sizeof actual) != 0;
    }
    CHECK_MSG(wrong == 0, "%s: %d of %d", *isa, wrong, COLOURS);
  }
}
