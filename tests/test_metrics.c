/* Metrics on cases small enough to work out by hand. */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

#include "tests/harness.h"

TEST(metrics_of_a_small_set) {
  /* Logarithms of probabilities: softmax gives them back. */
  const double p[4][3] = {{0.7, 0.2, 0.1}, {0.5, 0.3, 0.2}, {0.1, 0.1, 0.8}, {0.2, 0.6, 0.2}};
  const int labels[4] = {0, 1, 2, 1};
  double scores[12], confidences[4];
  for (int i = 0; i < 12; i++) scores[i] = log(p[i / 3][i % 3]) + 5;
  int choices[4];
  int64_t confusion[9];
  struct metrics m;
  error e;
  REQUIRE(metrics_compute(&m, scores, labels, 4, 3, confusion, choices, confidences, &e) == OK);
  CHECK(m.n == 4 && m.correct == 3);
  CHECK_NEAR(m.top1, 0.75, 1e-15);
  CHECK_NEAR(m.top5, 1, 0);
  CHECK_NEAR(m.mean_per_class, (1 + 0.5 + 1) / 3, 1e-15);
  CHECK_NEAR(m.nll, -(log(0.7) + log(0.3) + log(0.8) + log(0.6)) / 4, 1e-12);
  /* Four bins with one sample each: |1 - 0.7|, |0 - 0.5|, |1 - 0.8|, |1 - 0.6|. */
  CHECK_NEAR(m.ece, (0.3 + 0.5 + 0.2 + 0.4) / 4, 1e-12);
  CHECK(choices[0] == 0 && choices[1] == 0 && choices[2] == 2 && choices[3] == 1);
  CHECK_NEAR(confidences[2], 0.8, 1e-12);
  const int64_t expected[9] = {1, 0, 0, 1, 1, 0, 0, 0, 1};
  for (int i = 0; i < 9; i++) CHECK_MSG(confusion[i] == expected[i], "confusion[%d]", i);
}

TEST(metrics_ties_go_to_the_smaller_index) {
  const double scores[2 * 7] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  struct metrics m;
  error e;
  REQUIRE(metrics_compute(&m, scores, (const int[]){0, 4}, 2, 7, NULL, NULL, NULL, &e) == OK);
  CHECK(m.correct == 1);
  CHECK_NEAR(m.top5, 1, 0);
  REQUIRE(metrics_compute(&m, scores, (const int[]){5, 6}, 2, 7, NULL, NULL, NULL, &e) == OK);
  CHECK(m.correct == 0);
  CHECK_NEAR(m.top5, 0, 0);
}

TEST(metrics_of_certain_and_of_useless_scores) {
  /* A confidence of exactly 1 has a bin of its own; huge scores overflow nothing. */
  const double certain[4] = {1e300, -1e300, 0, 1000};
  struct metrics m;
  error e;
  REQUIRE(metrics_compute(&m, certain, (const int[]){0, 1}, 2, 2, NULL, NULL, NULL, &e) == OK);
  CHECK(m.correct == 2);
  CHECK_NEAR(m.nll, 0, 1e-300);
  CHECK_NEAR(m.ece, 0, 0);
  const double broken[2] = {NAN, 1};
  for (int label = 0; label < 2; label++) {
    REQUIRE(metrics_compute(&m, broken, &label, 1, 2, NULL, NULL, NULL, &e) == OK);
    CHECK_MSG(m.correct == 0, "a NaN is never right");
  }
  CHECK(metrics_compute(&m, certain, (const int[]){0}, 0, 2, NULL, NULL, NULL, &e) == FAILED);
}

/* Shares of votes are on a bin's edge whatever their last bit. */
TEST(metrics_bins_take_their_begin) {
  for (size_t b = 0; b <= ECE_BINS; b++) {
    double begin = (double)b / ECE_BINS;
    CHECK(ece_bin(begin) == b && ece_bin(nextafter(begin, 0)) == b && ece_bin(nextafter(begin, 2)) == b);
    CHECK(b == 0 || ece_bin(begin - 1e-6) == b - 1);
  }
  CHECK(ece_bin(NAN) == ECE_BINS);
  /* 1/5 but for rounding and 0.21 share the bin from 1/5 on. */
  double scores[12];
  for (int i = 0; i < 12; i++) {
    double first = i < 6 ? 0.2 - 1e-9 : 0.21;
    scores[i] = log(i % 6 ? (1 - first) / 5 : first);
  }
  struct metrics m;
  error e;
  REQUIRE(metrics_compute(&m, scores, (const int[]){0, 1}, 2, 6, NULL, NULL, NULL, &e) == OK);
  CHECK_NEAR(m.ece, fabs(1 - 0.41) / 2, 1e-8);
}

TEST(metrics_may_come_in_parts) {
  enum { N = 200, CLASSES = 7 };
  static double scores[N * CLASSES];
  int labels[N];
  struct random random = {3};
  for (int i = 0; i < N * CLASSES; i++) scores[i] = 5 * random_unit(&random);
  for (int i = 0; i < N; i++) labels[i] = (int)(random_unit(&random) * CLASSES);
  error e = {""};
  struct metrics whole, joined;
  struct metrics_sums *sums;
  int choices[2][N];
  REQUIRE(metrics_compute(&whole, scores, labels, N, CLASSES, NULL, choices[0], NULL, &e) == OK);
  REQUIRE(metrics_open(&sums, CLASSES, &e) == OK);
  CHECK(metrics_read(sums, &joined, &e) == FAILED);
  metrics_add(sums, scores, labels, 60, NULL, choices[1], NULL);
  metrics_add(sums, scores + 60 * CLASSES, labels + 60, N - 60, NULL, choices[1] + 60, NULL);
  REQUIRE(metrics_read(sums, &joined, &e) == OK);
  CHECK(!memcmp(choices[0], choices[1], sizeof choices[0]));
  CHECK(whole.correct == joined.correct && whole.n == joined.n && whole.top5 == joined.top5);
  CHECK(whole.nll == joined.nll && whole.ece == joined.ece && whole.mean_per_class == joined.mean_per_class);
  metrics_close(sums);
}
