/* WebP against Pillow's pixels (tests/reference/make_webp_fixtures.py), and damaged; the vector code of the loop filter
 * and of the transform against the specification's. */
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "images/vp8_internal.h"
#include "tests/decoding.h"
#include "tests/harness.h"

TEST(webps_equal_pillow) { check_hash_tables("webp"); }

TEST(damaged_webps_get_an_answer) {
  static const char *const names[] = {"webp/lossy-16x16.webp",     "webp/lossy-partitions-4.webp",
                                      "webp/lossless-35x2.webp",   "webp/lossless-colours-4.webp",
                                      "webp/animation-alpha.webp", "webp/extended.webp",
                                      "webp/lossless-2x3.webp"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_damage(names[i], 0);
}

TEST(refused_webps_say_why) {
#define RIFF(size) "RIFF" size "\0\0\0WEBP"
  check_refused(RIFF("\20"), 12, "the RIFF promises 16 bytes, the file has 4");
  check_refused(RIFF("\4"), 12, "no chunk");
  check_refused(RIFF("\14") "VP8 \1\0\0\0", 20, "the chunk at byte 12 promises 2 bytes, the RIFF has 0");
  check_refused(RIFF("\14") "what\0\0\0\0", 20, "no chunk of an image at byte 12");
  check_refused(RIFF("\26") "VP8 \12\0\0\0\20\0\0\x9d\1\x2a\0\0\1\0", 30, "is empty: 0 x 1 pixels");
  check_refused(RIFF("\26") "VP8 \12\0\0\0\20\0\0\x9d\1\x2a\1\0\1\0", 30, "no coefficients at byte 30");
  check_refused(RIFF("\22") "VP8L\5\0\0\0\x2f\0\0\0\0\0", 26, "prefix code");
  /* 16383 x 16383 pixels are refused before anything is allocated; so are macroblocks that the file cannot hold. */
  char huge[112] = RIFF("\150") "VP8 \134\0\0\0\20\12\0\x9d\1\x2a\377\77\377\77";
  check_refused(huge, sizeof huge, "passes the limit");
  memcpy(huge + 26, "\0\40\0\40", 4); /* 8192 x 8192 */
  check_refused(huge, sizeof huge, "262144 macroblocks, which its first partition cannot hold");
#undef RIFF
}

/* ---- a large picture, of which VP8L keeps the last million pixels -------------------------------------------------*/

struct bit_writer {
  uint8_t *bytes;
  size_t count; /* bits */
};

static void put(struct bit_writer *to, uint32_t value, int bits) {
  for (int i = 0; i < bits; i++, to->count++) to->bytes[to->count / 8] |= (uint8_t)((value >> i & 1) << to->count % 8);
}

/* A code of one symbol. */
static void put_one_symbol(struct bit_writer *to, uint32_t symbol) {
  put(to, 5, 3);
  put(to, symbol, 8);
}

enum { WIDE = 1021, HIGH = 3001, PIXELS = WIDE * HIGH, RED = 200, BLUE = 90 };

/* Green 11 and 12, copies of 3073 pixels and more from a distance of 786313 pixels and more, and the cache's first
 * colour have codes of two bits; the pixels' greens go to `greens`. */
static void put_large_picture(struct bit_writer *to, uint8_t *greens) {
  struct random random = {8};
  put(to, 0x2f, 8);
  put(to, WIDE - 1, 14);
  put(to, HIGH - 1, 14);
  put(to, 0, 4 + 1);                                   /* no alpha, no transform */
  put(to, 1 | 1 << 1, 1 + 4 + 1);                      /* a cache of two colours, one group of codes */
  put(to, 1 << 1, 1 + 4);                              /* lengths of five symbols of the code for lengths: */
  put(to, 0 | 1 << 3 | 2 << 6 | 0 << 9 | 2 << 12, 15); /* 18 has the code 0, 0 has 10, 2 has 11 */
  put(to, 0, 1);                                       /* all lengths: */
  put(to, 0 | 0 << 1, 1 + 7);                          /* eleven zeros */
  put(to, 3 | 3 << 2, 4);                              /* 2 of green 11 and 12 */
  put(to, 0 | 127 << 1 | 0 << 8 | 117 << 9, 16);       /* 138 + 128 zeros */
  put(to, 3 | 3 << 2 | 1 << 4, 6);                     /* 2 of the longest copies' prefix and of the cache's first, 0 */
  put_one_symbol(to, RED);
  put_one_symbol(to, BLUE);
  put_one_symbol(to, 255);
  put_one_symbol(to, 39); /* the farthest distances' prefix */
  uint8_t cached = 0;     /* the last green whose colour has the key 0 */
  for (int n = 0; n < PIXELS;) {
    int kind = random_between(&random, 0, 300), begin = n;
    uint32_t extra = (uint32_t)random_between(&random, 0, 1023),
             far = (uint32_t)random_between(&random, 0, (1 << 18) - 1);
    int length = 3073 + (int)extra, distance = (3 << 18) + (int)far + 1 - 120;
    if (kind == 0 && distance <= n && length <= PIXELS - n) {
      put(to, 1 | extra << 2, 2 + 10);
      put(to, far, 18);
      for (int i = 0; i < length; i++, n++) greens[n] = greens[n - distance];
    } else if (kind % 3 == 1 && cached) {
      put(to, 3, 2);
      greens[n++] = cached;
    } else {
      put(to, kind % 2 ? 0 : 2, 2);
      greens[n++] = kind % 2 ? 11 : 12;
    }
    for (int i = begin; i < n; i++) {
      uint32_t colour = 0xff000000u | RED << 16 | (uint32_t)greens[i] << 8 | BLUE;
      if ((0x1e35a7bdu * colour) >> 31 == 0) cached = greens[i];
    }
  }
}

TEST(vp8l_copies_reach_back_a_million_pixels) {
  enum { HEADER = 20, ROOM = HEADER + 200 + PIXELS / 2 };
  uint8_t *file = calloc(1, ROOM), *greens = malloc(PIXELS);
  struct bit_writer to = {file + HEADER, 0};
  put_large_picture(&to, greens);
  uint32_t size = (uint32_t)(to.count / 16 * 2 + 2), riff = size + HEADER - 8;
  memcpy(file, "RIFF....WEBPVP8L....", HEADER);
  memcpy(file + 4, &riff, 4);
  memcpy(file + 16, &size, 4);
  struct image image;
  error e = {""};
  if (CHECK_MSG(webp_decode(&image, file, HEADER + size, NULL, &e) == OK, "%s", e.message)) {
    int wrong = image.width != WIDE || image.height != HIGH;
    for (size_t i = 0; i < PIXELS && !wrong; i++) {
      const uint8_t *pixel = image.rgb + 3 * i;
      wrong = pixel[0] != RED || pixel[1] != greens[i] || pixel[2] != BLUE;
    }
    CHECK(!wrong);
    image_free(&image);
  }
  free(greens);
  free(file);
}

/* ---- the loop filter, as sections 15.2 and 15.3 define it ---------------------------------------------------------*/

static int clip_signed(int value) { return value < -128 ? -128 : value > 127 ? 127 : value; }

/* Across one place of an edge: p3 .. p0 lie before s, q0 .. q3 from s on, `step` apart. */
static void filter_place(uint8_t *s, ptrdiff_t step, const struct vp8_filter *f, bool simple, bool between_blocks) {
  int v[8], limit = f->limit + (between_blocks ? 0 : 4);
  for (int i = 0; i < 8; i++) v[i] = s[(i - 4) * step];
  if (abs(v[3] - v[4]) * 2 + abs(v[2] - v[5]) / 2 > limit) return;
  for (int i = 0; i < 7 && !simple; i++) {
    if (i != 3 && abs(v[i] - v[i + 1]) > f->interior) return;
  }
  bool high = simple || abs(v[2] - v[3]) > f->high_edge || abs(v[5] - v[4]) > f->high_edge;
  for (int i = 0; i < 8; i++) v[i] -= 128;
  int outer = between_blocks && !high ? 0 : clip_signed(v[2] - v[5]);
  int a = clip_signed(outer + 3 * (v[4] - v[3]));
  if (high || between_blocks) {
    int q = clip_signed(a + 4) >> 3, p = clip_signed(a + 3) >> 3;
    v[4] = clip_signed(v[4] - q);
    v[3] = clip_signed(v[3] + p);
    if (!high) {
      v[5] = clip_signed(v[5] - ((q + 1) >> 1));
      v[2] = clip_signed(v[2] + ((q + 1) >> 1));
    }
  } else {
    for (int i = 0; i < 3; i++) {
      int move = clip_signed((9 * (3 - i) * a + 63) >> 7);
      v[4 + i] = clip_signed(v[4 + i] - move);
      v[3 - i] = clip_signed(v[3 - i] + move);
    }
  }
  for (int i = 0; i < 8; i++) s[(i - 4) * step] = (uint8_t)(v[i] + 128);
}

static void filter_plane(uint8_t *plane, ptrdiff_t stride, int size, const struct vp8_filter *f, bool simple,
                         bool has_left, bool has_above) {
  for (int vertical = 1; vertical >= 0; vertical--) {
    ptrdiff_t across = vertical ? 1 : stride, along = vertical ? stride : 1;
    for (int edge = 0; edge < size; edge += 4) {
      if (edge == 0 ? !(vertical ? has_left : has_above) : !f->inner) continue;
      for (int i = 0; i < size; i++) filter_place(plane + edge * across + i * along, across, f, simple, edge > 0);
    }
  }
}

TEST(vp8_loop_filter_equals_its_specification) {
  enum { COLUMNS = 3, STRIDE = 16 * COLUMNS + 16, LINES = 8 + 16, PLANE = STRIDE * LINES };
  struct random random = {3};
  int wrong = 0;
  for (int round = 0; round < 1500; round++) {
    uint8_t planes[3][PLANE], expected[3][PLANE];
    int spread = random_between(&random, 0, 60);
    for (int i = 0; i < PLANE; i++) {
      for (int p = 0; p < 3; p++)
        planes[p][i] = (uint8_t)(random_between(&random, 128 - spread, 128 + spread) + i % 16);
    }
    memcpy(expected, planes, sizeof planes);
    struct vp8 v = {.columns = COLUMNS, .y_stride = STRIDE, .uv_stride = STRIDE, .simple_filter = round % 4 == 0};
    struct vp8_filter filters[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
      filters[i] =
          (struct vp8_filter){(uint8_t)random_between(&random, 0, 189), (uint8_t)random_between(&random, 1, 63),
                              (uint8_t)random_between(&random, 0, 2), random_between(&random, 0, 1)};
    }
    bool has_above = random_between(&random, 0, 1);
    size_t begin = 8 * STRIDE + 8;
    vp8_filter_row(&v, filters, planes[0] + begin, planes[1] + begin, planes[2] + begin, has_above);
    for (int i = 0; i < COLUMNS; i++) {
      for (int p = 0; p < (v.simple_filter ? 1 : 3) && filters[i].limit; p++) {
        int size = p == 0 ? 16 : 8;
        filter_plane(expected[p] + begin + i * size, STRIDE, size, &filters[i], v.simple_filter, i > 0, has_above);
      }
    }
    wrong += memcmp(planes, expected, sizeof planes) != 0;
  }
  CHECK_MSG(wrong == 0, "%d of 1500 rows differ", wrong);
}

/* ---- the transform, as section 14.3 defines it --------------------------------------------------------------------*/

static void transform_four(const int *in, int *out, ptrdiff_t step) {
  int a = in[0] + in[2 * step], b = in[0] - in[2 * step], x = in[step], y = in[3 * step];
  int c = ((x * 35468) >> 16) - (y + ((y * 20091) >> 16)), d = x + ((x * 20091) >> 16) + ((y * 35468) >> 16);
  out[0] = a + d;
  out[3 * step] = a - d;
  out[step] = b + c;
  out[2 * step] = b - c;
}

TEST(vp8_inverse_transform_equals_its_specification) {
  struct random random = {4};
  static const int zigzag[] = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};
  int wrong = 0;
  for (int round = 0; round < 3000; round++) {
    int16_t coefficients[16] = {0};
    int values[16], columns[16], count = random_between(&random, 1, 16), most = 1 << random_between(&random, 1, 11);
    uint8_t samples[4 * 8], expected[4 * 8];
    for (int i = 0; i < count; i++) coefficients[zigzag[i]] = (int16_t)random_between(&random, -most, most);
    for (int i = 0; i < 32; i++) samples[i] = expected[i] = (uint8_t)random_between(&random, 0, 255);
    for (int i = 0; i < 16; i++) values[i] = coefficients[i];
    for (int i = 0; i < 4; i++) transform_four(values + i, columns + i, 4);
    for (int y = 0; y < 4; y++) {
      transform_four(columns + 4 * y, values + 4 * y, 1);
      for (int x = 0; x < 4; x++) {
        int sum = expected[8 * y + x] + ((values[4 * y + x] + 4) >> 3);
        expected[8 * y + x] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
      }
    }
    enum vp8_extent extent = count > 3 ? VP8_FULL : count > 1 ? VP8_FIRST_THREE : VP8_DC_ONLY;
    vp8_add_residual(coefficients, extent, samples, 8);
    wrong += memcmp(samples, expected, sizeof samples) != 0;
  }
  CHECK_MSG(wrong == 0, "%d of 3000 blocks differ", wrong);
}
