/* Join the folders that `features --shard I/N` wrote into the one that a single run would have written. */
#ifndef EVALUATE_MERGE_H
#define EVALUATE_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/error.h"

struct merge_result {
  size_t rows, skipped, shards, columns, tokens; /* columns: of all tokens together */
  bool was_there;                                /* `out` held the result already */
};

/* Every file of `out` is, byte for byte, what one run over the whole set writes: rows in the set's order, meta.json of
 * that run (weights: as the first shard names them). The folders may come in any order. Refused, with the folders'
 * names: missing, doubled and unfinished shards; shards of different runs (the first member of meta.json that differs
 * is named); and folders whose files are not those that their meta.json was written for, such as paths that are not
 * the shard's. Inputs are mapped and output is streamed: memory does not grow with the set. A merge that was killed is
 * begun again by the same call; `resume`: one that is through already is no error. */
int merge_folders(struct merge_result *result, const char *const *folders, size_t count, const char *out, bool resume,
                  error *e);

#endif
