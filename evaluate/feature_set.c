#include "evaluate/feature_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/logistic.h"
#include "weights-tools/json.h"

/* A name a line; the last line may lack its line feed. */
static int parse_names(struct feature_set *set, const struct file_view *file, error *e) {
  size_t lines = 0, at = 0;
  for (size_t i = 0; i < file->size; i++) lines += file->bytes[i] == '\n';
  if (lines >= INT32_MAX) return fail(e, "too many classes");
  set->names = allocate_zeroed(lines + 1, sizeof *set->names, e);
  if (!set->names) return FAILED;
  while (at < file->size) {
    const uint8_t *begin = file->bytes + at, *end = memchr(begin, '\n', file->size - at);
    size_t length = end ? (size_t)(end - begin) : file->size - at;
    at += length + 1;
    if (length && begin[length - 1] == '\r') length--;
    char *name = copy_bytes_as_string((const char *)begin, length, e);
    if (!name) return FAILED;
    set->names[set->classes++] = name;
  }
  return OK;
}

static int read_names(struct feature_set *set, error *e) {
  char *path = join_path(set->folder, "classes.txt", e);
  if (!path) return FAILED;
  struct file_view file;
  int status = OK;
  if (access(path, F_OK) == 0) {
    status = file_open(&file, path, e);
    if (status == OK) status = parse_names(set, &file, e);
    if (status == OK && set->classes == 0) {
      status = fail(e, "%s: is empty: these features were made from images without labels", path);
    }
    file_close(&file);
  }
  free(path);
  return status;
}

static int take_labels(struct feature_set *set, const int64_t *labels, error *e) {
  int64_t most = set->names ? set->classes - 1 : INT32_MAX - 1;
  set->labels = allocate(set->n, sizeof *set->labels, e);
  if (!set->labels) return FAILED;
  for (size_t i = 0; i < set->n; i++) {
    if (labels[i] == -1) return fail(e, "row %zu has no label", i);
    if (labels[i] < 0 || labels[i] > most) {
      return fail(e, "row %zu has the label %lld, but there are %d classes", i, (long long)labels[i], set->classes);
    }
    set->labels[i] = (int)labels[i];
    if (!set->names && set->labels[i] >= set->classes) set->classes = set->labels[i] + 1;
  }
  return OK;
}

static int read_labels(struct feature_set *set, error *e) {
  char *path = join_path(set->folder, "labels.npy", e);
  if (!path) return FAILED;
  struct npy array;
  int64_t *labels = NULL;
  int status = npy_open(&array, path, e);
  if (status == OK) {
    if (array.dimensions != 1 || array.elements != set->n) {
      status = fail(e, "holds %zu labels in %d dimension%s; features.npy has %zu rows", array.elements,
                    array.dimensions, array.dimensions == 1 ? "" : "s", set->n);
    }
    if (status == OK) status = npy_integers(&array, &labels, e);
    if (status == OK) status = take_labels(set, labels, e);
    if (status != OK) fail_within(e, "%s", path);
    npy_close(&array);
  }
  free(labels);
  free(path);
  return status;
}

static int check_finite(const struct feature_set *set, error *e) {
  struct logistic_data data = {.x = set->x, .d = set->d, .n = set->n * set->views};
  size_t row, column;
  if (!logistic_find_bad(&data, &row, &column)) return OK;
  return fail(e, "row %zu, column %zu is %s", row, column,
              isnan(set->x[row * set->d + column]) ? "not a number (NaN)" : "infinite");
}

static int read_features(struct feature_set *set, error *e) {
  char *path = join_path(set->folder, "features.npy", e);
  if (!path) return FAILED;
  int status = npy_open(&set->array, path, e);
  if (status == OK) {
    const struct npy *array = &set->array;
    bool real = array->dtype == DTYPE_F32 || array->dtype == DTYPE_F64 || array->dtype == DTYPE_F16;
    bool several = set->views > 1;
    if (array->dimensions != (several ? 3 : 2) || array->elements == 0 || !real) {
      status = fail(e, "is not an array of rows of real numbers [n, %sd]", several ? "views, " : "");
    } else if (several && array->shape[1] != set->views) {
      status = fail(e, "holds %zu views of a photo, by meta.json %zu", array->shape[1], set->views);
    } else {
      set->n = array->shape[0];
      set->d = array->shape[several ? 2 : 1];
      status = npy_floats(array, &set->x, &set->owned, e);
    }
    if (status == OK) status = check_finite(set, e);
    if (status != OK) fail_within(e, "%s", path);
  }
  free(path);
  return status;
}

/* Figures of a part would pass for those of the whole. */
static int check_whole(const struct feature_set *set, const struct json *meta, error *e) {
  int64_t shard = 1, shards = 1;
  json_get_integer(meta, "shard", &shard);
  if (!json_get_integer(meta, "shards", &shards) || shards <= 1) return OK;
  return fail(e, "%s: holds only shard %lld of %lld: `backbones merge` joins them", set->folder, (long long)shard,
              (long long)shards);
}

