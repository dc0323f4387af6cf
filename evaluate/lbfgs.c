#include "evaluate/lbfgs.h"

#include <math.h>
#include <string.h>

#include "kernels/memory.h"

enum { HISTORY = 10, MAX_TRIALS = 40 };

/* One run: pairs s = x' - x, y = g' - g of the last steps in a ring, and the vectors of the line search. */
struct lbfgs {
  objective_function *f;
  void *context;
  size_t n;
  double *memory; /* everything below */
  double *x, *g, *direction, *trial_x, *trial_g;
  double *s[HISTORY], *y[HISTORY], rho[HISTORY];
  int pairs, newest; /* newest: ring position of the last pair */
  double value;
  int evaluations;
};

static double dot(const double *a, const double *b, size_t n) {
  /* Four sums hide the latency of addition; their order is fixed. */
  double sum[4] = {0};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t l = 0; l < 4; l++) sum[l] += a[i + l] * b[i + l];
  }
  for (; i < n; i++) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void add_scaled(double *to, double factor, const double *v, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] += factor * v[i];
}

static double largest(const double *v, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    double size = fabs(v[i]);
    if (!(size <= most)) most = size; /* NaN comes through */
  }
  return most;
}

/* direction = -H g by the two loops of algorithm 7.4, H0 = s'y / y'y of the newest pair. */
static void find_direction(struct lbfgs *l) {
  double alpha[HISTORY];
  for (size_t i = 0; i < l->n; i++) l->direction[i] = -l->g[i];
  for (int back = 0; back < l->pairs; back++) {
    int i = (l->newest + HISTORY - back) % HISTORY;
    alpha[i] = l->rho[i] * dot(l->s[i], l->direction, l->n);
    add_scaled(l->direction, -alpha[i], l->y[i], l->n);
  }
  if (l->pairs) {
    double scale = 1 / (l->rho[l->newest] * dot(l->y[l->newest], l->y[l->newest], l->n));
    for (size_t i = 0; i < l->n; i++) l->direction[i] *= scale;
  }
  for (int back = l->pairs; back-- > 0;) {
    int i = (l->newest + HISTORY - back) % HISTORY;
    double beta = l->rho[i] * dot(l->y[i], l->direction, l->n);
    add_scaled(l->direction, alpha[i] - beta, l->s[i], l->n);
  }
}

/* A point on the line x + step * direction. */
struct trial {
  double step, value, slope;
};

static struct trial try_step(struct lbfgs *l, double step) {
  for (size_t i = 0; i < l->n; i++) l->trial_x[i] = l->x[i] + step * l->direction[i];
  struct trial trial = {.step = step};
  trial.value = l->f(l->context, l->trial_x, l->trial_g);
  trial.slope = dot(l->trial_g, l->direction, l->n);
  l->evaluations++;
  return trial;
}

/* The minimum of the cubic through two values and slopes (equation 3.59), kept off the ends of the interval. */
static double interpolate(struct trial a, struct trial b) {
  double width = b.step - a.step;
  double d1 = a.slope + b.slope - 3 * (b.value - a.value) / width;
  double root = d1 * d1 - a.slope * b.slope;
  double step = NAN;
  if (root >= 0) {
    double d2 = copysign(sqrt(root), width);
    step = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  }
  double low = fmin(a.step, b.step), high = fmax(a.step, b.step), margin = 0.1 * (high - low);
  if (!(step >= low + margin && step <= high - margin)) {
    step = isfinite(step) ? fmin(fmax(step, low + margin), high - margin) : low + 0.5 * (high - low);
  }
  return step;
}

/* Leaves the accepted point in trial_x and trial_g. When rounding hides every further decrease `found` is false and
 * the best point of the search, if any, has been taken all the same: false means "no progress". */
