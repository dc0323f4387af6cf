/* PNG, PNM, resizing and preprocessing against Pillow's and timm's bytes
 * (tests/reference/make_pixel_fixtures.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/deflate.h"
#include "images/image.h"
#include "images/inflate.h"
#include "images/png_write.h"
#include "images/preprocess.h"
#include "images/resize.h"
#include "tests/harness.h"

static uint64_t fnv(const void *bytes, size_t size) {
  uint64_t state = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) state = (state ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
  return state;
}

static struct image picture(int width, int height) {
  struct image image = {.rgb = malloc((size_t)width * (size_t)height * 3), .width = width, .height = height};
  uint8_t *to = image.rgb;
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      for (int c = 0; c < 3; c++) *to++ = (uint8_t)((x * x * 3 + y * 7 * (c + 1) + x * y * (c + 2)) >> 2);
    }
  }
  return image;
}

TEST(png_pixels_equal_pillow) {
  char *table = read_file(fixture("png/hashes.tsv"), NULL);
  REQUIRE(table != NULL);
  int files = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), files++) {
    char name[128], path[160];
    int width, height;
    unsigned long long hash;
    REQUIRE(sscanf(line, "%127s %d %d %llx", name, &width, &height, &hash) == 4);
    snprintf(path, sizeof path, "png/%s", name);
    size_t size;
    char *bytes = read_file(fixture(path), &size);
    REQUIRE(bytes != NULL);
    struct image image;
    error e = {""};
    if (CHECK_MSG(image_decode(&image, (uint8_t *)bytes, size, NULL, &e) == OK, "%s: %s", name, e.message)) {
      bool same =
          image.width == width && image.height == height && fnv(image.rgb, (size_t)width * (size_t)height * 3) == hash;
      CHECK_MSG(same, "%s: other pixels than Pillow's", name);
      image_free(&image);
    }
    free(bytes);
  }
  CHECK(files >= 35);
  free(table);
}

/* PngSuite and other public files: Pillow's pixels; what it is built to break (x*.png), and rows that are missing,
 * refused.
 */
TEST(public_pngs_equal_pillow) {
  if (!shared_data("png")) SKIP("no folder png in the optional data");
  char *table = read_file(fixture("png/public.tsv"), NULL);
  REQUIRE(table != NULL);
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n")) {
    char name[128], path[160], hash[32];
    REQUIRE(sscanf(line, "%127s %31s", name, hash) == 2);
    snprintf(path, sizeof path, "png/%s", name);
    size_t size;
    char *bytes = read_file(shared_data(path), &size);
    REQUIRE(bytes != NULL);
    struct image image;
    error e = {""};
    int status = image_decode(&image, (uint8_t *)bytes, size, NULL, &e);
    CHECK_MSG((status == OK) == (strcmp(hash, "refused") != 0), "%s: %s", name, status == OK ? "accepted" : e.message);
    if (status == OK) {
      CHECK_MSG(fnv(image.rgb, (size_t)image.width * (size_t)image.height * 3) == strtoull(hash, NULL, 16),
                "%s: other pixels than Pillow's", name);
      image_free(&image);
    }
    free(bytes);
  }
  free(table);
}

/* Cut at every byte, every byte changed: an answer, and for a cut an error. */
TEST(broken_pngs_get_an_answer) {
  static const char *const names[] = {"png/color2-8.png", "png/color3-4-interlaced.png", "png/color6-16.png"};
  for (int f = 0; f < 3; f++) {
    size_t size;
    char *bytes = read_file(fixture(names[f]), &size);
    REQUIRE(bytes != NULL);
    for (size_t n = 0; n < size; n++) {
      uint8_t *cut = malloc(n ? n : 1);
      memcpy(cut, bytes, n);
      struct image image;
      error e = {""};
      /* The last chunk, IEND, may be missing. */
      if (image_decode(&image, cut, n, NULL, &e) == OK) {
        CHECK(n + 12 >= size);
        image_free(&image);
      }
      free(cut);
      struct decode_options options = {.max_pixels = 1 << 20};
      bytes[n] = (char)(bytes[n] ^ (1 << n % 8));
      if (image_decode(&image, (uint8_t *)bytes, size, &options, &e) == OK) image_free(&image);
      bytes[n] = (char)(bytes[n] ^ (1 << n % 8));
    }
    free(bytes);
  }
}

