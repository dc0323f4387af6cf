/* Pictures that are both in a set to learn from and in one to judge by: found by the hashes of their files. */
#ifndef EVALUATE_DUPLICATES_H
#define EVALUATE_DUPLICATES_H

#include <stdio.h>

#include "evaluate/feature_set.h"

struct duplicates {
  bool known;              /* both folders have a hashes.txt */
  size_t count;            /* rows of the second set whose picture is in the first one, too */
  size_t first, original;  /* the first of them, and the first row of the other set with that picture */
  char *path, *other_path; /* their paths, NULL where there is no paths.txt */
};

/* Compare hashes.txt of both folders, byte for byte the same files. A folder without it (features from elsewhere)
 * leaves the question open; one that does not fit its rows is an error that names the line. */
int duplicates_find(struct duplicates *duplicates, const struct feature_set *train, const struct feature_set *test,
                    error *e);
void duplicates_free(struct duplicates *duplicates);

/* Find them and write "warning: 3 images of TEST are also in TRAIN (first: cat/1.jpg, there cat/7.jpg)" to `log` when
 * there are any. *count may be NULL. */
int duplicates_warn(const struct feature_set *train, const struct feature_set *test, FILE *log, size_t *count,
                    error *e);

#endif
