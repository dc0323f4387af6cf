/* What every backbone of a battle made of every photo, as one csv. */
#ifndef EVALUATE_BATTLE_PREDICTIONS_H
#define EVALUATE_BATTLE_PREDICTIONS_H

#include "evaluate/battle.h"
#include "evaluate/battle_outcome.h"
#include "evaluate/battle_tasks.h"

/* set,path,label,backbone,task,value,prediction,confidence: a line for each photo that was judged, backbone and task
 * that tells photos apart. value: 1 or 0 for right or wrong, a query's average precision, the share of corruptions that
 * the photo survived; prediction and confidence: the linear probe's, empty elsewhere. The set of shifted photos is
 * SET/SHIFT. Photos on which a backbone has no features of its own are not there. */
int battle_predictions_write(const char *path, const struct battle_plan *plan, const struct battle *battle,
                             const struct set_outcome *outcomes, error *e);

#endif
