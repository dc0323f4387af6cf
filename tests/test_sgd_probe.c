/* The study's linear probe against PyTorch on the same batches (tests/reference/make_sgd_fixtures.py), and the command.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/npy.h"
#include "evaluate/sgd_probe.h"
#include "images/random.h"
#include "kernels/kernels.h"
#include "tests/folders.h"
#include "tests/harness.h"

struct problem {
  struct sgd_options options;
  struct logistic_data data;
  float *x;
  int *labels;
};

static void draw(struct problem *p, size_t photos, size_t d, int classes) {
  struct random_stream stream = stream_begin(3, "features", 0);
  size_t n = photos * p->options.views;
  p->x = malloc(n * d * sizeof *p->x);
  p->labels = malloc(n * sizeof *p->labels);
  for (size_t i = 0; i < n; i++) {
    int label = p->labels[i / p->options.views] = (int)(i / p->options.views % (size_t)classes);
    for (size_t j = 0; j < d; j++) {
      double value = stream_uniform(&stream) * (double)(1 + j % 3);
      p->x[i * d + j] = (float)(value + ((int)(j % (size_t)classes) == label ? 0.3 : 0));
    }
  }
  p->data = (struct logistic_data){.x = p->x, .d = d, .labels = p->labels, .n = photos, .classes = classes};
}

static void release(struct problem *p) {
  free(p->x);
  free(p->labels);
}

/* A case of the fixture; *at goes behind its values. */
static bool read_case(struct problem *p, char **at, double *loss) {
  char optimizer[8];
  int batch_norm, classes, used = 0;
  size_t photos, d;
  struct sgd_options *o = &p->options;
  *o = sgd_defaults();
  int read = sscanf(*at, "%7s %d %zu %zu %zu %d %zu %d %d %lf %lf %lf%n", optimizer, &batch_norm, &photos, &o->views,
                    &d, &classes, &o->batch, &o->epochs, &o->warmup, &o->learning_rate, &o->weight_decay, loss, &used);
  if (read != 12) return false;
  o->optimizer = strcmp(optimizer, "lars") == 0 ? SGD_LARS : SGD_PLAIN;
  o->batch_norm = batch_norm;
  o->seed = 5;
  draw(p, photos, d, classes);
  *at += used;
  return true;
}

TEST(sgd_probe_equals_pytorch) {
  char *text = read_file(fixture("sgd.txt"), NULL), *at = text;
  REQUIRE(text != NULL);
  int cases = 0;
  struct problem p;
  for (double loss; read_case(&p, &at, &loss); cases++) {
    size_t weights = (size_t)p.data.classes * p.data.d, all = weights + (size_t)p.data.classes;
    double *expected = malloc(all * sizeof *expected), largest = 0;
    for (size_t i = 0; i < all; i++) {
      expected[i] = strtod(at, &at);
      largest = fmax(largest, fabs(expected[i]));
    }
    for (int threads = 1; threads <= 3; threads++) {
      error e = {""};
      struct threads *pool = threads_start(threads, &e);
      struct logistic_model model = {0};
      REQUIRE(
          check_that(sgd_probe_fit(&model, &p.data, &p.options, pool, &e) == OK, __FILE__, __LINE__, "%s", e.message));
      double worst = 0;
      for (size_t i = 0; i < all; i++) {
        double got = i < weights ? model.weights[i] : model.bias[i - weights];
        worst = fmax(worst, fabs(got - expected[i]));
      }
      CHECK_MSG(worst < 2e-5 * largest, "case %d, %d threads: off by %g of %g", cases, threads, worst, largest);
      CHECK_NEAR(model.objective, loss, 2e-5 * fmax(loss, 1));
      logistic_free(&model);
      threads_stop(pool);
    }
    free(expected);
    release(&p);
  }
  CHECK(cases == 5);
  free(text);
}

TEST(sgd_probe_has_the_same_bits_on_any_threads) {
  struct problem p = {.options = sgd_defaults()};
  p.options.epochs = 4;
  p.options.warmup = 1;
  draw(&p, 600, 83, 21);
  struct logistic_model first = {0}, other = {0};
  for (int threads = 1; threads <= 4; threads++) {
    error e = {""};
    struct threads *pool = threads_start(threads, &e);
    REQUIRE(sgd_probe_fit(threads == 1 ? &first : &other, &p.data, &p.options, pool, &e) == OK);
    if (threads > 1) CHECK(!memcmp(first.weights, other.weights, 21 * 83 * sizeof(double)));
    threads_stop(pool);
  }
  logistic_free(&first);
  logistic_free(&other);
  release(&p);
}

