#include "weights-tools/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "weights-tools/json.h"

enum { LENGTH_BYTES = 8 };

static void free_tensors(struct tensor *tensors, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(tensors[i].name);
    free(tensors[i].source_name);
  }
  free(tensors);
}

void safetensors_close(struct safetensors *s) {
  free_tensors(s->tensors, s->count);
  for (size_t i = 0; i < s->metadata_count; i++) {
    free(s->metadata[i].key);
    free(s->metadata[i].value);
  }
  free(s->metadata);
  file_close(&s->file);
  *s = (struct safetensors){0};
}

const char *safetensors_metadata(const struct safetensors *s, const char *key) {
  for (size_t i = 0; i < s->metadata_count; i++) {
    if (!strcmp(s->metadata[i].key, key)) return s->metadata[i].value;
  }
  return NULL;
}

static uint64_t read_length(const uint8_t *bytes) {
  uint64_t length = 0;
  for (int i = 0; i < LENGTH_BYTES; i++) length |= (uint64_t)bytes[i] << (8 * i);
  return length;
}

static int take_metadata(struct safetensors *s, const struct json *map, error *e) {
  if (map->type != JSON_OBJECT) return fail(e, "__metadata__ is not an object");
  s->metadata = allocate_zeroed(map->length, sizeof *s->metadata, e);
  if (!s->metadata) return FAILED;
  for (const struct json *entry = map->first; entry; entry = entry->next) {
    if (!json_is_plain_string(entry) || strlen(entry->key) != entry->key_length)
      return fail(e, "__metadata__: the value of \"%.200s\" is not a plain string", entry->key);
    struct metadata_entry *taken = &s->metadata[s->metadata_count++];
    taken->key = copy_string(entry->key, e);
    taken->value = copy_string(entry->string, e);
    if (!taken->key || !taken->value) return FAILED;
  }
  return OK;
}

static int take_dtype(struct tensor *t, const struct json *description, error *e) {
  const char *name = json_get_string(description, "dtype");
  if (!name) return fail(e, "its dtype is missing or not a string");
  for (int d = 0; d < DTYPE_COUNT; d++) {
    if (strcmp(dtype_name((enum dtype)d), name) != 0) continue;
    t->dtype = (enum dtype)d;
    return OK;
  }
  return fail(e, "unknown dtype \"%.40s\"", name);
}

static int take_shape(struct tensor *t, const struct json *description, error *e) {
  const struct json *shape = json_get(description, "shape");
  if (!shape || shape->type != JSON_ARRAY) return fail(e, "its shape is missing or not an array");
  if (shape->length > MAX_DIMENSIONS)
    return fail(e, "%zu dimensions, more than the %d supported", shape->length, (int)MAX_DIMENSIONS);
  t->elements = 1;
  for (const struct json *extent = shape->first; extent; extent = extent->next) {
    if (!extent->is_integer || extent->integer < 0) return fail(e, "its shape holds what is no size");
    t->shape[t->dimensions++] = extent->integer;
    if (__builtin_mul_overflow(t->elements, extent->integer, &t->elements))
      return fail(e, "its shape is too large to count");
  }
  return OK;
}

/* data [0, data_size) is the region behind the header. */
static int take_data(struct tensor *t, const struct json *description, const uint8_t *data, size_t data_size,
                     error *e) {
  const struct json *offsets = json_get(description, "data_offsets");
  if (!offsets || offsets->type != JSON_ARRAY || offsets->length != 2)
    return fail(e, "its data_offsets are missing or no pair");
  const struct json *begin = offsets->first, *end = begin->next;
  if (!begin->is_integer || !end->is_integer || begin->integer < 0 || end->integer < begin->integer)
    return fail(e, "its data_offsets are no range");
  if ((uint64_t)end->integer > data_size) {
    return fail(e, "its data ends at byte %lld of %zu: the file is truncated or lies", (long long)end->integer,
                data_size);
  }
  t->data = data + begin->integer;
  t->bytes = (size_t)(end->integer - begin->integer);
  size_t wanted;
  if (!multiply_size((size_t)t->elements, dtype_size(t->dtype), &wanted) || wanted != t->bytes) {
    return fail(e, "%zu bytes of data for %lld elements of %s", t->bytes, (long long)t->elements, dtype_name(t->dtype));
  }
  return OK;
}

