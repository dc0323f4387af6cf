/* Decoders that make rows give of every part the pixels of the whole picture, and preprocessing from a file's bytes the
 * floats of preprocessing the decoded picture. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/preprocess.h"
#include "tests/harness.h"

/* A sink that wants `wanted` and compares its rows with those of `whole`. */
struct checker {
  struct row_sink sink;
  const struct image *whole;
  struct rectangle wanted;
  uint8_t *row;
  int rows, wrong;
};

static int checker_begin(struct row_sink *sink, int width, int height, struct rectangle *part, error *e) {
  struct checker *c = (struct checker *)sink;
  (void)e;
  c->wrong += width != c->whole->width || height != c->whole->height || part->x != 0 || part->y != 0 ||
              part->width != width || part->height != height;
  *part = c->wanted;
  return OK;
}

static uint8_t *checker_room(struct row_sink *sink) { return ((struct checker *)sink)->row; }

static int checker_row(struct row_sink *sink, error *e) {
  struct checker *c = (struct checker *)sink;
  (void)e;
  size_t pixel = (size_t)(c->wanted.y + c->rows++) * (size_t)c->whole->width + (size_t)c->wanted.x;
  c->wrong += memcmp(c->row, c->whole->rgb + 3 * pixel, 3 * (size_t)c->wanted.width) != 0;
  return OK;
}

static void check_part(const char *name, const struct image *whole, struct rectangle part, const uint8_t *bytes,
                       size_t size) {
  struct checker checker = {.sink = {checker_begin, checker_room, checker_row}, .whole = whole, .wanted = part};
  checker.row = malloc(3 * (size_t)part.width);
  struct image about;
  error e = {""};
  int status = image_stream(&checker.sink, &about, bytes, size, NULL, &e);
  CHECK_MSG(status == OK && checker.wrong == 0 && checker.rows == part.height,
            "%s, %dx%d at %d,%d: %d rows, %d wrong: %s", name, part.width, part.height, part.x, part.y, checker.rows,
            checker.wrong, e.message);
  CHECK(about.width == whole->width && about.height == whole->height && !about.rgb && about.format && about.mode);
  free(checker.row);
}

static void check_preprocessing(const char *name, const struct image *whole, const struct recipe *recipe,
                                const uint8_t *bytes, size_t size) {
  size_t floats = (size_t)recipe->height * (size_t)recipe->width * 3;
  float *expected = calloc(floats, sizeof *expected), *actual = malloc(floats * sizeof *actual);
  for (size_t i = 0; i < floats; i++) actual[i] = -77;
  error e = {""};
  int status = preprocess(whole, recipe, expected, &e);
  CHECK_MSG(preprocess_file(bytes, size, NULL, recipe, actual, NULL, &e) == status, "%s: %s", name, e.message);
  CHECK_MSG(status != OK || !memcmp(expected, actual, floats * sizeof *actual), "%s: other floats, %s, %s", name,
            filter_name(recipe->filter), crop_mode_name(recipe->crop_mode));
  free(expected);
  free(actual);
}

static void check_file(const char *name, const uint8_t *bytes, size_t size, struct random *random) {
  struct image whole;
  error e = {""};
  if (image_decode(&whole, bytes, size, NULL, &e) != OK) return; /* broken on purpose */
  for (int i = 0; i < 12; i++) {
    struct rectangle part = {.x = random_between(random, 0, whole.width - 1),
                             .y = random_between(random, 0, whole.height - 1)};
    part.width = random_between(random, 1, whole.width - part.x);
    part.height = random_between(random, 1, whole.height - part.y);
    check_part(name, &whole, part, bytes, size);
  }
  check_part(name, &whole, (struct rectangle){0, 0, whole.width, whole.height}, bytes, size);
  for (int i = 0; i < 8; i++) {
    struct recipe recipe = {.height = random_between(random, 1, 50),
                            .width = random_between(random, 1, 50),
                            .crop_fraction = random_between(random, 50, 100) / 100.0,
                            .filter = (enum filter)random_between(random, FILTER_NEAREST, FILTER_HAMMING),
                            .crop_mode = (enum crop_mode)random_between(random, CROP_CENTER, CROP_SQUASH),
                            .crop_floor = i % 2,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
    check_preprocessing(name, &whole, &recipe, bytes, size);
  }
  image_free(&whole);
}

TEST(streamed_pixels_equal_decoded_ones) {
  static const char *const folders[] = {"jpeg", "png", "webp", "gif", "bmp", "tiff"};
  struct random random = {11};
  int files = 0;
  for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
    DIR *folder = opendir(fixture(folders[f]));
    if (!folder) continue;
    for (const struct dirent *entry; (entry = readdir(folder));) {
      char path[400];
      snprintf(path, sizeof path, "%s/%s", folders[f], entry->d_name);
      size_t size;
      if (entry->d_name[0] == '.' || strstr(entry->d_name, ".tsv")) continue;
      char *bytes = read_file(fixture(path), &size);
      REQUIRE(bytes != NULL);
      check_file(path, (uint8_t *)bytes, size, &random);
      files++;
      free(bytes);
    }
    closedir(folder);
  }
  CHECK(files > 80);
}
