/* Corruptions and the JPEG encoder against ImageNet-C's recipe and Pillow's files
 * (tests/reference/make_corrupt_fixtures.py); random numbers against what they are to be. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/corrupt.h"
#include "images/jpeg_write.h"
#include "images/random.h"
#include "tests/folders.h"
#include "tests/harness.h"
#include "tests/pictures.h"

TEST(corruptions_equal_imagenet_c) {
  enum { WIDTH = 20, HEIGHT = 16, BYTES = 3 * WIDTH * HEIGHT };
  size_t size;
  uint8_t *expected = (uint8_t *)read_file(fixture("corrupt/expected.bin"), &size);
  REQUIRE(expected && size == (size_t)(CORRUPTIONS - CORRUPT_DEFOCUS_BLUR) * MOST_SEVERE * BYTES);
  const uint8_t *at = expected;
  for (int c = CORRUPT_DEFOCUS_BLUR; c < CORRUPTIONS; c++) {
    int allowed = c <= CORRUPT_BRIGHTNESS ? 1 : 0;
    for (int severity = 1; severity <= MOST_SEVERE; severity++, at += BYTES) {
      struct image image = picture(WIDTH, HEIGHT);
      error e;
      REQUIRE(corrupt(&image, &(struct corruption_choice){(enum corruption)c, severity, 0}, "", &e) == OK);
      int worst = 0;
      for (int i = 0; i < BYTES; i++) {
        int difference = abs(image.rgb[i] - at[i]);
        if (difference > worst) worst = difference;
      }
      CHECK_MSG(worst <= allowed, "%s, severity %d: by up to %d", corruption_name((enum corruption)c), severity, worst);
      free(image.rgb);
    }
  }
  free(expected);
}

TEST(jpeg_files_equal_pillow) {
  static const int qualities[] = {1, 30, 75, 95};
  for (int i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "corrupt/quality-%d.jpg", qualities[i]);
    size_t expected_size, size;
    char *expected = read_file(fixture(path), &expected_size);
    struct image image = picture(37, 29);
    uint8_t *bytes;
    error e;
    REQUIRE(expected && jpeg_encode(&image, qualities[i], &bytes, &size, &e) == OK);
    CHECK_MSG(size == expected_size && !memcmp(bytes, expected, size), "quality %d: another file", qualities[i]);
    free(bytes);
    free(expected);
    free(image.rgb);
  }
  error e;
  uint8_t *bytes;
  size_t size;
  struct image image = picture(1, 1);
  CHECK(jpeg_encode(&image, 0, &bytes, &size, &e) == FAILED && !bytes);
  free(image.rgb);
}

/* Noise has the deviation that it is to have, is the same for the same seed and key, and other for others. */
TEST(noise_is_seeded) {
  enum { SIDE = 64, BYTES = 3 * SIDE * SIDE };
  for (int c = CORRUPT_GAUSSIAN_NOISE; c <= CORRUPT_IMPULSE_NOISE; c++) {
    struct image images[4];
    static const struct {
      uint64_t seed;
      const char *key;
    } draws[4] = {{1, "a.jpg"}, {1, "a.jpg"}, {2, "a.jpg"}, {1, "b.jpg"}};
    for (int i = 0; i < 4; i++) {
      images[i] = picture(SIDE, SIDE);
      memset(images[i].rgb, 128, BYTES);
      error e;
      REQUIRE(corrupt(&images[i], &(struct corruption_choice){(enum corruption)c, 1, draws[i].seed}, draws[i].key,
                      &e) == OK);
    }
    CHECK(!memcmp(images[0].rgb, images[1].rgb, BYTES));
    CHECK(memcmp(images[0].rgb, images[2].rgb, BYTES) && memcmp(images[0].rgb, images[3].rgb, BYTES));
    double sum = 0, squares = 0;
    for (int i = 0; i < BYTES; i++) {
      double x = images[0].rgb[i] / 255.0 - 128 / 255.0;
      sum += x;
      squares += x * x;
    }
    static const double deviations[] = {0.08, 0.0915, 0.0866}; /* sigma; sqrt(128 / 255 / 60); sqrt(0.03) / 2 */
    CHECK_MSG(fabs(sum / BYTES) < 0.005 && fabs(sqrt(squares / BYTES) - deviations[c]) < 0.004,
              "%s: mean %g, deviation %g", corruption_name((enum corruption)c), sum / BYTES, sqrt(squares / BYTES));
    for (int i = 0; i < 4; i++) free(images[i].rgb);
  }
}

