/* Few-shot classification against fits of our own on draws made again here, and the command `fewshot`. */
#include "evaluate/fewshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/class_mean.h"
#include "evaluate/knn.h"
#include "evaluate/significance.h"
#include "images/random.h"
#include "tests/folders.h"
#include "tests/harness.h"

/* scipy 1.17.1: t.ppf((1 + level) / 2, freedom) */
TEST(fewshot_student_t_equals_scipy) {
  static const struct {
    double level;
    size_t freedom;
    double bound;
  } expected[] = {{0.95, 1, 12.7062047361747}, {0.95, 2, 4.30265272974946},  {0.95, 4, 2.77644510519779},
                  {0.95, 9, 2.2621571627982},  {0.95, 30, 2.04227245630124}, {0.95, 999, 1.96234146113345},
                  {0.99, 3, 5.84090930973336}, {0.5, 7, 0.711141778081787},  {0.68, 12, 1.03740529350532}};
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    CHECK_NEAR(student_t_bound(expected[i].level, expected[i].freedom) / expected[i].bound, 1, 1e-12);
  }
}

/* ---- the function -------------------------------------------------------------------------------------------------
 */

enum { D = 6, CLASSES = 4, TRAIN = 53, TEST_ROWS = 90 };
static char folder[] = "train", test_folder_name[] = "test";

/* Four overlapping classes of 17, 12, 12 and 12 rows, out of order. */
static struct feature_set draw_set(float *x, int *labels, size_t n, uint64_t seed) {
  struct random random = {seed};
  for (size_t i = 0; i < n; i++) {
    labels[i] = i < 5 ? 0 : (int)(i % CLASSES);
    for (size_t j = 0; j < D; j++) {
      x[i * D + j] = (float)(2 * random_unit(&random) - 1 + ((size_t)labels[i] == j ? 0.7 : 0));
    }
  }
  return (struct feature_set){.folder = folder, .x = x, .labels = labels, .n = n, .d = D, .classes = CLASSES};
}

struct sets {
  float train_x[TRAIN * D], test_x[TEST_ROWS * D];
  int train_labels[TRAIN], test_labels[TEST_ROWS];
  struct feature_set train, test;
};

static void draw_sets(struct sets *sets) {
  sets->train = draw_set(sets->train_x, sets->train_labels, TRAIN, 1);
  sets->test = draw_set(sets->test_x, sets->test_labels, TEST_ROWS, 2);
  sets->test.folder = test_folder_name;
}

/* Rows of a draw, class by class, by the definition: for a class the n rows left are numbered in their order, the next
 * number modulo n is taken, and the first of those left moves to its place. */
static void draw_again(const struct feature_set *train, size_t shots, uint64_t seed, float *x, int *labels) {
  for (int k = 0; k < CLASSES; k++) {
    size_t rows[TRAIN], n = 0;
    for (size_t i = 0; i < train->n; i++) {
      if (train->labels[i] == k) rows[n++] = i;
    }
    struct random_stream random = stream_begin(seed, "fewshot", (uint64_t)k);
    for (size_t i = 0; i < shots; i++) {
      size_t chosen = i + (size_t)(stream_bits(&random) % (n - i)), to = (size_t)k * shots + i;
      memcpy(x + to * D, train->x + rows[chosen] * D, D * sizeof *x);
      labels[to] = k;
      rows[chosen] = rows[i];
    }
  }
}

static void scale_rows(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double square = 0;
    for (size_t j = 0; j < D; j++) square += (double)x[i * D + j] * (double)x[i * D + j];
    for (size_t j = 0; j < D; j++) x[i * D + j] = (float)((double)x[i * D + j] / sqrt(square));
  }
}

