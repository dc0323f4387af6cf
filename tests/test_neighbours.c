/* Nearest rows against the plain definition, and the same bits whatever the threads and blocks. */
#include "evaluate/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/similarity.h"
#include "tests/harness.h"

struct drawn {
  float *x;
  size_t n, d;
};

static struct drawn draw(size_t n, size_t d, uint64_t seed) {
  struct random random = {seed};
  struct drawn drawn = {malloc(n * d * sizeof(float)), n, d};
  random_fill(&random, drawn.x, n * d);
  return drawn;
}

/* Rows whose similarities are exact in every arithmetic, and full of ties: four of the features are 1 or -1. */
static struct drawn draw_exact(size_t n, size_t d, uint64_t seed) {
  struct random random = {seed};
  struct drawn drawn = {calloc(n * d, sizeof(float)), n, d};
  for (size_t i = 0; i < n; i++) {
    for (int placed = 0; placed < 4;) {
      float *x = &drawn.x[i * d + (size_t)random_between(&random, 0, (int)d - 1)];
      if (*x != 0) continue;
      *x = random_unit(&random) < 0.5 ? -1 : 1;
      placed++;
    }
  }
  return drawn;
}

static double cosine(const float *a, const float *b, size_t d) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t j = 0; j < d; j++) {
    ab += (double)a[j] * (double)b[j];
    aa += (double)a[j] * (double)a[j];
    bb += (double)b[j] * (double)b[j];
  }
  return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static struct neighbour *find(const struct drawn *queries, const struct drawn *gallery, size_t k, bool leave_one_out,
                              int threads) {
  error e = {""};
  struct threads *pool = threads_start(threads, &e);
  struct neighbour *nearest = calloc(queries->n * k, sizeof *nearest);
  struct neighbours_search search = {.queries = queries->x,
                                     .query_count = queries->n,
                                     .gallery = gallery->x,
                                     .n = gallery->n,
                                     .d = gallery->d,
                                     .k = k,
                                     .leave_one_out = leave_one_out};
  CHECK_MSG(neighbours_find(nearest, &search, pool, &e) == OK, "%s", e.message);
  threads_stop(pool);
  return nearest;
}

/* In order, each once, scores as defined, and nothing that was left out comes before the last. */
static size_t count_wrong(const struct neighbour *nearest, const struct drawn *queries, const struct drawn *gallery,
                          size_t k, bool leave_one_out, double tolerance) {
  size_t wrong = 0;
  bool *taken = malloc(gallery->n);
  for (size_t i = 0; i < queries->n; i++) {
    const struct neighbour *list = nearest + i * k;
    memset(taken, 0, gallery->n);
    for (size_t j = 0; j < k; j++) {
      double score = cosine(queries->x + i * queries->d, gallery->x + list[j].index * gallery->d, gallery->d);
      wrong += taken[list[j].index] || fabs((double)list[j].score - score) > tolerance;
      wrong +=
          j > 0 && neighbour_key(list[j - 1].score, list[j - 1].index) <= neighbour_key(list[j].score, list[j].index);
      taken[list[j].index] = true;
    }
    if (leave_one_out) {
      wrong += taken[i];
      taken[i] = true;
    }
    for (size_t g = 0; g < gallery->n; g++) {
      if (taken[g]) continue;
      double score = cosine(queries->x + i * queries->d, gallery->x + g * gallery->d, gallery->d);
      double last = (double)list[k - 1].score;
      wrong += score > last + tolerance || (tolerance <= 0 && score >= last && g < list[k - 1].index);
    }
  }
  free(taken);
  return wrong;
}

TEST(neighbours_are_the_nearest) {
  const struct {
    size_t n, queries, d, k;
  } cases[] = {{1, 1, 1, 1},     {2, 3, 1, 2},     {31, 5, 3, 31},      {33, 15, 17, 4},
               {64, 29, 64, 64}, {700, 40, 9, 10}, {1500, 60, 130, 33}, {100, 14, 1100, 50}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    struct drawn gallery = draw(cases[c].n, cases[c].d, 10 + c), queries = draw(cases[c].queries, cases[c].d, 90 + c);
    struct neighbour *nearest = find(&queries, &gallery, cases[c].k, false, 2);
    size_t wrong = count_wrong(nearest, &queries, &gallery, cases[c].k, false, 1e-6);
    CHECK_MSG(wrong == 0, "%zu x %zu, k %zu: %zu wrong", cases[c].n, cases[c].d, cases[c].k, wrong);
    free(nearest);
    free(gallery.x);
    free(queries.x);
  }
}

TEST(neighbours_that_tie_come_by_index) {
  struct drawn gallery = draw_exact(900, 6, 1), queries = draw_exact(50, 6, 2);
  memset(gallery.x + 30 * 6, 0, 6 * sizeof(float)); /* a row of zeros has the similarity 0 */
  memset(queries.x + 7 * 6, 0, 6 * sizeof(float));
  for (size_t k = 1; k <= 900; k = k * 3 + (k == 243 ? 171 : 0)) {
    struct neighbour *nearest = find(&queries, &gallery, k, false, 1);
    size_t wrong = count_wrong(nearest, &queries, &gallery, k, false, 0);
    CHECK_MSG(wrong == 0, "k %zu: %zu wrong", k, wrong);
    for (size_t j = 0; j < k; j++) CHECK(nearest[7 * k + j].index == j); /* all alike */
    free(nearest);
  }
  free(gallery.x);
  free(queries.x);
}

