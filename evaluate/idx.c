/* MNIST's IDX files: an images file of [n, height, width] bytes beside a labels file of [n] bytes, gzip'd or not.
 * Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format". */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"
#include "images/inflate.h"

enum { MAX_PAIRS = 8, MAX_NAME = 64 };

/* The largest set of this kind (EMNIST, 8 * 10^8 bytes) fits well. */
#define MAX_INFLATED ((size_t)1 << 32)

/* An images file by its name: "t10k-images-idx3-ubyte", "train-images.idx3-ubyte.gz". */
bool idx_is_name(const char *path) {
  const char *name = base_name(path);
  return strstr(name, "images") && strstr(name, "idx3-ubyte");
}

static const char *split_of(const char *name) {
  if (!strncmp(name, "t10k", 4) || !strncmp(name, "test", 4)) return "test";
  return strncmp(name, "train", 5) ? NULL : "train";
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* The images files in a folder, sorted by name; an unpacked file wins over the same file gzip'd. */
static size_t find_files(const char *path, const char *split, char names[MAX_PAIRS][MAX_NAME]) {
  DIR *folder = opendir(path);
  if (!folder) return 0;
  size_t count = 0;
  struct dirent *found;
  while ((found = readdir(folder))) {
    const char *its = split_of(found->d_name);
    size_t length = strlen(found->d_name);
    if (count == MAX_PAIRS || length >= MAX_NAME || !idx_is_name(found->d_name)) continue;
    if (split && (!its || strcmp(its, split) != 0)) continue;
    memcpy(names[count++], found->d_name, length + 1);
  }
  closedir(folder);
  qsort(names, count, sizeof names[0], by_name);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    size_t length = kept ? strlen(names[kept - 1]) : 0;
    bool packed_twin = kept && !strncmp(names[i], names[kept - 1], length) && !strcmp(names[i] + length, ".gz");
    if (!packed_twin && kept++ != i) memcpy(names[kept - 1], names[i], MAX_NAME);
  }
  return kept;
}

bool idx_is_folder(const char *path) {
  char names[MAX_PAIRS][MAX_NAME];
  return find_files(path, NULL, names) > 0;
}

/* The bytes of a file, inflated when it starts as gzip does. */
static int load(struct dataset *dataset, const char *path, const uint8_t **bytes, size_t *size, error *e) {
  struct file_view file;
  int status = dataset_map(dataset, path, &file, e);
  if (status != OK) return status;
  *bytes = file.bytes;
  *size = file.size;
  if (file.size < 2 || file.bytes[0] != 0x1f || file.bytes[1] != 0x8b) return OK;
  uint8_t *inflated;
  status = inflate_all(WRAPPER_GZIP, file.bytes, file.size, MAX_INFLATED, &inflated, size, e);
  if (status != OK) return fail_within(e, "%s", path);
  *bytes = inflated;
  return dataset_keep(dataset, inflated, e);
}

