#include "evaluate/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "evaluate/dataset_parts.h"
#include "images/preprocess.h"
#include "weights-tools/sha256.h"

/* ---- building blocks ----------------------------------------------------------------------------------------------
 */

int listing_add(struct listing *listing, char *path, bool folder, const uint8_t *bytes, size_t size, error *e) {
  if (grow((void **)&listing->entries, &listing->capacity, listing->count, sizeof *listing->entries, e) != OK) {
    free(path);
    return FAILED;
  }
  listing->entries[listing->count] = (struct entry){path, folder, bytes, size, listing->count};
  listing->count++;
  return OK;
}

void listing_free(struct listing *listing) {
  for (size_t i = 0; i < listing->count; i++) free(listing->entries[i].path);
  free(listing->entries);
  *listing = (struct listing){0};
}

int dataset_add(struct dataset *dataset, char *path, int label, const uint8_t *bytes, size_t size, error *e) {
  if (grow((void **)&dataset->samples, &dataset->capacity, dataset->count, sizeof *dataset->samples, e) != OK) {
    free(path);
    return FAILED;
  }
  dataset->samples[dataset->count++] = (struct sample){path, label, bytes, size};
  return OK;
}

int dataset_map(struct dataset *dataset, const char *path, struct file_view *view, error *e) {
  int status = grow((void **)&dataset->files, &dataset->file_capacity, dataset->file_count, sizeof *dataset->files, e);
  if (status == OK) status = file_open(view, path, e);
  if (status == OK) dataset->files[dataset->file_count++] = *view;
  return status;
}

int dataset_keep(struct dataset *dataset, uint8_t *bytes, error *e) {
  int status =
      grow((void **)&dataset->buffers, &dataset->buffer_capacity, dataset->buffer_count, sizeof *dataset->buffers, e);
  if (status == OK) {
    dataset->buffers[dataset->buffer_count++] = bytes;
  } else {
    free(bytes);
  }
  return status;
}

int dataset_name_classes(struct dataset *dataset, const char *const *names, size_t count, error *e) {
  dataset->classes = allocate_zeroed(count, sizeof *dataset->classes, e);
  if (!dataset->classes) return FAILED;
  for (size_t i = 0; i < count; i++) {
    char number[32];
    snprintf(number, sizeof number, "%zu", i);
    dataset->classes[i] = copy_string(names ? names[i] : number, e);
    if (!dataset->classes[i]) return FAILED;
    dataset->class_count++;
  }
  return OK;
}

int dataset_number_classes(struct dataset *dataset, size_t count, error *e) {
  return dataset_name_classes(dataset, NULL, count, e);
}

char *join_path(const char *folder, const char *name, error *e) {
  if (*name == '/' || !*folder) return copy_string(name, e);
  size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *path = allocate(size, 1, e);
  if (path) snprintf(path, size, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
  return path;
}

const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ---- what is it? --------------------------------------------------------------------------------------------------
 */

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), wanted = strlen(end);
  return length >= wanted && !strcasecmp(text + length - wanted, end);
}

bool tar_is_name(const char *path) { return ends_with(path, ".tar"); }

static int open_folder(struct dataset *dataset, const char *path, const char *inner, error *e) {
  if (cifar_is_folder(path)) return cifar_read(dataset, path, inner, e);
  if (idx_is_folder(path)) return idx_read(dataset, path, inner, e);
  dataset->kind = "folder";
  dataset->root = inner ? join_path(path, inner, e) : copy_string(path, e);
  if (!dataset->root) return FAILED;
  struct listing listing = {0};
  int status = folder_list(&listing, dataset->root, e);
  if (status == OK) status = dataset_arrange(dataset, &listing, NULL, false, e);
  listing_free(&listing);
  return status;
}

/* The name of the compression whose magic number the bytes start with, or NULL. */
static const char *compression(const struct file_view *file) {
  static const struct {
    const char *name, *magic;
    size_t length;
  } known[] = {{"gzip", "\x1f\x8b", 2}, {"zstd", "\x28\xb5\x2f\xfd", 4}, {"xz", "\xfd\x37zXZ", 5}, {"bzip2", "BZh", 3}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (file->size >= known[i].length && !memcmp(file->bytes, known[i].magic, known[i].length)) return known[i].name;
  }
  return NULL;
}

