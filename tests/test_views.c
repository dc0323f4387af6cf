/* Augmented views: parts drawn as torchvision draws them, pixels as Pillow makes them (make_view_fixtures.py), and what
 * `features --views` writes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/preprocess.h"
#include "tests/folders.h"
#include "tests/harness.h"
#include "tests/pictures.h"

static int filter_called(const char *name) {
  static const char *const names[] = {[FILTER_NEAREST] = "nearest",
                                      [FILTER_BILINEAR] = "bilinear",
                                      [FILTER_BICUBIC] = "bicubic",
                                      [FILTER_LANCZOS] = "lanczos"};
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
    if (names[i] && strcmp(names[i], name) == 0) return i;
  }
  return -1;
}

TEST(view_pixels_equal_pillow) {
  char *table = read_file(fixture("pixels/views.tsv"), NULL);
  REQUIRE(table != NULL);
  int rows = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), rows++) {
    int width, height, mirrored;
    char filter[16];
    unsigned long long hash;
    struct random_crop view;
    struct rectangle *part = &view.part;
    struct recipe recipe = {.mean = {0, 0, 0}, .std = {1, 1, 1}};
    REQUIRE(sscanf(line, "%d %d %d %d %d %d %d %d %15s %d %llx", &width, &height, &part->x, &part->y, &part->width,
                   &part->height, &recipe.width, &recipe.height, filter, &mirrored, &hash) == 11);
    recipe.filter = (enum filter)filter_called(filter);
    view.mirrored = mirrored;
    size_t values = 3 * (size_t)recipe.width * (size_t)recipe.height;
    float *out = malloc(values * sizeof *out);
    uint8_t *bytes = malloc(values);
    struct image in = picture(width, height);
    error e = {""};
    REQUIRE(preprocess_view(&in, &recipe, &view, out, &e) == OK);
    for (size_t i = 0; i < values; i++) bytes[i] = (uint8_t)lrintf(out[i] * 255);
    CHECK_MSG(fnv(bytes, values) == hash, "%s", line);
    free(in.rgb);
    free(bytes);
    free(out);
  }
  CHECK(rows == 9);
  free(table);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

enum { DRAWS = 20000 };

/* Quantiles of 20,000 draws lie within five of their standard errors, or a step of the grid of pixels. */
static void check_quantiles(double *values, char **at, const char *what) {
  qsort(values, DRAWS, sizeof *values, by_value);
  for (int i = 1; i < 10; i++) {
    double expected = strtod(*at, at), rank = i / 10.0, room = 5 * sqrt(rank * (1 - rank) / DRAWS);
    double low = values[(int)(DRAWS * (rank - room))], high = values[(int)(DRAWS * (rank + room))];
    CHECK_MSG(expected >= low - 1e-3 && expected <= high + 1e-3, "%s: quantile %g is %g, drawn %g to %g", what, rank,
              expected, low, high);
  }
}

TEST(views_are_drawn_as_torchvision_draws_them) {
  char *table = read_file(fixture("pixels/view_draws.tsv"), NULL), *at = table;
  static double area[DRAWS], ratio[DRAWS], middle[DRAWS];
  int rows = 0, used;
  REQUIRE(table != NULL);
  for (int width, height; sscanf(at, "%d %d%n", &width, &height, &used) == 2; rows++) {
    at += used;
    double whole = strtod(at, &at);
    int all = 0, mirrored = 0;
    for (int i = 0; i < DRAWS; i++) {
      struct random_stream stream = stream_begin(1, "a picture", (uint64_t)i);
      struct random_crop crop = random_crop_draw(&stream, width, height);
      struct rectangle p = crop.part;
      REQUIRE(p.x >= 0 && p.y >= 0 && p.width >= 1 && p.height >= 1 && p.x + p.width <= width &&
              p.y + p.height <= height);
      area[i] = (double)p.width * p.height / ((double)width * height);
      ratio[i] = (double)p.width / p.height;
      middle[i] = (p.x + p.width / 2.0) / width;
      all += p.width == width && p.height == height;
      mirrored += crop.mirrored;
    }
    CHECK_NEAR((double)all / DRAWS, whole, 0.002);
    CHECK_NEAR((double)mirrored / DRAWS, 0.5, 0.018);
    check_quantiles(area, &at, "area");
    check_quantiles(ratio, &at, "ratio");
    check_quantiles(middle, &at, "middle");
  }
  CHECK(rows == 5);
  free(table);
}