static int take_tensor(struct tensor *t, const struct json *description, const uint8_t *data, size_t data_size,
                       error *e) {
  if (strlen(description->key) != description->key_length)
    return fail(e, "tensor \"%.200s\": its name has a NUL inside", description->key);
  t->name = copy_string(description->key, e);
  t->source_name = copy_string(description->key, e);
  if (!t->name || !t->source_name) return FAILED;
  int status = OK;
  if (description->type != JSON_OBJECT) status = fail(e, "its description is not an object");
  if (status == OK) status = take_dtype(t, description, e);
  if (status == OK) status = take_shape(t, description, e);
  if (status == OK) status = take_data(t, description, data, data_size, e);
  return status == OK ? OK : fail_within(e, "tensor \"%.200s\"", t->name);
}

static int compare_data(const void *a, const void *b) {
  const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
  if (x->data != y->data) return x->data < y->data ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The data region must be covered exactly: no byte twice, none left over. */
static int check_coverage(const struct safetensors *s, const uint8_t *data, size_t data_size, error *e) {
  const struct tensor **sorted = allocate(s->count, sizeof *sorted, e);
  if (!sorted) return FAILED;
  for (size_t i = 0; i < s->count; i++) sorted[i] = &s->tensors[i];
  qsort(sorted, s->count, sizeof *sorted, compare_data);
  int status = OK;
  size_t covered = 0;
  for (size_t i = 0; i < s->count && status == OK; i++) {
    size_t begin = (size_t)(sorted[i]->data - data);
    if (begin != covered) {
      status = fail(e, "tensor \"%.200s\": its data begins at byte %zu where %zu was due (%s)", sorted[i]->name, begin,
                    covered, begin < covered ? "an overlap" : "a hole");
    }
    covered = begin + sorted[i]->bytes;
  }
  free(sorted);
  if (status == OK && covered != data_size)
    status = fail(e, "%zu bytes at the end belong to no tensor", data_size - covered);
  return status;
}

static int take_header(struct safetensors *s, const struct json *header, const uint8_t *data, size_t data_size,
                       error *e) {
  if (header->type != JSON_OBJECT) return fail(e, "its header is not a JSON object");
  s->tensors = allocate_zeroed(header->length, sizeof *s->tensors, e);
  if (!s->tensors) return FAILED;
  for (const struct json *child = header->first; child; child = child->next) {
    int status;
    if (!strcmp(child->key, "__metadata__")) {
      status = take_metadata(s, child, e);
    } else {
      status = take_tensor(&s->tensors[s->count++], child, data, data_size, e);
    }
    if (status != OK) return status;
  }
  return check_coverage(s, data, data_size, e);
}

/* What a file that is no safetensors probably is. */
static const char *guess_format(const uint8_t *bytes, size_t size) {
  if (size >= 4 && !memcmp(bytes, "PK\3\4", 4)) return " (a zip archive, as PyTorch's .pth is)";
  if (size >= 2 && bytes[0] == 0x80 && bytes[1] <= 5) return " (a Python pickle that torch.save() did not write)";
  if (size >= 7 && !memcmp(bytes, "version", 7)) return " (a Git LFS pointer: fetch the file itself)";
  return "";
}

int safetensors_parse(struct safetensors *s, const uint8_t *bytes, size_t size, error *e) {
  *s = (struct safetensors){0};
  if (size < LENGTH_BYTES) return fail(e, "not a safetensors file: only %zu bytes", size);
  uint64_t length = read_length(bytes);
  if (length > size - LENGTH_BYTES || length > SAFETENSORS_MAX_HEADER) {
    return fail(e, "not a safetensors file: a header of %llu bytes in a file of %zu%s", (unsigned long long)length,
                size, guess_format(bytes, size));
  }
  const uint8_t *header = bytes + LENGTH_BYTES, *data = header + length;
  if (length == 0 || header[0] != '{') return fail(e, "not a safetensors file: its header does not begin with {");
  struct json_document document;
  int status = json_parse(&document, (const char *)header, (size_t)length, true, e);
  if (status != OK) return fail_within(e, "safetensors header");
  status = take_header(s, document.root, data, size - LENGTH_BYTES - (size_t)length, e);
  json_free(&document);
  if (status != OK) safetensors_close(s);
  return status;
}

int safetensors_open(struct safetensors *s, const char *path, error *e) {
  *s = (struct safetensors){0};
  struct file_view file;
  if (file_open(&file, path, e) != OK) return FAILED;
  if (safetensors_parse(s, file.bytes, file.size, e) != OK) {
    file_close(&file);
    return fail_within(e, "%s", path);
  }
  s->file = file;
  return OK;
}
