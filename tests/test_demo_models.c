/* The demo's backbones: small, of five families, and trained. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/folders.h"
#include "tests/harness.h"

enum { MOST_BYTES = 400000 };

static double top1_of(const char *json) {
  const char *at = strstr(json, "\"top1\":");
  return at ? strtod(at + 7, NULL) : -1;
}

static char *weights_of(const char *name) {
  char path[200];
  snprintf(path, sizeof path, "evaluate/demo/%s-demo.safetensors", name);
  struct stat about;
  CHECK_MSG(stat(path, &about) == 0 && about.st_size < MOST_BYTES, "%s", path);
  return strdup(path);
}

static char *draw_demo(void) {
  char *photos = path_in(test_folder(), "photos");
  CHECK(RUN("demo-data", photos, "--per-class", "6", "--seed", "3", "--quiet").exit_code == 0);
  char *train = path_in(photos, "train");
  free(photos);
  return train;
}

/* Guessing is right once in ten. */
TEST(demo_backbones_know_the_drawings) {
  static const struct {
    const char *name, *family;
    double least;
  } models[] = {
      {"resnet8_cifar", "resnet", 0.8}, {"convnext", "convnext", 0.65}, {"vit", "vit", 0.8}, {"swin", "swin", 0.65}};
  char *photos = draw_demo();
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    char *weights = weights_of(models[i].name), family[40];
    snprintf(family, sizeof family, "(%s family)", models[i].family);
    struct run run = RUN("inspect", weights);
    CHECK(run.exit_code == 0);
    CHECK_CONTAINS(run.out, family);
    run = RUN("classify", "--weights", weights, "--data", photos, "--quiet", "--json");
    CHECK_MSG(top1_of(run.out) >= models[i].least, "%s: top-1 %g", models[i].name, top1_of(run.out));
    free(weights);
  }
  free(photos);
}

TEST(demo_clip_knows_the_drawings_without_a_head) {
  char *photos = draw_demo(), *features = path_in(test_folder(), "features"), *weights = weights_of("clip");
  struct run run =
      RUN("features", "--weights", weights, "--data", photos, "--out", features, "--features", "projected", "-q");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  run = RUN("zeroshot", "--test", features, "--embeddings", "evaluate/demo/clip-demo-classes.npy", "--json");
  CHECK_MSG(top1_of(run.out) >= 0.75, "top-1 %g: %s", top1_of(run.out), run.err);
  free(photos);
  free(features);
  free(weights);
}