/* The same on every machine, today and later: features are kept. */
TEST(views_stay_what_they_were) {
  static const struct {
    const char *path;
    int width, height;
    struct random_crop crop;
  } known[] = {
      {"train/cat/1.jpg", 500, 375, {{204, 26, 266, 265}, true}},
      {"b.png", 64, 64, {{6, 0, 49, 64}, true}},
      {"long.png", 1, 5000, {{0, 2499, 1, 1}, false}},
      {"dot.png", 1, 1, {{0, 0, 1, 1}, true}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    struct random_stream stream = stream_begin(7, known[i].path, 3);
    struct random_crop got = random_crop_draw(&stream, known[i].width, known[i].height);
    const struct rectangle *p = &got.part, *q = &known[i].crop.part;
    CHECK_MSG(p->x == q->x && p->y == q->y && p->width == q->width && p->height == q->height &&
                  got.mirrored == known[i].crop.mirrored,
              "%s: %d %d %d %d %d", known[i].path, p->x, p->y, p->width, p->height, got.mirrored);
  }
}

/* Whatever the batch, the threads, shards and interruptions: the same files. */
TEST(views_are_the_same_however_they_are_made) {
  char *drawn = draw_photos("3"), *photos = path_in(drawn, "train"), *a = path_in(test_folder(), "a"),
       *b = path_in(test_folder(), "b");
  char *one = path_in(test_folder(), "1"), *two = path_in(test_folder(), "2"), *both = path_in(test_folder(), "both");
  struct run run = RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--out", a, "--views", "5",
                       "--seed", "2", "--input-size", "24", "--crop-mode", "center", "--quiet", "--json");
  REQUIRE(check_that(run.exit_code == 0, __FILE__, __LINE__, "%s", run.err));
  CHECK_CONTAINS(run.out, "\"n\":30,\"views\":5,\"d\":64,");
  run = RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--out", b, "--views", "5", "--seed",
            "2", "--input-size", "24", "--crop-mode", "center", "--quiet", "--batch", "3", "--threads", "3");
  CHECK(run.exit_code == 0);
  check_same_folders(a, b);
  for (int i = 1; i <= 2; i++) {
    run = RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--out", i == 1 ? one : two, "--views",
              "5", "--seed", "2", "--input-size", "24", "--crop-mode", "center", "--quiet", "--batch", "11", "--shard",
              i == 1 ? "1/2" : "2/2");
    CHECK(run.exit_code == 0);
  }
  run = RUN("merge", "--out", both, one, two);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  check_same_folders(a, both);
  run = RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--out", a, "--views", "4", "--seed",
            "2", "--input-size", "24", "--crop-mode", "center", "--quiet", "--resume");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "views");
  run = RUN("probe", "--train", a, "--test", b, "--protocol", "sgd");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds augmented views");
  free(photos);
  free(drawn);
  free(a);
  free(b);
  free(one);
  free(two);
  free(both);
}

TEST(views_that_cannot_be) {
  char *drawn = draw_photos("1"), *photos = path_in(drawn, "train"), *out = path_in(test_folder(), "out");
  static const struct {
    const char *arguments[4], *message;
    int exit_code;
  } wrong[] = {
      {{"--views", "0", "--seed", "1"}, "--views 0: must lie between 1 and 10000", 2},
      {{"--views", "2", "--corrupt", "contrast:2"}, "without --corrupt", 2},
      {{"--views", "2", "--features", "tokens"}, "one vector", 2},
      {{"--seed", "2", "--batch", "4"}, "--seed is of --corrupt and --views", 2},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const char *const *a = wrong[i].arguments;
    struct run run =
        RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--out", out, a[0], a[1], a[2], a[3]);
    CHECK(run.exit_code == wrong[i].exit_code);
    CHECK_CONTAINS(run.err, wrong[i].message);
  }
  free(photos);
  free(drawn);
  free(out);
}