TEST(written_pngs_read_back) {
  static const int sizes[][2] = {{1, 1}, {3, 2}, {64, 64}, {200, 31}};
  for (int i = 0; i < 4; i++) {
    struct image image = picture(sizes[i][0], sizes[i][1]), back;
    uint8_t *bytes;
    size_t size;
    error e = {""};
    REQUIRE(png_encode(&image, &bytes, &size, &e) == OK);
    CHECK_MSG(image_decode(&back, bytes, size, NULL, &e) == OK, "%s", e.message);
    CHECK(back.width == image.width && back.height == image.height &&
          !memcmp(back.rgb, image.rgb, (size_t)image.width * (size_t)image.height * 3));
    image_free(&back);
    free(bytes);
    free(image.rgb);
  }
}

TEST(deflate_and_inflate_undo_each_other) {
  struct random random = {17};
  for (int round = 0; round < 60; round++) {
    size_t size = (size_t)random_between(&random, 0, 70000);
    uint8_t *bytes = malloc(size + 1);
    int alphabet = 1 << random_between(&random, 0, 8), back = random_between(&random, 1, 40000);
    for (size_t i = 0; i < size; i++) {
      bool repeat = i >= (size_t)back && random_between(&random, 0, 9) > 0;
      bytes[i] = repeat ? bytes[i - (size_t)back] : (uint8_t)random_between(&random, 0, alphabet - 1);
    }
    uint8_t *packed, *unpacked;
    size_t packed_size, unpacked_size;
    error e = {""};
    REQUIRE(zlib_deflate(bytes, size, &packed, &packed_size, &e) == OK);
    int status = inflate_all(WRAPPER_ZLIB, packed, packed_size, 1 << 20, &unpacked, &unpacked_size, &e);
    if (CHECK_MSG(status == OK, "%s", e.message)) {
      CHECK(unpacked_size == size && !memcmp(unpacked, bytes, size));
      free(unpacked);
    }
    free(packed);
    free(bytes);
  }
}

TEST(inflate_reads_every_block_type_and_wrapper) {
  static const struct {
    enum deflate_wrapper wrapper;
    size_t size;
    const char *bytes, *text;
  } streams[] = {
      {WRAPPER_NONE, 8,
       "\x01\x03\x00\xfc\xff"
       "abc",
       "abc"},                                          /* stored */
      {WRAPPER_NONE, 5, "\x4b\x4c\x4a\x06\x00", "abc"}, /* fixed codes */
      {WRAPPER_NONE, 10,
       "\x00\x01\x00\xfe\xff"
       "a"
       "\x4b\x4a\x06\x00",
       "abc"},                                            /* two blocks */
      {WRAPPER_NONE, 5, "\x4b\x4c\x04\x02\x00", "aaaaa"}, /* a match that overlaps itself */
      {WRAPPER_ZLIB, 11, "\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x27", "abc"},
      {WRAPPER_GZIP, 23, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0", "abc"},
      /* Two members, the first with a name, and padding. */
      {WRAPPER_GZIP, 52,
       "\x1f\x8b\x08\x08\0\0\0\0\0\x03n\0\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0"
       "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0\0\0\0\0",
       "abcabc"},
  };
  for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
    const uint8_t *bytes = (const uint8_t *)streams[i].bytes;
    uint8_t *out;
    size_t size;
    error e = {""};
    int status = inflate_all(streams[i].wrapper, bytes, streams[i].size, 100, &out, &size, &e);
    if (CHECK_MSG(status == OK, "stream %zu: %s", i, e.message)) {
      CHECK_MSG(size == strlen(streams[i].text) && !memcmp(out, streams[i].text, size), "stream %zu", i);
      free(out);
    }
    CHECK(inflate_all(streams[i].wrapper, bytes, streams[i].size, 2, &out, &size, &e) == FAILED);
    CHECK_CONTAINS(e.message, "limit of 2 bytes");
    CHECK(inflate_all(streams[i].wrapper, bytes, 4, 100, &out, &size, &e) == FAILED);
  }
}

TEST(inflate_names_what_is_broken) {
  static const struct {
    enum deflate_wrapper wrapper;
    size_t size;
    const char *bytes, *message;
  } streams[] = {
      {WRAPPER_NONE, 1, "\x07", "unknown type"},
      {WRAPPER_NONE, 8,
       "\x01\x03\x00\xfd\xff"
       "abc",
       "stored block"},
      {WRAPPER_NONE, 4, "\x4b\x04\x22\x00", "before the beginning"},
      {WRAPPER_NONE, 4, "\xfd\xff\xff\xff", "too many symbols"},
      {WRAPPER_NONE, 11, "\x05\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff", "code of code lengths"},
      {WRAPPER_ZLIB, 3, "\x79\x9c\x03", "not a zlib stream"},
      {WRAPPER_ZLIB, 3, "\x78\x9d\x03", "header is damaged"},
      {WRAPPER_ZLIB, 3, "\x78\xbb\x03", "preset dictionary"},
      {WRAPPER_ZLIB, 11, "\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x28", "Adler-32"},
      {WRAPPER_GZIP, 23, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x36\3\0\0\0", "CRC-32"},
      {WRAPPER_GZIP, 4, "\x1f\x8b\x08\xe0", "not a gzip stream"},
      {WRAPPER_GZIP, 10, "\x1f\x8b\x08\0\0\0\0\0\0\x03", "cut off"},
  };
  for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
    uint8_t *out;
    size_t size;
    error e = {""};
    int status =
        inflate_all(streams[i].wrapper, (const uint8_t *)streams[i].bytes, streams[i].size, 100, &out, &size, &e);
    CHECK_MSG(status == FAILED, "stream %zu", i);
    CHECK_CONTAINS(e.message, streams[i].message);
  }
}