static int open_file(struct dataset *dataset, const char *path, const char *inner, error *e) {
  if (ends_with(path, ".csv") || ends_with(path, ".tsv")) {
    return inner ? fail(e, "a .csv has no folders inside") : csv_read(dataset, path, e);
  }
  if (ends_with(path, ".bin")) return cifar_read(dataset, path, inner, e);
  if (idx_is_name(path)) return idx_read(dataset, path, inner, e);
  struct file_view file;
  int status = dataset_map(dataset, path, &file, e);
  if (status != OK) return status;
  const char *packed = compression(&file);
  if (packed) return fail(e, "is compressed (%s): unpack it to a plain .tar first", packed);
  bool is_tar = tar_is_name(path) || (file.size >= 512 && !memcmp(file.bytes + 257, "ustar", 5));
  if (!is_tar) {
    return fail(e, "is no data set (a folder, a .tar, a .csv or .tsv, a CIFAR .bin or an IDX images file is)");
  }
  dataset->kind = "tar";
  struct listing listing = {0};
  status = tar_list(&listing, file.bytes, file.size, e);
  if (status == OK) status = dataset_arrange(dataset, &listing, inner, true, e);
  listing_free(&listing);
  return status;
}

int dataset_split(const char *data, char **path, char **inner, struct stat *found, error *e) {
  *inner = NULL;
  *path = copy_string(data, e);
  if (!*path) return FAILED;
  if (stat(*path, found) == 0) return OK;
  int reason = errno;
  char *colon = strrchr(*path, ':');
  if (colon && colon > *path) {
    *colon = 0;
    if (stat(*path, found) == 0) {
      *inner = colon + 1;
      while (**inner == '/') ++*inner;
      for (size_t end = strlen(*inner); end && (*inner)[end - 1] == '/'; end--) (*inner)[end - 1] = 0;
      return **inner ? OK : fail(e, "names no folder after the colon");
    }
  }
  return fail(e, "%s", strerror(reason));
}

int dataset_open(struct dataset *dataset, const char *data, error *e) {
  *dataset = (struct dataset){0};
  char *path = NULL, *inner = NULL;
  struct stat found;
  int status = (dataset->name = copy_string(data, e)) ? OK : FAILED;
  if (status == OK) status = dataset_split(data, &path, &inner, &found, e);
  if (status == OK) {
    if (S_ISDIR(found.st_mode)) {
      status = open_folder(dataset, path, inner, e);
    } else {
      status = open_file(dataset, path, inner, e);
    }
  }
  if (status == OK && dataset->count == 0) status = fail(e, "holds no image");
  if (status != OK) {
    /* file_open() and others that see a path have named it already. */
    size_t length = path ? strlen(path) : 0;
    bool named =
        e && length && !strncmp(e->message, path, length) && (e->message[length] == ':' || e->message[length] == '/');
    if (!named) fail_within(e, "%s", data);
    dataset_close(dataset);
  }
  free(path);
  return status;
}

