/* The data sets of a battle: what is learnt from, what is judged by, and shifted versions of that. */
#ifndef EVALUATE_BATTLE_SETS_H
#define EVALUATE_BATTLE_SETS_H

#include "evaluate/dataset.h"

/* Photos with labels of some or all of a set's classes, which its classifier has to answer without having seen such. */
struct battle_shift {
  char *name;
  struct dataset dataset;
};

struct battle_set {
  char *name;
  struct dataset train, val, test; /* val.count 0: there is none */
  struct battle_shift *shifts;
  size_t shift_count, shift_capacity;
  char *origin; /* how it was divided, a sentence */
};

/* How a set is given. val and test NULL: what DATA holds as train, test and val (or valid, validation; a val without a
 * test is the test); of a DATA that is not divided a share of every class is held out for the test, by the seed. */
struct battle_division {
  const char *data, *val, *test;
  double share;
  uint64_t seed;
};

/* All parts have labels and the same classes, in the same order, with an image to learn from each: else FAILED, with a
 * message that names the part. */
int battle_set_open(struct battle_set *set, const char *name, const struct battle_division *division, error *e);
/* A shifted set's classes are some of the set's. */
int battle_set_add_shift(struct battle_set *set, const char *name, const char *data, error *e);
void battle_set_close(struct battle_set *set);

#endif
