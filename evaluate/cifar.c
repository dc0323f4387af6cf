/* CIFAR-10 and CIFAR-100 in their binary version: records of label bytes and 32x32 planes of R, G and B.
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version". */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, MAX_FILES = 16, MAX_NAME = 64 };

struct variant {
  size_t label_bytes; /* the last one is the class */
  unsigned classes;
  const char *names_file;
};
static const struct variant cifar10 = {1, 10, "batches.meta.txt"};
static const struct variant cifar100 = {2, 100, "fine_label_names.txt"};

static const char *const cifar10_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                            "dog",      "frog",       "horse", "ship", "truck"};

static const char *split_of(const char *name) {
  if (!strcmp(name, "test_batch.bin") || !strcmp(name, "test.bin")) return "test";
  if (!strcmp(name, "train.bin") || !strncmp(name, "data_batch_", 11)) return "train";
  return NULL;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* The files of CIFAR in a folder, sorted by name; returns their number. */
static size_t find_files(const char *path, const char *split, char names[MAX_FILES][MAX_NAME]) {
  DIR *folder = opendir(path);
  if (!folder) return 0;
  size_t count = 0;
  struct dirent *found;
  while ((found = readdir(folder))) {
    const char *name = found->d_name;
    size_t length = strlen(name);
    const char *its = split_of(name);
    if (count == MAX_FILES || length < 5 || length >= MAX_NAME || strcmp(name + length - 4, ".bin") != 0) continue;
    if (!its || (split && strcmp(its, split) != 0)) continue;
    memcpy(names[count++], name, length + 1);
  }
  closedir(folder);
  qsort(names, count, sizeof names[0], by_name);
  return count;
}

bool cifar_is_folder(const char *path) {
  char names[MAX_FILES][MAX_NAME];
  return find_files(path, NULL, names) > 0;
}

static bool fits(const struct file_view *file, const struct variant *variant) {
  size_t record = variant->label_bytes + PIXELS;
  if (file->size == 0 || file->size % record) return false;
  for (size_t at = variant->label_bytes - 1; at < file->size; at += record) {
    if (file->bytes[at] >= variant->classes) return false;
  }
  return true;
}

static int take_file(struct dataset *dataset, const char *path, const struct variant **variant, error *e) {
  struct file_view file;
  int status = dataset_map(dataset, path, &file, e);
  if (status != OK) return status;
  bool ten = fits(&file, &cifar10), hundred = !ten && fits(&file, &cifar100);
  if (!ten && !hundred) {
    return fail(e,
                "%s: is no CIFAR file: %zu bytes are no whole number of 3073-byte (CIFAR-10) or 3074-byte (CIFAR-100) "
                "records with labels below 10 or 100",
                path, file.size);
  }
  const struct variant *its = ten ? &cifar10 : &cifar100;
  if (*variant && *variant != its) return fail(e, "%s: mixes CIFAR-10 and CIFAR-100 files", path);
  *variant = its;
  size_t record = its->label_bytes + PIXELS;
  for (size_t i = 0; i < file.size / record; i++) {
    char name[MAX_NAME + 32];
    snprintf(name, sizeof name, "%.*s#%05zu", MAX_NAME, base_name(path), i);
    char *copy = copy_string(name, e);
    const uint8_t *bytes = file.bytes + i * record;
    status =
        copy ? dataset_add(dataset, copy, bytes[its->label_bytes - 1], bytes + its->label_bytes, PIXELS, e) : FAILED;
    if (status != OK) return status;
  }
  return OK;
}

/* Class names from the file that the archive brings, one a line; else those that are published. */
static int take_names(struct dataset *dataset, const char *folder, const struct variant *variant, error *e) {
  char *path = join_path(folder, variant->names_file, e);
  if (!path) return FAILED;
  FILE *file = fopen(path, "re");
  free(path);
  char lines[100][MAX_NAME];
  const char *names[100];
  size_t count = 0;
  while (file && count < variant->classes && fgets(lines[count], MAX_NAME, file)) {
    lines[count][strcspn(lines[count], "\r\n")] = 0;
    if (!*lines[count]) break;
    names[count] = lines[count];
    count++;
  }
  if (file) fclose(file);
  if (count == variant->classes) return dataset_name_classes(dataset, names, count, e);
  if (variant == &cifar10) return dataset_name_classes(dataset, cifar10_names, 10, e);
  return dataset_number_classes(dataset, variant->classes, e);
}

int cifar_read(struct dataset *dataset, const char *path, const char *split, error *e) {
  const struct variant *variant = NULL;
  dataset->raw = (struct raw_format){SIDE, SIDE, 3};
  char names[MAX_FILES][MAX_NAME];
  int status = OK;
  if (!cifar_is_folder(path)) {
    if (split) return fail(e, "is one file and has no part %s", split);
    status = take_file(dataset, path, &variant, e);
    char *folder = status == OK ? copy_bytes_as_string(path, (size_t)(base_name(path) - path), e) : NULL;
    if (status == OK) status = folder ? take_names(dataset, folder, variant, e) : FAILED;
    free(folder);
  } else {
    if (!split && find_files(path, "train", names) && find_files(path, "test", names)) {
      return fail(e, "holds the splits train, test: choose one, as in DATA:test");
    }
    size_t count = find_files(path, split, names);
    if (!count) return fail(e, "has no part %s (train and test are known)", split);
    for (size_t i = 0; status == OK && i < count; i++) {
      char *file = join_path(path, names[i], e);
      status = file ? take_file(dataset, file, &variant, e) : FAILED;
      free(file);
    }
    if (status == OK) status = take_names(dataset, path, variant, e);
  }
  dataset->kind = variant == &cifar100 ? "CIFAR-100" : "CIFAR-10";
  return status;
}
