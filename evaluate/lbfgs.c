#include "evaluate/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/products.h"
#include "kernels/memory.h"

enum { MAX_HISTORY = 10, MIN_HISTORY = 3, MAX_TRIALS = 40 };
enum { HISTORY_BYTES = 1 << 30 };

/* Pairs s = x' - x, y = g' - g of the last steps in a ring, and the vectors of the line search. */
struct lbfgs {
  struct lbfgs_problem problem;
  size_t n;
  double *memory; /* everything below */
  double *x, *g, *direction, *trial_x, *trial_g, *scaled;
  double *s[MAX_HISTORY], *y[MAX_HISTORY], rho[MAX_HISTORY];
  int history, pairs, newest; /* newest: ring position of the last pair */
  double scale;               /* of H: s'y / y'Hy of the newest pair */
  double value;
};

/* The largest |v_i|; NaN comes through. */
static double largest(const double *v, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    double size = fabs(v[i]);
    if (!(size <= most)) most = size;
  }
  return most;
}

static void precondition(struct lbfgs *l, const double *v, double *out) {
  if (l->problem.precondition)
    l->problem.precondition(l->problem.context, v, out);
  else
    memcpy(out, v, l->n * sizeof *out);
}

/* s'y / y'Hy of the newest pair brings H to the size of the inverse second derivatives. */
static void measure_scale(struct lbfgs *l) {
  l->scale = 1;
  if (!l->pairs) return;
  precondition(l, l->y[l->newest], l->scaled);
  double size = product_dot(l->y[l->newest], l->scaled, l->n);
  if (size > 0) l->scale = 1 / (l->rho[l->newest] * size);
}

/* direction = -(the inverse second derivatives) g, by the two loops of algorithm 7.4. */
static void find_direction(struct lbfgs *l) {
  double alpha[MAX_HISTORY];
  for (size_t i = 0; i < l->n; i++) l->scaled[i] = -l->g[i];
  for (int back = 0; back < l->pairs; back++) {
    int i = (l->newest + l->history - back) % l->history;
    alpha[i] = l->rho[i] * product_dot(l->s[i], l->scaled, l->n);
    product_add(l->scaled, -alpha[i], l->y[i], l->n);
  }
  precondition(l, l->scaled, l->direction);
  for (size_t i = 0; i < l->n; i++) l->direction[i] *= l->scale;
  for (int back = l->pairs; back-- > 0;) {
    int i = (l->newest + l->history - back) % l->history;
    double beta = l->rho[i] * product_dot(l->y[i], l->direction, l->n);
    product_add(l->direction, alpha[i] - beta, l->s[i], l->n);
  }
}

/* A point on the line x + step * direction. */
struct trial {
  double step, value, slope;
};

