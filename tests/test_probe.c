/* Logistic regression against optima found by Newton's method (tests/reference/make_probe_fixtures.py), and `probe`. */
#include "evaluate/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evaluate/lbfgs.h"
#include "evaluate/output.h"
#include "evaluate/products.h"
#include "tests/harness.h"

/* ---- seeded problems, as the reference script draws them ----------------------------------------------------------
 */

struct problem {
  const char *name;
  size_t n, d;
  int classes;
  double separation, scale, offset, noise;
  size_t last; /* rows of the last class; 0: as many as the others */
};

static const struct problem problems[] = {
    {"wide", 60, 200, 4, 0.2, 1, 0, 0.1, 0},  {"tall", 2000, 10, 10, 1, 1, 0, 0, 0},
    {"separable", 120, 12, 3, 4, 1, 0, 0, 0}, {"tiny class", 303, 8, 3, 1, 1, 0, 0, 3},
    {"large", 400, 12, 5, 1, 1e4, 0, 0.2, 0}, {"far from zero", 400, 12, 5, 1, 1, 1000, 0.1, 0},
    {"binary", 300, 9, 2, 0.7, 1, 0, 0.1, 0}, {"many classes", 900, 40, 37, 1.5, 1, 0, 0, 0},
};

/* At the optimum: the objective, and how many of the rows themselves are classified rightly with what mean NLL. */
static const struct optimum {
  size_t problem;
  double C, objective;
  size_t correct;
  double nll;
} optima[] = {
    {0, 0.01, 0.522370610582449, 60, 0.588929324771147},
    {0, 1.0, 3.9113853588703735, 60, 0.019077612722638256},
    {0, 100.0, 11.328962287942879, 60, 0.0003490409414782407},
    {1, 0.01, 33.66856400255875, 1034, 1.4987356075584304},
    {1, 1.0, 2735.9456779732095, 1034, 1.3614669972098512},
    {1, 100.0, 272285.25390380254, 1033, 1.361359041215466},
    {2, 1.0, 1.1926377644334158, 120, 0.0024693588672226345},
    {2, 10000.0, 6.260429165329877, 120, 6.914518537009812e-07},
    {3, 0.01, 1.6659520484489037, 253, 0.48208902284739935},
    {3, 1.0, 118.8806511125413, 248, 0.38264064472163567},
    {3, 100.0, 11418.504975068512, 248, 0.3764382539746478},
    {4, 0.01, 3.7473621040153784, 286, 0.9368405187522426},
    {4, 1.0, 374.73620752990337, 286, 0.9368405187522424},
    {4, 100.0, 37473.62075011871, 286, 0.9368405187522424},
    {5, 0.01, 4.636157290623614, 295, 0.9862590091285128},
    {5, 1.0, 320.58276545876373, 296, 0.7908461482248432},
    {5, 100.0, 31620.447742404755, 296, 0.7903957856742017},
    {6, 0.01, 1.80315687183968, 221, 0.5569604240623253},
    {6, 1.0, 150.19133353428214, 226, 0.497844211494186},
    {6, 100.0, 14934.068050930793, 226, 0.49777289392614005},
    {7, 0.01, 15.577146370437648, 900, 0.9169795236740942},
    {7, 1.0, 84.33588081802449, 900, 0.025913505906177418},
    {7, 100.0, 244.83688845205543, 900, 0.0005265113408107603},
};

struct drawn {
  float *x;
  int *labels;
  struct logistic_data data;
};

static struct drawn draw(size_t number) {
  const struct problem *p = &problems[number];
  struct random random = {1000 + number};
  size_t classes = (size_t)p->classes;
  double *centres = malloc(classes * p->d * sizeof *centres);
  struct drawn drawn = {malloc(p->n * p->d * sizeof(float)), malloc(p->n * sizeof(int)), {0}};
  for (size_t i = 0; i < classes * p->d; i++) centres[i] = p->separation * (2 * random_unit(&random) - 1);
  for (size_t i = 0; i < p->n; i++) {
    size_t label = i >= p->n - p->last ? classes - 1 : i % (classes - (p->last > 0));
    for (size_t j = 0; j < p->d; j++) {
      double a = random_unit(&random), b = random_unit(&random), c = random_unit(&random);
      drawn.x[i * p->d + j] = (float)(p->scale * (p->offset + centres[label * p->d + j] + 2 * (a + b + c - 1.5)));
    }
    bool replaced = random_unit(&random) < p->noise;
    size_t other = (size_t)(random_unit(&random) * p->classes);
    drawn.labels[i] = (int)(replaced ? other : label);
  }
  free(centres);
  drawn.data =
      (struct logistic_data){.x = drawn.x, .d = p->d, .labels = drawn.labels, .n = p->n, .classes = p->classes};
  return drawn;
}

