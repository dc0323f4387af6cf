/* The public C API: in this process, and as a user's program that is compiled against the installed library. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backbones.h"
#include "tests/harness.h"

static struct backbones_image picture(int width, int height, ptrdiff_t stride) {
  uint8_t *rgb = malloc((size_t)stride * (size_t)height);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < 3 * width; x++) rgb[y * stride + x] = (uint8_t)(x * 7 + y * 13 + x * y);
    memset(rgb + y * stride + 3 * width, 255, (size_t)(stride - 3 * width));
  }
  return (struct backbones_image){rgb, width, height, stride};
}

TEST(api_describes_and_extracts) {
  struct backbones_error e = {""};
  struct backbones_options options = {.threads = 2, .max_batch = 2};
  backbones *model = backbones_load("evaluate/demo/resnet8_cifar-demo.safetensors", &options, &e);
  CHECK_MSG(model != NULL, "%s", e.message);
  if (!model) return;
  struct backbones_info info = backbones_describe(model);
  CHECK_STRING(info.arch, "resnet8_cifar");
  CHECK(info.features == 64 && info.classes == 10 && info.input_width == 64 && info.parameters == 75290);
  struct backbones_image images[3] = {picture(64, 64, 192), picture(64, 64, 200), picture(64, 64, 192)};
  float features[3 * 64], alone[64], logits[3 * 10];
  CHECK_MSG(backbones_features(model, images, 3, features, &e) == BACKBONES_OK, "%s", e.message);
  /* The second has gaps between its rows, but is the same picture; batches of two do not matter. */
  CHECK(!memcmp(features, features + 64, sizeof alone) && !memcmp(features, features + 128, sizeof alone));
  CHECK(backbones_features(model, images + 1, 1, alone, &e) == BACKBONES_OK && !memcmp(alone, features, sizeof alone));
  CHECK(backbones_logits(model, images, 3, logits, &e) == BACKBONES_OK && isfinite(logits[29]));
  CHECK(backbones_features(model, NULL, 0, NULL, &e) == BACKBONES_OK);
  struct backbones_image wrong = picture(10, 10, 30), none = {0};
  CHECK(backbones_features(model, &wrong, 1, alone, &e) == BACKBONES_FAILED);
  CHECK_CONTAINS(e.message, "image 0: is 10x10");
  CHECK(backbones_features(model, &none, 1, alone, &e) == BACKBONES_USAGE);
  CHECK(backbones_features(model, NULL, 1, alone, &e) == BACKBONES_USAGE);
  free((void *)(uintptr_t)wrong.rgb);
  for (int i = 0; i < 3; i++) free((void *)(uintptr_t)images[i].rgb);
  backbones_free(model);
}

TEST(api_reports_errors) {
  struct backbones_error e = {""};
  CHECK(backbones_load("/no/such/file", NULL, &e) == NULL);
  CHECK_CONTAINS(e.message, "/no/such/file");
  CHECK(backbones_load(NULL, NULL, &e) == NULL);
  struct backbones_options options = {.threads = -1};
  CHECK(backbones_load("x", &options, &e) == NULL);
  struct backbones_image image;
  CHECK(backbones_image_decode("nonsense", 8, &image, &e) == BACKBONES_FAILED && !image.rgb);
  backbones_image_free(&image);
  backbones_free(NULL);
}

/* Run a shell command; when it fails, fail the test with what it printed to FOLDER/log. */
static bool run_shell(const char *command) {
  if (system(command) == 0) return true;
  char *log = read_file(path_join(test_folder(), "log"), NULL);
  CHECK_MSG(false, "%s\n%s", command, log ? log : "");
  free(log);
  return false;
}

/* make install, then the example by pkg-config's file, as a user would. */
TEST(example_compiles_and_runs_against_the_installed_library) {
  const char *root = test_folder();
  char command[4096];
  snprintf(command, sizeof command, "make -s install PREFIX=%s/usr > %s/log 2>&1", root, root);
  REQUIRE(run_shell(command));
  snprintf(command, sizeof command,
           "${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/features.c -o %s/example "
           "$(sed -n \"s|^Cflags: ||p; s|^Libs: ||p\" %s/usr/lib/pkgconfig/backbones.pc | "
           "sed \"s|[$]{includedir}|%s/usr/include|; s|[$]{libdir}|%s/usr/lib|\") > %s/log 2>&1",
           root, root, root, root, root);
  REQUIRE(run_shell(command));
  snprintf(command, sizeof command, "%s/photos", root);
  REQUIRE(RUN("demo-data", command, "--per-class", "1", "--quiet").exit_code == 0);
  snprintf(command, sizeof command,
           "%s %s/example evaluate/demo/resnet8_cifar-demo.safetensors %s/photos/test/spotted-fish/0000.png > %s/out "
           "2> %s/log",
           test_emulator(), root, root, root, root);
  REQUIRE(run_shell(command));
  char *out = read_file(path_join(root, "out"), NULL);
  int lines = 0;
  for (const char *c = out; c && *c; c++) lines += *c == '\n';
  CHECK(lines == 64);
  free(out);
}
