/* --exif-orientation, --lenient and --max-pixels of the commands that read images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

#define WEIGHTS "seeded:resnet8_cifar"

/* What classify says of an image, from the top class on; "" when it fails. */
static const char *top_of(const char *path, const char *option) {
  struct run run = RUN("classify", "-w", WEIGHTS, "--crop-mode", "squash", "--json", path, option);
  const char *top = run.exit_code == 0 ? strstr(run.out, "\"top\"") : NULL;
  return top ? top : "";
}

TEST(photos_are_turned_on_request) {
  size_t size;
  char *bytes = read_file(fixture("exif/png-6.png"), &size);
  REQUIRE(bytes != NULL);
  struct image image;
  struct decode_options options = {.exif_orientation = true};
  REQUIRE(image_decode(&image, (uint8_t *)bytes, size, &options, NULL) == OK);
  free(bytes);
  char ppm[256];
  int head = snprintf(ppm, sizeof ppm, "P6 %d %d 255\n", image.width, image.height);
  size_t pixels = (size_t)image.width * (size_t)image.height * 3;
  memcpy(ppm + head, image.rgb, pixels);
  image_free(&image);
  const char *turned = path_join(test_folder(), "turned.ppm");
  REQUIRE(write_file(turned, ppm, (size_t)head + pixels));
  const char *usual = top_of(fixture("exif/png-1.png"), NULL);
  CHECK(*usual);
  CHECK_STRING(top_of(fixture("exif/png-6.png"), NULL), usual);
  const char *asked = top_of(fixture("exif/png-6.png"), "--exif-orientation");
  CHECK(strcmp(asked, usual) != 0);
  CHECK_STRING(asked, top_of(turned, NULL));
}

TEST(damaged_images_are_taken_on_request) {
  CHECK_STRING(top_of(fixture("gif/cut.gif"), NULL), "");
  CHECK(*top_of(fixture("gif/cut.gif"), "--lenient"));
  CHECK_STRING(top_of(fixture("gif/cut-header.gif"), "--lenient"), "");
}

/* A GIF fixture into the test's folder. */
static bool copied(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "gif/%s", name);
  size_t size;
  char *bytes = read_file(fixture(path), &size);
  bool done = bytes && write_file(path_join(test_folder(), name), bytes, size);
  free(bytes);
  return done;
}

TEST(decode_options_are_told_in_meta_json) {
  const char *data = path_join(test_folder(), "data.csv"), *out = path_join(test_folder(), "out");
  REQUIRE(write_file(data, "cut.gif,0\nfull-table.gif,1\n", 27) && copied("cut.gif") && copied("full-table.gif"));
  struct run run = RUN("features", "-w", WEIGHTS, "-d", data, "-o", out, "--crop-mode", "squash", "--quiet",
                       "--lenient", "--max-pixels=1000");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.err, "passes the limit of 1000 pixels");
  size_t length;
  char *text = read_file(path_join(out, "meta.json"), &length);
  REQUIRE(text != NULL);
  struct json_document document;
  REQUIRE(json_parse(&document, text, length, true, NULL) == OK);
  const struct json *decode = json_get(document.root, "decode");
  int64_t n, max_pixels;
  bool lenient, turned;
  CHECK(decode && json_get_boolean(decode, "lenient", &lenient) && lenient);
  CHECK(decode && json_get_boolean(decode, "exif_orientation", &turned) && !turned);
  CHECK(decode && json_get_integer(decode, "max_pixels", &max_pixels) && max_pixels == 1000);
  CHECK(json_get_integer(document.root, "n", &n) && n == 1);
  json_free(&document);
  free(text);
}
