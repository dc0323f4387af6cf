/* A clean set's classifier on shifted sets: other photographers, sketches, corruptions. */
#ifndef EVALUATE_SHIFT_H
#define EVALUATE_SHIFT_H

#include "evaluate/feature_set.h"
#include "evaluate/logistic.h"

/* Over the classes that occur in the shifted set alone, as ImageNet-A and -R are evaluated: others are neither labels
 * nor answers. */
struct shift_result {
  size_t n, correct;             /* of the shifted set */
  size_t clean_n, clean_correct; /* of the clean set's images of these classes */
  int classes;
};

/* Shifted classes are matched by name, or by number where neither set has names. FAILED when a class is not one of
 * train's, or the features are of another width, kind or backbone. choices: [shifted->n] predicted classes of train,
 * or NULL. */
int shift_run(struct shift_result *result, const struct logistic_model *model, const struct feature_set *train,
              const struct feature_set *clean, const struct feature_set *shifted, struct threads *pool, int *choices,
              error *e);

#endif