static void drop(struct drawn *drawn) {
  free(drawn->x);
  free(drawn->labels);
}

static const struct logistic_options usual = {1, false, LOGISTIC_MAX_ITERATIONS, LOGISTIC_TOLERANCE};

/* ---- parts --------------------------------------------------------------------------------------------------------
 */

TEST(probe_products_are_plain_sums) {
  enum { N = 61, D = 300, CLASSES = 19, PANELS = 2, STRIDE = PANELS * PRODUCT_CLASSES };
  static float x[N * D];
  error e;
  double *w = allocate_aligned(PANELS * D * PRODUCT_CLASSES, sizeof *w, &e);
  double *scratch = allocate_aligned(PRODUCT_SCRATCH, sizeof *scratch, &e);
  double *out = allocate_aligned(PRODUCT_ROWS * STRIDE, sizeof *out, &e);
  double *tile = allocate_aligned(STRIDE * PRODUCT_COLUMNS, sizeof *tile, &e);
  struct random random = {7};
  random_fill(&random, x, N * D);
  for (size_t i = 0; i < PANELS * D * PRODUCT_CLASSES; i++) w[i] = random_unit(&random) - 0.5;
  const float *rows[N];
  for (size_t i = 0; i < N; i++) rows[i] = x + i * D;
  product_scores(rows, N, D, w, PANELS, scratch, out);
  size_t wrong = 0;
  for (size_t i = 0; i < N; i++) {
    for (size_t k = 0; k < STRIDE; k++) {
      double sum = 0;
      for (size_t j = 0; j < D; j++) {
        sum += (double)x[i * D + j] * w[(k / PRODUCT_CLASSES * D + j) * PRODUCT_CLASSES + k % PRODUCT_CLASSES];
      }
      wrong += sum != out[i * STRIDE + k]; /* bit for bit: the order of the sum is a promise */
    }
  }
  CHECK_MSG(wrong == 0, "%zu scores differ", wrong);
  /* The last tile of columns is cut. */
  size_t column = D / PRODUCT_COLUMNS * PRODUCT_COLUMNS;
  for (size_t i = 0; i < N; i++) {
    for (size_t k = CLASSES; k < STRIDE; k++) out[i * STRIDE + k] = 0;
  }
  memset(tile, 0, STRIDE * PRODUCT_COLUMNS * sizeof *tile);
  product_gradient(rows, N, D, column, out, STRIDE, CLASSES, scratch, tile);
  for (size_t k = 0; k < CLASSES; k++) {
    for (size_t c = 0; c < PRODUCT_COLUMNS; c++) {
      double sum = 0;
      for (size_t i = 0; i < N && column + c < D; i++) sum += out[i * STRIDE + k] * (double)x[i * D + column + c];
      wrong += sum != tile[k * PRODUCT_COLUMNS + c];
    }
  }
  CHECK_MSG(wrong == 0, "%zu gradients differ", wrong);
  release_aligned(w);
  release_aligned(scratch);
  release_aligned(out);
  release_aligned(tile);
}

/* Rosenbrock's valley in several variables, its floor at 1. */
static double rosenbrock(void *context, const double *x, double *g) {
  size_t n = *(const size_t *)context;
  double value = 1;
  memset(g, 0, n * sizeof *g);
  for (size_t i = 0; i + 1 < n; i++) {
    double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    value += 100 * a * a + b * b;
    g[i] += -400 * x[i] * a - 2 * b;
    g[i + 1] += 200 * a;
  }
  return value;
}

TEST(probe_lbfgs_finds_the_valley) {
  size_t n = 20;
  double x[20];
  for (size_t i = 0; i < n; i++) x[i] = i % 2 ? 1 : -1.2;
  struct lbfgs_problem problem = {n, &n, rosenbrock, NULL};
  struct lbfgs_options options = {1000, 10, 1e-12, 0};
  struct lbfgs_result result;
  struct lbfgs *search;
  error e;
  REQUIRE(lbfgs_open(&search, &problem, &e) == OK);
  REQUIRE(lbfgs_start(search, x, &e) == OK);
  lbfgs_run(search, &options, &result);
  CHECK(result.converged && lbfgs_value(search) < 1 + 1e-12 && result.iterations < 300);
  for (size_t i = 0; i < n; i++) CHECK_NEAR(lbfgs_point(search)[i], 1, 1e-6);
  CHECK(lbfgs_promise(search) < 1e-12);
  x[0] = INFINITY;
  CHECK(lbfgs_start(search, x, &e) == FAILED);
  lbfgs_close(search);
}

