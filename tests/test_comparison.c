/* Comparison and significance against scipy and numpy (tests/reference/make_comparison_fixtures.py), and score tables.
 */
#include "evaluate/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/significance.h"
#include "tests/harness.h"

/* ---- fixtures -----------------------------------------------------------------------------------------------------
 */

static bool same(double a, double b, double tolerance) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return fabs(a - b) <= tolerance * fmax(1, fabs(b));
}

static bool all_same(const double *a, const double *b, size_t n, double tolerance) {
  for (size_t i = 0; i < n; i++) {
    if (!same(a[i], b[i], tolerance)) return false;
  }
  return true;
}

/* A line of the fixture: kind, the count, the numbers. */
struct line {
  char kind[32];
  size_t n, numbers;
  double number[80];
};

static bool read_line(char **text, struct line *line) {
  int used = 0;
  line->numbers = 0;
  if (sscanf(*text, "%31s %zu%n", line->kind, &line->n, &used) != 2) return false;
  for (*text += used; **text && **text != '\n' && line->numbers < 80;) {
    line->number[line->numbers++] = strtod(*text, text);
  }
  if (**text == '\n') ++*text;
  return true;
}

/* The photos on which two classifiers are right, as the script draws them. */
static bool check_bootstrap(const struct line *line, int thread_count) {
  enum { N = 200, RESAMPLES = 400 };
  struct random random = {(uint64_t)line->number[0]};
  static double right[N * 2], means[RESAMPLES * 2], difference[RESAMPLES], column[RESAMPLES];
  double sums[2] = {0, 0}, ends[6];
  error e;
  for (size_t i = 0; i < N; i++) {
    for (size_t c = 0; c < 2; c++) sums[c] += right[i * 2 + c] = random_unit(&random) < (c ? 0.6 : 0.7);
  }
  struct bootstrap_options options = {RESAMPLES, (uint64_t)line->number[3]};
  struct threads *pool = threads_start(thread_count, &e);
  bootstrap_means(right, N, 2, &options, pool, means);
  threads_stop(pool);
  for (size_t c = 0; c < 2; c++) {
    for (size_t r = 0; r < RESAMPLES; r++) column[r] = means[r * 2 + c];
    percentile_interval(column, RESAMPLES, 0.95, &ends[2 * c], &ends[2 * c + 1]);
  }
  for (size_t r = 0; r < RESAMPLES; r++) difference[r] = means[r * 2] - means[r * 2 + 1];
  percentile_interval(difference, RESAMPLES, 0.95, &ends[4], &ends[5]);
  return sums[0] / N == line->number[4] && sums[1] / N == line->number[5] && all_same(ends, line->number + 6, 6, 1e-14);
}

static bool check_line(struct line *line) {
  size_t n = line->n;
  double *in = line->number, out[80];
  error e;
  if (!strcmp(line->kind, "rank")) return rank_values(in, n, out, &e) == OK && all_same(out, in + n, n, 0);
  if (!strcmp(line->kind, "z")) {
    z_scores(in, n, out);
    return all_same(out, in + n, n, 1e-12);
  }
  if (!strcmp(line->kind, "spearman")) {
    return spearman(in, in + n, n, out, &e) == OK && same(out[0], in[2 * n], 1e-12);
  }
  if (!strcmp(line->kind, "kendall")) return same(kendall(in, in + n, n), in[2 * n], 1e-12);
  if (!strcmp(line->kind, "percentile")) {
    percentile_interval(in + 1, n, in[0], out, out + 1);
    return all_same(out, in + 1 + n, 2, 1e-14);
  }
  if (!strcmp(line->kind, "mcnemar")) {
    struct mcnemar p = mcnemar_test((size_t)in[0], (size_t)in[1]);
    return fabs(p.exact / in[2] - 1) < 1e-9 || same(p.exact, in[2], 1e-300) ? same(p.mid, in[3], 1e-10) : false;
  }
  if (!strcmp(line->kind, "holm")) return holm_adjust(in, n, out, &e) == OK && all_same(out, in + n, n, 1e-15);
  if (!strcmp(line->kind, "bootstrap")) return check_bootstrap(line, 1) && check_bootstrap(line, 3);
  return false;
}

