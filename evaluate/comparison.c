#include "evaluate/comparison.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/memory.h"

/* ---- ranks and z-scores -------------------------------------------------------------------------------------------
 */

struct placed {
  double value;
  size_t index;
};

/* Falling values; NaN last. */
static int by_value(const void *a, const void *b) {
  double x = ((const struct placed *)a)->value, y = ((const struct placed *)b)->value;
  if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
  return (x < y) - (x > y);
}

int rank_values(const double *values, size_t n, double *ranks, error *e) {
  struct placed *sorted = allocate(n, sizeof *sorted, e);
  if (!sorted) return FAILED;
  for (size_t i = 0; i < n; i++) sorted[i] = (struct placed){values[i], i};
  if (n) qsort(sorted, n, sizeof *sorted, by_value);
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && sorted[end].value == sorted[i].value;) end++;
    /* Places i + 1 to end share their mean. */
    double rank = isnan(sorted[i].value) ? NAN : (double)(i + 1 + end) / 2;
    for (size_t j = i; j < end; j++) ranks[sorted[j].index] = rank;
  }
  free(sorted);
  return OK;
}

void z_scores(const double *values, size_t n, double *z) {
  double sum = 0, low = INFINITY, high = -INFINITY, squares = 0;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(values[i])) continue;
    sum += values[i];
    low = fmin(low, values[i]);
    high = fmax(high, values[i]);
    count++;
  }
  double mean = sum / (double)count;
  for (size_t i = 0; i < n; i++) {
    if (!isnan(values[i])) squares += (values[i] - mean) * (values[i] - mean);
  }
  double deviation = sqrt(squares / (double)count);
  for (size_t i = 0; i < n; i++) {
    z[i] = isnan(values[i]) ? NAN : 0;
    /* Of equal values the rounding of the mean would be all that is left. */
    if (low < high && deviation > 0) z[i] = (values[i] - mean) / deviation;
  }
}

/* ---- agreement ----------------------------------------------------------------------------------------------------
 */

static double correlation(const double *a, const double *b, size_t n) {
  double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < n; i++) {
    mean_a += a[i] / (double)n;
    mean_b += b[i] / (double)n;
  }
  for (size_t i = 0; i < n; i++) {
    double x = a[i] - mean_a, y = b[i] - mean_b;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  if (!(aa > 0 && bb > 0)) return NAN;
  return fmax(-1, fmin(1, ab / (sqrt(aa) * sqrt(bb))));
}

int spearman(const double *a, const double *b, size_t n, double *rho, error *e) {
  double *memory = allocate(4 * n, sizeof *memory, e);
  if (!memory) return FAILED;
  double *x = memory, *y = memory + n, *ranks_x = memory + 2 * n, *ranks_y = memory + 3 * n;
  size_t pairs = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(a[i]) || isnan(b[i])) continue;
    x[pairs] = a[i];
    y[pairs++] = b[i];
  }
  int status = rank_values(x, pairs, ranks_x, e);
  if (status == OK) status = rank_values(y, pairs, ranks_y, e);
  if (status == OK) *rho = correlation(ranks_x, ranks_y, pairs);
  free(memory);
  return status;
}

double kendall(const double *a, const double *b, size_t n) {
  size_t pairs_a = 0, pairs_b = 0; /* not tied in a, in b */
  double difference = 0;           /* concordant less discordant pairs */
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < i; j++) {
      if (isnan(a[i]) || isnan(b[i]) || isnan(a[j]) || isnan(b[j])) continue;
      int x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
      pairs_a += x != 0;
      pairs_b += y != 0;
      difference += x * y;
    }
  }
  if (pairs_a == 0 || pairs_b == 0) return NAN;
  return difference / (sqrt((double)pairs_a) * sqrt((double)pairs_b));
}

void pareto_front(const double *score, const double *cost, size_t n, bool *front) {
  for (size_t i = 0; i < n; i++) {
    front[i] = !isnan(score[i]) && !isnan(cost[i]);
    for (size_t j = 0; front[i] && j < n; j++) {
      bool covers = cost[j] <= cost[i] && score[j] >= score[i];
      if (covers && (cost[j] < cost[i] || score[j] > score[i])) front[i] = false;
    }
  }
}

/* ---- the comparison -----------------------------------------------------------------------------------------------
 */

static int correlate_tasks(struct comparison *c, error *e) {
  int status = OK;
  for (size_t s = 0; status == OK && s < c->tasks; s++) {
    for (size_t t = 0; status == OK && t <= s; t++) {
      const double *a = c->z + s * c->backbones, *b = c->z + t * c->backbones;
      double rho = NAN, tau = kendall(a, b, c->backbones);
      status = spearman(a, b, c->backbones, &rho, e);
      c->spearman[s * c->tasks + t] = c->spearman[t * c->tasks + s] = rho;
      c->kendall[s * c->tasks + t] = c->kendall[t * c->tasks + s] = tau;
    }
  }
  return status;
}

