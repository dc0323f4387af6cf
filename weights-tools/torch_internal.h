/* Between the two halves of the torch reader: where storages lie (torch_file.c), and which tensors see them
 * (torch_tensors.c). */
#ifndef WEIGHTS_TOOLS_TORCH_INTERNAL_H
#define WEIGHTS_TOOLS_TORCH_INTERNAL_H

#include "weights-tools/torch_file.h"
#include "weights-tools/unpickle.h"

/* A storage's place in the file. */
struct torch_storage {
  const char *key; /* not terminated */
  size_t key_length;
  const uint8_t *data;
  size_t bytes;
};

/* Order by key: for qsort and bsearch. */
int torch_compare_storages(const void *a, const void *b);
/* Find every tensor below `root`; its storage is one of `storages`, sorted by key. `file_size` bounds what is copied.
 */
int torch_take_tensors(struct torch_file *t, struct pickled *root, const struct torch_storage *storages, size_t count,
                       size_t file_size, error *e);
void torch_free_tensors(struct torch_file *t);

#endif