static int read_views(struct feature_set *set, const struct json *meta, error *e) {
  int64_t views = 1;
  set->augmented = json_get_integer(meta, "views", &views);
  if (views < 1) return fail(e, "%s: meta.json has %lld views of a photo", set->folder, (long long)views);
  set->views = (size_t)views;
  return OK;
}

/* Which backbone made the features: without a meta.json, or one that tells, nobody knows. */
static int read_meta(struct feature_set *set, error *e) {
  char *path = join_path(set->folder, "meta.json", e);
  if (!path) return FAILED;
  struct file_view file = {0};
  struct json_document document = {0};
  int status = OK;
  if (access(path, F_OK) == 0) {
    status = file_open(&file, path, e);
    if (status == OK && json_parse(&document, (const char *)file.bytes, file.size, true, e) != OK) {
      status = fail_within(e, "%s", path);
    }
  }
  if (status == OK) status = check_whole(set, document.root, e);
  if (status == OK) status = read_views(set, document.root, e);
  const char *weights = json_get_string(document.root, "weights_sha256");
  const char *kind = json_get_string(document.root, "features");
  if (status == OK && weights && kind) {
    set->weights = copy_string(weights, e);
    set->kind = copy_string(kind, e);
    if (!set->weights || !set->kind) status = FAILED;
  }
  json_free(&document);
  file_close(&file);
  free(path);
  return status;
}

int feature_set_open_views(struct feature_set *set, const char *folder, error *e) {
  *set = (struct feature_set){0};
  set->folder = copy_string(folder, e);
  int status = set->folder ? read_meta(set, e) : FAILED;
  if (status == OK) status = read_features(set, e);
  if (status == OK) status = read_names(set, e);
  if (status == OK) status = read_labels(set, e);
  if (status != OK) feature_set_close(set);
  return status;
}

int feature_set_open(struct feature_set *set, const char *folder, error *e) {
  int status = feature_set_open_views(set, folder, e);
  if (status != OK || !set->augmented) return status;
  feature_set_close(set);
  return fail(e, "%s: holds augmented views: only the training of `probe --protocol sgd` takes them", folder);
}

void feature_set_close(struct feature_set *set) {
  for (int k = 0; set->names && k < set->classes; k++) free(set->names[k]);
  free(set->names);
  free(set->labels);
  free(set->owned);
  free(set->folder);
  free(set->weights);
  free(set->kind);
  npy_close(&set->array);
  *set = (struct feature_set){0};
}

int feature_set_check_classes(const struct feature_set *train, error *e) {
  if (train->classes < 2) {
    return fail(e, "%s: holds one class only: a classifier needs two or more", train->folder);
  }
  bool *seen = allocate_zeroed((size_t)train->classes, sizeof *seen, e);
  if (!seen) return FAILED;
  int status = OK;
  for (size_t i = 0; i < train->n; i++) seen[train->labels[i]] = true;
  for (int k = 0; status == OK && k < train->classes; k++) {
    if (seen[k]) continue;
    status = train->names ? fail(e, "%s: the class %s has no row to learn from", train->folder, train->names[k])
                          : fail(e, "%s: the class %d has no row to learn from", train->folder, k);
  }
  free(seen);
  return status;
}

int feature_sets_match(const struct feature_set *train, const struct feature_set *other, error *e) {
  if (train->d != other->d) {
    return fail(e, "%s has features of width %zu, %s of width %zu: they come from different backbones", train->folder,
                train->d, other->folder, other->d);
  }
  if (train->weights && other->weights && strcmp(train->weights, other->weights) != 0) {
    return fail(e, "%s and %s come from different weights (SHA-256 %.12s and %.12s)", train->folder, other->folder,
                train->weights, other->weights);
  }
  if (train->kind && other->kind && strcmp(train->kind, other->kind) != 0) {
    return fail(e, "%s holds %.40s features, %s %.40s ones", train->folder, train->kind, other->folder, other->kind);
  }
  if (!train->names || !other->names) {
    if (other->classes <= train->classes) return OK;
    return fail(e, "%s has labels of %d classes, %s only of %d", other->folder, other->classes, train->folder,
                train->classes);
  }
  for (int k = 0; k < train->classes && k < other->classes; k++) {
    if (strcmp(train->names[k], other->names[k]) != 0) {
      return fail(e, "different classes: number %d is %s in %s, but %s in %s", k, train->names[k], train->folder,
                  other->names[k], other->folder);
    }
  }
  if (train->classes == other->classes) return OK;
  const struct feature_set *more = train->classes > other->classes ? train : other;
  const struct feature_set *less = more == train ? other : train;
  return fail(e, "different classes: %s has %d, %s has %d (it lacks %s)", more->folder, more->classes, less->folder,
              less->classes, more->names[less->classes]);
}
