/* Backbones compared over tasks: ranks, z-scores, agreement of tasks, accuracy against cost. */
#ifndef EVALUATE_COMPARISON_H
#define EVALUATE_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>

#include "evaluate/scores.h"

/* ---- the statistics; NaN stands for a missing value everywhere ---- */

/* Ranks from 1 for the highest value; equal values share the mean of their ranks (scipy.stats.rankdata(-values)). */
int rank_values(const double *values, size_t n, double *ranks, error *e);
/* (value - mean) / standard deviation. The deviation is the population's (divided by n, as scipy.stats.zscore has it:
 * the backbones compared are all there are). Equal values, or one, have z = 0. */
void z_scores(const double *values, size_t n, double *z);
/* Spearman's rank correlation and Kendall's tau-b over the places where both have a value; NaN when it is undefined:
 * fewer than two such places, or all values equal in one. */
int spearman(const double *a, const double *b, size_t n, double *rho, error *e);
double kendall(const double *a, const double *b, size_t n);
/* front[i]: i has both numbers and no other has at most its cost and at least its score, one of them better. */
void pareto_front(const double *score, const double *cost, size_t n, bool *front);

/* ---- the comparison ---- */

struct comparison {
  size_t backbones, tasks;
  bool *counts;      /* [tasks]: two backbones have a score, or there is no second one; else no mean counts the task */
  size_t counted;    /* the number of these */
  double *ranks, *z; /* [tasks, backbones], NaN where there is no score or the task does not count; a task's direction
                        is taken into account: z is higher for the better */
  double *mean_z, *mean_rank; /* [backbones], over the counted tasks that it has a score of; NaN when it has none */
  size_t *covered;            /* [backbones]: the number of these */
  size_t *order;              /* [backbones]: highest mean z first; equal ones by mean rank, then by index */
  double *spearman, *kendall; /* [tasks, tasks]: positive when two tasks prefer the same backbones */
};

int compare(struct comparison *comparison, const struct score_table *table, error *e);
void comparison_free(struct comparison *comparison);

#endif