TEST(random_numbers_are_what_they_claim) {
  double worst_exp = 0, worst_log = 0, sum = 0, squares = 0, fourth = 0;
  struct random_stream r = stream_begin(3, "text", 4);
  enum { N = 100000 };
  for (int i = 0; i < N; i++) {
    double x = -60 * stream_uniform(&r), y = exp(40 * stream_uniform(&r) - 20), z = stream_normal(&r);
    worst_exp = fmax(worst_exp, fabs(exact_exp(x) / exp(x) - 1));
    worst_log = fmax(worst_log, fabs(exact_log(y) - log(y)) / fmax(1, fabs(log(y))));
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  CHECK_MSG(worst_exp < 2e-14 && worst_log < 2e-15, "exp %g, log %g", worst_exp, worst_log);
  CHECK_MSG(fabs(sum / N) < 0.015 && fabs(squares / N - 1) < 0.02 && fabs(fourth / N - 3) < 0.15, "%g %g %g", sum / N,
            squares / N, fourth / N);
  r = stream_begin(0, "", 0); /* the numbers are part of the contract: noise is the same everywhere */
  uint64_t first = stream_bits(&r);
  CHECK_MSG(first == 0x96448c477389ee91u, "%llx", (unsigned long long)first);
}

TEST(corruptions_are_named) {
  enum corruption c;
  error e;
  for (int i = 0; i < CORRUPTIONS; i++) {
    CHECK(corruption_from_name(&c, corruption_name((enum corruption)i), &e) == OK && (int)c == i);
  }
  CHECK(corruption_from_name(&c, "snow", &e) == USAGE);
  CHECK_CONTAINS(e.message, "corruption snow is not known: gaussian_noise, ");
  struct image image = picture(3, 3);
  CHECK(corrupt(&image, &(struct corruption_choice){CORRUPT_CONTRAST, 6, 0}, "", &e) == USAGE);
  free(image.rgb);
}

/* Noise is the picture's own: shards, batches and threads make no difference; meta.json tells. */
TEST(corrupted_features_do_not_depend_on_shards) {
  char *drawn = draw_photos("2"), *photos = path_in(drawn, "test"), *single = path_in(test_folder(), "single"),
       *merged = path_in(test_folder(), "merged");
  const char *first = path_join(test_folder(), "1"), *second = path_join(test_folder(), "2");
#define FEATURES "features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--quiet", "--corrupt"
  struct run run = RUN(FEATURES, "shot_noise:3", "--seed", "7", "--out", single);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(RUN(FEATURES, "shot_noise:3", "--seed", "7", "--out", first, "--shard", "1/2", "--batch", "1").exit_code == 0);
  CHECK(RUN(FEATURES, "shot_noise:3", "--seed", "7", "--out", second, "--shard", "2/2", "--threads", "1").exit_code ==
        0);
  run = RUN("merge", first, second, "-o", merged);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  check_same_folders(single, merged);
  char *meta = read_file(path_join(single, "meta.json"), NULL);
  REQUIRE(meta != NULL);
  CHECK_CONTAINS(meta, "\"corruption\":\"shot_noise\",\"severity\":3,\"seed\":7");
  free(meta);
  const char *other = path_join(test_folder(), "other");
  CHECK(RUN(FEATURES, "shot_noise:3", "--seed", "8", "--out", other, "--shard", "2/2").exit_code == 0);
  CHECK(RUN("merge", first, other, "-o", path_join(test_folder(), "mixed")).exit_code == 1);
  static const char *const wrong[] = {"snow:3", "contrast", "contrast:6", "contrast:0", "contrast:3x"};
  for (int i = 0; i < 5; i++) {
    CHECK(RUN(FEATURES, wrong[i], "--out", path_join(test_folder(), "none")).exit_code == 2);
  }
  CHECK(RUN("features", "--weights", "seeded:resnet8_cifar", "--data", photos, "--quiet", "--seed", "1", "--out",
            path_join(test_folder(), "none"))
            .exit_code == 2);
  free(photos);
  free(drawn);
  free(single);
  free(merged);
}
