#include "weights-tools/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/checkpoint_files.h"
#include "weights-tools/config.h"
#include "weights-tools/safetensors.h"
#include "weights-tools/sha256.h"
#include "weights-tools/torch_file.h"

/* One of the two is open; its tensors move to the checkpoint. */
struct container {
  struct safetensors safetensors;
  struct torch_file torch;
};

struct storage {
  struct container *files;
  size_t count;
};

static void container_close(struct container *c) {
  safetensors_close(&c->safetensors);
  torch_file_close(&c->torch);
}

/* By its content, whatever its name. */
static int container_open(struct container *c, const char *path, error *e) {
  struct file_view file;
  if (file_open(&file, path, e) != OK) return FAILED;
  bool is_torch = torch_file_recognises(file.bytes, file.size);
  file_close(&file);
  return is_torch ? torch_file_open(&c->torch, path, e) : safetensors_open(&c->safetensors, path, e);
}

static struct file_view container_bytes(const struct container *c) {
  return c->torch.file.bytes ? c->torch.file : c->safetensors.file;
}

static size_t container_count(const struct container *c) { return c->torch.count + c->safetensors.count; }

static const struct tensor *container_tensors(const struct container *c) {
  return c->torch.count > 0 ? c->torch.tensors : c->safetensors.tensors;
}

/* Its tensors' names belong to somebody else now; their data stays. */
static void container_give_away(struct container *c) { c->torch.count = c->safetensors.count = 0; }

void checkpoint_close(struct checkpoint *checkpoint) {
  struct storage *storage = checkpoint->storage;
  for (size_t i = 0; i < checkpoint->count; i++) {
    free(checkpoint->tensors[i].name);
    free(checkpoint->tensors[i].source_name);
  }
  free(checkpoint->tensors);
  for (size_t i = 0; i < checkpoint->class_count; i++) free(checkpoint->class_names[i]);
  free(checkpoint->class_names);
  free(checkpoint->path);
  free(checkpoint->arch);
  free(checkpoint->scheme);
  free(checkpoint->config_json);
  for (size_t i = 0; storage && i < storage->count; i++) container_close(&storage->files[i]);
  if (storage) free(storage->files);
  free(storage);
  *checkpoint = (struct checkpoint){0};
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

struct tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name) {
  size_t low = 0, high = checkpoint->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(name, checkpoint->tensors[middle].name);
    if (order == 0) return &checkpoint->tensors[middle];
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

int tensor_to_float(const struct tensor *tensor, float *destination, error *e) {
  if (tensor->dtype == DTYPE_BOOL) return fail(e, "tensor \"%s\": BOOL holds no real numbers", tensor->source_name);
  dtype_to_float(tensor->dtype, tensor->data, destination, (size_t)tensor->elements);
  return OK;
}

void checkpoint_release(const struct checkpoint *checkpoint, const struct tensor *tensor) {
  const struct storage *storage = checkpoint->storage;
  for (size_t i = 0; storage && i < storage->count; i++) {
    struct file_view file = container_bytes(&storage->files[i]);
    file_release(&file, tensor->data, tensor->bytes);
  }
}

static void hash_file(struct sha256 *hash, const struct file_view *file) {
  enum { STEP = 16 << 20 };
  for (size_t at = 0; at < file->size; at += STEP) {
    size_t size = file->size - at < STEP ? file->size - at : STEP;
    sha256_add(hash, file->bytes + at, size);
    file_release(file, file->bytes + at, size);
  }
}

int checkpoint_sha256(const struct checkpoint *checkpoint, char text[static 65], error *e) {
  const struct storage *storage = checkpoint->storage;
  if (!storage) return fail(e, "no checkpoint is open");
  struct sha256 hash;
  sha256_begin(&hash);
  for (size_t i = 0; i < storage->count; i++) {
    struct file_view file = container_bytes(&storage->files[i]);
    hash_file(&hash, &file);
  }
  sha256_finish(&hash, text);
  return OK;
}

/* Open every file and move its tensors into the checkpoint, sorted by name. */
static int open_files(struct checkpoint *checkpoint, const struct checkpoint_files *files, error *e) {
  struct storage *storage = checkpoint->storage = allocate_zeroed(1, sizeof *storage, e);
  if (!storage) return FAILED;
  storage->files = allocate_zeroed(files->count, sizeof *storage->files, e);
  if (!storage->files) return FAILED;
  size_t total = 0;
  for (size_t i = 0; i < files->count; i++) {
    if (container_open(&storage->files[i], files->paths[i], e) != OK) return FAILED;
    storage->count++;
    total += container_count(&storage->files[i]);
  }
  checkpoint->tensors = allocate(total, sizeof *checkpoint->tensors, e);
  if (!checkpoint->tensors) return FAILED;
  for (size_t i = 0; i < storage->count; i++) {
    struct container *file = &storage->files[i];
    const struct tensor *tensors = container_tensors(file);
    size_t count = container_count(file);
    if (files->index.root && checkpoint_check_shard(files, i, tensors, count, e) != OK) return FAILED;
    if (count > 0) memcpy(checkpoint->tensors + checkpoint->count, tensors, count * sizeof *tensors);
    checkpoint->count += count;
    container_give_away(file);
  }
  qsort(checkpoint->tensors, checkpoint->count, sizeof *checkpoint->tensors, compare_names);
  return OK;
}

/* The last part of the path may be the name of a published checkpoint: what nothing else says comes from that. */
static int look_up_name(struct checkpoint *checkpoint, error *e) {
  char *path = copy_string(checkpoint->path, e);
  if (!path) return FAILED;
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') path[--length] = 0;
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  if (!checkpoint->has_recipe) checkpoint->has_recipe = recipe_lookup(name, &checkpoint->recipe);
  char arch[MAX_ARCH];
  int status = OK;
  if (!checkpoint->arch && arch_lookup(name, arch)) {
    checkpoint->arch = copy_string(arch, e);
    checkpoint->arch_is_guess = true;
    if (!checkpoint->arch) status = FAILED;
  }
  free(path);
  return status;
}

static int read_all(struct checkpoint *checkpoint, const struct checkpoint_files *files, error *e) {
  if (open_files(checkpoint, files, e) != OK) return FAILED;
  const struct storage *storage = checkpoint->storage;
  if (storage->count > 0 && config_read_metadata(checkpoint, &storage->files[0].safetensors, e) != OK)
    return fail_within(e, "%s", files->paths[0]);
  bool converted = checkpoint->scheme != NULL;
  if (files->folder && !converted && config_read_folder(checkpoint, files->folder, e) != OK) return FAILED;
  return look_up_name(checkpoint, e);
}

int checkpoint_open(struct checkpoint *checkpoint, const char *path, error *e) {
  *checkpoint = (struct checkpoint){0};
  checkpoint->path = copy_string(path, e);
  if (!checkpoint->path) return FAILED;
  struct checkpoint_files files;
  int status = checkpoint_find_files(&files, path, e);
  if (status == OK) {
    status = read_all(checkpoint, &files, e);
    checkpoint_free_files(&files);
  }
  if (status != OK) checkpoint_close(checkpoint);
  return status;
}
