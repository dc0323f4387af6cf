/* A battle fought: every backbone on every data set, task by task. */
#ifndef EVALUATE_BATTLE_RUN_H
#define EVALUATE_BATTLE_RUN_H

#include "evaluate/battle_tasks.h"

/* Fills the scores, costs, facts and failures of `battle`, and outcomes[plan->set_count] (begun; free each with
 * set_outcome_free()). A backbone that fails is noted, and the others go on; FAILED when the battle itself cannot. */
int battle_run(struct battle *battle, struct set_outcome *outcomes, const struct battle_plan *plan,
               struct threads *pool, error *e);

#endif