TEST(sgd_probe_schedule_is_that_of_mae) {
  struct sgd_options o = sgd_defaults();
  o.batch = 512;
  CHECK_NEAR(sgd_rate(&o, 0, 10), 0, 0);
  CHECK_NEAR(sgd_rate(&o, 50, 10), 0.1, 1e-15);
  CHECK_NEAR(sgd_rate(&o, 100, 10), 0.2, 1e-15);
  CHECK_NEAR(sgd_rate(&o, 500, 10), 0.1, 1e-15);
  CHECK(sgd_rate(&o, 899, 10) > 0 && sgd_rate(&o, 899, 10) < 1e-6);
  o.warmup = 0;
  CHECK_NEAR(sgd_rate(&o, 0, 10), 0.2, 0);
}

/* What goes wrong is said; a constant column does not. */
TEST(sgd_probe_of_bad_input) {
  struct problem p = {.options = sgd_defaults()};
  struct logistic_model model = {0};
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  draw(&p, 40, 6, 2);
  p.options.epochs = 3;
  p.options.warmup = 0;
  for (size_t i = 0; i < 40; i++) p.x[i * 6 + 2] = 1;
  CHECK_MSG(sgd_probe_fit(&model, &p.data, &p.options, pool, &e) == OK && isfinite(model.weights[2]), "%s", e.message);
  p.options.optimizer = SGD_PLAIN;
  p.options.learning_rate = 1e300;
  CHECK(sgd_probe_fit(&model, &p.data, &p.options, pool, &e) == FAILED);
  CHECK_CONTAINS(e.message, "the learning rate 1e+300 is too high");
  p.options.learning_rate = 0.1;
  p.options.batch = 1;
  CHECK(sgd_probe_fit(&model, &p.data, &p.options, pool, &e) == FAILED);
  CHECK_CONTAINS(e.message, "a batch of one row");
  p.options.batch = 8;
  p.options.warmup = 4;
  CHECK(sgd_probe_fit(&model, &p.data, &p.options, pool, &e) == USAGE);
  p.options.warmup = 1;
  logistic_free(&model);
  threads_stop(pool);
  release(&p);
}

/* Features of two classes that a line divides; `views` rows of a photo unless that is 0. */
static const char *write_set(const char *name, size_t views) {
  float x[120];
  int64_t labels[60];
  size_t rows = views ? views : 1, n = 60 / rows;
  for (size_t i = 0; i < n; i++) labels[i] = (int64_t)i % 2;
  for (size_t i = 0; i < 60; i++) {
    x[2 * i] = (float)labels[i / rows] + 0.01f * (float)(i % 7);
    x[2 * i + 1] = (float)(i % 5);
  }
  const char *folder = write_features(name, x, 2 * rows, labels, n, "a\nb\n");
  if (views) {
    char meta[40];
    error e = {""};
    struct npy_writer *writer = NULL;
    CHECK_MSG(npy_create(&writer, path_join(folder, "features.npy"), DTYPE_F32, 2 * views, &e) == OK, "%s", e.message);
    npy_split_rows(writer, views);
    CHECK(npy_append(writer, x, n, &e) == OK && npy_commit(writer, &e) == OK);
    snprintf(meta, sizeof meta, "{\"views\": %zu}\n", views);
    write_file(path_join(folder, "meta.json"), meta, strlen(meta));
  }
  return folder;
}

TEST(sgd_probe_command) {
  char *train = strdup(write_set("train", 0)), *views = strdup(write_set("views", 3)),
       *one = strdup(write_set("one", 1));
  struct run run =
      RUN("probe", "--train", train, "--test", train, "--protocol", "sgd", "--lr", "0.1,3", "--batch", "8", "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "\"protocol\":\"sgd\"");
  CHECK_CONTAINS(run.out, "\"optimizer\":\"lars\"");
  CHECK_CONTAINS(run.out, "\"steps\":630,");
  CHECK_CONTAINS(run.out, "\"learning_rate_path\":[{\"learning_rate\":0.1,\"n_val\":12,");
  run = RUN("probe", "--train", views, "--test", train, "--protocol", "sgd", "--optimizer", "sgd", "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "\"correct\":60,");
  CHECK_CONTAINS(run.out, "\"views\":3,\"steps\":90,");
  static const char *const wrong[][3] = {{"--epochs", "3", "--epochs belongs to --protocol sgd"},
                                         {"--protocol", "adam", "--protocol adam: lbfgs or sgd"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    run = RUN("probe", "--train", train, "--test", train, wrong[i][0], wrong[i][1]);
    CHECK(run.exit_code == 2);
    CHECK_CONTAINS(run.err, wrong[i][2]);
  }
  run = RUN("probe", "--train", train, "--test", train, "--protocol", "sgd", "--C", "1");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--C belongs to --protocol lbfgs");
  run = RUN("probe", "--train", views, "--test", train, "--protocol", "sgd", "--lr", "1,2");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "(--val)");
  run = RUN("probe", "--train", train, "--test", views, "--protocol", "sgd");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds augmented views");
  run = RUN("knn", "--train", one, "--test", train);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "only the training of `probe --protocol sgd` takes them");
  free(train);
  free(views);
  free(one);
}