void dataset_close(struct dataset *dataset) {
  for (size_t i = 0; i < dataset->count; i++) free(dataset->samples[i].path);
  for (size_t i = 0; i < dataset->class_count; i++) free(dataset->classes[i]);
  for (size_t i = 0; i < dataset->file_count; i++) file_close(&dataset->files[i]);
  for (size_t i = 0; i < dataset->buffer_count; i++) free(dataset->buffers[i]);
  free(dataset->name);
  free(dataset->samples);
  free(dataset->classes);
  free(dataset->note);
  free(dataset->root);
  free(dataset->files);
  free(dataset->buffers);
  *dataset = (struct dataset){0};
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static int raw_image(const struct raw_format *raw, const uint8_t *planes, const struct decode_options *options,
                     struct image *image, error *e) {
  int status = image_allocate(image, raw->width, raw->height, options, e);
  if (status != OK) return status;
  size_t pixels = (size_t)raw->width * (size_t)raw->height;
  for (size_t c = 0; c < 3; c++) {
    const uint8_t *plane = planes + (raw->planes == 3 ? c * pixels : 0);
    for (size_t i = 0; i < pixels; i++) image->rgb[i * 3 + c] = plane[i];
  }
  return OK;
}

/* The bytes of a sample's file, in memory already or opened as `file`, which the caller closes. */
static int open_sample(const struct dataset *dataset, const struct sample *sample, struct file_view *file,
                       const uint8_t **bytes, size_t *size, error *e) {
  *file = (struct file_view){0};
  *bytes = sample->bytes;
  *size = sample->size;
  if (sample->bytes || !dataset->root) return OK;
  char *path = join_path(dataset->root, sample->path, e);
  if (!path) return FAILED;
  int status = file_open(file, path, e);
  free(path);
  *bytes = file->bytes;
  *size = file->size;
  return status;
}

static void hash_bytes(const uint8_t *bytes, size_t size, char text[static SHA256_TEXT]) {
  struct sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, bytes, size);
  sha256_finish(&hash, text);
}

/* sha256: may be NULL. */
static int read_image(const struct dataset *dataset, size_t i, const struct decode_options *options,
                      struct image *image, char *sha256, error *e) {
  const struct sample *sample = &dataset->samples[i];
  *image = (struct image){0};
  struct file_view file = {0};
  const uint8_t *bytes = sample->bytes;
  size_t size = sample->size;
  int status = OK;
  if (dataset->raw.planes) {
    status = raw_image(&dataset->raw, bytes, options, image, e);
  } else {
    if (open_sample(dataset, sample, &file, &bytes, &size, e) != OK) return FAILED;
    status = image_decode(image, bytes, size, options, e);
  }
  if (status == OK && sha256) hash_bytes(bytes, size, sha256);
  file_close(&file);
  return status == OK ? OK : fail_within(e, "%s", sample->path);
}

int dataset_image(const struct dataset *dataset, size_t i, const struct decode_options *options, struct image *image,
                  error *e) {
  return read_image(dataset, i, options, image, NULL, e);
}

int dataset_image_and_hash(const struct dataset *dataset, size_t i, const struct decode_options *options,
                           struct image *image, char *sha256, error *e) {
  return read_image(dataset, i, options, image, sha256, e);
}

static int image_to_input(const struct image *image, const struct input_request *request, const char *key, float *out,
                          error *e) {
  if (!request->corruption) return preprocess(image, request->recipe, out, e);
  return preprocess_corrupted(image, request->recipe, request->corruption, key, out, e);
}

static int file_to_input(const uint8_t *bytes, size_t size, const struct input_request *request, const char *key,
                         float *out, struct image *about, error *e) {
  if (!request->corruption) return preprocess_file(bytes, size, request->decode, request->recipe, out, about, e);
  return preprocess_file_corrupted(bytes, size, request->decode, request->recipe, request->corruption, key, out, about,
                                   e);
}

int dataset_input(const struct dataset *dataset, size_t i, const struct input_request *request, float *out,
                  struct image *about, char *sha256, error *e) {
  const struct sample *sample = &dataset->samples[i];
  if (dataset->raw.planes) {
    struct image image;
    int status = read_image(dataset, i, request->decode, &image, sha256, e);
    if (status != OK) return status;
    status = image_to_input(&image, request, sample->path, out, e);
    image_free(&image);
    return status == OK ? OK : fail_within(e, "%s", sample->path);
  }
  struct file_view file;
  const uint8_t *bytes;
  size_t size;
  if (open_sample(dataset, sample, &file, &bytes, &size, e) != OK) return FAILED;
  int status = file_to_input(bytes, size, request, sample->path, out, about, e);
  if (status == OK && sha256) hash_bytes(bytes, size, sha256);
  file_close(&file);
  return status == OK ? OK : fail_within(e, "%s", sample->path);
}
