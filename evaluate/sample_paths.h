/* The names of a feature set's rows: paths.txt, a line a row. */
#ifndef EVALUATE_SAMPLE_PATHS_H
#define EVALUATE_SAMPLE_PATHS_H

#include <stdio.h>

#include "evaluate/feature_set.h"

struct sample_paths {
  char *text;
  const char **paths; /* [n], or NULL: the folder has no paths.txt */
};

/* A paths.txt with fewer or more lines than the set has rows is an error. */
int sample_paths_open(struct sample_paths *paths, const struct feature_set *set, error *e);
void sample_paths_close(struct sample_paths *paths);
/* Row i's path as a field of a csv; without paths.txt its number, from 0. */
void sample_paths_write(const struct sample_paths *paths, size_t i, FILE *stream);

#endif
