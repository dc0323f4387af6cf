/* The features of a data set made into a folder: what `features` does for a user and `battle` for every backbone. */
#ifndef EVALUATE_FEATURES_RUN_H
#define EVALUATE_FEATURES_RUN_H

#include <stdio.h>

#include "evaluate/dataset.h"
#include "evaluate/engine.h"
#include "evaluate/extract.h"
#include "evaluate/shard.h"

struct features_request {
  const struct engine *engine; /* with the SHA-256 of its weights */
  const struct dataset *dataset;
  const char *out;
  const char *kind; /* as the engine was asked for; "logits": the head's, which it must have */
  int batch;        /* images that a thread takes at a time; no effect on results */
  struct shard shard;
  struct decode_options decode;
  struct corruption_choice corruption; /* severity 0: none */
  struct view_choice views;            /* of kinds of one token, without a corruption */
  bool resume;                         /* continue what an earlier run left in the folder, or begin */
  bool strict;                         /* an unreadable image is an error, instead of a line in skipped.tsv */
  bool progress;                       /* shown on stderr */
  FILE *log;                           /* of skipped images, what is continued and the like; NULL: none */
};

struct features_outcome {
  size_t rows, skipped, tokens, d; /* tokens: or views, of a row; d: floats of one */
  double seconds;                  /* 0: an earlier run had finished */
};

/* Writes features.npy (float32 [n, d], [n, tokens, d] or [n, views, d]), labels.npy, paths.txt, hashes.txt,
 * classes.txt, skipped.tsv and meta.json. FAILED when no image could be read, or the folder holds something else. */
int features_run(struct features_outcome *outcome, const struct features_request *request, error *e);

#endif