/* ---- fitting ------------------------------------------------------------------------------------------------------
 */

TEST(probe_reaches_the_optimum) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  for (size_t i = 0; i < sizeof optima / sizeof optima[0]; i++) {
    struct drawn drawn = draw(optima[i].problem);
    struct logistic_options options = usual;
    struct logistic_model model = {0};
    options.C = optima[i].C;
    CHECK_MSG(logistic_fit(&model, &drawn.data, &options, pool, &e) == OK, "%s", e.message);
    double gap = model.objective / optima[i].objective - 1;
    CHECK_MSG(model.converged && gap < 1e-8 && gap > -1e-10, "%s, C = %g: %.12g for %.12g (%+.1e)%s",
              problems[optima[i].problem].name, options.C, model.objective, optima[i].objective, gap,
              model.converged ? "" : " not converged");
    size_t n = drawn.data.n;
    struct metrics metrics;
    double *scores = malloc(n * (size_t)model.classes * sizeof *scores);
    REQUIRE(scores && logistic_scores(&model, &drawn.data, pool, scores, &e) == OK);
    REQUIRE(metrics_compute(&metrics, scores, drawn.labels, n, model.classes, NULL, NULL, NULL, &e) == OK);
    CHECK(metrics.correct == optima[i].correct);
    CHECK_NEAR(metrics.nll, optima[i].nll, 1e-6 * fmax(1, optima[i].nll));
    free(scores);
    logistic_free(&model);
    drop(&drawn);
  }
  threads_stop(pool);
}

TEST(probe_gives_the_same_bits_with_any_number_of_threads) {
  error e;
  struct drawn drawn = draw(7);
  struct logistic_model first = {0};
  for (int threads = 1; threads <= 5; threads += 2) {
    struct threads *pool = threads_start(threads, &e);
    struct logistic_model model = {0};
    REQUIRE(logistic_fit(&model, &drawn.data, &usual, pool, &e) == OK);
    if (threads == 1) {
      first = model;
    } else {
      CHECK(!memcmp(first.weights, model.weights, (size_t)model.classes * model.d * sizeof(double)));
      CHECK(!memcmp(first.bias, model.bias, (size_t)model.classes * sizeof(double)));
      logistic_free(&model);
    }
    threads_stop(pool);
  }
  logistic_free(&first);
  drop(&drawn);
}

TEST(probe_rows_may_be_chosen) {
  error e;
  struct threads *pool = threads_start(1, &e);
  struct drawn drawn = draw(6);
  size_t d = drawn.data.d, rows[100];
  float copy[100 * 9];
  int labels[100];
  for (size_t i = 0; i < 100; i++) {
    rows[i] = (i * 7 + 3) % drawn.data.n;
    memcpy(copy + i * d, drawn.x + rows[i] * d, d * sizeof(float));
    labels[i] = drawn.labels[rows[i]];
  }
  struct logistic_data chosen = drawn.data, copied = {.x = copy, .d = d, .labels = labels, .n = 100, .classes = 2};
  chosen.rows = rows;
  chosen.n = 100;
  struct logistic_model a = {0}, b = {0};
  REQUIRE(logistic_fit(&a, &chosen, &usual, pool, &e) == OK);
  REQUIRE(logistic_fit(&b, &copied, &usual, pool, &e) == OK);
  CHECK(!memcmp(a.weights, b.weights, 2 * d * sizeof(double)));
  double scores[2][200];
  REQUIRE(logistic_scores(&a, &chosen, pool, scores[0], &e) == OK);
  REQUIRE(logistic_scores(&a, &copied, pool, scores[1], &e) == OK);
  CHECK(!memcmp(scores[0], scores[1], sizeof scores[0]));
  logistic_free(&a);
  logistic_free(&b);
  drop(&drawn);
  threads_stop(pool);
}