/* A task that fewer backbones took than can be compared at all compares none of them. */
static void find_counted(struct comparison *c, const struct score_table *table) {
  size_t present = 0;
  for (size_t b = 0; b < c->backbones; b++) {
    bool any = false;
    for (size_t t = 0; t < c->tasks; t++) any |= !isnan(table->tasks[t].scores[b].value);
    if (any) present++;
  }
  for (size_t t = 0; t < c->tasks; t++) {
    size_t scored = 0;
    for (size_t b = 0; b < c->backbones; b++)
      if (!isnan(table->tasks[t].scores[b].value)) scored++;
    c->counts[t] = scored > 1 || (scored == 1 && present == 1);
    if (c->counts[t]) c->counted++;
  }
}

static void average(struct comparison *c) {
  for (size_t b = 0; b < c->backbones; b++) {
    double z = 0, rank = 0;
    for (size_t t = 0; t < c->tasks; t++) {
      if (isnan(c->z[t * c->backbones + b])) continue;
      z += c->z[t * c->backbones + b];
      rank += c->ranks[t * c->backbones + b];
      c->covered[b]++;
    }
    c->mean_z[b] = c->covered[b] ? z / (double)c->covered[b] : NAN;
    c->mean_rank[b] = c->covered[b] ? rank / (double)c->covered[b] : NAN;
  }
}

static bool comes_before(const struct comparison *c, size_t a, size_t b) {
  if (c->covered[a] == 0 || c->covered[b] == 0) {
    return (c->covered[a] > 0) != (c->covered[b] > 0) ? c->covered[a] > 0 : a < b;
  }
  /* Differences that rounding alone can make are none. */
  double z = nearbyint(c->mean_z[a] * 1e9) - nearbyint(c->mean_z[b] * 1e9);
  if (z > 0 || z < 0) return z > 0;
  if (c->mean_rank[a] > c->mean_rank[b] || c->mean_rank[a] < c->mean_rank[b]) {
    return c->mean_rank[a] < c->mean_rank[b];
  }
  return a < b;
}

static void sort_backbones(struct comparison *c) {
  for (size_t i = 0; i < c->backbones; i++) {
    size_t place = i;
    for (; place > 0 && comes_before(c, i, c->order[place - 1]); place--) c->order[place] = c->order[place - 1];
    c->order[place] = i;
  }
}

int compare(struct comparison *c, const struct score_table *table, error *e) {
  size_t n = table->backbone_count, tasks = table->task_count, cells = n * tasks;
  *c = (struct comparison){.backbones = n, .tasks = tasks};
  c->ranks = allocate(cells, sizeof *c->ranks, e);
  c->z = allocate(cells, sizeof *c->z, e);
  c->mean_z = allocate(n, sizeof *c->mean_z, e);
  c->mean_rank = allocate(n, sizeof *c->mean_rank, e);
  c->covered = allocate_zeroed(n, sizeof *c->covered, e);
  c->counts = allocate(tasks, sizeof *c->counts, e);
  c->order = allocate(n, sizeof *c->order, e);
  c->spearman = allocate(tasks * tasks, sizeof *c->spearman, e);
  c->kendall = allocate(tasks * tasks, sizeof *c->kendall, e);
  double *values = allocate(n, sizeof *values, e);
  bool averages = c->mean_z && c->mean_rank && c->covered && c->counts && c->order;
  bool ready = averages && c->ranks && c->z && c->spearman && c->kendall && values;
  int status = ready ? OK : FAILED;
  if (ready) find_counted(c, table);
  for (size_t t = 0; status == OK && t < tasks; t++) {
    const struct score_column *task = &table->tasks[t];
    for (size_t b = 0; b < n; b++) {
      values[b] = task->better == BETTER_LOWER ? -task->scores[b].value : task->scores[b].value;
      if (!c->counts[t]) values[b] = NAN;
    }
    z_scores(values, n, c->z + t * n);
    status = rank_values(values, n, c->ranks + t * n, e);
  }
  if (status == OK) {
    average(c);
    sort_backbones(c);
    status = correlate_tasks(c, e);
  }
  free(values);
  if (status != OK) comparison_free(c);
  return status;
}

void comparison_free(struct comparison *c) {
  free(c->ranks);
  free(c->z);
  free(c->mean_z);
  free(c->mean_rank);
  free(c->covered);
  free(c->counts);
  free(c->order);
  free(c->spearman);
  free(c->kendall);
  *c = (struct comparison){0};
}
