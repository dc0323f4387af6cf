#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights-tools/torch_internal.h"

enum {
  MAX_DEPTH = 64,           /* containers inside each other */
  MAX_VISITS = 1 << 22,     /* values looked at: containers that share others could multiply without end */
  MAX_PATH = 1024,          /* bytes of a name */
  MAX_NAMES = 256 << 20,    /* bytes of all names */
  MIN_COPY_LIMIT = 64 << 20 /* bytes that tensors not contiguous in the file may take, however small it is */
};

/* Memory that the tensors own. */
struct owned_block {
  struct owned_block *next;
  max_align_t memory[];
};

void torch_free_tensors(struct torch_file *t) {
  for (size_t i = 0; i < t->count; i++) {
    free(t->tensors[i].name);
    free(t->tensors[i].source_name);
  }
  free(t->tensors);
  for (struct owned_block *block = t->owned; block;) {
    struct owned_block *next = block->next;
    free(block);
    block = next;
  }
  t->tensors = NULL;
  t->count = 0;
  t->owned = NULL;
}

int torch_compare_storages(const void *a, const void *b) {
  const struct torch_storage *x = a, *y = b;
  size_t shorter = x->key_length < y->key_length ? x->key_length : y->key_length;
  int order = memcmp(x->key, y->key, shorter);
  return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

struct walk {
  struct torch_file *file;
  size_t capacity;
  const struct torch_storage *storages;
  size_t storage_count;
  size_t copy_left; /* bytes that may still be copied */
  size_t visits, name_bytes;
  char path[MAX_PATH];
  size_t path_length;
  error *e;
};

/* ---- a tensor's numbers ---- */

/* The part of the file that the tensor's storage sees. */
static int find_storage(const struct walk *w, const struct pickled_storage *storage, const uint8_t **data,
                        size_t *bytes) {
  struct torch_storage wanted = {.key = storage->key, .key_length = storage->key_length};
  const struct torch_storage *found = NULL;
  if (w->storage_count > 0)
    found = bsearch(&wanted, w->storages, w->storage_count, sizeof wanted, torch_compare_storages);
  int shown = storage->key_length < 100 ? (int)storage->key_length : 100;
  if (!found) return fail(w->e, "its storage \"%.*s\" is not in the file", shown, storage->key);
  size_t size = storage->typed ? dtype_size(storage->dtype) : 1, whole;
  if (!multiply_size((size_t)storage->elements, size, &whole) || whole > found->bytes) {
    return fail(w->e, "its storage \"%.*s\" of %lld elements has only %zu bytes in the file", shown, storage->key,
                (long long)storage->elements, found->bytes);
  }
  *data = found->data + (size_t)storage->first * size;
  *bytes = (size_t)storage->view_count * size;
  return OK;
}

/* One past the last element that the tensor sees, counted from its storage's beginning; its shape is not empty. */
static bool find_end(const struct pickled_tensor *source, size_t *end) {
  *end = (size_t)source->offset;
  for (int i = 0; i < source->dimensions; i++) {
    size_t reach;
    if (!multiply_size((size_t)source->shape[i] - 1, (size_t)source->stride[i], &reach) || !add_size(*end, reach, end))
      return false;
  }
  return add_size(*end, 1, end);
}

/* Whether the elements lie one behind another in row-major order. */
static bool is_contiguous(const struct pickled_tensor *source) {
  int64_t expected = 1;
  for (int i = source->dimensions; i-- > 0;) {
    if (source->shape[i] != 1 && source->stride[i] != expected) return false;
    expected *= source->shape[i];
  }
  return true;
}

/* Copy the elements below dimension d, which begin at `from`, to `to`, whose end is returned. */
static uint8_t *copy_strided(uint8_t *to, const uint8_t *from, const struct pickled_tensor *source, int d,
                             size_t size) {
  if (d == source->dimensions) {
    memcpy(to, from, size);
    return to + size;
  }
  for (int64_t i = 0; i < source->shape[d]; i++)
    to = copy_strided(to, from + (size_t)(i * source->stride[d]) * size, source, d + 1, size);
  return to;
}

static int copy_tensor(struct walk *w, struct tensor *t, const struct pickled_tensor *source, const uint8_t *first) {
  if (t->bytes > w->copy_left) {
    return fail(w->e, "it is no contiguous part of its storage, and its %zu bytes are too many to copy", t->bytes);
  }
  w->copy_left -= t->bytes;
  struct owned_block *block = allocate(1, sizeof *block + t->bytes, w->e);
  if (!block) return FAILED;
  block->next = w->file->owned;
  w->file->owned = block;
  copy_strided((uint8_t *)block->memory, first, source, 0, dtype_size(t->dtype));
  t->data = (const uint8_t *)block->memory;
  return OK;
}

static int place_tensor(struct walk *w, struct tensor *t, const struct pickled_tensor *source) {
  t->dtype = source->dtype;
  t->dimensions = source->dimensions;
  t->elements = 1;
  for (int i = 0; i < source->dimensions; i++) {
    t->shape[i] = source->shape[i];
    if (__builtin_mul_overflow(t->elements, source->shape[i], &t->elements))
      return fail(w->e, "its shape is too large to count");
  }
  size_t size = dtype_size(t->dtype), available = 0, end;
  if (!multiply_size((size_t)t->elements, size, &t->bytes)) return fail(w->e, "its shape is too large to count");
  if (find_storage(w, source->storage, &t->data, &available) != OK) return FAILED;
  if (t->elements == 0) return OK;
  if (!find_end(source, &end) || end > available / size) {
    return fail(w->e, "its shape and strides reach beyond the %zu elements of its storage \"%.*s\"", available / size,
                source->storage->key_length < 100 ? (int)source->storage->key_length : 100, source->storage->key);
  }
  const uint8_t *first = t->data + (size_t)source->offset * size;
  if (!is_contiguous(source)) return copy_tensor(w, t, source, first);
  t->data = first;
  return OK;
}

/* ---- the containers ---- */

static int take_tensor(struct walk *w, const struct pickled_tensor *source) {
  struct torch_file *file = w->file;
  if (grow((void **)&file->tensors, &w->capacity, file->count, sizeof *file->tensors, w->e) != OK) return FAILED;
  w->name_bytes += w->path_length;
  if (w->name_bytes > MAX_NAMES) return fail(w->e, "the names of its tensors are too long to hold");
  struct tensor *t = &file->tensors[file->count++];
  *t = (struct tensor){0};
  t->name = copy_bytes_as_string(w->path, w->path_length, w->e);
  t->source_name = copy_bytes_as_string(w->path, w->path_length, w->e);
  if (!t->name || !t->source_name) return FAILED;
  return place_tensor(w, t, source) == OK ? OK : fail_within(w->e, "tensor \"%.200s\"", t->name);
}

/* Add a part to the path, behind a dot unless it is the first. */
static int enter(struct walk *w, const char *part, size_t length, bool first) {
  if (length >= MAX_PATH - w->path_length - 1) return fail(w->e, "a tensor's name is longer than %d bytes", MAX_PATH);
  if (memchr(part, 0, length)) return fail(w->e, "a tensor's name has a NUL inside");
  if (!first) w->path[w->path_length++] = '.';
  memcpy(w->path + w->path_length, part, length);
  w->path_length += length;
  return OK;
}

static int visit(struct walk *w, struct pickled *value, int depth);

/* A child under its key: a string, or a number; other keys, and a list's elements, go by their position. */
static int visit_child(struct walk *w, const struct pickled *key, size_t position, struct pickled *child, int depth) {
  size_t before = w->path_length;
  char number[24];
  int64_t shown = key && key->type == PICKLED_INTEGER ? key->integer : (int64_t)position;
  const char *part = number;
  size_t length = (size_t)snprintf(number, sizeof number, "%lld", (long long)shown);
  if (key && key->type == PICKLED_STRING) {
    part = key->text;
    length = key->length;
  }
  int status = enter(w, part, length, depth == 1);
  if (status == OK) status = visit(w, child, depth);
  w->path_length = before;
  return status;
}

static bool is_container(const struct pickled *value) {
  return value->type == PICKLED_SEQUENCE || value->type == PICKLED_DICT || value->type == PICKLED_OBJECT;
}

/* One that contains itself is not entered again. */
static int visit_container(struct walk *w, struct pickled *container, int depth) {
  if (container->visiting) return OK;
  if (depth == MAX_DEPTH) return fail(w->e, "its containers are nested deeper than %d", MAX_DEPTH);
  container->visiting = true;
  size_t step = container->type == PICKLED_SEQUENCE ? 1 : 2;
  int status = OK;
  for (size_t i = 0; i + step <= container->count && status == OK; i += step) {
    struct pickled *child = container->items[i + step - 1];
    if (++w->visits > MAX_VISITS) {
      status = fail(w->e, "its containers hold more than %d values", MAX_VISITS);
    } else if (is_container(child) || child->type == PICKLED_TENSOR) {
      status = visit_child(w, step == 2 ? container->items[i] : NULL, i / step, child, depth + 1);
    }
  }
  container->visiting = false;
  return status;
}

static int visit(struct walk *w, struct pickled *value, int depth) {
  if (value->type == PICKLED_TENSOR) return take_tensor(w, value->tensor);
  return is_container(value) ? visit_container(w, value, depth) : OK;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static int sort_by_name(struct torch_file *t, error *e) {
  if (t->count == 0) return fail(e, "it holds no tensors");
  qsort(t->tensors, t->count, sizeof *t->tensors, compare_names);
  for (size_t i = 1; i < t->count; i++) {
    if (compare_names(&t->tensors[i - 1], &t->tensors[i]) == 0)
      return fail(e, "two tensors are called \"%.200s\"", t->tensors[i].name);
  }
  return OK;
}

int torch_take_tensors(struct torch_file *t, struct pickled *root, const struct torch_storage *storages, size_t count,
                       size_t file_size, error *e) {
  struct walk w = {.file = t, .storages = storages, .storage_count = count, .e = e};
  if (!multiply_size(file_size, 4, &w.copy_left)) w.copy_left = SIZE_MAX;
  if (w.copy_left < MIN_COPY_LIMIT) w.copy_left = MIN_COPY_LIMIT;
  if (visit(&w, root, 0) == OK && sort_by_name(t, e) == OK) return OK;
  torch_free_tensors(t);
  return FAILED;
}