TEST(probe_standardize_equals_standardised_features) {
  error e;
  struct threads *pool = threads_start(2, &e);
  struct drawn drawn = draw(4);
  size_t n = drawn.data.n, d = drawn.data.d;
  for (size_t i = 0; i < n; i++) drawn.x[i * d] = 3; /* a constant column: scale 1 */
  struct logistic_options options = usual;
  struct logistic_model direct = {0}, scaled = {0};
  options.standardize = true;
  options.tolerance = 1e-9;
  REQUIRE(logistic_fit(&direct, &drawn.data, &options, pool, &e) == OK);
  for (size_t j = 0; j < d; j++) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++) mean += (double)drawn.x[i * d + j] / (double)n;
    for (size_t i = 0; i < n; i++) variance += pow((double)drawn.x[i * d + j] - mean, 2) / (double)n;
    double deviation = j ? sqrt(variance) : 1;
    for (size_t i = 0; i < n; i++) drawn.x[i * d + j] = (float)(((double)drawn.x[i * d + j] - mean) / deviation);
  }
  options.standardize = false;
  REQUIRE(logistic_fit(&scaled, &drawn.data, &options, pool, &e) == OK);
  CHECK_NEAR(direct.objective / scaled.objective, 1, 1e-7);
  logistic_free(&direct);
  logistic_free(&scaled);
  drop(&drawn);
  threads_stop(pool);
}

TEST(probe_refuses_what_makes_no_sense) {
  error e;
  struct threads *pool = threads_start(1, &e);
  struct drawn drawn = draw(2);
  struct logistic_model model = {0};
  struct logistic_options options = usual;
  const double wrong[] = {0, -1, NAN, INFINITY};
  for (int i = 0; i < 4; i++) {
    options.C = wrong[i];
    CHECK(logistic_fit(&model, &drawn.data, &options, pool, &e) == USAGE);
  }
  drawn.x[5 * 12 + 7] = NAN;
  drawn.x[9 * 12 + 1] = INFINITY;
  CHECK(logistic_fit(&model, &drawn.data, &usual, pool, &e) == FAILED);
  CHECK_STRING(e.message, "row 5, column 7 is not a number (NaN)");
  drawn.x[5 * 12 + 7] = -3e38f; /* huge, but a number */
  drawn.x[9 * 12 + 1] = 3e38f;
  CHECK_MSG(logistic_fit(&model, &drawn.data, &usual, pool, &e) == OK, "%s", e.message);
  logistic_free(&model);
  struct logistic_data data = drawn.data;
  data.classes = 4;
  CHECK(logistic_fit(&model, &data, &usual, pool, &e) == FAILED);
  CHECK_STRING(e.message, "class 3 has no row to learn from");
  data.classes = 1;
  CHECK(logistic_fit(&model, &data, &usual, pool, &e) == FAILED);
  CHECK_CONTAINS(e.message, "one class only");
  drop(&drawn);
  threads_stop(pool);
}

TEST(probe_ends_on_separable_data) {
  error e;
  struct threads *pool = threads_start(1, &e);
  struct drawn drawn = draw(2);
  struct logistic_model model = {0};
  struct logistic_options options = usual;
  options.C = 1e12;
  REQUIRE(logistic_fit(&model, &drawn.data, &options, pool, &e) == OK);
  CHECK(isfinite(model.objective) && isfinite(model.weights[0]));
  logistic_free(&model);
  options.max_iterations = 3;
  REQUIRE(logistic_fit(&model, &drawn.data, &options, pool, &e) == OK);
  CHECK(!model.converged && model.iterations == 3);
  logistic_free(&model);
  drop(&drawn);
  threads_stop(pool);
}

/* The sweep against every C of its grid, fitted on its own. */
TEST(probe_sweep_finds_the_best_strength) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct drawn drawn = draw(6);
  size_t d = drawn.data.d;
  char folder[] = "drawn";
  struct feature_set train = {.folder = folder, .x = drawn.x, .labels = drawn.labels, .n = 150, .d = d, .classes = 2};
  struct feature_set val = train;
  val.x += 150 * d;
  val.labels += 150;
  struct probe_options options = {.sweep = true, .max_iterations = PROBE_SWEEP_ITERATIONS, .tolerance = 1e-10};
  struct probe_result swept, listed;
  REQUIRE(probe_run(&swept, &train, &val, &val, &options, pool, &e) == OK);
  CHECK(swept.trial_count > 10 && swept.trial_count <= 15);
  const struct probe_trial *best = NULL;
  for (size_t i = 0; i < swept.trial_count; i++) {
    const struct probe_trial *trial = &swept.trials[i];
    double place = 8 * (log10(trial->C) + 6);
    CHECK_NEAR(place, round(place), 1e-9);
    CHECK(i == 0 || trial->C > trial[-1].C);
    if (fabs(trial->C / swept.C - 1) < 1e-12) best = trial;
    /* Warm starts change nothing. */
    options = (struct probe_options){
        .C = &trial->C, .C_count = 1, .max_iterations = LOGISTIC_MAX_ITERATIONS, .tolerance = 1e-10};
    REQUIRE(probe_run(&listed, &train, NULL, &val, &options, pool, &e) == OK);
    CHECK(listed.test.correct == trial->metrics.correct);
    CHECK_NEAR(listed.test.nll, trial->metrics.nll, 1e-5);
    probe_free(&listed);
  }
  REQUIRE(best);
  for (size_t i = 0; i < swept.trial_count; i++) CHECK(swept.trials[i].metrics.correct <= best->metrics.correct);
  /* Steps of an eighth of a decade beside it. */
  for (int side = -1; side <= 1; side += 2) {
    CHECK_NEAR(8 * log10(best[side].C / best->C), side, 1e-9);
  }
  probe_free(&swept);
  drop(&drawn);
  threads_stop(pool);
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

