/* Results image by image and class by class, as csv files. */
#ifndef EVALUATE_PREDICTIONS_H
#define EVALUATE_PREDICTIONS_H

#include <stdio.h>

#include "evaluate/feature_set.h"

struct prediction_column {
  const char *name;
  const double *values; /* [n] */
};

struct predictions {
  const struct feature_set *set;
  const int *choices;        /* [n]: predicted classes */
  const double *confidences; /* [n]: their probabilities */
  const struct prediction_column *columns;
  size_t column_count; /* further columns; may be 0 */
};

/* path,label,prediction,confidence,correct and the further columns, a line an image. Images are named by the set's
 * paths.txt (without it by their row), classes by classes.txt (without it by number); correct is 0 or 1. */
int predictions_write(const struct predictions *predictions, const char *path, error *e);
/* class,n,correct,recall, a line a class; the recall of a class without images is empty. */
int predictions_write_classes(const struct predictions *predictions, const char *path, error *e);
/* Both, as predictions.csv and per_class.csv of a folder. */
int predictions_write_folder(const struct predictions *predictions, const char *folder, error *e);
/* A class's name as a field of a csv. */
void predictions_write_class(const struct feature_set *set, int k, FILE *stream);

#endif
