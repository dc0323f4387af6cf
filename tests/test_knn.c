/* k-NN, nearest class means and retrieval against scikit-learn and torchmetrics
 * (tests/reference/make_neighbour_fixtures.py, which draws the same features), and the commands `knn` and `retrieve`.
 */
#include "evaluate/knn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/class_mean.h"
#include "evaluate/retrieval.h"
#include "tests/folders.h"
#include "tests/harness.h"

/* ---- the cases ----------------------------------------------------------------------------------------------------
 */

enum kind { ANY, EXACT, CONSTANT, SIZES };
enum { MOST_ROWS = 90, MOST_FEATURES = 20, MOST_CLASSES = 30 };

/* `filled`: the gallery has rows of this many classes, the queries of all. */
static const struct figure_case {
  const char *name;
  uint64_t seed;
  size_t n, queries, d;
  int classes, filled;
  double separation;
  enum kind kind;
} cases[] = {
    {"random", 7000, 60, 40, 20, 7, 7, 0.3, ANY}, {"many", 7601, 90, 50, 12, 30, 30, 0.8, ANY},
    {"ties", 7002, 80, 40, 6, 5, 5, 0, EXACT},    {"constant", 7003, 24, 10, 4, 4, 4, 0, CONSTANT},
    {"sizes", 7004, 50, 30, 9, 6, 6, 0.4, SIZES}, {"one", 7005, 3, 9, 8, 3, 3, 0.5, ANY},
    {"single", 7006, 1, 6, 5, 2, 1, 0.5, ANY},    {"empty", 7007, 40, 30, 10, 6, 4, 0.5, ANY},
    {"binary", 7008, 45, 25, 5, 2, 2, 0.2, ANY},
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct rows {
  float x[MOST_ROWS * MOST_FEATURES];
  int labels[MOST_ROWS];
  struct feature_set set;
};

static void draw_row(struct random *random, const struct figure_case *c, const double *centre, float *row) {
  for (size_t j = 0; j < c->d; j++) {
    row[j] = 0;
    if (c->kind == CONSTANT) row[j] = 1;
    if (c->kind == ANY || c->kind == SIZES) row[j] = (float)(centre[j] + 2 * random_unit(random) - 1);
  }
  /* Four features of 1 or -1: similarities are exact, and full of ties. */
  for (int placed = 0; c->kind == EXACT && placed < 4;) {
    size_t j = (size_t)(random_unit(random) * (double)c->d);
    float value = random_unit(random) < 0.5 ? -1 : 1;
    if (row[j] == 0) {
      row[j] = value;
      placed++;
    }
  }
}

static void draw_case(const struct figure_case *c, struct rows *gallery, struct rows *queries) {
  static char folder[] = "drawn";
  struct random random = {c->seed};
  double centres[MOST_CLASSES * MOST_FEATURES];
  for (size_t i = 0; i < (size_t)c->classes * c->d; i++) centres[i] = c->separation * (2 * random_unit(&random) - 1);
  for (size_t i = 0; i < c->n; i++) {
    gallery->labels[i] = (int)(i % (size_t)c->filled);
    draw_row(&random, c, centres + (size_t)gallery->labels[i] * c->d, gallery->x + i * c->d);
  }
  for (size_t i = 0; i < c->queries; i++) queries->labels[i] = (int)(random_unit(&random) * c->classes);
  for (size_t i = 0; i < c->queries; i++) {
    draw_row(&random, c, centres + (size_t)queries->labels[i] * c->d, queries->x + i * c->d);
  }
  for (size_t j = 0; c->kind == SIZES && j < c->d; j++) {
    for (size_t i = 0; i < c->n; i++)
      gallery->x[i * c->d + j] = ldexpf(gallery->x[i * c->d + j], (int)(i % 5) * 30 - 60);
    gallery->x[3 * c->d + j] = queries->x[5 * c->d + j] = 0;
  }
  struct feature_set set = {.folder = folder, .d = c->d, .classes = c->classes};
  gallery->set = queries->set = set;
  gallery->set.x = gallery->x;
  gallery->set.labels = gallery->labels;
  gallery->set.n = c->n;
  queries->set.x = queries->x;
  queries->set.labels = queries->labels;
  queries->set.n = c->queries;
}

/* ---- figures ------------------------------------------------------------------------------------------------------
 */

enum { MOST_FIGURES = 9 };

static size_t take_metrics(const struct metrics *m, double *figures) {
  const double all[] = {(double)m->correct, m->top5, m->mean_per_class, m->nll, m->ece};
  memcpy(figures, all, sizeof all);
  return sizeof all / sizeof all[0];
}

static size_t knn_figures(const struct rows *gallery, const struct rows *queries, size_t k, struct threads *pool,
                          double *figures) {
  struct knn_options options = {.k = &k, .k_count = 1, .temperature = KNN_TEMPERATURE};
  struct knn_result result;
  error e = {""};
  size_t count = 0;
  if (CHECK_MSG(knn_run(&result, &gallery->set, &queries->set, &options, pool, &e) == OK, "%s", e.message)) {
    count = take_metrics(&result.trials[0].metrics, figures);
  }
  knn_free(&result);
  return count;
}

static size_t retrieval_figures(const struct rows *gallery, const struct rows *queries, bool zero, struct threads *pool,
                                double *figures) {
  static const size_t k[] = {1, 5, 20};
  struct retrieval_options options = {.k = k, .k_count = 3, .empty_as_zero = zero};
  struct retrieval_result result;
  error e = {""};
  size_t count = 0;
  if (CHECK(retrieval_run(&result, &gallery->set, queries ? &queries->set : NULL, &options, pool, &e) == OK)) {
    count = result.measures;
    memcpy(figures, result.means, count * sizeof *figures);
  }
  retrieval_free(&result);
  return count;
}

/* The figures that a line of the table names "knn:5", "mean", "query:skip", "loo:zero". */
static size_t compute(const char *what, const struct rows *gallery, const struct rows *queries, struct threads *pool,
                      double *figures) {
  error e = {""};
  if (!strncmp(what, "knn:", 4)) return knn_figures(gallery, queries, (size_t)atoi(what + 4), pool, figures);
  if (strcmp(what, "mean") != 0) {
    return retrieval_figures(gallery, *what == 'q' ? queries : NULL, strstr(what, "zero") != NULL, pool, figures);
  }
  struct metrics metrics;
  CHECK(class_mean_run(&metrics, &gallery->set, &queries->set, KNN_TEMPERATURE, NULL, NULL, pool, &e) == OK);
  return take_metrics(&metrics, figures);
}

TEST(knn_and_retrieval_equal_scikit_learn_and_torchmetrics) {
  static struct rows gallery, queries;
  char *table = read_file(fixture("neighbours/expected.tsv"), NULL);
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  REQUIRE(table != NULL);
  int lines = 0;
  size_t drawn = CASES;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), lines++) {
    char name[16], what[16];
    int at = 0, length;
    REQUIRE(sscanf(line, "%15s %15s%n", name, what, &at) == 2);
    for (size_t c = 0; c < CASES; c++) {
      if (strcmp(cases[c].name, name) != 0 || c == drawn) continue;
      draw_case(&cases[c], &gallery, &queries);
      drawn = c;
    }
    double figures[MOST_FIGURES], value;
    size_t count = compute(what, &gallery, &queries, pool, figures), i = 0;
    for (; sscanf(line + at, "%lf%n", &value, &length) == 1 && i < count; at += length, i++) {
      CHECK_MSG(fabs(figures[i] - value) <= 1e-6, "%s %s, figure %zu: %.9g, not %.9g", name, what, i, figures[i],
                value);
    }
    CHECK_MSG(i == count && count > 0, "%s %s: %zu figures, not %zu", name, what, i, count);
  }
  CHECK(lines == 58);
  threads_stop(pool);
  free(table);
}

