/* The photos of a report: those that all backbones get wrong, those they disagree on, and what each finds nearest. */
#ifndef EVALUATE_BATTLE_PHOTOS_H
#define EVALUATE_BATTLE_PHOTOS_H

#include "evaluate/battle.h"
#include "evaluate/battle_outcome.h"
#include "evaluate/battle_sets.h"

/* A report's part about one data set, of backbones in the order of `battle`, which has come to its conclusion. Pictures
 * are made small, few, and of the test photos alone; one that cannot be read again is left out. `set` and `outcome`
 * must outlive it. */
int battle_photos_choose(struct report_set *report, const struct battle *battle, const struct battle_set *set,
                         const struct set_outcome *outcome, const struct decode_options *decode, error *e);
void battle_photos_free(struct report_set *report);

#endif