TEST(pnm_pixels) {
  static const struct {
    const char *text;
    size_t size;
    uint8_t rgb[6]; /* of two pixels */
  } files[] = {
      {"P6 2 1 255\n\1\2\3\4\5\6", 17, {1, 2, 3, 4, 5, 6}},
      {"P5\n# gray\n2 1\n255\n\7\10", 20, {7, 7, 7, 8, 8, 8}},
      {"P3\n2 1\n255\n10 20 30\n40 50 60\n", 29, {10, 20, 30, 40, 50, 60}},
      {"P2\n2 1\n255\n9 250\n", 17, {9, 9, 9, 250, 250, 250}},
      {"P1\n2 1\n1 0\n", 11, {0, 0, 0, 255, 255, 255}},
      {"P4\n2 1\n\x40", 8, {255, 255, 255, 0, 0, 0}},
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    struct image image;
    error e = {""};
    if (CHECK_MSG(image_decode(&image, (const uint8_t *)files[i].text, files[i].size, NULL, &e) == OK, "%zu: %s", i,
                  e.message)) {
      CHECK_MSG(image.width == 2 && image.height == 1 && !memcmp(image.rgb, files[i].rgb, 6), "file %zu", i);
      image_free(&image);
    }
    for (size_t n = 0; n < files[i].size - 3; n++) {
      uint8_t *cut = malloc(n ? n : 1);
      memcpy(cut, files[i].text, n);
      if (image_decode(&image, cut, n, NULL, &e) == OK) image_free(&image);
      free(cut);
    }
  }
}