TEST(knn_takes_the_best_k_and_as_many_as_there_are) {
  static struct rows gallery, queries;
  draw_case(&cases[0], &gallery, &queries);
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct knn_options options = {.temperature = KNN_TEMPERATURE};
  struct knn_result result;
  REQUIRE(knn_run(&result, &gallery.set, &queries.set, &options, pool, &e) == OK);
  REQUIRE(result.trial_count == 2); /* 10 and 20 of 60 rows */
  CHECK(result.trials[0].k == 10 && result.trials[1].k == 20);
  size_t correct = 0;
  for (size_t i = 0; i < queries.set.n; i++) correct += result.choices[i] == queries.labels[i];
  CHECK(correct == result.trials[result.best].metrics.correct);
  CHECK(correct >= result.trials[1 - result.best].metrics.correct);
  knn_free(&result);
  static const size_t k[] = {5, 61};
  options = (struct knn_options){.k = k, .k_count = 2, .temperature = KNN_TEMPERATURE};
  CHECK(knn_run(&result, &gallery.set, &queries.set, &options, pool, &e) == FAILED);
  CHECK_STRING(e.message, "drawn: has 60 rows, fewer than 61 neighbours");
  knn_free(&result);
  options.temperature = 0;
  CHECK(knn_run(&result, &gallery.set, &queries.set, &options, pool, &e) == USAGE);
  threads_stop(pool);
}

