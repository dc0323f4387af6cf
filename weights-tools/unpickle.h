/* A restricted reader of Python pickles (protocols 2 to 5): what torch.save() and TorchScript write about tensors.
 *
 * A pickle is a program for a stack machine that may call anything. This machine calls nothing: it builds a tree of
 * containers, numbers, strings and descriptions of tensors from a fixed list of names (unpickle_objects.c) and refuses
 * every other name. See Python's pickletools.py for the operations. */
#ifndef WEIGHTS_TOOLS_UNPICKLE_H
#define WEIGHTS_TOOLS_UNPICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/error.h"
#include "weights-tools/checkpoint.h"

enum { UNPICKLE_MAX_STEPS = 1 << 22 /* operations and copied elements: bounds time, and memory to some hundred MB */ };

enum pickled_type {
  PICKLED_INERT,   /* None, fractions, bytes, sets, and objects that hold no tensors: not looked into */
  PICKLED_INTEGER, /* also booleans */
  PICKLED_STRING,
  PICKLED_SEQUENCE, /* list or tuple */
  PICKLED_DICT,
  PICKLED_OBJECT, /* attributes by name, laid out as a dict's items */
  PICKLED_GLOBAL, /* a class or function by its name */
  PICKLED_STORAGE,
  PICKLED_TENSOR,
  PICKLED_MARK /* only on the machine's stack */
};

/* A storage as the pickle refers to it; its bytes lie elsewhere in the file. */
struct pickled_storage {
  const char *key; /* in the pickle's bytes, not terminated */
  size_t key_length;
  bool typed;         /* false: `dtype` is unknown and an element is a byte */
  enum dtype dtype;   /* valid when typed */
  int64_t elements;   /* of the whole storage */
  int64_t first;      /* element where the part that is seen begins; the old format can name a part */
  int64_t view_count; /* elements of that part */
};

struct pickled_tensor {
  const struct pickled_storage *storage;
  enum dtype dtype;
  int dimensions;
  int64_t shape[MAX_DIMENSIONS], stride[MAX_DIMENSIONS]; /* in elements; as read: maybe absurd, never negative */
  int64_t offset;                                        /* of the first element from the storage's `first` */
};

struct pickled {
  enum pickled_type type;
  bool visiting; /* for who walks the tree: containers may contain themselves */
  union {
    int64_t integer;
    struct {
      const char *text; /* UTF-8, in the pickle's bytes, not terminated */
      size_t length;
    };
    struct {
      struct pickled **items; /* of a dict or object: key, value, key, value, ... */
      size_t count, capacity;
    };
    const struct known_global *global; /* private to unpickle_objects.c */
    const struct pickled_storage *storage;
    const struct pickled_tensor *tensor;
  };
};

struct pickle {
  struct pickled *root;
  size_t size; /* bytes that it takes of those given: another pickle may follow */
  const struct pickled_storage **storages;
  size_t storage_count, storage_capacity;
  struct arena_block *arena; /* holds all of the above */
};

/* Read the pickle at the start of bytes[0, size), which the caller keeps. */
int unpickle(struct pickle *pickle, const uint8_t *bytes, size_t size, error *e);
void pickle_free(struct pickle *pickle);
/* Whether a value is this string. */
bool pickled_is(const struct pickled *value, const char *text);
/* The value of a string key, or NULL when `dict` is no dict or lacks it. */
struct pickled *pickled_get(const struct pickled *dict, const char *key);

#endif
