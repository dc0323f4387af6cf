/* A features folder while it grows and when it is whole.
 *
 * While a run goes on, DIR/partial holds rows.f32 (the rows so far), index.tsv (a line a sample: taken, or skipped and
 * why) and identity.json (what is being extracted). A killed run leaves it behind and a later one continues it. When
 * all samples are through, the result files are written and partial/ goes. */
#ifndef EVALUATE_FEATURE_STORE_H
#define EVALUATE_FEATURE_STORE_H

#include "evaluate/extract.h"

struct feature_store;

enum store_state { STORE_FRESH, STORE_RESUMED, STORE_FINISHED };

/* identity: JSON text; a folder with another identity is refused. Without `resume` a folder that holds an interrupted
 * run or features is refused too. *state: STORE_FINISHED when the folder holds the whole result already (store is
 * NULL). tokens: more than 1 makes features.npy [n, tokens, columns / tokens]. */
int feature_store_open(struct feature_store **store, const char *folder, const char *identity, size_t columns,
                       size_t tokens, bool resume, enum store_state *state, error *e);
/* Samples that are through already. */
size_t feature_store_done(const struct feature_store *store);
size_t feature_store_rows(const struct feature_store *store);
/* Add results in order: rows first, then their index lines, so that a line always has its row. */
int feature_store_add(struct feature_store *store, const struct extracted *results, size_t n, error *e);
/* Write features.npy, labels.npy, paths.txt, classes.txt, skipped.tsv (when any was) and, last, meta.json; remove
 * partial/. indices: the samples of this run in order. */
int feature_store_finish(struct feature_store *store, const struct dataset *dataset, const size_t *indices,
                         const char *meta, error *e);
/* Close and free; what was added stays on disk for --resume. */
void feature_store_close(struct feature_store *store);

#endif
