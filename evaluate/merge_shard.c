#include "evaluate/merge_shard.h"

#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/features_folder.h"

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

static int read_meta(struct merge_shard *s, error *e) {
  size_t skipped, d;
  s->tokens = 1;
  int status = folder_meta_count(&s->meta, "shard", &s->index, e);
  if (status == OK) status = folder_meta_count(&s->meta, "shards", &s->shards, e);
  if (status == OK) status = folder_meta_count(&s->meta, "images", &s->images, e);
  if (status == OK) status = folder_meta_count(&s->meta, "n", &s->rows, e);
  if (status == OK) status = folder_meta_count(&s->meta, "skipped", &skipped, e);
  static const char *const parts[] = {"tokens", "views"};
  for (int i = 0; status == OK && i < 2; i++) {
    if (folder_meta_find(&s->meta, parts[i])) status = folder_meta_count(&s->meta, parts[i], &s->tokens, e);
  }
  if (status == OK) status = folder_meta_count(&s->meta, "d", &d, e);
  if (status == OK && !folder_meta_find(&s->meta, "paths_sha256")) status = fail(e, "has no paths_sha256");
  if (status == OK && (s->index < 1 || s->index > s->shards)) {
    status = fail(e, "is shard %zu of %zu", s->index, s->shards);
  }
  if (status == OK && (s->rows > s->images || skipped != s->images - s->rows || s->tokens == 0 || d == 0 ||
                       !multiply_size(d, s->tokens, &s->columns))) {
    status = fail(e, "its counts do not fit together");
  }
  return status == OK ? OK : fail_within(e, "%s/meta.json", s->folder);
}

static int open_array(const struct merge_shard *s, struct npy *array, const char *name, enum dtype dtype,
                      size_t columns, error *e) {
  char *path = join_path(s->folder, name, e);
  if (!path) return FAILED;
  int status = npy_open(array, path, e);
  size_t elements;
  if (status == OK && (array->dtype != dtype || array->dimensions < 1 || array->shape[0] != s->rows ||
                       !multiply_size(s->rows, columns, &elements) || array->elements != elements)) {
    status = fail(e, "%s: does not hold the %zu rows of %zu %s that meta.json tells of", path, s->rows, columns,
                  dtype == DTYPE_F32 ? "numbers" : "label");
  }
  free(path);
  return status;
}

static int open_list(const struct merge_shard *s, struct file_view *file, const char *name, error *e) {
  char *path = join_path(s->folder, name, e);
  if (!path) return FAILED;
  int status = file_open(file, path, e);
  if (status == OK && file->size && file->bytes[file->size - 1] != '\n') {
    status = fail(e, "%s: its last line is not whole", path);
  }
  free(path);
  return status;
}

static int open_files(struct merge_shard *s, error *e) {
  int status = open_array(s, &s->features, "features.npy", DTYPE_F32, s->columns, e);
  if (status == OK) status = open_array(s, &s->labels, "labels.npy", DTYPE_I64, 1, e);
  if (status == OK) status = open_list(s, &s->paths, "paths.txt", e);
  if (status == OK) status = open_list(s, &s->hashes, "hashes.txt", e);
  if (status == OK) status = open_list(s, &s->classes, "classes.txt", e);
  if (status == OK && s->rows < s->images) status = open_list(s, &s->skipped, "skipped.tsv", e);
  return status;
}

int merge_shard_open(struct merge_shard *s, const char *folder, error *e) {
  *s = (struct merge_shard){.folder = folder};
  sha256_begin(&s->hash);
  int status = OK;
  if (!features_folder_has(folder, "meta.json")) {
    bool begun = features_folder_has(folder, "partial");
    status =
        fail(e, begun ? "%s: is unfinished: run its shard again with --resume" : "%s: holds no features (no meta.json)",
             folder);
  }
  if (status == OK) status = folder_meta_open(&s->meta, folder, "meta.json", e);
  if (status == OK) status = read_meta(s, e);
  if (status == OK) status = open_files(s, e);
  if (status != OK) merge_shard_close(s);
  return status;
}

void merge_shard_close(struct merge_shard *s) {
  folder_meta_free(&s->meta);
  npy_close(&s->features);
  npy_close(&s->labels);
  file_close(&s->paths);
  file_close(&s->hashes);
  file_close(&s->skipped);
  file_close(&s->classes);
  *s = (struct merge_shard){0};
}

