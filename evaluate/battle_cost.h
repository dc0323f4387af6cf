/* What a backbone costs to run on this machine. */
#ifndef EVALUATE_BATTLE_COST_H
#define EVALUATE_BATTLE_COST_H

#include "evaluate/engine.h"
#include "evaluate/scores.h"

/* Fills the table's costs of a backbone: "ms" and "ms16", milliseconds an image of the network alone, one and sixteen
 * images at a time on all threads of the pool, the lower quartile of the runs with the span from the fastest to the
 * slowest; "gflops" an image; "parameters"; "memory_mb", packed weights and the activations of sixteen images. Takes
 * about a second. */
int battle_cost_measure(struct score_table *table, size_t backbone, const struct engine *engine, struct threads *pool,
                        error *e);

#endif