static void check_draw(const struct fewshot_draw *drawn, const struct sets *sets, size_t shots,
                       const struct fewshot_options *options, struct threads *pool) {
  float x[TRAIN * D];
  int labels[TRAIN];
  error e = {""};
  draw_again(&sets->train, shots, drawn->seed, x, labels);
  struct metrics metrics;
  if (options->classifier == FEWSHOT_CLASS_MEAN) {
    struct feature_set few = sets->train;
    few.x = x;
    few.labels = labels;
    few.n = shots * CLASSES;
    CHECK(class_mean_run(&metrics, &few, &sets->test, KNN_TEMPERATURE, NULL, NULL, pool, &e) == OK);
  } else {
    float test_x[TEST_ROWS * D];
    memcpy(test_x, sets->test_x, sizeof test_x);
    if (options->normalize) {
      scale_rows(x, shots * CLASSES);
      scale_rows(test_x, TEST_ROWS);
    }
    struct logistic_data known = {.x = x, .d = D, .labels = labels, .n = shots * CLASSES, .classes = CLASSES};
    struct logistic_data unseen = {.x = test_x, .d = D, .n = TEST_ROWS, .classes = CLASSES};
    struct logistic_model model = {0};
    double scores[TEST_ROWS * CLASSES];
    CHECK_MSG(logistic_fit(&model, &known, &options->logistic, pool, &e) == OK, "%s", e.message);
    CHECK(logistic_scores(&model, &unseen, pool, scores, &e) == OK);
    logistic_free(&model);
    CHECK(metrics_compute(&metrics, scores, sets->test_labels, TEST_ROWS, CLASSES, NULL, NULL, NULL, &e) == OK);
  }
  CHECK_MSG(drawn->metrics.correct == metrics.correct, "%zu shots, seed %d: %zu correct instead of %zu", shots,
            (int)drawn->seed, drawn->metrics.correct, metrics.correct);
  CHECK_NEAR(drawn->metrics.nll, metrics.nll, 1e-6);
}

TEST(fewshot_fits_what_it_draws) {
  static struct sets sets;
  static const size_t shots[] = {1, 2, 5, 12};
  draw_sets(&sets);
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (int variant = 0; variant < 4; variant++) {
    struct fewshot_options options = fewshot_defaults();
    options.shots = shots;
    options.shot_count = 4;
    options.repeats = 3;
    options.seed = 41;
    options.classifier = variant == 3 ? FEWSHOT_CLASS_MEAN : FEWSHOT_LOGISTIC;
    options.normalize = variant == 1;
    options.logistic.standardize = variant == 2;
    struct fewshot_result result;
    REQUIRE(fewshot_run(&result, &sets.train, &sets.test, &options, pool, &e) == OK);
    REQUIRE(result.trial_count == 4);
    for (size_t t = 0; t < 4; t++) {
      CHECK(result.trials[t].shots == shots[t]);
      for (uint64_t r = 0; r < 3; r++) {
        CHECK(result.trials[t].draws[r].seed == 41 + r);
        check_draw(&result.trials[t].draws[r], &sets, shots[t], &options, pool);
      }
    }
    size_t correct = 0;
    for (size_t i = 0; i < TEST_ROWS; i++) correct += result.choices[i] == sets.test_labels[i];
    CHECK(correct == result.trials[3].draws[0].metrics.correct);
    fewshot_free(&result);
  }
  threads_stop(pool);
}

