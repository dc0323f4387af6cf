/* PNG, PNM, resizing and preprocessing against Pillow's and timm's bytes
 * (tests/reference/make_pixel_fixtures.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "images/png_write.h"
#include "images/preprocess.h"
#include "images/resize.h"
#include "tests/harness.h"
#include "tests/pictures.h"

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