TEST(comparison_statistics_are_those_of_scipy) {
  size_t size;
  char *text = read_file(fixture("comparison/statistics.txt"), &size), *at = text;
  REQUIRE(text != NULL);
  struct line line;
  int lines = 0;
  while (read_line(&at, &line)) {
    lines++;
    CHECK_MSG(check_line(&line), "line %d: %s", lines, line.kind);
  }
  CHECK(lines == 61);
  free(text);
}

TEST(comparison_bootstrap_passes_over_what_is_missing) {
  /* Columns: 1 and nothing, 3 and nothing, nothing; 1 and 2. */
  static const double values[] = {1, 3, NAN, 1, NAN, NAN, NAN, 2};
  double means[160];
  struct bootstrap_options options = {40, 1};
  bootstrap_means(values, 2, 4, &options, NULL, means);
  size_t none_drawn = 0, mixed = 0;
  for (size_t r = 0; r < 40; r++) {
    const double *mean = &means[r * 4];
    CHECK(same(mean[0], 1, 0) || isnan(mean[0]));
    CHECK(isnan(mean[1]) == isnan(mean[0]) && isnan(mean[2]) && mean[3] >= 1 && mean[3] <= 2);
    none_drawn += isnan(mean[0]) != 0;
    mixed += same(mean[3], 1.5, 0);
  }
  CHECK(none_drawn > 0 && mixed > 0);
  double low, high, none[] = {NAN, NAN};
  percentile_interval(none, 2, 0.95, &low, &high);
  CHECK(isnan(low) && isnan(high));
  percentile_interval(none, 0, 0.95, &low, &high);
  CHECK(isnan(low) && isnan(high));
}

TEST(comparison_pareto_front) {
  /* cost 1 score 5: front; cost 2 score 5: covered; cost 3 score 7: front, twice; a missing number: never. */
  static const double score[] = {5, 5, 7, 7, 9, NAN, 6}, cost[] = {1, 2, 3, 3, NAN, 1, 4};
  static const bool expected[] = {true, false, true, true, false, false, false};
  bool front[7];
  pareto_front(score, cost, 7, front);
  for (int i = 0; i < 7; i++) CHECK_MSG(front[i] == expected[i], "%d", i);
}

/* ---- tables -------------------------------------------------------------------------------------------------------
 */

static int parse(struct score_table *table, const char *text, error *e) {
  return scores_parse(table, (const unsigned char *)text, strlen(text), ',', e);
}