bool merge_shard_same_classes(const struct merge_shard *a, const struct merge_shard *b) {
  size_t size = a->classes.size;
  return b->classes.size == size && (size == 0 || !memcmp(a->classes.bytes, b->classes.bytes, size));
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* The next line of a file whose lines are all whole; false at its end. */
static bool next_line(const struct file_view *file, size_t *at, struct text_line *line) {
  if (*at >= file->size) return false;
  const char *begin = (const char *)file->bytes + *at, *end = memchr(begin, '\n', file->size - *at);
  *line = (struct text_line){begin, (size_t)(end - begin)};
  *at += line->length + 1;
  return true;
}

/* Whether the next line of skipped.tsv is sample i's: its last column tells. */
static bool is_skipped(const struct merge_shard *s, size_t i, struct text_line *line, size_t *next) {
  *next = s->skipped_at;
  if (!next_line(&s->skipped, next, line)) return false;
  size_t begin = line->length, number = 0;
  while (begin > 0 && line->text[begin - 1] != '\t') begin--;
  for (size_t k = begin; k < line->length; k++) {
    size_t digit = (size_t)(unsigned char)line->text[k] - '0';
    if (digit > 9 || !multiply_size(number, 10, &number) || !add_size(number, digit, &number)) return false;
  }
  return begin > 0 && begin < line->length && number == i;
}

/* What is before the last two columns: reasons have no tab, but paths may. */
static struct text_line skipped_path(struct text_line line) {
  for (int columns = 2; line.length > 0 && columns > 0; columns -= line.text[line.length] == '\t') line.length--;
  return line;
}

/* Rows that were read need not stay in memory. */
static void release_rows(struct merge_shard *s) {
  enum { size = 16 << 20 };
  const uint8_t *begin = s->features.data;
  size_t read = s->row * s->columns * sizeof(float);
  if (read - s->released < size) return;
  file_release(&s->features.file, begin + s->released, read - s->released);
  s->released = read;
}

int merge_shard_next(struct merge_shard *s, size_t i, struct merge_sample *sample, error *e) {
  size_t next;
  *sample = (struct merge_sample){0};
  if (is_skipped(s, i, &sample->line, &next)) {
    sample->path = skipped_path(sample->line);
    s->skipped_at = next;
  } else {
    if (s->row == s->rows) return fail(e, "%s/skipped.tsv: does not tell of image %zu, which has no row", s->folder, i);
    if (!next_line(&s->paths, &s->path_at, &sample->path)) {
      return fail(e, "%s/paths.txt: ends after %zu of %zu lines", s->folder, s->row, s->rows);
    }
    if (!next_line(&s->hashes, &s->hash_at, &sample->line)) {
      return fail(e, "%s/hashes.txt: ends after %zu of %zu lines", s->folder, s->row, s->rows);
    }
    sample->row = s->features.data + s->row * s->columns * sizeof(float);
    memcpy(&sample->label, s->labels.data + s->row * sizeof sample->label, sizeof sample->label);
    s->row++;
    release_rows(s);
  }
  sha256_add(&s->hash, sample->path.text, sample->path.length);
  sha256_add(&s->hash, "", 1);
  return OK;
}

int merge_shard_end(struct merge_shard *s, error *e) {
  if (s->row < s->rows) return fail(e, "%s/skipped.tsv: tells of more images than meta.json", s->folder);
  if (s->path_at < s->paths.size) return fail(e, "%s/paths.txt: has more than %zu lines", s->folder, s->rows);
  if (s->hash_at < s->hashes.size) return fail(e, "%s/hashes.txt: has more than %zu lines", s->folder, s->rows);
  if (s->skipped_at < s->skipped.size) {
    return fail(e, "%s/skipped.tsv: tells of images that are not of shard %zu of %zu", s->folder, s->index, s->shards);
  }
  char hash[SHA256_TEXT];
  sha256_finish(&s->hash, hash);
  const struct meta_member *wanted = folder_meta_find(&s->meta, "paths_sha256");
  bool same = wanted->value_length == SHA256_TEXT + 1 && !memcmp(wanted->value + 1, hash, SHA256_TEXT - 1);
  if (same) return OK;
  return fail(e, "%s/paths.txt: its paths are not those of shard %zu of %zu, as paths_sha256 in meta.json tells",
              s->folder, s->index, s->shards);
}
