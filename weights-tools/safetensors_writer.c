#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights-tools/json.h"
#include "weights-tools/safetensors.h"

enum { ALIGNMENT = 8 };

struct safetensors_writer {
  char *path, *temporary;
  int descriptor; /* -1: not open */
  size_t *sizes;  /* bytes of each tensor */
  size_t count, written;
};

void safetensors_abandon(struct safetensors_writer *w) {
  if (!w) return;
  if (w->descriptor >= 0) {
    close(w->descriptor);
    unlink(w->temporary);
  }
  free(w->path);
  free(w->temporary);
  free(w->sizes);
  free(w);
}

/* write() until all is out: it may take less than asked, and be interrupted. */
static int write_all(struct safetensors_writer *w, const void *data, size_t bytes, error *e) {
  const char *at = data;
  while (bytes > 0) {
    ssize_t done = write(w->descriptor, at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail(e, "%s: %s", w->path, done < 0 ? strerror(errno) : "cannot be written");
    at += done;
    bytes -= (size_t)done;
  }
  return OK;
}

static int describe(struct json_writer *json, const struct tensor_description *t, size_t *offset, size_t *bytes,
                    error *e) {
  *bytes = dtype_size(t->dtype);
  json_key(json, t->name);
  json_begin_object(json);
  json_key(json, "dtype");
  json_string(json, dtype_name(t->dtype));
  json_key(json, "shape");
  json_begin_array(json);
  for (int i = 0; i < t->dimensions; i++) {
    json_integer(json, t->shape[i]);
    if (t->shape[i] < 0 || !multiply_size(*bytes, (size_t)t->shape[i], bytes))
      return fail(e, "tensor \"%s\" is too large", t->name);
  }
  json_end_array(json);
  json_key(json, "data_offsets");
  json_begin_array(json);
  json_integer(json, (int64_t)*offset);
  if (!add_size(*offset, *bytes, offset) || *offset > INT64_MAX) return fail(e, "the tensors are too large");
  json_integer(json, (int64_t)*offset);
  json_end_array(json);
  json_end_object(json);
  return OK;
}

static int make_header(struct safetensors_writer *w, struct json_writer *json, const struct tensor_description *tensors,
                       const struct metadata_entry *metadata, size_t metadata_count, error *e) {
  json_begin_object(json);
  if (metadata_count > 0) {
    json_key(json, "__metadata__");
    json_begin_object(json);
    for (size_t i = 0; i < metadata_count; i++) {
      json_key(json, metadata[i].key);
      json_string(json, metadata[i].value);
    }
    json_end_object(json);
  }
  size_t offset = 0;
  for (size_t i = 0; i < w->count; i++) {
    if (describe(json, &tensors[i], &offset, &w->sizes[i], e) != OK) return FAILED;
  }
  json_end_object(json);
  return json_writer_finish(json, e);
}

/* The header padded with spaces, so that the data begins aligned. */
static int write_header(struct safetensors_writer *w, const struct json_writer *json, error *e) {
  static const char spaces[ALIGNMENT] = "        ";
  size_t padding = (ALIGNMENT - json->length % ALIGNMENT) % ALIGNMENT, length = json->length + padding;
  if (length > SAFETENSORS_MAX_HEADER) return fail(e, "%s: its header would be too long", w->path);
  uint8_t prefix[8];
  for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)((uint64_t)length >> (8 * i));
  if (write_all(w, prefix, sizeof prefix, e) != OK) return FAILED;
  if (write_all(w, json->text, json->length, e) != OK) return FAILED;
  return write_all(w, spaces, padding, e);
}

/* A new file beside the final one; renaming within a folder is atomic. */
static int open_temporary(struct safetensors_writer *w, error *e) {
  struct stat status;
  if (stat(w->path, &status) == 0 && !S_ISREG(status.st_mode))
    return fail(e, "%s: %s", w->path, S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
  size_t size = strlen(w->path) + 48;
  w->temporary = allocate(size, 1, e);
  if (!w->temporary) return FAILED;
  for (int attempt = 0; attempt < 100; attempt++) {
    snprintf(w->temporary, size, "%s.partial-%ld-%d", w->path, (long)getpid(), attempt);
    w->descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->descriptor >= 0) return OK;
    if (errno != EEXIST) break;
  }
  return fail(e, "%s: %s", w->path, strerror(errno));
}

static int begin(struct safetensors_writer *w, const struct tensor_description *tensors,
                 const struct metadata_entry *metadata, size_t metadata_count, error *e) {
  struct json_writer json = {0};
  int status = make_header(w, &json, tensors, metadata, metadata_count, e);
  if (status == OK) status = open_temporary(w, e);
  if (status == OK) status = write_header(w, &json, e);
  free(json.text);
  return status;
}

struct safetensors_writer *safetensors_create(const char *path, const struct tensor_description *tensors, size_t count,
                                              const struct metadata_entry *metadata, size_t metadata_count, error *e) {
  struct safetensors_writer *w = allocate_zeroed(1, sizeof *w, e);
  if (!w) return NULL;
  w->descriptor = -1;
  w->count = count;
  w->path = copy_string(path, e);
  w->sizes = allocate(count, sizeof *w->sizes, e);
  if (!w->path || !w->sizes || begin(w, tensors, metadata, metadata_count, e) != OK) {
    safetensors_abandon(w);
    return NULL;
  }
  return w;
}

int safetensors_write(struct safetensors_writer *w, const void *data, size_t bytes, error *e) {
  if (w->written >= w->count || bytes != w->sizes[w->written])
    return fail(e, "%s: %zu bytes written where another tensor was due", w->path, bytes);
  w->written++;
  return write_all(w, data, bytes, e);
}

int safetensors_finish(struct safetensors_writer *w, error *e) {
  int status = OK;
  if (w->written < w->count) {
    status = fail(e, "%s: %zu of %zu tensors were written", w->path, w->written, w->count);
  } else if (fsync(w->descriptor) != 0) {
    status = fail(e, "%s: %s", w->path, strerror(errno));
  } else if (rename(w->temporary, w->path) != 0) {
    status = fail(e, "%s: %s", w->path, strerror(errno));
  } else {
    close(w->descriptor);
    w->descriptor = -1; /* nothing to remove */
  }
  safetensors_abandon(w);
  return status;
}