/* path_join() in memory that outlives its ring. */
static const char *named(const char *name) {
  static char paths[16][256];
  static int next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
  return path;
}

/* A features folder of rows [first, first + n) of a problem. */
static const char *put_features(const char *name, const struct drawn *drawn, size_t first, size_t n, size_t d,
                                const char *classes) {
  const char *folder = named(name);
  struct npy_writer *writer;
  error e = {""};
  bool good = output_make_folder(folder, &e) == OK &&
              npy_create(&writer, path_join(folder, "features.npy"), DTYPE_F32, d, &e) == OK;
  for (size_t i = first; good && i < first + n; i++) {
    good = npy_append(writer, drawn->x + i * drawn->data.d, 1, &e) == OK;
  }
  good = good && npy_commit(writer, &e) == OK &&
         npy_create(&writer, path_join(folder, "labels.npy"), DTYPE_I64, 0, &e) == OK;
  for (size_t i = first; good && i < first + n; i++) {
    int64_t label = drawn->labels[i];
    good = npy_append(writer, &label, 1, &e) == OK;
  }
  good = good && npy_commit(writer, &e) == OK;
  good = good && write_file(path_join(folder, "classes.txt"), classes, strlen(classes));
  CHECK_MSG(good, "%s", e.message);
  return folder;
}

static double json_value(const char *text, const char *key) {
  const char *at = strstr(text, key);
  return at ? strtod(at + strlen(key), NULL) : NAN;
}

TEST(probe_command) {
  struct drawn drawn = draw(6);
  const char *train = put_features("train", &drawn, 0, 200, 9, "cat\ndog\n");
  const char *test = put_features("test", &drawn, 200, 100, 9, "cat\ndog\n");
  const char *out = named("out");
  struct run run = RUN("probe", "--train", train, "--test", test, "--json", "--out", out);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_NEAR(json_value(run.out, "\"n_test\":"), 100, 0);
  /* scikit-learn's LogisticRegression(C=1) on the same rows. */
  CHECK_NEAR(json_value(run.out, "\"correct\":"), 70, 0);
  CHECK_NEAR(json_value(run.out, "\"top1\":"), 0.7, 1e-12);
  CHECK_NEAR(json_value(run.out, "\"mean_per_class\":"), 0.699079631852741, 1e-12);
  CHECK_NEAR(json_value(run.out, "\"nll\":"), 0.5510003633405978, 1e-6);
  CHECK_NEAR(json_value(run.out, "\"ece\":"), 0.07715822688939797, 1e-5);
  CHECK_NEAR(json_value(run.out, "\"top5\":"), 1, 0);
  CHECK_NEAR(json_value(run.out, "\"C\":"), 1, 0);
  CHECK_CONTAINS(run.out, "\"converged\":true");
  struct npy weights;
  error e = {""};
  REQUIRE(npy_open(&weights, path_join(out, "weights.npy"), &e) == OK);
  CHECK(weights.shape[0] == 2 && weights.shape[1] == 9);
  npy_close(&weights);
  char *result = read_file(path_join(out, "result.json"), NULL);
  CHECK_STRING(result, run.out);
  free(result);
  char *predictions = read_file(path_join(out, "predictions.tsv"), NULL);
  CHECK_CONTAINS(predictions, "label\tpredicted\tprobability\n");
  free(predictions);
  predictions = read_file(path_join(out, "predictions.csv"), NULL);
  CHECK_CONTAINS(predictions, "path,label,prediction,confidence,correct\n0,");
  run = RUN("probe", "--train", train, "--test", test, "--predictions", named("alone.csv"));
  CHECK(run.exit_code == 0);
  char *alone = read_file(named("alone.csv"), NULL);
  CHECK_STRING(alone, predictions);
  free(alone);
  free(predictions);
  char *classes = read_file(path_join(out, "per_class.csv"), NULL);
  CHECK_CONTAINS(classes, "class,n,correct,recall\ncat,");
  free(classes);
  run = RUN("probe", "--train", train, "--test", test, "--out", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds a result already");

  /* The choice of C: held-out rows first, then a set of its own; threads and order of the list change nothing. */
  struct run one = RUN("probe", "--train", train, "--test", test, "--C", "1,0.001,100", "--json", "--threads", "1");
  CHECK_MSG(one.exit_code == 0, "%s", one.err);
  CHECK_CONTAINS(one.out, "\"C_path\":[{\"C\":0.001,\"n_val\":40,");
  struct run two = RUN("probe", "--train", train, "--test", test, "--C", "100,1,0.001", "--json", "--threads", "2");
  *strstr(one.out, "\"seconds\"") = *strstr(two.out, "\"seconds\"") = 0;
  CHECK_STRING(one.out, two.out);
  run = RUN("probe", "--train", train, "--test", test, "--val", test, "--C=0.001,1", "--standardize");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "on 100 held-out rows");
  one = RUN("probe", "--train", train, "--test", test, "--C", "auto", "--json", "--threads", "1");
  CHECK_MSG(one.exit_code == 0, "%s", one.err);
  CHECK_CONTAINS(one.out, "\"C_path\":[{\"C\":1e-06,\"n_val\":40,");
  drop(&drawn);
}