/* A row alone in its class finds nothing, and its values say so. */
TEST(retrieval_of_queries_without_relevant_rows) {
  static struct rows gallery, queries;
  draw_case(&cases[7], &gallery, &queries);
  error e = {""};
  struct threads *pool = threads_start(3, &e);
  struct retrieval_options options = {.nearest = 100};
  struct retrieval_result result;
  REQUIRE(retrieval_run(&result, &gallery.set, &queries.set, &options, pool, &e) == OK);
  CHECK(result.nearest_count == 40 && result.queries == 30 && result.n + result.without == 30 && result.without > 0);
  for (size_t i = 0; i < 30; i++) {
    CHECK(isnan(result.values[i * result.measures + RETRIEVAL_AP]) == (queries.labels[i] >= 4));
  }
  CHECK(result.class_n[5] == 0 && isnan(result.class_means[5 * result.measures]));
  retrieval_free(&result);
  gallery.set.n = 4; /* one row a class: nobody has another to find */
  REQUIRE(retrieval_run(&result, &gallery.set, NULL, &options, pool, &e) == OK);
  CHECK(result.n == 0 && result.without == 4 && isnan(result.means[RETRIEVAL_AP]));
  retrieval_free(&result);
  threads_stop(pool);
}

/* ---- commands -----------------------------------------------------------------------------------------------------
 */

static const float directions[] = {4, 0, 5, 0.1f, -4, 0.2f, -5, 0, 0, 6, 0.1f, 5};
static const int64_t three[] = {0, 0, 1, 1, 2, 2};
#define NAMES "cat\ndog\nowl\n"

TEST(knn_command_prints_and_writes) {
  const char *train = write_features("train", directions, 2, three, 6, NAMES);
  static const float x[] = {1, 0, -1, 0, 1, 0.1f}; /* the last is an owl, it says */
  static const int64_t labels[] = {0, 1, 2};
  const char *test = write_features("test", x, 2, labels, 3, NAMES), *out = path_join(test_folder(), "out");
  struct run run = RUN("knn", "--train", train, "--test", test, "--k", "1,2", "--out", out, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "{\"n_test\":3,\"correct\":2,\"top1\":0.66666666666666");
  CHECK_CONTAINS(run.out, "\"k\":1,\"metric\":\"cosine\",\"temperature\":0.07,\"n_train\":6,");
  CHECK_CONTAINS(run.out, "\"class_mean\":{\"n_test\":3,\"correct\":2,");
  char *images = read_file(path_join(out, "predictions.csv"), NULL),
       *json = read_file(path_join(out, "result.json"), NULL);
  CHECK_STRING(images, "path,label,prediction,confidence,correct\n0,cat,cat,1,1\n1,dog,dog,1,1\n2,owl,cat,1,0\n");
  CHECK_STRING(json, run.out);
  free(images);
  free(json);
  run = RUN("knn", "--train", train, "--test", test, "--k", "7");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "train: has 6 rows, fewer than 7 neighbours");
  CHECK(RUN("knn", "--train", train, "--test", test, "--metric", "euclid").exit_code == 2);
  CHECK(RUN("knn", "--train", train, "--test", test, "--temperature", "0").exit_code == 2);
}

TEST(retrieve_command_prints_and_writes) {
  const char *gallery = write_features("gallery", directions, 2, three, 6, NAMES);
  const char *out = path_join(test_folder(), "out");
  struct run run = RUN("retrieve", "--gallery", gallery, "--k", "1,3", "--out", out, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "{\"n_queries\":6,\"without_relevant\":0,\"map\":1,\"map_at_r\":1,\"mrr\":1,");
  CHECK_CONTAINS(run.out, "{\"k\":3,\"precision\":0.3333333333333333,\"recall\":1}");
  char *classes = read_file(path_join(out, "per_class.csv"), NULL);
  CHECK_STRING(classes,
               "class,n,map,map_at_r,mrr,precision@1,recall@1,precision@3,recall@3\n"
               "cat,2,1,1,1,1,1,0.33333333,1\ndog,2,1,1,1,1,1,0.33333333,1\nowl,2,1,1,1,1,1,0.33333333,1\n");
  free(classes);
  char *nearest = read_file(path_join(out, "neighbours.csv"), NULL);
  CHECK_CONTAINS(nearest, "query,rank,neighbour,score,relevant\n0,1,1,0.9998");
  free(nearest);
  /* An owl with nothing but cats and dogs to find. */
  const char *query = write_features("query", directions + 8, 2, three + 4, 1, NAMES);
  gallery = write_features("gallery", directions, 2, three, 4, NAMES);
  run = RUN("retrieve", "--gallery", gallery, "--query", query);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "no query has another image of its class to find");
  run = RUN("retrieve", "--gallery", gallery, "--query", query, "--empty", "zero");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.err, "warning: 1 of 1 queries have no image of their class to find and score 0\n");
  CHECK(RUN("retrieve", "--gallery", gallery, "--empty", "maybe").exit_code == 2);
}
