/* The program with its CUDA back end on the simulated GPU: --device all the way from the command line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/npy.h"
#include "tests/folders.h"
#include "tests/harness.h"

static const char weights[] = "seeded:resnet8_cifar";

static char *features_file(const char *folder, size_t *size) {
  return read_file(path_join(folder, "features.npy"), size);
}

static bool same_features(const char *a, const char *b) {
  size_t size_a, size_b;
  char *x = features_file(a, &size_a), *y = features_file(b, &size_b);
  bool same = x && y && size_a == size_b && !memcmp(x, y, size_a);
  free(x);
  free(y);
  return same;
}

static bool near_features(const char *a, const char *b) {
  struct npy x = {0}, y = {0};
  const float *u, *v;
  void *owned_u = NULL, *owned_v = NULL;
  error e;
  bool near = npy_open(&x, path_join(a, "features.npy"), &e) == OK &&
              npy_open(&y, path_join(b, "features.npy"), &e) == OK && npy_floats(&x, &u, &owned_u, &e) == OK &&
              npy_floats(&y, &v, &owned_v, &e) == OK;
  double largest = 0, worst = 0;
  for (size_t i = 0; near && i < x.shape[0] * x.shape[1]; i++) {
    largest = fmax(largest, fabs((double)v[i]));
    worst = fmax(worst, fabs((double)u[i] - (double)v[i]));
  }
  free(owned_u);
  free(owned_v);
  npy_close(&x);
  npy_close(&y);
  return near && worst < 1e-5 * largest;
}

TEST(simulated_program_features) {
  char *all = draw_photos("1"), *photos = path_in(all, "train");
  const char *cpu = path_join(test_folder(), "cpu"), *cuda = path_join(test_folder(), "cuda");
  const char *single = path_join(test_folder(), "single"), *lost = path_join(test_folder(), "lost");
  struct run plain = RUN("features", "--weights", weights, "--data", photos, "--out", cpu);
  CHECK_MSG(plain.exit_code == 0, "%s", plain.err);
  struct run run = RUN_SIMULATED("features", "--weights", weights, "--data", photos, "--out", cuda, "--device", "cuda",
                                 "--batch", "3", "--threads", "2");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  run = RUN_SIMULATED("features", "--weights", weights, "--data", photos, "--out", single, "--device", "auto",
                      "--batch", "1", "--threads", "1");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(same_features(cuda, single));
  CHECK(near_features(cuda, cpu));
  size_t size;
  char *meta = read_file(path_join(cuda, "meta.json"), &size);
  CHECK_CONTAINS(meta, "\"isa\":\"cuda\"");
  free(meta);

  /* A GPU that is lost in the middle: one line, and what was done is kept. */
  setenv("MACHINE_LAST_LAUNCH", "40", 1);
  run = RUN_SIMULATED("features", "--weights", weights, "--data", photos, "--out", lost, "--device", "cuda", "--batch",
                      "2", "--threads", "1", "--quiet");
  unsetenv("MACHINE_LAST_LAUNCH");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "the simulated GPU is lost\n");
  run =
      RUN_SIMULATED("features", "--weights", weights, "--data", photos, "--out", lost, "--device", "cuda", "--resume");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(same_features(lost, cuda));
  free(all);
  free(photos);
}
