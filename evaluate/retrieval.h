/* Retrieval: for every query the whole gallery in the order of falling cosine similarity (ties: rising index), judged
 * by where the rows of the query's class stand. */
#ifndef EVALUATE_RETRIEVAL_H
#define EVALUATE_RETRIEVAL_H

#include "evaluate/feature_set.h"
#include "evaluate/neighbours.h"

/* What is measured of a query with R relevant rows, as torchmetrics defines it:
 *   average precision: mean over the relevant rows of (relevant rows up to it) / (its rank);
 *   average precision at R: the same sum over the relevant rows among the first R (Musgrave et al. 2020), over R;
 *   reciprocal rank: 1 / (rank of the first relevant row);
 *   precision at k: relevant rows among the first k, over k (also when the gallery has fewer rows);
 *   recall at k: the same number over R. */
enum { RETRIEVAL_AP, RETRIEVAL_AP_AT_R, RETRIEVAL_RR, RETRIEVAL_AT_K };
static inline size_t retrieval_precision(size_t i) { return RETRIEVAL_AT_K + 2 * i; } /* of the i-th k */
static inline size_t retrieval_recall(size_t i) { return RETRIEVAL_AT_K + 2 * i + 1; }

struct retrieval_options {
  const size_t *k; /* rising */
  size_t k_count;
  bool empty_as_zero; /* a query without a relevant row scores 0 in all; else it is left out of the means */
  size_t nearest;     /* of every query's ranking this many rows are kept */
};

struct retrieval_result {
  size_t queries, without; /* without: those that have no relevant row */
  size_t measures;         /* RETRIEVAL_AT_K + 2 * k_count */
  double *values;          /* [queries, measures]; NaN where a query has no relevant row and is left out */
  size_t n;                /* queries in the means */
  double *means;           /* [measures]; NaN when n is 0 */
  size_t *class_n;         /* [classes of the gallery] */
  double *class_means;     /* [classes, measures]; NaN for a class without queries in the means */
  size_t nearest_count;    /* columns of `nearest`: fewer than asked for in a small gallery */
  struct neighbour *nearest;
};

/* queries NULL: every row of the gallery is a query and left out of its own ranking. Memory is bounded (a quarter of a
 * gigabyte of similarities at a time, or what one query needs). The pool must not be NULL. */
int retrieval_run(struct retrieval_result *result, const struct feature_set *gallery, const struct feature_set *queries,
                  const struct retrieval_options *options, struct threads *pool, error *e);
void retrieval_free(struct retrieval_result *result);

#endif
