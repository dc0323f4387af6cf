#include "evaluate/standings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

static const double level = 0.95;

/* ---- from resampled mean z to intervals ---------------------------------------------------------------------------
 */

/* mean_z: [resamples, backbones]. */
static int take_intervals(struct standings *s, const struct comparison *c, const double *mean_z, size_t resamples,
                          error *e) {
  double *drawn = allocate(resamples, sizeof *drawn, e);
  if (!drawn) return FAILED;
  size_t n = c->backbones, first = c->order[0];
  for (size_t b = 0; b < n; b++) {
    for (size_t r = 0; r < resamples; r++) drawn[r] = mean_z[r * n + b];
    percentile_interval(drawn, resamples, level, &s->mean_z[b].low, &s->mean_z[b].high);
    for (size_t r = 0; r < resamples; r++) drawn[r] = mean_z[r * n + first] - mean_z[r * n + b];
    percentile_interval(drawn, resamples, level, &s->behind[b].low, &s->behind[b].high);
  }
  free(drawn);
  return OK;
}

/* ---- tasks drawn again --------------------------------------------------------------------------------------------
 */

static int draw_tasks(struct standings *s, const struct comparison *c, const struct bootstrap_options *options,
                      struct threads *pool, error *e) {
  double *means = allocate(options->resamples, c->backbones * sizeof *means, e);
  if (!means) return FAILED;
  s->basis = STANDINGS_TASKS;
  bootstrap_means(c->z, c->tasks, c->backbones, options, pool, means);
  int status = take_intervals(s, c, means, options->resamples, e);
  free(means);
  return status;
}

/* ---- photos drawn again -------------------------------------------------------------------------------------------
 */

/* The intervals of one set's scores, from means [resamples, columns]. */
static int take_score_intervals(struct score_table *table, const struct photo_results *set, const double *means,
                                size_t resamples, error *e) {
  double *drawn = allocate(resamples, sizeof *drawn, e);
  if (!drawn) return FAILED;
  for (size_t column = 0; column < set->columns; column++) {
    struct score *score = &table->tasks[set->task[column]].scores[set->backbone[column]];
    for (size_t r = 0; r < resamples; r++) drawn[r] = means[r * set->columns + column];
    percentile_interval(drawn, resamples, level, &score->low, &score->high);
  }
  free(drawn);
  return OK;
}

/* values: [tasks, backbones] as the scores are; z: scratch of the same size; the mean z of one resample. */
static void mean_z_of(const struct comparison *c, const struct score_table *table, double *values, double *z,
                      double *mean_z) {
  size_t n = c->backbones;
  for (size_t t = 0; t < c->tasks; t++) {
    for (size_t b = 0; b < n && table->tasks[t].better == BETTER_LOWER; b++) values[t * n + b] = -values[t * n + b];
    z_scores(values + t * n, n, z + t * n);
  }
  for (size_t b = 0; b < n; b++) {
    double sum = 0;
    size_t covered = 0;
    for (size_t t = 0; t < c->tasks; t++) {
      if (!c->counts[t] || isnan(z[t * n + b])) continue;
      sum += z[t * n + b];
      covered++;
    }
    mean_z[b] = covered ? sum / (double)covered : NAN;
  }
}

/* means[s]: [resamples, columns of set s]. */
static int combine(struct standings *standings, const struct score_table *table, const struct comparison *c,
                   const struct photo_results *sets, size_t set_count, double *const *means, size_t resamples,
                   error *e) {
  size_t n = c->backbones, cells = n * c->tasks;
  double *values = allocate(cells, sizeof *values, e), *z = allocate(cells, sizeof *z, e);
  double *mean_z = allocate(resamples, n * sizeof *mean_z, e);
  int status = values && z && mean_z ? OK : FAILED;
  for (size_t r = 0; status == OK && r < resamples; r++) {
    for (size_t t = 0; t < c->tasks; t++) {
      for (size_t b = 0; b < n; b++) values[t * n + b] = table->tasks[t].scores[b].value;
    }
    for (size_t s = 0; s < set_count; s++) {
      const struct photo_results *set = &sets[s];
      for (size_t k = 0; k < set->columns; k++) {
        values[set->task[k] * n + set->backbone[k]] = means[s][r * set->columns + k];
      }
    }
    mean_z_of(c, table, values, z, mean_z + r * n);
  }
  if (status == OK) status = take_intervals(standings, c, mean_z, resamples, e);
  free(values);
  free(z);
  free(mean_z);
  return status;
}

static int draw_photos(struct standings *standings, struct score_table *table, const struct comparison *c,
                       const struct photo_results *sets, size_t set_count, const struct bootstrap_options *options,
                       struct threads *pool, error *e) {
  double **means = allocate_zeroed(set_count, sizeof *means, e);
  int status = means ? OK : FAILED;
  standings->basis = STANDINGS_PHOTOS;
  for (size_t s = 0; status == OK && s < set_count; s++) {
    struct bootstrap_options own = {options->resamples, options->seed + s};
    means[s] = allocate(options->resamples, sets[s].columns * sizeof **means, e);
    if (!means[s]) status = FAILED;
    if (status == OK) {
      bootstrap_means(sets[s].values, sets[s].n, sets[s].columns, &own, pool, means[s]);
      status = take_score_intervals(table, &sets[s], means[s], options->resamples, e);
    }
  }
  if (status == OK) status = combine(standings, table, c, sets, set_count, means, options->resamples, e);
  for (size_t s = 0; means && s < set_count; s++) free(means[s]);
  free(means);
  return status;
}

int standings_compute(struct standings *standings, struct score_table *table, const struct comparison *c,
                      const struct photo_results *sets, size_t set_count, const struct bootstrap_options *options,
                      struct threads *pool, error *e) {
  *standings = (struct standings){.backbones = c->backbones};
  standings->mean_z = allocate(c->backbones, sizeof *standings->mean_z, e);
  standings->behind = allocate(c->backbones, sizeof *standings->behind, e);
  int status = standings->mean_z && standings->behind ? OK : FAILED;
  for (size_t b = 0; status == OK && b < c->backbones; b++) {
    standings->mean_z[b] = standings->behind[b] = (struct interval){NAN, NAN};
  }
  if (status == OK && set_count) {
    status = draw_photos(standings, table, c, sets, set_count, options, pool, e);
  } else if (status == OK && c->tasks > 1) {
    status = draw_tasks(standings, c, options, pool, e);
  }
  if (status != OK) standings_free(standings);
  return status;
}

void standings_free(struct standings *standings) {
  free(standings->mean_z);
  free(standings->behind);
  *standings = (struct standings){0};
}
