/* The report of a comparison: one HTML file that needs nothing else. */
#ifndef EVALUATE_REPORT_H
#define EVALUATE_REPORT_H

#include <stdint.h>

#include "evaluate/comparison.h"
#include "evaluate/standings.h"

/* A small picture, encoded. */
struct report_picture {
  const char *type; /* "image/jpeg" */
  uint8_t *bytes;
  size_t size;
  int width, height;
};

/* A test photo that is worth looking at: which one, and the picture. */
struct report_photo {
  size_t row; /* of the set */
  struct report_picture picture;
};

/* A query and what was found nearest. */
struct report_retrieval {
  size_t backbone, query; /* rows of the set */
  struct report_picture picture;
  size_t count; /* neighbours */
  struct {
    size_t row;
    struct report_picture picture;
  } neighbours[6];
};

/* What one backbone's classifier made of a set's test photos; choices NULL: nothing, it failed. */
struct report_answers {
  const int *choices;        /* [n] */
  const double *confidences; /* [n]: probability of the choice */
};

/* A data set and what happened on its test photos. */
struct report_set {
  const char *name, *classifier /* whose answers these are: "linear probe" */;
  size_t n, classes;
  const char *const *class_names; /* [classes] */
  const char *const *paths;       /* [n] */
  const int *labels;              /* [n] */
  struct report_answers *answers; /* [backbones] */
  /* Photos that all get wrong, and photos that about half of them get right; hard_total, split_total: how many there
   * are, of which these are shown. */
  struct report_photo *hard, *split;
  size_t hard_count, split_count, hard_total, split_total;
  struct report_retrieval *retrievals;
  size_t retrieval_count;
};

/* The first backbone against another one on a task whose results are right or wrong, photo by photo. */
struct report_test {
  size_t task, other;
  size_t n, only_first, only_other; /* photos that only one gets right */
  double difference, low, high;     /* first less other, 95 % interval */
  double p, adjusted;               /* McNemar's mid-p, and by Holm's method for all tests of the report */
};

/* A line of "how it was made". */
struct report_fact {
  const char *subject, *what, *value;
};

struct report_failure {
  const char *subject, *message;
};

struct report {
  const char *title;
  const struct score_table *scores;
  const struct comparison *comparison;
  const struct standings *standings;
  /* What stands for accuracy in the charts of cost: its name, and a number for each backbone. */
  const char *headline;
  const double *headline_scores;
  const struct report_set *sets;
  const struct report_test *tests;
  const struct report_fact *facts;
  const struct report_failure *failures;
  size_t set_count, test_count, fact_count, failure_count;
};

int report_write(const struct report *report, const char *path, error *e);

#endif
