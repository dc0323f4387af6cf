/* The tasks of a battle: what a backbone's features of one data set are good for. */
#ifndef EVALUATE_BATTLE_TASKS_H
#define EVALUATE_BATTLE_TASKS_H

#include "evaluate/battle.h"
#include "evaluate/battle_outcome.h"
#include "evaluate/battle_sets.h"
#include "evaluate/engine.h"
#include "evaluate/probe.h"

enum battle_task {
  BATTLE_PROBE,
  BATTLE_SGD,
  BATTLE_CALIBRATION,
  BATTLE_KNN,
  BATTLE_CLASS_MEAN,
  BATTLE_FEWSHOT,
  BATTLE_RETRIEVAL,
  BATTLE_SHIFT,
  BATTLE_CORRUPTION,
  BATTLE_ZEROSHOT,
  BATTLE_TASKS
};
/* "probe", ...: names for the command line. */
const char *battle_task_name(enum battle_task task);

struct battle_contender {
  char *name, *weights;
  struct recipe_changes changes; /* to the checkpoint's recipe */
  char *recipe;                  /* the text that these point into; NULL: none */
};

/* Class embeddings of a backbone for zero-shot classification of a set. */
struct battle_embeddings {
  char *backbone, *set;
  const char *path;
};

struct battle_plan {
  const char *out;
  struct battle_contender *contenders;
  struct battle_set *sets;
  struct battle_embeddings *embeddings;
  size_t contender_count, set_count, embedding_count;
  bool tasks[BATTLE_TASKS];
  struct probe_options probe;
  double *C;                             /* what probe.C points to, when it was given */
  size_t k;                              /* of the nearest neighbours */
  size_t *shots, shot_count;             /* images a class of the few-shot probes */
  struct corruption_choice *corruptions; /* their mean accuracy is the score */
  size_t corruption_count;
  struct decode_options decode;
  int batch, threads;
  const char *device; /* model_place() */
  bool progress;
};

/* One backbone on one set. */
struct round {
  const struct battle_plan *plan;
  struct battle *battle;
  struct threads *pool;
  const struct engine *engine;
  size_t backbone; /* in the table of scores, and of the contenders */
  const struct battle_set *set;
  struct set_outcome *outcome;
  struct feature_set train, val, test; /* val.folder NULL: none */
  bool same_photos;                    /* the test's rows are of the photos that the others have */
  struct probe_result probe;           /* when the probe has run */
};

/* Extract the features of train, test and val; then every task of the plan. What fails is noted in the battle and on
 * stderr, and the rest goes on; FAILED only when memory is short for that. */
int round_run(struct round *round, error *e);
void round_free(struct round *round);

/* OUT/features/BACKBONE/SET/PART, malloc'ed. */
char *round_folder(const struct round *round, const char *part, error *e);

#endif