TEST(neighbours_leave_one_out) {
  struct drawn rows = draw_exact(300, 5, 3);
  struct neighbour *nearest = find(&rows, &rows, 299, true, 2);
  CHECK(count_wrong(nearest, &rows, &rows, 299, true, 0) == 0);
  free(nearest);
  nearest = find(&rows, &rows, 1, true, 2);
  CHECK(count_wrong(nearest, &rows, &rows, 1, true, 0) == 0);
  free(nearest);
  free(rows.x);
}

TEST(neighbours_have_the_same_bits_with_any_number_of_threads) {
  struct drawn gallery = draw(1111, 70, 4), queries = draw(97, 70, 5);
  struct neighbour *first = find(&queries, &gallery, 40, false, 1);
  for (int threads = 2; threads <= 5; threads++) {
    struct neighbour *nearest = find(&queries, &gallery, 40, false, threads);
    CHECK_MSG(!memcmp(first, nearest, 97 * 40 * sizeof *first), "%d threads", threads);
    free(nearest);
  }
  /* A query alone, and a gallery cut elsewhere: scores stay the same bits. */
  struct drawn one = {queries.x + 50 * 70, 1, 70}, part = {gallery.x + 13 * 70, 1098, 70};
  struct neighbour *nearest = find(&one, &part, 1098, false, 1), *all = find(&one, &gallery, 1111, false, 1);
  size_t same = 0;
  for (size_t j = 0, p = 0; j < 1111 && p < 1098; j++) {
    if (all[j].index < 13) continue;
    same += all[j].index == nearest[p].index + 13 && !memcmp(&all[j].score, &nearest[p].score, sizeof(float));
    p++;
  }
  CHECK_MSG(same == 1098, "%zu", same);
  CHECK(!memcmp(all, first + 50 * 40, sizeof *all));
  free(nearest);
  free(all);
  free(first);
  free(gallery.x);
  free(queries.x);
}

TEST(neighbours_of_rows_of_any_size) {
  struct drawn gallery = draw(40, 8, 6), queries = draw(10, 8, 7);
  struct neighbour *usual = find(&queries, &gallery, 40, false, 1);
  for (size_t i = 0; i < 40 * 8; i++) gallery.x[i] *= 0x1p100F;
  for (size_t i = 0; i < 10 * 8; i++) queries.x[i] *= 0x1p-90F;
  struct neighbour *scaled = find(&queries, &gallery, 40, false, 1);
  CHECK(!memcmp(usual, scaled, 400 * sizeof *usual));
  free(usual);
  free(scaled);
  free(gallery.x);
  free(queries.x);
}

TEST(neighbours_keep_the_best_of_a_stream) {
  /* Rising scores: every one is better than all before. */
  enum { N = 5000, MOST = 37 };
  static float scores[N];
  uint64_t keys[NEAREST_ROOM(MOST)];
  struct neighbour out[MOST];
  struct nearest nearest = {.keys = keys, .most = MOST};
  nearest_clear(&nearest);
  for (int i = 0; i < N; i++) scores[i] = (float)i - 4000;
  for (size_t i = 0; i < N; i += 83) nearest_offer(&nearest, i, scores + i, N - i < 83 ? N - i : 83, 4990);
  REQUIRE(nearest_take(&nearest, out) == MOST);
  for (uint32_t j = 0; j < MOST; j++)
    CHECK(out[j].index == N - 1 - j - (j > 8) && out[j].score == scores[out[j].index]);
  /* Fewer than there is room for; both zeros are alike. */
  const float few[5] = {-0.0F, 0.0F, -1, 2, 0.0F};
  nearest_offer(&nearest, 10, few, 5, SIZE_MAX);
  REQUIRE(nearest_take(&nearest, out) == 5);
  const uint32_t order[5] = {13, 10, 11, 14, 12};
  for (int j = 0; j < 5; j++) CHECK(out[j].index == order[j]);
  CHECK(nearest_take(&nearest, out) == 0);
}

TEST(neighbours_refuse_what_makes_no_sense) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct drawn rows = draw(5, 3, 8);
  struct neighbour nearest[25];
  struct neighbours_search search = {.queries = rows.x, .query_count = 5, .gallery = rows.x, .n = 5, .d = 3, .k = 6};
  CHECK(neighbours_find(nearest, &search, pool, &e) == FAILED);
  CHECK_STRING(e.message, "6 nearest of 5 rows: from 1 to 5 are possible");
  search.k = 0;
  CHECK(neighbours_find(nearest, &search, pool, &e) == FAILED);
  search.k = 5;
  search.leave_one_out = true;
  CHECK(neighbours_find(nearest, &search, pool, &e) == FAILED);
  CHECK_CONTAINS(e.message, "from 1 to 4");
  search.k = 4;
  CHECK(neighbours_find(nearest, &search, pool, &e) == OK);
  search.query_count = 4;
  CHECK(neighbours_find(nearest, &search, pool, &e) == FAILED);
  free(rows.x);
  threads_stop(pool);
}
