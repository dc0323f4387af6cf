/* Extracted features, read back. */
#ifndef EVALUATE_FEATURE_SET_H
#define EVALUATE_FEATURE_SET_H

#include <stdbool.h>

#include "evaluate/npy.h"

/* A folder as `features` writes it: features.npy [n, d] (of augmented views [n, views, d]), labels.npy [n], classes.txt
 * (a name a line; without it the labels count the classes) and meta.json (may be absent). */
struct feature_set {
  char *folder;
  struct npy array;
  const float *x; /* [n, views, d], in the mapped file when it holds float32 */
  void *owned;
  int *labels;
  size_t n, d;
  char **names; /* of classes; NULL when there is no classes.txt */
  int classes;
  size_t views;         /* of a photo; 1 unless these are augmented views (`features --views`), */
  bool augmented;       /* which a single one may be, too */
  char *weights, *kind; /* SHA-256 of the backbone's file and what was taken of it, by meta.json; NULL: unknown */
};

/* Refuses shapes that do not fit together, samples without a label, labels without a class and numbers that are not
 * finite, shards that were not merged, and augmented views; each message names the file and the place. */
int feature_set_open(struct feature_set *set, const char *folder, error *e);
/* The same for what can learn from several views of a photo. */
int feature_set_open_views(struct feature_set *set, const char *folder, error *e);
void feature_set_close(struct feature_set *set);
/* A set to learn classes from has two or more, each with a row; else the message names the one that is empty. */
int feature_set_check_classes(const struct feature_set *train, error *e);
/* Both sets have the same width, the same classes and, as far as is known, come from the same backbone; else the
 * message says what differs. */
int feature_sets_match(const struct feature_set *train, const struct feature_set *other, error *e);

#endif
