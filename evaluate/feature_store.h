/* The results of `features`: a folder while it grows and when it is whole.
 *
 * While a run goes on, DIR/partial holds identity.json (what is being extracted, from what), the rows so far and a
 * journal (evaluate/feature_journal.h). A killed run leaves it behind and a later one continues it. When all samples
 * are through, the result files get their names, meta.json the last, and partial/ goes. The rows are written once:
 * their file moves. */
#ifndef EVALUATE_FEATURE_STORE_H
#define EVALUATE_FEATURE_STORE_H

#include "evaluate/extract.h"

struct feature_store;

enum store_state { STORE_FRESH, STORE_RESUMED, STORE_FINISHED };

/* What a folder of features shall hold. */
struct feature_order {
  const char *folder;
  const char *identity; /* JSON object: what the result depends on; a folder with another one is refused */
  const struct dataset *dataset;
  const size_t *indices; /* the samples, in order */
  size_t count;
  size_t columns, tokens; /* tokens: more than 1 makes features.npy [n, tokens, columns / tokens] */
  bool resume;            /* without it a folder that holds an interrupted run or features is refused */
};

/* *state: STORE_FINISHED when the folder holds the whole result already (*store is NULL). note: for the log, empty when
 * there is none. The order must outlive the store. */
int feature_store_open(struct feature_store **store, const struct feature_order *order, enum store_state *state,
                       char note[static 256], error *e);
/* Samples that are through already, and how many of them have a row. */
size_t feature_store_done(const struct feature_store *store);
size_t feature_store_rows(const struct feature_store *store);
/* Add a batch of results in order. */
int feature_store_add(struct feature_store *store, const struct extracted *results, size_t n, error *e);
/* Write features.npy, labels.npy, paths.txt, hashes.txt, classes.txt, skipped.tsv (when any was) and, last, meta.json;
 * remove partial/. */
int feature_store_finish(struct feature_store *store, const char *meta, error *e);
/* Close and free; what was added stays on disk for --resume. */
void feature_store_close(struct feature_store *store);

#endif
