/* The safetensors container (https://github.com/huggingface/safetensors, "Format"): a reader that maps the file and
 * enforces every rule before a tensor is visible, and a streaming writer.
 *
 * Layout: 8 bytes little-endian N, N bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...} with
 * an optional "__metadata__" map of strings to strings, then the data; offsets count from its beginning. */
#ifndef WEIGHTS_TOOLS_SAFETENSORS_H
#define WEIGHTS_TOOLS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/memory.h"
#include "weights-tools/checkpoint.h"

enum { SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000 }; /* bytes, as the format's own reader allows */

struct metadata_entry {
  char *key, *value;
};

struct safetensors {
  struct file_view file; /* empty after safetensors_parse() */
  struct tensor *tensors;
  size_t count;
  struct metadata_entry *metadata;
  size_t metadata_count;
};

/* Map and check a file; errors read "PATH: reason". The tensors' data point into the mapping, in the header's order. */
int safetensors_open(struct safetensors *s, const char *path, error *e);
/* The same over bytes that the caller keeps; errors without a path. */
int safetensors_parse(struct safetensors *s, const uint8_t *bytes, size_t size, error *e);
void safetensors_close(struct safetensors *s);
/* The value of a metadata key, or NULL. */
const char *safetensors_metadata(const struct safetensors *s, const char *key);

/* What the writer must know of a tensor before any data: the header comes first. */
struct tensor_description {
  const char *name;
  enum dtype dtype;
  int dimensions;
  int64_t shape[MAX_DIMENSIONS];
};

struct safetensors_writer;

/* Begin a file of `count` tensors, whose data will come in this order (put wide dtypes first: every tensor is then
 * aligned to its element). The file has a temporary name beside `path` until safetensors_finish(). NULL on failure,
 * with nothing left behind. */
struct safetensors_writer *safetensors_create(const char *path, const struct tensor_description *tensors, size_t count,
                                              const struct metadata_entry *metadata, size_t metadata_count, error *e);
/* The next tensor's data, whole: `bytes` must be its size. */
int safetensors_write(struct safetensors_writer *w, const void *data, size_t bytes, error *e);
/* Sync, close and rename to the final name; on failure nothing is left behind. Frees the writer. */
int safetensors_finish(struct safetensors_writer *w, error *e);
/* Give up: removes the temporary file and frees the writer. NULL is fine. */
void safetensors_abandon(struct safetensors_writer *w);

#endif
