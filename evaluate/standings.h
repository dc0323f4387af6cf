/* How sure a ranking is: intervals of mean z by resampling test photos or, without them, tasks. */
#ifndef EVALUATE_STANDINGS_H
#define EVALUATE_STANDINGS_H

#include "evaluate/comparison.h"
#include "evaluate/significance.h"

/* Results photo by photo on one test set. */
struct photo_results {
  size_t n, columns;
  const double *values;   /* [n, columns]: whose mean over the photos is the score; NaN where there is none */
  const size_t *backbone; /* [columns]: places in the table of scores */
  const size_t *task;
};

enum standings_basis { STANDINGS_UNKNOWN, STANDINGS_PHOTOS, STANDINGS_TASKS };

struct interval {
  double low, high; /* NaN: unknown */
};

/* All 95 % intervals; [backbones]. */
struct standings {
  enum standings_basis basis; /* what was drawn again; STANDINGS_UNKNOWN: one task only, there is nothing to draw */
  struct interval *mean_z;
  struct interval *behind; /* mean z of the first backbone less that of this one, paired */
  size_t backbones;
};

/* With set_count test sets their photos are drawn again (each set's by its own number, the same for all backbones);
 * scores that are no means over photos stay as they are. Also fills the table's intervals of scores that are means over
 * photos. Without sets the tasks are drawn again. */
int standings_compute(struct standings *standings, struct score_table *table, const struct comparison *comparison,
                      const struct photo_results *sets, size_t set_count, const struct bootstrap_options *options,
                      struct threads *pool, error *e);
void standings_free(struct standings *standings);

#endif