TEST(comparison_of_a_table) {
  static const char *const text =
      "task,Model,value,better,low,high\n"
      "top-1,\"a, b\",0.8,higher,0.75,0.85\n"
      "top-1,c,0.6,,,\n"
      "nll,\"a, b\",2,lower,,\n"
      "nll,c,1,lower,,\n"
      "nll,d,-,lower,,\n"
      "same,c,5,higher,,\n"
      "same,\"a, b\",5,higher,,\n"
      "alone,c,9,higher,,\n"
      "ms,c,12.5,cost,,\n";
  struct score_table table;
  struct comparison c;
  error e = {""};
  CHECK_MSG(parse(&table, text, &e) == OK, "%s", e.message);
  REQUIRE(table.backbone_count == 3 && table.task_count == 4 && table.cost_count == 1);
  CHECK_STRING(table.backbones[0], "a, b");
  CHECK(table.tasks[1].better == BETTER_LOWER && isnan(table.tasks[0].scores[2].value));
  CHECK(table.tasks[0].scores[0].low == 0.75 && isnan(table.tasks[0].scores[1].low));
  CHECK(table.costs[0].scores[1].value == 12.5);
  REQUIRE(compare(&c, &table, &e) == OK);
  /* What one backbone alone took part in counts for nobody. */
  static const double z[] = {1, -1, NAN, -1, 1, NAN, 0, 0, NAN, NAN, NAN, NAN};
  static const double ranks[] = {1, 2, NAN, 2, 1, NAN, 1.5, 1.5, NAN, NAN, NAN, NAN};
  CHECK(all_same(c.z, z, 12, 1e-14) && all_same(c.ranks, ranks, 12, 0));
  CHECK(c.counted == 3 && c.counts[2] && !c.counts[3] && c.covered[1] == 3);
  CHECK(c.covered[0] == 3 && c.covered[2] == 0 && isnan(c.mean_z[2]) && same(c.mean_rank[0], 1.5, 0));
  CHECK(c.order[0] == 0 && c.order[1] == 1 && c.order[2] == 2);
  CHECK(same(c.spearman[1], -1, 1e-15) && same(c.kendall[1], -1, 1e-15) && isnan(c.spearman[2]));
  comparison_free(&c);
  /* What is written reads back. */
  char *written;
  size_t size;
  FILE *stream = open_memstream(&written, &size);
  scores_write(&table, stream);
  fclose(stream);
  struct score_table again;
  CHECK_MSG(parse(&again, written, &e) == OK, "%s", e.message);
  CHECK(again.backbone_count == 2 && again.task_count == 4 && again.costs[0].scores[1].value == 12.5);
  CHECK(again.tasks[0].scores[0].value == 0.8 && again.tasks[0].scores[0].high == 0.85);
  CHECK_CONTAINS(written, "\"a, b\",top-1,0.8,higher,0.75,0.85\n");
  free(written);
  scores_free(&again);
  scores_free(&table);
}

TEST(comparison_of_one_backbone_or_one_task) {
  struct score_table table;
  struct comparison c;
  error e;
  REQUIRE(parse(&table, "only,x,0.1\n", &e) == OK);
  REQUIRE(compare(&c, &table, &e) == OK);
  CHECK(c.z[0] == 0 && c.ranks[0] == 1 && c.mean_z[0] == 0 && isnan(c.spearman[0]) && isnan(c.kendall[0]));
  comparison_free(&c);
  scores_free(&table);
}

TEST(comparison_refuses_bad_tables) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "is empty"},
      {"backbone,task,score\n", "holds no score of a task"},
      {"a,b\n", "line 1: 2 fields where backbone, task and score are expected"},
      {"backbone,task\na,b\n", "line 1: the header lacks one of backbone, task and score"},
      {"a,t,1\na,t,2\n", "line 2: a on t was told before"},
      {"a,t,1,higher\nb,t,2,lower\n", "line 2: t is better lower here, but not in a row before"},
      {"a,t,1,up\n", "line 1: up is not higher, lower or cost"},
      {"a,t,one\n", "line 1: one is not a number"},
      {"a,t,inf\n", "line 1: inf is not a number"},
      {"a,t,1,higher,2,3\n", "line 1: the score 1 lies outside of 2 to 3"},
      {"a,,1\n", "line 1: no task"},
      {",t,1\n", "line 1: no backbone"},
      {"a,t,1\nb,t\n", "line 2: 2 fields where 3 are expected"},
      {"a,ms,1,cost\n", "holds no score of a task"},
      {"a,t,\"1\n", "line 1: a quote is never closed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct score_table table;
    error e = {""};
    CHECK_MSG(parse(&table, cases[i].text, &e) == FAILED, "%s", cases[i].text);
    CHECK_STRING(e.message, cases[i].message);
  }
  char *many = calloc(1, 600 * 16);
  for (int i = 0; i < 501; i++) sprintf(many + strlen(many), "b%d,t,1\n", i);
  struct score_table table;
  error e = {""};
  CHECK(parse(&table, many, &e) == FAILED);
  CHECK_STRING(e.message, "line 501: more than 500 backbones");
  free(many);
  CHECK(scores_read(&table, "/no/such.csv", &e) == FAILED);
}