TEST(probe_command_errors) {
  struct drawn drawn = draw(6);
  const char *train = put_features("train", &drawn, 0, 200, 9, "cat\ndog\n");
  struct {
    const char *other, *message;
  } cases[] = {
      {put_features("width", &drawn, 0, 10, 8, "cat\ndog\n"), "of width 9, "},
      {put_features("names", &drawn, 0, 10, 9, "cat\nfox\n"), "number 1 is dog in "},
      {put_features("count", &drawn, 0, 10, 9, "cat\ndog\nfox\n"), "(it lacks fox)"},
      {put_features("fewer", &drawn, 0, 10, 9, "cat\n"), "but there are 1 classes"},
      {put_features("blank", &drawn, 0, 10, 9, ""), "images without labels"},
      {named("missing"), "missing/features.npy: No such file or directory"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct run run = RUN("probe", "--train", train, "--test", cases[i].other);
    CHECK_MSG(run.exit_code == 1, "%s: %d", cases[i].message, run.exit_code);
    CHECK_CONTAINS(run.err, cases[i].message);
    CHECK_STRING(run.out, "");
  }
  const char *made = put_features("made", &drawn, 0, 10, 9, "cat\ndog\n");
  const char meta[] = "{\"weights_sha256\":\"aaaa\",\"features\":\"pooled\"}";
  const char other[] = "{\"weights_sha256\":\"bbbb\",\"features\":\"pooled\"}";
  CHECK(write_file(path_join(train, "meta.json"), meta, sizeof meta - 1));
  CHECK(write_file(path_join(made, "meta.json"), other, sizeof other - 1));
  struct run run = RUN("probe", "--train", train, "--test", made);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "come from different weights (SHA-256 aaaa and bbbb)");
  drawn.x[3 * 9 + 4] = NAN;
  const char *broken = put_features("nan", &drawn, 0, 10, 9, "cat\ndog\n");
  run = RUN("probe", "--train", broken, "--test", train);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "nan/features.npy: row 3, column 4 is not a number (NaN)");
  for (size_t i = 0; i < drawn.data.n; i++) drawn.labels[i] = 0;
  const char *single = put_features("single", &drawn, 10, 10, 9, "cat\n");
  run = RUN("probe", "--train", single, "--test", single);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds one class only");
  const char *const strengths[] = {"0", "-1", "x", "1,,2", ""};
  for (size_t i = 0; i < 5; i++) {
    run = RUN("probe", "--train", train, "--test", train, "--C", strengths[i]);
    CHECK_MSG(run.exit_code == 2, "--C %s", strengths[i]);
  }
  run = RUN("probe", "--train", train);
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--test is needed");
  run = RUN("probe", "--train", train, "--test", train, "--max-iterations", "1");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.err, "before its optimum");
  drop(&drawn);
}