TEST(fewshot_intervals_are_students) {
  static struct sets sets;
  draw_sets(&sets);
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct fewshot_options options = fewshot_defaults();
  struct fewshot_result result;
  REQUIRE(fewshot_run(&result, &sets.train, &sets.test, &options, pool, &e) == OK);
  CHECK(result.trial_count == 4 && result.trials[3].shots == 8); /* the smallest class has 12 rows */
  double sum = 0, square = 0;
  for (int r = 0; r < 5; r++) sum += result.trials[0].draws[r].metrics.top1;
  for (int r = 0; r < 5; r++) square += pow(result.trials[0].draws[r].metrics.top1 - sum / 5, 2);
  double half = 2.77644510519779 * sqrt(square / 4) / sqrt(5);
  CHECK(half > 0);
  CHECK_NEAR(result.trials[0].top1.mean, sum / 5, 1e-15);
  CHECK_NEAR(result.trials[0].top1.low, sum / 5 - half, 1e-12);
  CHECK_NEAR(result.trials[0].top1.high, sum / 5 + half, 1e-12);
  /* The same bits for any number of threads. */
  struct threads *three = threads_start(3, &e);
  struct fewshot_result again;
  REQUIRE(fewshot_run(&again, &sets.train, &sets.test, &options, three, &e) == OK);
  CHECK(!memcmp(result.draws, again.draws, 20 * sizeof *result.draws));
  fewshot_free(&again);
  threads_stop(three);
  fewshot_free(&result);
  /* One draw has no interval. */
  options.repeats = 1;
  REQUIRE(fewshot_run(&result, &sets.train, &sets.test, &options, pool, &e) == OK);
  CHECK(isfinite(result.trials[0].top1.mean) && isnan(result.trials[0].top1.low));
  fewshot_free(&result);
  static const size_t too_many[] = {2, 13};
  options.shots = too_many;
  options.shot_count = 2;
  CHECK(fewshot_run(&result, &sets.train, &sets.test, &options, pool, &e) == FAILED);
  CHECK_STRING(e.message, "train: the class 1 has 12 images, fewer than 13 shots");
  fewshot_free(&result);
  threads_stop(pool);
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static const float directions[] = {4, 0, 5, 0.1f, -4, 0.2f, -5, 0, 0, 6, 0.1f, 5};
static const int64_t three[] = {0, 0, 1, 1, 2, 2};
#define NAMES "cat\ndog\nowl\n"

TEST(fewshot_command_writes_every_draw) {
  const char *train = write_features("train", directions, 2, three, 6, NAMES);
  const char *out = path_join(test_folder(), "out"), *csv = path_join(test_folder(), "images.csv");
  struct run run = RUN("fewshot", "--train", train, "--test", train, "--repeats", "2", "--seed", "7", "--out", out,
                       "--predictions", csv, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out,
                 "{\"classifier\":\"logistic\",\"C\":1,\"standardize\":false,\"normalize\":false,\"repeats\":2,");
  CHECK_CONTAINS(run.out, "{\"shots\":1,\"images\":3,\"top1\":{\"mean\":1,\"deviation\":0,\"low\":1,\"high\":1},");
  CHECK_CONTAINS(run.out, "{\"shots\":2,\"images\":6,");
  CHECK_CONTAINS(run.out, "{\"seed\":7,\"n_test\":6,\"correct\":6,");
  CHECK_CONTAINS(run.out, "{\"seed\":8,");
  char *json = read_file(path_join(out, "result.json"), NULL), *images = read_file(csv, NULL);
  CHECK_STRING(json, run.out);
  CHECK_CONTAINS(images, "path,label,prediction,confidence,correct\n0,cat,cat,0.");
  CHECK(exists(out, "per_class.csv") && exists(out, "predictions.csv"));
  free(json);
  free(images);
  run = RUN("fewshot", "--train", train, "--test", train, "--out", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds a result already");
  run = RUN("fewshot", "--train", train, "--test", train, "--classifier", "class_mean");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "    2       6  1.0000  1.0000 to 1.0000     1.0000  ");
  CHECK_CONTAINS(run.out, "means over 5 draws, seeds from 0 on\n");
}

TEST(fewshot_command_refuses_what_makes_no_sense) {
  const char *train = write_features("train", directions, 2, three, 5, NAMES);
  struct run run = RUN("fewshot", "--train", train, "--test", train, "--shots", "1,2");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "train: the class owl has 1 image, fewer than 2 shots");
  run = RUN("fewshot", "--train", train, "--test", train);
  CHECK_MSG(run.exit_code == 0, "%s", run.err); /* one shot, as far as the class goes */
  run = RUN("fewshot", "--train", train, "--test", train, "--max-iterations", "1");
  CHECK_CONTAINS(run.err, "warning: 5 of 5 fits stopped at 1 iterations");
  CHECK(RUN("fewshot", "--train", train, "--test", train, "--shots", "0").exit_code == 2);
  CHECK(RUN("fewshot", "--train", train, "--test", train, "--repeats", "0").exit_code == 2);
  CHECK(RUN("fewshot", "--train", train, "--test", train, "--classifier", "svm").exit_code == 2);
  run = RUN("fewshot", "--train", train, "--test", train, "--classifier", "class_mean", "--C", "2");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--C is of the logistic regression");
}
