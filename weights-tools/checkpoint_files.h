/* Which files a checkpoint consists of: one, or the shards that an index lists. */
#ifndef WEIGHTS_TOOLS_CHECKPOINT_FILES_H
#define WEIGHTS_TOOLS_CHECKPOINT_FILES_H

#include "weights-tools/checkpoint.h"
#include "weights-tools/json.h"

struct checkpoint_files {
  char *folder;     /* where config.json may lie; NULL: nowhere */
  char *index_path; /* of a sharded checkpoint, else NULL */
  char **paths;     /* sorted */
  size_t count;
  struct json_document index;  /* of a sharded checkpoint, else empty */
  const struct json **entries; /* the index's weight_map, sorted by tensor name */
  size_t entry_count;
};

/* Look at a path as checkpoint_open() promises, and read the index where there is one. */
int checkpoint_find_files(struct checkpoint_files *files, const char *path, error *e);
void checkpoint_free_files(struct checkpoint_files *files);
/* Whether shard i, which holds these tensors, holds exactly those that the index places in it. */
int checkpoint_check_shard(const struct checkpoint_files *files, size_t i, const struct tensor *tensors, size_t count,
                           error *e);

#endif
