#include "evaluate/battle.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

/* ---- facts and failures -------------------------------------------------------------------------------------------
 */

int battle_fact(struct battle *battle, error *e, const char *subject, const char *what, const char *format, ...) {
  char *value = NULL;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&value, format, arguments) < 0) value = NULL;
  va_end(arguments);
  struct report_fact fact = {copy_string(subject, e), copy_string(what, e), value};
  bool whole = fact.subject && fact.what && fact.value;
  if (whole && grow((void **)&battle->facts, &battle->fact_capacity, battle->fact_count, sizeof fact, e) == OK) {
    battle->facts[battle->fact_count++] = fact;
    return OK;
  }
  free((char *)fact.subject);
  free((char *)fact.what);
  free(value);
  return FAILED;
}

int battle_failure(struct battle *battle, const char *subject, const char *message, error *e) {
  struct report_failure failure = {copy_string(subject, e), copy_string(message, e)};
  bool whole = failure.subject && failure.message;
  if (whole &&
      grow((void **)&battle->failures, &battle->failure_capacity, battle->failure_count, sizeof failure, e) == OK) {
    battle->failures[battle->failure_count++] = failure;
    return OK;
  }
  free((char *)failure.subject);
  free((char *)failure.message);
  return FAILED;
}

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

/* Column of a set's results that holds a backbone on a task; `columns` when there is none. */
static size_t find_column(const struct photo_results *set, size_t backbone, size_t task) {
  size_t c = 0;
  while (c < set->columns && (set->backbone[c] != backbone || set->task[c] != task)) c++;
  return c;
}

static bool is_right_or_wrong(const struct photo_results *set, size_t column) {
  for (size_t i = 0; i < set->n; i++) {
    double value = set->values[i * set->columns + column];
    if (!isnan(value) && (value < 0 || value > 0) && (value < 1 || value > 1)) return false;
  }
  return true;
}

/* Fill a test from two columns; `pair`: [n, 2] and `means`: [resamples, 2] are scratch. */
static void run_test(struct report_test *test, const struct photo_results *set, size_t first, size_t other,
                     const struct bootstrap_options *options, struct threads *pool, double *pair, double *means) {
  double right_first = 0, right_other = 0;
  for (size_t i = 0; i < set->n; i++) {
    double a = set->values[i * set->columns + first], b = set->values[i * set->columns + other];
    if (isnan(a) || isnan(b)) continue;
    pair[2 * test->n] = a;
    pair[2 * test->n + 1] = b;
    test->n++;
    test->only_first += a > b;
    test->only_other += b > a;
    right_first += a;
    right_other += b;
  }
  if (test->n == 0) return;
  test->difference = (right_first - right_other) / (double)test->n;
  test->p = mcnemar_test(test->only_first, test->only_other).mid;
  bootstrap_means(pair, test->n, 2, options, pool, means);
  for (size_t r = 0; r < options->resamples; r++) means[r] = means[2 * r] - means[2 * r + 1];
  percentile_interval(means, options->resamples, 0.95, &test->low, &test->high);
}

static int test_set(struct battle *battle, const struct photo_results *set, const struct bootstrap_options *options,
                    struct threads *pool, error *e) {
  size_t first = battle->comparison.order[0];
  double *pair = allocate(set->n, 2 * sizeof *pair, e), *means = allocate(options->resamples, 2 * sizeof *means, e);
  int status = pair && means ? OK : FAILED;
  for (size_t c = 0; status == OK && c < set->columns; c++) {
    size_t own = find_column(set, first, set->task[c]);
    if (own == set->columns || own == c || !is_right_or_wrong(set, own) || !is_right_or_wrong(set, c)) continue;
    struct report_test *test = &battle->tests[battle->test_count];
    *test = (struct report_test){.task = set->task[c], .other = set->backbone[c]};
    run_test(test, set, own, c, options, pool, pair, means);
    battle->test_count += test->n > 0;
  }
  free(pair);
  free(means);
  return status;
}

static int by_place(const void *a, const void *b) {
  const struct report_test *x = a, *y = b;
  if (x->task != y->task) return x->task < y->task ? -1 : 1;
  return x->other < y->other ? -1 : 1;
}

/* The first of the ranking against each other backbone, on every task that is right or wrong photo by photo. */
static int run_tests(struct battle *battle, const struct photo_results *sets, size_t set_count,
                     const struct bootstrap_options *options, struct threads *pool, error *e) {
  size_t most = 0;
  for (size_t s = 0; s < set_count; s++) most += sets[s].columns;
  battle->tests = allocate(most, sizeof *battle->tests, e);
  double *p = allocate(most, sizeof *p, e), *adjusted = allocate(most, sizeof *adjusted, e);
  int status = battle->tests && p && adjusted ? OK : FAILED;
  for (size_t s = 0; status == OK && s < set_count; s++) status = test_set(battle, &sets[s], options, pool, e);
  if (status == OK && battle->test_count) {
    qsort(battle->tests, battle->test_count, sizeof *battle->tests, by_place);
    for (size_t i = 0; i < battle->test_count; i++) p[i] = battle->tests[i].p;
    status = holm_adjust(p, battle->test_count, adjusted, e);
    for (size_t i = 0; status == OK && i < battle->test_count; i++) battle->tests[i].adjusted = adjusted[i];
  }
  free(p);
  free(adjusted);
  return status;
}

/* ---- conclusion ---------------------------------------------------------------------------------------------------
 */

static int choose_headline(struct battle *battle, error *e) {
  if (battle->headline) return OK;
  const struct score_column *only = &battle->scores.tasks[0];
  bool one = battle->scores.task_count == 1 && only->better == BETTER_HIGHER;
  battle->headline = copy_string(one ? only->name : "mean z-score", e);
  battle->headline_scores = allocate(battle->scores.backbone_count, sizeof *battle->headline_scores, e);
  if (!battle->headline || !battle->headline_scores) return FAILED;
  for (size_t b = 0; b < battle->scores.backbone_count; b++) {
    battle->headline_scores[b] = one ? only->scores[b].value : battle->comparison.mean_z[b];
  }
  return OK;
}

int battle_conclude(struct battle *battle, const struct photo_results *sets, size_t set_count,
                    const struct battle_options *options, struct threads *pool, error *e) {
  if (battle->scores.task_count == 0) return fail(e, "there is no score to compare");
  int status = compare(&battle->comparison, &battle->scores, e);
  if (status == OK) {
    status = standings_compute(&battle->standings, &battle->scores, &battle->comparison, sets, set_count,
                               &options->bootstrap, pool, e);
  }
  if (status == OK) status = run_tests(battle, sets, set_count, &options->bootstrap, pool, e);
  if (status == OK) status = choose_headline(battle, e);
  return status;
}

void battle_free(struct battle *battle) {
  for (size_t i = 0; i < battle->fact_count; i++) {
    free((char *)battle->facts[i].subject);
    free((char *)battle->facts[i].what);
    free((char *)battle->facts[i].value);
  }
  for (size_t i = 0; i < battle->failure_count; i++) {
    free((char *)battle->failures[i].subject);
    free((char *)battle->failures[i].message);
  }
  free(battle->facts);
  free(battle->failures);
  free(battle->tests);
  free(battle->headline);
  free(battle->headline_scores);
  standings_free(&battle->standings);
  comparison_free(&battle->comparison);
  scores_free(&battle->scores);
  *battle = (struct battle){0};
}