static bool search_line(struct lbfgs *l, double slope, double first_step, struct trial *accepted) {
  const double armijo = 1e-4, curvature = 0.9;
  struct trial start = {0, l->value, slope}, low = start, high = start, last = start;
  bool bracketed = false;
  double step = first_step;
  for (int i = 0; i < MAX_TRIALS; i++) {
    struct trial now = try_step(l, step);
    bool finite = isfinite(now.value) && isfinite(now.slope);
    bool decreased = finite && now.value <= start.value + armijo * now.step * slope;
    if (decreased && fabs(now.slope) <= curvature * fabs(slope) && now.value <= low.value) {
      *accepted = now;
      return true;
    }
    if (!bracketed) {
      if (!finite) { /* too far: come back */
        step = last.step + 0.1 * (step - last.step);
        continue;
      }
      if (!decreased || (i > 0 && now.value >= last.value)) {
        low = last;
        high = now;
        bracketed = true;
      } else if (now.slope >= 0) {
        low = now;
        high = last;
        bracketed = true;
      } else {
        /* Still falling: go on, as far as the cubic says but at most tenfold. */
        double further = interpolate(last, now);
        last = low = now;
        step = fmin(fmax(further, 2 * now.step), 10 * now.step);
        continue;
      }
    } else if (!decreased || now.value >= low.value) {
      high = now;
    } else {
      if (now.slope * (high.step - low.step) >= 0) high = low;
      low = now;
    }
    if (!(fabs(high.step - low.step) > 1e-14 * fabs(low.step))) break;
    step = interpolate(low, high);
  }
  /* No point meets both conditions; one that decreased is still progress. */
  if (low.step <= 0 || !(low.value < start.value)) return false;
  *accepted = try_step(l, low.step);
  return true;
}

/* Keep the pair of the step from x to trial_x when its curvature is positive beyond rounding. */
static void remember(struct lbfgs *l) {
  int i = (l->newest + 1) % HISTORY;
  for (size_t j = 0; j < l->n; j++) {
    l->s[i][j] = l->trial_x[j] - l->x[j];
    l->y[i][j] = l->trial_g[j] - l->g[j];
  }
  double curvature = dot(l->s[i], l->y[i], l->n), size = dot(l->y[i], l->y[i], l->n);
  if (!(curvature > 1e-16 * size) || !isfinite(1 / curvature)) return;
  l->rho[i] = 1 / curvature;
  l->newest = i;
  if (l->pairs < HISTORY) l->pairs++;
}

static void swap(double **a, double **b) {
  double *kept = *a;
  *a = *b;
  *b = kept;
}

static bool is_minimum(const struct lbfgs *l, const struct lbfgs_options *options) {
  return largest(l->g, l->n) <= options->gradient_limit * fmin(1, fabs(l->value) / options->value_scale);
}

static void iterate(struct lbfgs *l, const struct lbfgs_options *options, struct lbfgs_result *result) {
  while (!(result->converged = is_minimum(l, options)) && result->iterations < options->max_iterations) {
    find_direction(l);
    double slope = dot(l->g, l->direction, l->n);
    if (!(slope < 0)) { /* rounding has spoilt the history */
      l->pairs = 0;
      find_direction(l);
      slope = dot(l->g, l->direction, l->n);
    }
    double step = l->pairs ? 1 : fmin(1, 1 / sqrt(dot(l->g, l->g, l->n)));
    struct trial accepted;
    if (!search_line(l, slope, step, &accepted)) {
      /* slope estimates twice what is left to win. */
      result->converged = -slope <= 1e-10 * fabs(l->value);
      if (l->pairs == 0 || result->converged) break;
      l->pairs = 0;
      continue;
    }
    remember(l);
    swap(&l->x, &l->trial_x);
    swap(&l->g, &l->trial_g);
    l->value = accepted.value;
    result->iterations++;
  }
}

int lbfgs_minimise(objective_function *f, void *context, double *x, size_t n, const struct lbfgs_options *options,
                   struct lbfgs_result *result, error *e) {
  *result = (struct lbfgs_result){0};
  struct lbfgs l = {.f = f, .context = context, .n = n};
  size_t vectors = 5 + 2 * HISTORY, doubles;
  if (!multiply_size(vectors, n, &doubles)) return fail(e, "out of memory (%zu variables)", n);
  l.memory = allocate_aligned(doubles, sizeof(double), e);
  if (!l.memory) return FAILED;
  double *next = l.memory, **parts[] = {&l.x, &l.g, &l.direction, &l.trial_x, &l.trial_g};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++, next += n) *parts[i] = next;
  for (int i = 0; i < HISTORY; i++, next += 2 * n) {
    l.s[i] = next;
    l.y[i] = next + n;
  }
  memcpy(l.x, x, n * sizeof *x);
  l.value = f(context, l.x, l.g);
  l.evaluations = 1;
  int status = OK;
  if (!isfinite(l.value) || !isfinite(largest(l.g, n))) {
    status = fail(e, "the objective is not finite: the numbers are too large");
  } else {
    iterate(&l, options, result);
    memcpy(x, l.x, n * sizeof *x);
    result->value = l.value;
    result->evaluations = l.evaluations;
  }
  release_aligned(l.memory);
  return status;
}
