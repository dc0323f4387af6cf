/* Any bytes as a pickle: refused, or every value of its tree readable. */
#include <stdlib.h>

#include "weights-tools/unpickle.h"

enum { MAX_VALUES = 10000, MAX_DEPTH = 50 };

static size_t touch(struct pickled *value, int depth, size_t *visits) {
  size_t sum = (size_t)value->type;
  if (++*visits > MAX_VALUES || depth > MAX_DEPTH) return sum;
  switch (value->type) {
    case PICKLED_STRING:
      for (size_t i = 0; i < value->length; i++) sum += (unsigned char)value->text[i];
      break;
    case PICKLED_SEQUENCE:
    case PICKLED_DICT:
    case PICKLED_OBJECT:
      if (value->type != PICKLED_SEQUENCE && value->count % 2) abort();
      for (size_t i = 0; i < value->count; i++) sum += touch(value->items[i], depth + 1, visits);
      break;
    case PICKLED_TENSOR:
      for (int i = 0; i < value->tensor->dimensions; i++) {
        if (value->tensor->shape[i] < 0 || value->tensor->stride[i] < 0) abort();
      }
      sum += value->tensor->storage->key_length;
      break;
    case PICKLED_MARK:
      abort(); /* never in a tree */
    case PICKLED_INERT:
    case PICKLED_INTEGER:
    case PICKLED_GLOBAL:
    case PICKLED_STORAGE:
      break;
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct pickle pickle;
  error e;
  if (unpickle(&pickle, data, size, &e) != OK) return 0;
  size_t visits = 0;
  volatile size_t sum = touch(pickle.root, 0, &visits);
  (void)sum;
  if (pickle.size > size) abort();
  for (size_t i = 0; i < pickle.storage_count; i++) {
    const struct pickled_storage *storage = pickle.storages[i];
    if (storage->first < 0 || storage->view_count < 0 || storage->view_count > storage->elements - storage->first)
      abort();
  }
  pickle_free(&pickle);
  return 0;
}
