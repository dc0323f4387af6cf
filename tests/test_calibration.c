/* Calibration against scikit-learn's and scipy's figures (tests/reference/make_calibration_fixtures.py), and the
 * commands calibrate, shift and zeroshot on features small enough to follow by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/calibration.h"
#include "evaluate/npy.h"
#include "tests/folders.h"
#include "tests/harness.h"

TEST(calibration_equals_scikit_learn) {
  char *table = read_file(fixture("calibration/expected.tsv"), NULL);
  REQUIRE(table != NULL);
  int rows = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), rows++) {
    char name[32], path[80];
    double temperature, ece, classwise, nll, brier;
    REQUIRE(sscanf(line, "%31s %lf %lf %lf %lf %lf", name, &temperature, &ece, &classwise, &nll, &brier) == 6);
    struct npy logits, label_array;
    int64_t *values;
    error e = {""};
    snprintf(path, sizeof path, "calibration/%s.npy", name);
    REQUIRE(npy_open(&logits, fixture(path), &e) == OK);
    snprintf(path, sizeof path, "calibration/%s-labels.npy", name);
    REQUIRE(npy_open(&label_array, fixture(path), &e) == OK && npy_integers(&label_array, &values, &e) == OK);
    size_t n = logits.shape[0];
    int classes = (int)logits.shape[1], *labels = malloc(n * sizeof *labels);
    double *scores = malloc(logits.elements * sizeof *scores);
    for (size_t i = 0; i < n; i++) labels[i] = (int)values[i];
    for (size_t i = 0; i < logits.elements; i++) scores[i] = (double)((const float *)(const void *)logits.data)[i];
    struct calibration c;
    REQUIRE(calibration_compute(&c, scores, labels, n, classes, temperature, &e) == OK);
    CHECK_NEAR(c.ece, ece, 1e-9);
    CHECK_NEAR(c.classwise, classwise, 1e-9);
    CHECK_NEAR(c.nll, nll, 1e-9);
    CHECK_NEAR(c.brier, brier, 1e-9);
    if (temperature != 1) CHECK_NEAR(calibration_fit_temperature(scores, labels, n, classes) / temperature, 1, 1e-5);
    free(scores);
    free(labels);
    free(values);
    npy_close(&logits);
    npy_close(&label_array);
  }
  CHECK(rows == 6);
  free(table);
}

/* Where every image is right the best temperature is the smallest allowed; where scores are equal any does. */
TEST(calibration_of_degenerate_scores) {
  static const double right[] = {3, 0, 0, 2}, equal[] = {1, 1, 1, 1}, wrong[] = {0, 3, 2, 0};
  static const int labels[] = {0, 1};
  CHECK(calibration_fit_temperature(right, labels, 2, 2) < 0.0011);
  CHECK(isfinite(calibration_fit_temperature(equal, labels, 2, 2)));
  CHECK(calibration_fit_temperature(wrong, labels, 2, 2) > 900);
  struct calibration c;
  error e;
  REQUIRE(calibration_compute(&c, right, labels, 2, 2, 1e-3, &e) == OK);
  CHECK(c.bins[ECE_BINS].n == 2 && c.ece == 0 && c.brier < 1e-12);
  CHECK(calibration_compute(&c, right, labels, 0, 2, 1, &e) == FAILED);
}

/* ---- commands on folders of features ------------------------------------------------------------------------------*/

static const char *write_set(const char *name, const float *x, const int64_t *labels, size_t n, const char *classes) {
  return write_features(name, x, 2, labels, n, classes);
}

/* Three classes in three directions. */
static const float directions[] = {4, 0, 5, 0.1f, -4, 0.2f, -5, 0, 0, 6, 0.1f, 5};
static const int64_t three[] = {0, 0, 1, 1, 2, 2};
#define NAMES "cat\ndog\nowl\n"