/* Header numbers, samples and scaling as Pillow's; PAM, which it does not read; what is refused, and where. */
TEST(pnm_corner_cases) {
  static const struct {
    const char *text;
    size_t size;
    int rgb; /* of the last pixel */
  } files[] = {
      {"P5 1 1 4095\n\x00\x10", 14, 0xffffff}, /* gray of 16 bits is scaled to 65535, then clipped */
      {"P6 1 1 4095\n\x08\x00\x00\x10\x0f\xff", 18, 0x8001ff},
      {"P5 1 1 2\n\x01", 10, 0x808080}, /* 127.5 goes to the even number */
      {"P5 1 1 100\n\xc8", 12, 0xffffff},
      {"P2\n1 1 9#nine\n9 9\n", 18, 0x171717}, /* a comment joins: the largest sample is 99 */
      {"P1\n3 1\n010", 10, 0xffffff},
      {"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\1\2\3\4", 72, 0x010203},
      {"P7\nHEIGHT 1\nWIDTH 1\nMAXVAL 1\nDEPTH 1\nENDHDR\n\1", 46, 0xffffff},
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    struct image image;
    error e = {""};
    int status = image_decode(&image, (const uint8_t *)files[i].text, files[i].size, NULL, &e);
    if (!CHECK_MSG(status == OK, "file %zu: %s", i, e.message)) continue;
    const uint8_t *rgb = image.rgb + 3 * (image.width - 1);
    int found = rgb[0] << 16 | rgb[1] << 8 | rgb[2];
    CHECK_MSG(found == files[i].rgb, "file %zu: %06x instead of %06x", i, (unsigned)found, (unsigned)files[i].rgb);
    image_free(&image);
  }
  static const struct {
    const char *text, *message;
  } refused[] = {
      {"P5 2 2 255\nabc", "truncated"},
      {"P5 0 2 255\n", "empty"},
      {"P5 2 2 65536\nabcd", "1..65535"},
      {"P2 1 1 9 10", "passes 9"},
      {"P2 1 1 9 x", "not a number"},
      {"P1 1 1 2", "neither 0 nor 1"},
      {"P5 12345678901 1 255\na", "10 digits"},
      {"P5 99999 99999 255\n", "limit"},
      {"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 5\nMAXVAL 1\nENDHDR\n12345", "DEPTH"},
      {"P7\nCOLOUR 1\n", "unknown header line"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    struct image image;
    error e = {""};
    CHECK(image_decode(&image, (const uint8_t *)refused[i].text, strlen(refused[i].text), NULL, &e) == FAILED);
    CHECK_CONTAINS(e.message, refused[i].message);
  }
}

TEST(formats_that_are_not_read_are_named) {
  static const struct {
    const char *bytes;
    size_t size;
    const char *name;
  } others[] = {
      {"\0\0\0 ftypavif....", 16, "AVIF"}, {"\0\0\0 ftypheic....", 16, "HEIC"}, {"\377\012....", 6, "JPEG XL"}};
  for (int i = 0; i < 3; i++) {
    struct image image;
    error e = {""};
    CHECK(image_decode(&image, (const uint8_t *)others[i].bytes, others[i].size, NULL, &e) == FAILED);
    CHECK_CONTAINS(e.message, others[i].name);
  }
}

TEST(resizing_equals_pillow) {
  char *table = read_file(fixture("pixels/resize.tsv"), NULL);
  REQUIRE(table != NULL);
  int rows = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), rows++) {
    int w, h, filter, tw, th;
    unsigned long long hash;
    REQUIRE(sscanf(line, "%d %d %d %d %d %llx", &w, &h, &filter, &tw, &th, &hash) == 6);
    struct image in = picture(w, h), out, part;
    error e = {""};
    REQUIRE(resize(&in, tw, th, (enum filter)filter, NULL, &out, &e) == OK);
    CHECK_MSG(fnv(out.rgb, (size_t)tw * (size_t)th * 3) == hash, "%dx%d to %dx%d, %s", w, h, tw, th,
              filter_name((enum filter)filter));
    /* A part is the same pixels. */
    struct rectangle r = {tw / 3, th / 4, tw - tw / 3 - 1, th - th / 4};
    REQUIRE(resize(&in, tw, th, (enum filter)filter, &r, &part, &e) == OK);
    for (int y = 0; y < r.height; y++) {
      const uint8_t *whole = out.rgb + ((size_t)(r.y + y) * (size_t)tw + (size_t)r.x) * 3;
      CHECK(!memcmp(part.rgb + (size_t)y * (size_t)r.width * 3, whole, (size_t)r.width * 3));
    }
    image_free(&part);
    image_free(&out);
    free(in.rgb);
  }
  CHECK(rows >= 120);
  free(table);
}

TEST(preprocessing_equals_timm) {
  char *table = read_file(fixture("pixels/preprocess.tsv"), NULL);
  REQUIRE(table != NULL);
  int rows = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), rows++) {
    int w, h, filter, height, width;
    double crop;
    unsigned long long hash;
    REQUIRE(sscanf(line, "%d %d %d %d %d %lf %llx", &w, &h, &filter, &height, &width, &crop, &hash) == 7);
    struct recipe recipe = {.height = height,
                            .width = width,
                            .crop_fraction = crop,
                            .filter = (enum filter)filter,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
    size_t floats = (size_t)height * (size_t)width * 3;
    float *out = malloc(floats * sizeof *out);
    struct image in = picture(w, h);
    error e = {""};
    REQUIRE(preprocess(&in, &recipe, out, &e) == OK);
    CHECK_MSG(fnv(out, floats * sizeof *out) == hash, "%dx%d to %dx%d by %g, %s", w, h, width, height, crop,
              filter_name((enum filter)filter));
    free(out);
    free(in.rgb);
  }
  CHECK(rows >= 144);
  free(table);
}

TEST(recipes_that_do_not_fit_are_errors) {
  struct image in = picture(10, 12);
  float out[8 * 8 * 3];
  error e = {""};
  struct recipe recipe = {.height = 8, .width = 8, .crop_fraction = 1, .crop_mode = CROP_NONE, .std = {1, 1, 1}};
  CHECK(preprocess(&in, &recipe, out, &e) == FAILED);
  CHECK_CONTAINS(e.message, "10x12");
  CHECK_CONTAINS(e.message, "8x8");
  recipe.crop_mode = CROP_SQUASH;
  CHECK(preprocess(&in, &recipe, out, &e) == OK);
  struct image line = picture(1, 100000);
  recipe = (struct recipe){.height = 8, .width = 8, .resize = 1 << 16, .crop_mode = CROP_CENTER, .std = {1, 1, 1}};
  CHECK(preprocess(&line, &recipe, out, &e) == FAILED);
  CHECK_CONTAINS(e.message, "1x100000");
  free(line.rgb);
  free(in.rgb);
}