/* Two zero bytes, the type (8: unsigned bytes), the number of dimensions, big-endian sizes; then exactly the data. */
static int parse(const char *path, const uint8_t *bytes, size_t size, unsigned dimensions, size_t shape[3],
                 const uint8_t **data, error *e) {
  size_t header = 4 + 4 * (size_t)dimensions, wanted = header, elements = 1;
  if (size < header || bytes[0] || bytes[1] || bytes[2] != 8 || bytes[3] != dimensions) {
    return fail(e, "%s: is no IDX file of bytes with %u dimension%s", path, dimensions, dimensions == 1 ? "" : "s");
  }
  for (unsigned i = 0; i < dimensions; i++) {
    const uint8_t *b = bytes + 4 + 4 * i;
    shape[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    if (!multiply_size(elements, shape[i], &elements)) return fail(e, "%s: its sizes overflow", path);
  }
  if (!add_size(wanted, elements, &wanted) || size != wanted) {
    return fail(e, "%s: is %s: its header promises %zu bytes of data, %zu follow", path,
                size < wanted ? "truncated" : "too long", elements, size - header);
  }
  *data = bytes + header;
  return OK;
}

/* "images" becomes "labels" and "idx3" "idx1"; the labels may be gzip'd when the images are not, and the other way. */
static char *labels_path(const char *path, error *e) {
  size_t size = strlen(path) + 4;
  char *labels = allocate(size, 1, e);
  if (!labels) return NULL;
  snprintf(labels, size, "%s", path);
  char *name = labels + (base_name(path) - path);
  memcpy(strstr(name, "images"), "labels", 6);
  strstr(name, "idx3")[3] = '1';
  FILE *file = fopen(labels, "re");
  if (!file) {
    char *end = labels + strlen(labels);
    if (end - name > 3 && !strcmp(end - 3, ".gz")) {
      end[-3] = 0;
    } else {
      memcpy(end, ".gz", 4);
    }
    file = fopen(labels, "re");
  }
  if (file) {
    fclose(file);
    return labels;
  }
  fail(e, "%s: its labels file is not beside it", path);
  free(labels);
  return NULL;
}

static int take_pair(struct dataset *dataset, const char *path, unsigned *classes, error *e) {
  const uint8_t *bytes, *images = NULL, *labels = NULL;
  size_t size, shape[3], label_shape[3];
  char *beside = labels_path(path, e);
  if (!beside) return FAILED;
  int status = load(dataset, path, &bytes, &size, e);
  if (status == OK) status = parse(path, bytes, size, 3, shape, &images, e);
  if (status == OK) status = load(dataset, beside, &bytes, &size, e);
  if (status == OK) status = parse(beside, bytes, size, 1, label_shape, &labels, e);
  if (status == OK && shape[0] != label_shape[0]) {
    status = fail(e, "%s: %zu images, but %zu labels in %s", path, shape[0], label_shape[0], base_name(beside));
  }
  free(beside);
  if (status != OK) return status;
  size_t height = shape[1], width = shape[2];
  if (shape[0] && (height == 0 || width == 0 || height > 65535 || width > 65535)) {
    return fail(e, "%s: images of %zux%zu pixels", path, width, height);
  }
  struct raw_format raw = {(int)width, (int)height, 1};
  if (dataset->raw.planes && (dataset->raw.width != raw.width || dataset->raw.height != raw.height)) {
    return fail(e, "%s: its images have another size than those of the files before it", path);
  }
  dataset->raw = raw;
  for (size_t i = 0; i < shape[0]; i++) {
    char name[MAX_NAME + 32];
    snprintf(name, sizeof name, "%.*s#%05zu", MAX_NAME, base_name(path), i);
    char *copy = copy_string(name, e);
    status = copy ? dataset_add(dataset, copy, labels[i], images + i * height * width, height * width, e) : FAILED;
    if (status != OK) return status;
    if (labels[i] >= *classes) *classes = labels[i] + 1u;
  }
  return OK;
}

int idx_read(struct dataset *dataset, const char *path, const char *split, error *e) {
  dataset->kind = "IDX";
  char names[MAX_PAIRS][MAX_NAME];
  unsigned classes = 10; /* MNIST and its relatives; more when a label says so */
  int status = OK;
  if (!idx_is_folder(path)) {
    if (split) return fail(e, "is one file and has no part %s", split);
    status = take_pair(dataset, path, &classes, e);
  } else {
    if (!split && find_files(path, "train", names) && find_files(path, "test", names)) {
      return fail(e, "holds the splits train, test: choose one, as in DATA:test");
    }
    size_t count = find_files(path, split, names);
    if (!count) return fail(e, "has no part %s (train and test are known)", split);
    for (size_t i = 0; status == OK && i < count; i++) {
      char *file = join_path(path, names[i], e);
      status = file ? take_pair(dataset, file, &classes, e) : FAILED;
      free(file);
    }
  }
  return status == OK ? dataset_number_classes(dataset, classes, e) : status;
}
