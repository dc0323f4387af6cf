/* What all backbones of a battle made of a set's photos, one by one. */
#ifndef EVALUATE_BATTLE_OUTCOME_H
#define EVALUATE_BATTLE_OUTCOME_H

#include "evaluate/battle_sets.h"
#include "evaluate/feature_set.h"
#include "evaluate/neighbours.h"
#include "evaluate/report.h"
#include "evaluate/standings.h"

enum { OUTCOME_NEAREST = 6 }; /* neighbours kept of every photo */

/* Photos that can be compared: the same ones for every backbone. */
struct outcome_photos {
  size_t n;
  size_t *samples;           /* [n] of the data set, rising; NULL: no backbone has been here yet */
  double *values;            /* [columns][n]: 1 or 0 for right or wrong, an average precision... */
  size_t *backbones, *tasks; /* [columns] */
  size_t columns, capacity;
};

struct set_outcome {
  struct outcome_photos test, *shifts; /* shifts: as many as the set has */
  size_t skipped;                      /* test photos that could not be read */
  bool searched;                       /* for test photos that are also in train; */
  size_t duplicates;                   /* so many were found */
  size_t backbones;
  struct report_answers *answers; /* [backbones], by the linear probe, */
  size_t probe_task;              /* which is this one of the table of scores */
  struct neighbour **nearest;     /* [backbones]: [n, nearest_count] of the test photos; NULL: unknown */
  size_t nearest_count;
};

int set_outcome_begin(struct set_outcome *outcome, const struct battle_set *set, size_t count /* of backbones */,
                      error *e);
void set_outcome_free(struct set_outcome *outcome, const struct battle_set *set);

/* Whether a backbone's rows are of the photos that others have rows of; the first one decides. */
int outcome_match(struct outcome_photos *photos, const struct dataset *dataset, const struct feature_set *set,
                  bool *same, error *e);
/* A backbone's values on a task: values[n] are copied. */
int outcome_add(struct outcome_photos *photos, size_t backbone, size_t task, const double *values, error *e);
/* The same where a photo is right or wrong. */
int outcome_add_answers(struct outcome_photos *photos, size_t backbone, size_t task, const int *choices,
                        const int *labels, error *e);
/* As standings_compute() wants them; values: [n, columns], to free with the rest of the photos. */
int outcome_results(struct photo_results *results, const struct outcome_photos *photos, error *e);

#endif
