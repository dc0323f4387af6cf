/* One shard's folder, read sample by sample. */
#ifndef EVALUATE_MERGE_SHARD_H
#define EVALUATE_MERGE_SHARD_H

#include "evaluate/folder_meta.h"
#include "evaluate/npy.h"
#include "weights-tools/sha256.h"

/* A line of a mapped file without its line feed. */
struct text_line {
  const char *text;
  size_t length;
};

struct merge_shard {
  const char *folder;
  struct folder_meta meta;
  size_t index, shards; /* the index-th of so many, from 1 */
  size_t images, rows;  /* samples, and those with a row */
  size_t columns, tokens;
  struct npy features, labels;
  struct file_view paths, hashes, skipped, classes;
  /* Where reading is. */
  size_t row, path_at, hash_at, skipped_at, released;
  struct sha256 hash; /* of the paths so far */
};

struct merge_sample {
  struct text_line path, line; /* line: its hash, or when there is no row its line of skipped.tsv */
  const void *row;             /* NULL: skipped */
  int64_t label;
};

/* Open a finished folder, whose files must fit its meta.json. `folder` must outlive the shard. Errors name it. */
int merge_shard_open(struct merge_shard *shard, const char *folder, error *e);
void merge_shard_close(struct merge_shard *shard);
bool merge_shard_same_classes(const struct merge_shard *a, const struct merge_shard *b);
/* The shard's next sample, which is number i of the whole set. */
int merge_shard_next(struct merge_shard *shard, size_t i, struct merge_sample *sample, error *e);
/* After the last sample: nothing is left over, and the paths were those that meta.json was written for. */
int merge_shard_end(struct merge_shard *shard, error *e);

#endif
