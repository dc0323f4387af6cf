#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/unpickle_internal.h"

struct arena_block {
  struct arena_block *next;
  size_t used, capacity;
  max_align_t memory[];
};

enum { BLOCK_BYTES = 64 << 10 };

void *pickle_allocate(struct pickle *pickle, size_t bytes, error *e) {
  bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
  struct arena_block *block = pickle->arena;
  if (!block || block->capacity - block->used < bytes) {
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    block = allocate_zeroed(1, sizeof *block + capacity, e);
    if (!block) return NULL;
    *block = (struct arena_block){.next = pickle->arena, .capacity = capacity};
    pickle->arena = block;
  }
  uint8_t *taken = (uint8_t *)block->memory + block->used;
  block->used += bytes;
  return taken;
}

void pickle_free(struct pickle *pickle) {
  for (struct arena_block *block = pickle->arena; block;) {
    struct arena_block *next = block->next;
    free(block);
    block = next;
  }
  free(pickle->storages);
  *pickle = (struct pickle){0};
}

struct pickled *pickle_value(struct pickle *pickle, enum pickled_type type, error *e) {
  struct pickled *value = pickle_allocate(pickle, sizeof *value, e);
  if (value) value->type = type;
  return value;
}

int pickle_append(struct pickle *pickle, struct pickled *container, struct pickled *const *values, size_t n, error *e) {
  if (n > container->capacity - container->count) {
    size_t capacity = container->count + n > 2 * container->capacity ? container->count + n : 2 * container->capacity;
    struct pickled **items = pickle_allocate(pickle, capacity * sizeof *items, e);
    if (!items) return FAILED;
    if (container->count > 0) memcpy(items, container->items, container->count * sizeof *items);
    container->items = items;
    container->capacity = capacity;
  }
  if (n > 0) memcpy(container->items + container->count, values, n * sizeof *values);
  container->count += n;
  return OK;
}

bool pickled_is(const struct pickled *value, const char *text) {
  size_t length = strlen(text);
  return value->type == PICKLED_STRING && value->length == length && !memcmp(value->text, text, length);
}

struct pickled *pickled_get(const struct pickled *dict, const char *key) {
  if (dict->type != PICKLED_DICT) return NULL;
  for (size_t i = dict->count; i >= 2; i -= 2) {
    if (pickled_is(dict->items[i - 2], key)) return dict->items[i - 1];
  }
  return NULL;
}
