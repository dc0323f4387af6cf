/* `backbones bench --images`: every stage measured, unreadable pictures named and left out. */
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

static struct json_document parse(const char *text) {
  struct json_document document = {0};
  error e = {""};
  CHECK_MSG(json_parse(&document, text, strlen(text), true, &e) == OK, "%s: %s", e.message, text);
  return document;
}

static double number_of(const struct json *object, const char *key) {
  double value = -1;
  CHECK_MSG(json_get_number(object, key, &value), "no %s", key);
  return value;
}

TEST(bench_images_times_every_stage) {
  static const char *const stages[] = {"entropy", "pixels", "resize", "normalise", "total", "decode"};
  char *file = strdup(path_join(test_folder(), "bench.json"));
  struct run run = RUN("bench", "--images", fixture("png"), "--weights", "seeded:vit_base_patch32_384", "--seconds",
                       "0.01", "--json", "--out", file);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  char *written = read_file(file, NULL);
  CHECK_STRING(written, run.out);
  struct json_document document = parse(run.out);
  const struct json *images = json_get(document.root, "images");
  CHECK(json_get(document.root, "machine") && !json_get(document.root, "rows") && images);
  CHECK(number_of(images, "n") > 20 && number_of(images, "passes") >= 3 && number_of(images, "images_per_s") > 1);
  const struct json *photos = json_get(images, "photos"), *list = json_get(images, "stages");
  REQUIRE(photos && list && list->length == 6);
  CHECK((double)photos->length == number_of(images, "n"));
  const struct json *stage = list->first, *times = json_get(photos->first, "ms");
  for (int i = 0; i < 6; i++, stage = stage->next) {
    const char *name = json_get_string(stage, "stage");
    CHECK_MSG(name && !strcmp(name, stages[i]), "stage %d is %s", i, name ? name : "missing");
    CHECK(number_of(stage, "ms_p10") <= number_of(stage, "ms") && number_of(stage, "ms") <= number_of(stage, "ms_p90"));
    number_of(times, stages[i]);
  }
  CHECK(number_of(times, "total") > 0 && number_of(times, "decode") > 0);
  CHECK_CONTAINS(run.out, "\"input\":[3,384,384]");
  json_free(&document);
  free(written);
  free(file);
}

TEST(bench_images_names_what_it_cannot_read) {
  const char *folder = test_folder();
  size_t size;
  char *picture = read_file(fixture("jpeg/gray.jpg"), &size);
  REQUIRE(picture && write_file(path_join(folder, "a.jpg"), picture, size));
  CHECK(write_file(path_join(folder, "b.jpg"), picture, size / 2));
  struct run run = RUN("bench", "--images", folder, "--seconds", "0.01");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "\n1 pictures, ");
  CHECK_CONTAINS(run.out, "\nnormalise ");
  CHECK_CONTAINS(run.err, "/b.jpg: ");
  run = RUN("bench", "--images", path_join(folder, "b.jpg"), "--seconds", "0.01");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "b.jpg: no picture could be read");
  run = RUN("bench", "--images", "/no/such.jpg");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: /no/such.jpg: No such file");
  free(picture);
}

TEST(quantiles) {
  static const double sorted[] = {1, 2, 4, 8, 16};
  CHECK_NEAR(quantile(sorted, 5, 0), 1, 0);
  CHECK_NEAR(quantile(sorted, 5, 0.5), 4, 0);
  CHECK_NEAR(quantile(sorted, 5, 0.9), 12.8, 1e-12);
  CHECK_NEAR(quantile(sorted, 5, 1), 16, 0);
  CHECK_NEAR(quantile(sorted, 1, 0.9), 1, 0);
}
