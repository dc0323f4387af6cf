#include "evaluate/significance.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/random.h"
#include "kernels/memory.h"

/* ---- bootstrap ----------------------------------------------------------------------------------------------------
 */

enum { COLUMNS_AT_ONCE = 64 };

struct resampling {
  const double *values;
  size_t n, columns;
  uint64_t seed;
  double *means;
};

/* The means of up to 64 columns from `first` on in resample r: sums stay in registers and the first cache. */
static void resample(const struct resampling *s, size_t r, size_t first, size_t count) {
  double sums[COLUMNS_AT_ONCE] = {0};
  size_t seen[COLUMNS_AT_ONCE] = {0};
  struct random_stream random = stream_begin(s->seed, "bootstrap", r);
  for (size_t i = 0; i < s->n; i++) {
    /* Uniform in [0, n) to within n / 2^32. */
    size_t drawn = (size_t)(((stream_bits(&random) >> 32) * (uint64_t)s->n) >> 32);
    const double *row = s->values + drawn * s->columns + first;
    for (size_t c = 0; c < count; c++) {
      bool present = !isnan(row[c]);
      sums[c] += present ? row[c] : 0;
      seen[c] += present;
    }
  }
  double *means = s->means + r * s->columns + first;
  for (size_t c = 0; c < count; c++) means[c] = seen[c] ? sums[c] / (double)seen[c] : NAN;
}

static void resample_task(void *context, size_t r, int thread) {
  const struct resampling *s = context;
  (void)thread;
  for (size_t first = 0; first < s->columns; first += COLUMNS_AT_ONCE) {
    size_t left = s->columns - first;
    resample(s, r, first, left < COLUMNS_AT_ONCE ? left : COLUMNS_AT_ONCE);
  }
}

void bootstrap_means(const double *values, size_t n, size_t columns, const struct bootstrap_options *options,
                     struct threads *pool, double *means) {
  struct resampling s = {values, n, columns, options->seed, means};
  threads_run(pool, options->resamples, resample_task, &s);
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double share) {
  double place = share * (double)(n - 1);
  size_t below = (size_t)place, above = below + 1 < n ? below + 1 : below;
  return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

void percentile_interval(double *values, size_t n, double level, double *low, double *high) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isnan(values[i])) values[count++] = values[i];
  }
  *low = *high = NAN;
  if (count == 0) return;
  qsort(values, count, sizeof *values, rising);
  *low = quantile(values, count, (1 - level) / 2);
  *high = quantile(values, count, (1 + level) / 2);
}

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

/* The probability of k heads among n throws of a fair coin. */
static double coin(size_t k, size_t n) {
  int sign;
  double a = lgamma_r((double)n + 1, &sign), b = lgamma_r((double)k + 1, &sign),
         c = lgamma_r((double)(n - k) + 1, &sign);
  return exp(a - b - c - (double)n * M_LN2);
}

struct mcnemar mcnemar_test(size_t first, size_t second) {
  size_t n = first + second, least = first < second ? first : second;
  if (n == 0) return (struct mcnemar){1, 1};
  double observed = coin(least, n), term = observed, tail = 0;
  /* P(X <= least), from its largest term down: coin(k - 1) = coin(k) * k / (n - k + 1). */
  for (size_t k = least;; k--) {
    tail += term;
    if (k == 0 || term < tail * 1e-18) break;
    term *= (double)k / (double)(n - k + 1);
  }
  double exact = fmin(1, 2 * tail);
  return (struct mcnemar){exact, first == second ? 1 - observed / 2 : exact - observed};
}

/* P(|T| <= sqrt(freedom) tan(angle)): Abramowitz and Stegun 26.7.3 and 26.7.4. */
static double student_share(double angle, size_t freedom) {
  bool odd = freedom % 2;
  double square = cos(angle) * cos(angle), term = odd ? cos(angle) : 1, sum = 0;
  for (size_t i = odd; i + 2 <= freedom; i += 2) {
    sum += term;
    term *= square * (double)(i + 1) / (double)(i + 2);
  }
  sum *= sin(angle);
  return odd ? M_2_PI * (angle + sum) : sum;
}

double student_t_bound(double level, size_t freedom) {
  double low = 0, high = M_PI_2;
  for (int i = 0; i < 60; i++) {
    double middle = (low + high) / 2;
    if (student_share(middle, freedom) < level)
      low = middle;
    else
      high = middle;
  }
  return sqrt((double)freedom) * tan(low);
}

struct test_result {
  double p;
  size_t index;
};

static int by_p(const void *a, const void *b) {
  const struct test_result *x = a, *y = b;
  if (x->p < y->p || x->p > y->p) return x->p < y->p ? -1 : 1;
  return x->index < y->index ? -1 : 1;
}

int holm_adjust(const double *p, size_t m, double *adjusted, error *e) {
  struct test_result *sorted = allocate(m, sizeof *sorted, e);
  if (!sorted) return FAILED;
  for (size_t i = 0; i < m; i++) sorted[i] = (struct test_result){p[i], i};
  if (m) qsort(sorted, m, sizeof *sorted, by_p);
  double most = 0;
  for (size_t i = 0; i < m; i++) {
    most = fmax(most, fmin(1, (double)(m - i) * sorted[i].p));
    adjusted[sorted[i].index] = most;
  }
  free(sorted);
  return OK;
}