TEST(shift_command_counts_the_classes_that_occur) {
  const char *train = write_set("train", directions, three, 6, NAMES);
  /* Two owls and a cat under other numbers; one owl looks like a cat, and the dog's direction is no answer here. */
  static const float x[] = {0, 5, 5, 0, 6, 0};
  static const int64_t labels[] = {0, 0, 1};
  const char *shifted = write_set("shifted", x, labels, 3, "owl\ncat\n");
  char option[600];
  snprintf(option, sizeof option, "--shifted=sketch=%s", shifted);
  struct run run = RUN("shift", "--train", train, "--test", train, option, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "\"name\":\"sketch\",\"n\":3,\"classes\":2,\"correct\":2,");
  CHECK_CONTAINS(run.out, "\"clean_n\":4,\"clean_top1\":1,");
  run = RUN("shift", "--train", train, "--test", train, option, option);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "sketch                         3        2   0.6667   1.0000   0.3333\n");
  CHECK_CONTAINS(run.out, "mean                                        0.6667\n");
  const char *foreign = write_set("foreign", x, labels, 3, "owl\nbear\n");
  run = RUN("shift", "--train", train, "--test", train, "--shifted", foreign);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "the class bear is not one of ");
  run = RUN("shift", "--train", train, "--test", train);
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--shifted is needed");
  CHECK(RUN("shift", "--train", train, "--test", train, "--shifted", "=x").exit_code == 2);
}

TEST(calibrate_command_mends_logits) {
  /* Three of four right, at full confidence: the best temperature gives the right ones a probability of 3/4. */
  static const float logits[] = {9, 0, 9, 0, 9, 0, 9, 0};
  static const int64_t labels[] = {0, 0, 0, 1};
  const char *set = write_set("logits", logits, labels, 4, "yes\nno\n"), *out = path_join(test_folder(), "out");
  struct run run = RUN("calibrate", "--test", set, "--val", set, "--out", out, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  double temperature = 0;
  const char *found = strstr(run.out, "\"temperature\":");
  REQUIRE(found && sscanf(found, "\"temperature\":%lf", &temperature) == 1);
  CHECK_NEAR(temperature, 9 / log(3), 1e-6);
  char *drawing = read_file(path_join(out, "reliability.svg"), NULL);
  REQUIRE(drawing != NULL);
  CHECK_CONTAINS(drawing, "<svg xmlns=");
  CHECK_CONTAINS(drawing, "</svg>\n");
  free(drawing);
  const char *train = write_set("train", directions, three, 6, NAMES);
  run = RUN("calibrate", "--test", train, "--val", train, "--train", train);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "as it is");
  run = RUN("calibrate", "--test", train, "--val", train); /* three classes, two "logits" */
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "has 3 classes, but 2 logits an image");
  CHECK(RUN("calibrate", "--test", train).exit_code == 2);
}

TEST(zeroshot_command_takes_the_nearest_name) {
  const char *test = write_set("test", directions, three, 6, NAMES);
  const char *path = path_join(test_folder(), "names.npy");
  static const float embeddings[] = {1, 0, -2, 0, 0, 3};
  struct npy_writer *writer;
  error e;
  REQUIRE(npy_create(&writer, path, DTYPE_F32, 2, &e) == OK && npy_append(writer, embeddings, 3, &e) == OK &&
          npy_commit(writer, &e) == OK);
  struct run run = RUN("zeroshot", "--test", test, "--embeddings", path, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "{\"n_test\":6,\"correct\":6,\"top1\":1,");
  static const float nothing[] = {1, 0, 0, 0, 0, 3};
  REQUIRE(npy_create(&writer, path, DTYPE_F32, 2, &e) == OK && npy_append(writer, nothing, 3, &e) == OK &&
          npy_commit(writer, &e) == OK);
  run = RUN("zeroshot", "--test", test, "--embeddings", path);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "names.npy: the embedding of class 1 has length 0");
  REQUIRE(npy_create(&writer, path, DTYPE_F32, 2, &e) == OK && npy_append(writer, embeddings, 2, &e) == OK &&
          npy_commit(writer, &e) == OK);
  run = RUN("zeroshot", "--test", test, "--embeddings", path);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "has 2 embeddings for the 3 classes");
}