static struct trial try_step(struct lbfgs *l, double step) {
  memcpy(l->trial_x, l->x, l->n * sizeof *l->x);
  product_add(l->trial_x, step, l->direction, l->n);
  struct trial trial = {.step = step};
  trial.value = l->problem.evaluate(l->problem.context, l->trial_x, l->trial_g);
  trial.slope = product_dot(l->trial_g, l->direction, l->n);
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

/* Leaves the accepted point in trial_x and trial_g; false when no step makes progress that noise does not hide. */
static bool search_line(struct lbfgs *l, double slope, double noise, struct trial *accepted) {
  const double armijo = 1e-4, curvature = 0.9;
  double unsure = noise * fabs(l->value);
  struct trial start = {0, l->value, slope}, low = start, high = start, last = start;
  bool bracketed = false;
  double step = 1;
  for (int i = 0; i < MAX_TRIALS; i++) {
    struct trial now = try_step(l, step);
    bool finite = isfinite(now.value) && isfinite(now.slope);
    bool decreased = finite && now.value <= start.value + armijo * now.step * slope;
    bool even = finite && fabs(now.value - start.value) <= unsure; /* then only slopes tell */
    if (((decreased && now.value <= low.value) || even) && fabs(now.slope) <= curvature * fabs(slope)) {
      *accepted = now;
      return true;
    }
    if (!bracketed) {
      if (!finite) { /* too far: come back */
        step = last.step + 0.1 * (step - last.step);
        continue;
      }
      if (!(decreased || (even && now.slope < 0)) || (i > 0 && now.value >= last.value && !even)) {
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
  int i = (l->newest + 1) % l->history;
  for (size_t j = 0; j < l->n; j++) {
    l->s[i][j] = l->trial_x[j] - l->x[j];
    l->y[i][j] = l->trial_g[j] - l->g[j];
  }
  double curvature = product_dot(l->s[i], l->y[i], l->n);
  double sizes = product_dot(l->y[i], l->y[i], l->n) * product_dot(l->s[i], l->s[i], l->n);
  if (l->pairs == l->history) l->pairs--; /* its place has been written over */
  if (!(curvature > 1e-14 * sqrt(sizes)) || !isfinite(1 / curvature)) return;
  l->rho[i] = 1 / curvature;
  l->newest = i;
  l->pairs++;
}

static void swap(double **a, double **b) {
  double *kept = *a;
  *a = *b;
  *b = kept;
}

/* The slope along the direction that is found; rounding may have spoilt the history. */
static double downhill(struct lbfgs *l) {
  find_direction(l);
  double slope = product_dot(l->g, l->direction, l->n);
  if (slope < 0 || !l->pairs) return slope;
  l->pairs = 0;
  measure_scale(l);
  find_direction(l);
  return product_dot(l->g, l->direction, l->n);
}

void lbfgs_run(struct lbfgs *l, const struct lbfgs_options *options, struct lbfgs_result *result) {
  double promises[LBFGS_WINDOW], total = 0;
  *result = (struct lbfgs_result){0};
  measure_scale(l); /* H may be another than before */
  while (result->iterations < options->max_iterations) {
    double slope = downhill(l);
    struct trial accepted;
    if (!(slope < 0) || !search_line(l, slope, options->noise, &accepted)) {
      /* The slope is twice what is left to win. */
      result->converged = !(-slope > 1e-10 * fabs(l->value));
      if (l->pairs == 0 || result->converged) return;
      l->pairs = 0;
      measure_scale(l);
      continue;
    }
    remember(l);
    measure_scale(l);
    swap(&l->x, &l->trial_x);
    swap(&l->g, &l->trial_g);
    l->value = accepted.value;
    int place = result->iterations++ % options->window;
    promises[place] = -slope / 2;
    total = 0;
    for (int i = 0; i < options->window && i < result->iterations; i++) total += promises[i];
    bool settled = result->iterations >= options->window && total <= options->tolerance * fabs(l->value);
    if (settled || promises[place] <= 1e-16 * fabs(l->value)) {
      result->converged = true;
      return;
    }
  }
}

int lbfgs_open(struct lbfgs **search, const struct lbfgs_problem *problem, error *e) {
  size_t n = problem->n, doubles;
  struct lbfgs *l = *search = allocate_zeroed(1, sizeof *l, e);
  if (!l) return FAILED;
  l->problem = *problem;
  l->n = n;
  l->scale = 1;
  l->history = MAX_HISTORY;
  while (l->history > MIN_HISTORY && n > HISTORY_BYTES / (2 * sizeof(double)) / (size_t)l->history) l->history--;
  double **parts[] = {&l->x, &l->g, &l->direction, &l->trial_x, &l->trial_g, &l->scaled};
  enum { PARTS = sizeof parts / sizeof parts[0] };
  if (multiply_size(PARTS + 2 * (size_t)l->history, n, &doubles))
    l->memory = allocate_aligned(doubles, sizeof(double), e);
  else
    fail(e, "out of memory (%zu variables)", n);
  if (!l->memory) {
    lbfgs_close(l);
    *search = NULL;
    return FAILED;
  }
  double *next = l->memory;
  for (size_t i = 0; i < PARTS; i++, next += n) *parts[i] = next;
  for (int i = 0; i < l->history; i++, next += 2 * n) {
    l->s[i] = next;
    l->y[i] = next + n;
  }
  return OK;
}

void lbfgs_close(struct lbfgs *l) {
  if (l) release_aligned(l->memory);
  free(l);
}

int lbfgs_start(struct lbfgs *l, const double *x, error *e) {
  if (x) memcpy(l->x, x, l->n * sizeof *x);
  l->value = l->problem.evaluate(l->problem.context, l->x, l->g);
  if (isfinite(l->value) && isfinite(largest(l->g, l->n))) return OK;
  return fail(e, "the objective is not finite: the numbers are too large");
}

const double *lbfgs_point(const struct lbfgs *l) { return l->x; }

const double *lbfgs_gradient(const struct lbfgs *l) { return l->g; }

double lbfgs_value(const struct lbfgs *l) { return l->value; }

double lbfgs_promise(struct lbfgs *l) {
  measure_scale(l);
  return -downhill(l) / 2;
}
