/* A table of scores: backbones, the tasks they were measured on, and what they cost. */
#ifndef EVALUATE_SCORES_H
#define EVALUATE_SCORES_H

#include <stdio.h>

#include "kernels/error.h"

enum { SCORES_MAX_BACKBONES = 500, SCORES_MAX_TASKS = 200 };

enum better { BETTER_HIGHER, BETTER_LOWER };

/* value is NaN when the cell is missing; low and high, a 95 % interval, are NaN when unknown. */
struct score {
  double value, low, high;
};

/* A task, or a kind of cost. */
struct score_column {
  char *name;
  enum better better;
  struct score *scores; /* [SCORES_MAX_BACKBONES] */
};

struct score_table {
  char **backbones;
  struct score_column *tasks, *costs;
  size_t backbone_count, task_count, cost_count;
  size_t backbone_capacity, task_capacity, cost_capacity;
};

/* Find or add; FAILED when there are too many. */
int scores_backbone(struct score_table *table, const char *name, size_t *index, error *e);
int scores_task(struct score_table *table, const char *name, enum better better, size_t *index, error *e);
int scores_cost(struct score_table *table, const char *name, size_t *index, error *e);
void scores_free(struct score_table *table);

/* A csv or tsv of rows: backbone, task, score, better ("higher", which is the default, "lower", or "cost" for what is
 * no task: milliseconds, parameters...), low, high. A header may order these columns otherwise. A score that is empty,
 * "-", "NA" or "nan" is a missing cell, as is one that no row tells. Errors read "PATH: line N: reason". */
int scores_read(struct score_table *table, const char *path, error *e);
int scores_parse(struct score_table *table, const unsigned char *bytes, size_t size, char separator, error *e);
/* The same form; numbers read back as the same doubles. Missing cells have no row. */
void scores_write(const struct score_table *table, FILE *stream);

#endif
