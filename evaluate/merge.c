#include "evaluate/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/features_folder.h"
#include "evaluate/merge_shard.h"
#include "evaluate/npy.h"
#include "evaluate/output.h"
#include "weights-tools/json.h"
#include "weights-tools/sha256.h"

struct merge {
  struct merge_shard *shards; /* in order, `count` of them */
  size_t count, samples, rows;
  struct features_folder folder;
  bool begun; /* the folder is ours */
  /* What is being written. */
  struct npy_writer *features, *labels;
  struct output paths, hashes, classes, skipped;
  struct sha256 whole; /* of all paths */
  size_t committed;    /* of result_names, how many have got their names */
};

/* ---- do they belong together? -------------------------------------------------------------------------------------
 */

static int by_index(const void *a, const void *b) {
  const struct merge_shard *x = a, *y = b;
  return (x->index > y->index) - (x->index < y->index);
}

static int check_same_run(const struct merge_shard *a, const struct merge_shard *b, error *e) {
  static const char *const of_a_shard[] = {"images", "paths_sha256", "shard", "n", "skipped", NULL};
  const struct meta_member *member = folder_meta_difference(&a->meta, &b->meta, of_a_shard, true);
  if (!member) return OK;
  char x[64], y[64];
  bool isa = member->key_length == 3 && !memcmp(member->key, "isa", 3);
  return fail(e, "%s and %s are not of one run: %.*s is %s there, %s here%s", a->folder, b->folder,
              (int)member->key_length, member->key, folder_meta_show(&a->meta, member, x),
              folder_meta_show(&b->meta, member, y),
              isa ? " (BACKBONES_ISA makes different machines compute the same bits)" : "");
}

static int check_complete(const struct merge *m, error *e) {
  for (size_t i = 0; i < m->count; i++) {
    const struct merge_shard *shard = &m->shards[i];
    if (i > 0 && shard->index == shard[-1].index) {
      return fail(e, "%s and %s are both shard %zu of %zu", shard[-1].folder, shard->folder, shard->index,
                  shard->shards);
    }
    if (shard->index > i + 1) return fail(e, "shard %zu of %zu is missing", i + 1, shard->shards);
  }
  const struct merge_shard *first = m->shards;
  if (m->count < first->shards) return fail(e, "shard %zu of %zu is missing", m->count + 1, first->shards);
  for (size_t i = 1; i < m->count; i++) {
    if (!merge_shard_same_classes(first, &m->shards[i])) {
      return fail(e, "%s and %s have different classes.txt", first->folder, m->shards[i].folder);
    }
  }
  return OK;
}

/* Sample i of the set is number i / N of shard i mod N: the sizes must be those that this gives. */
static int check_sizes(const struct merge *m, error *e) {
  for (size_t i = 0; i < m->count; i++) {
    const struct merge_shard *shard = &m->shards[i];
    size_t expected = (m->samples - i + m->count - 1) / m->count;
    if (i >= m->samples) expected = 0;
    if (shard->images != expected) {
      return fail(e, "%s: has %zu images, but of %zu in all shard %zu of %zu has %zu", shard->folder, shard->images,
                  m->samples, shard->index, m->count, expected);
    }
  }
  if (m->rows > 0) return OK;
  return fail(e, "none of the %zu images could be read", m->samples);
}

static int open_shards(struct merge *m, const char *const *folders, size_t count, error *e) {
  m->shards = allocate_zeroed(count, sizeof *m->shards, e);
  if (!m->shards) return FAILED;
  int status = OK;
  for (size_t i = 0; status == OK && i < count; i++) {
    status = merge_shard_open(&m->shards[m->count], folders[i], e);
    if (status == OK) m->count++;
    if (status == OK && i > 0) status = check_same_run(&m->shards[0], &m->shards[i], e);
  }
  if (status != OK) return status;
  qsort(m->shards, m->count, sizeof *m->shards, by_index);
  status = check_complete(m, e);
  for (size_t i = 0; i < m->count; i++) {
    m->samples += m->shards[i].images;
    m->rows += m->shards[i].rows;
  }
  return status == OK ? check_sizes(m, e) : status;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static int create_array(struct npy_writer **writer, const struct merge *m, const char *name, enum dtype dtype,
                        size_t columns, error *e) {
  char *path = join_path(m->folder.path, name, e);
  if (!path) return FAILED;
  int status = npy_create(writer, path, dtype, columns, e);
  free(path);
  return status;
}

static int create_list(struct output *output, const struct merge *m, const char *name, error *e) {
  char *path = join_path(m->folder.path, name, e);
  if (!path) return FAILED;
  int status = output_open(output, path, e);
  free(path);
  return status;
}

static int create_files(struct merge *m, error *e) {
  int status = create_array(&m->features, m, "features.npy", DTYPE_F32, m->shards->columns, e);
  if (status == OK) npy_split_rows(m->features, m->shards->tokens);
  if (status == OK) status = create_array(&m->labels, m, "labels.npy", DTYPE_I64, 0, e);
  if (status == OK) status = create_list(&m->paths, m, "paths.txt", e);
  if (status == OK) status = create_list(&m->hashes, m, "hashes.txt", e);
  if (status == OK && m->rows < m->samples) status = create_list(&m->skipped, m, "skipped.tsv", e);
  return status;
}

static void put(struct output *output, struct text_line line) {
  fwrite(line.text, 1, line.length, output->stream);
  fputc('\n', output->stream);
}

static int write_sample(struct merge *m, struct merge_shard *shard, size_t i, error *e) {
  struct merge_sample sample;
  if (merge_shard_next(shard, i, &sample, e) != OK) return FAILED;
  sha256_add(&m->whole, sample.path.text, sample.path.length);
  sha256_add(&m->whole, "", 1);
  if (!sample.row) {
    put(&m->skipped, sample.line);
    return OK;
  }
  put(&m->paths, sample.path);
  put(&m->hashes, sample.line);
  int status = npy_append(m->features, sample.row, 1, e);
  return status == OK ? npy_append(m->labels, &sample.label, 1, e) : status;
}

static int write_samples(struct merge *m, error *e) {
  sha256_begin(&m->whole);
  int status = OK;
  for (size_t i = 0; status == OK && i < m->samples; i++) {
    status = write_sample(m, &m->shards[i % m->count], i, e);
  }
  for (size_t i = 0; status == OK && i < m->count; i++) status = merge_shard_end(&m->shards[i], e);
  return status;
}

static int create_classes(struct merge *m, error *e) {
  const struct file_view *classes = &m->shards->classes;
  int status = create_list(&m->classes, m, "classes.txt", e);
  if (status == OK && classes->size) fwrite(classes->bytes, 1, classes->size, m->classes.stream);
  return status;
}

/* In the order in which they get their names; meta.json follows. */
static const char *const result_names[] = {"features.npy", "labels.npy",  "paths.txt",
                                           "hashes.txt",   "classes.txt", "skipped.tsv"};
enum { RESULTS = sizeof result_names / sizeof result_names[0] };

static int commit_array(struct merge *m, struct npy_writer **writer, error *e) {
  int status = npy_commit(*writer, e);
  *writer = NULL;
  m->committed += status == OK;
  return status;
}

static int commit_list(struct merge *m, struct output *output, error *e) {
  int status = output_commit(output, e);
  m->committed += status == OK;
  return status;
}

static int commit_files(struct merge *m, error *e) {
  int status = commit_array(m, &m->features, e);
  if (status == OK) status = commit_array(m, &m->labels, e);
  if (status == OK) status = commit_list(m, &m->paths, e);
  if (status == OK) status = commit_list(m, &m->hashes, e);
  if (status == OK) status = commit_list(m, &m->classes, e);
  if (status == OK && m->skipped.stream) status = commit_list(m, &m->skipped, e);
  return status;
}

static void remove_results(const struct merge *m, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *path = join_path(m->folder.path, result_names[i], NULL);
    if (path) unlink(path);
    free(path);
  }
}

/* The first shard's member, the text that it was, unless it tells of the whole. */
static void write_member(struct json_writer *w, const struct merge *m, const char *key, const char *value,
                         const char *paths) {
  json_key(w, key);
  if (!strcmp(key, "images")) {
    json_integer(w, (int64_t)m->samples);
  } else if (!strcmp(key, "paths_sha256")) {
    json_string(w, paths);
  } else if (!strcmp(key, "shard") || !strcmp(key, "shards")) {
    json_integer(w, 1);
  } else if (!strcmp(key, "n")) {
    json_integer(w, (int64_t)m->rows);
  } else if (!strcmp(key, "skipped")) {
    json_integer(w, (int64_t)(m->samples - m->rows));
  } else {
    json_raw(w, value);
  }
}

static int write_meta(const struct merge *m, const char *paths, error *e) {
  struct json_writer w = {0};
  int status = OK;
  json_begin_object(&w);
  for (size_t i = 0; status == OK && i < m->shards->meta.count; i++) {
    const struct meta_member *member = &m->shards->meta.members[i];
    char *key = copy_bytes_as_string(member->key, member->key_length, e);
    char *value = copy_bytes_as_string(member->value, member->value_length, e);
    if (key && value) {
      write_member(&w, m, key, value, paths);
    } else {
      status = FAILED;
    }
    free(key);
    free(value);
  }
  json_end_object(&w);
  if (status == OK) status = json_writer_finish(&w, e);
  if (status == OK) status = features_folder_write(m->folder.path, "meta.json", w.text, e);
  free(w.text);
  return status;
}

/* Whether a finished folder's meta.json tells of these shards. */
static int check_finished(const struct merge *m, const char *out, error *e) {
  static const char *const of_a_shard[] = {"images", "paths_sha256", "shard", "shards", "n", "skipped", NULL};
  struct folder_meta meta;
  size_t images = 0, rows = 0, shards = 0;
  int status = folder_meta_open(&meta, out, "meta.json", e);
  if (status != OK) return status;
  const struct meta_member *other = folder_meta_difference(&m->shards->meta, &meta, of_a_shard, true);
  bool same = !other && folder_meta_count(&meta, "images", &images, NULL) == OK && images == m->samples &&
              folder_meta_count(&meta, "n", &rows, NULL) == OK && rows == m->rows &&
              folder_meta_count(&meta, "shards", &shards, NULL) == OK && shards == 1;
  folder_meta_free(&meta);
  return same ? OK : fail(e, "%s: holds the features of something else", out);
}

static int open_folder(struct merge *m, const char *out, bool resume, error *e) {
  int status = features_folder_open(&m->folder, out, e);
  if (status != OK) return status;
  if (m->folder.state == FOLDER_FINISHED) {
    if (resume) return check_finished(m, out, e);
    return fail(e, "%s: holds features already; choose another folder or remove it", out);
  }
  if (m->folder.state == FOLDER_INTERRUPTED && features_folder_has(m->folder.partial, "identity.json")) {
    return fail(e, "%s: holds an interrupted run of `features`; choose another folder or remove it", out);
  }
  m->begun = true;
  if (m->folder.state == FOLDER_INTERRUPTED) remove_results(m, RESULTS); /* of a merge that was killed */
  return OK;
}

static int write_folder(struct merge *m, error *e) {
  char paths[SHA256_TEXT];
  if (!m->begun) return OK;
  int status = create_files(m, e);
  if (status == OK) status = create_classes(m, e);
  if (status == OK) status = write_samples(m, e);
  if (status == OK) status = commit_files(m, e);
  if (status != OK) return status;
  sha256_finish(&m->whole, paths);
  status = write_meta(m, paths, e);
  if (status == OK) features_folder_finish(&m->folder);
  return status;
}

int merge_folders(struct merge_result *result, const char *const *folders, size_t count, const char *out, bool resume,
                  error *e) {
  struct merge m = {.folder = {.lock = -1}};
  int status = open_shards(&m, folders, count, e);
  if (status == OK) status = open_folder(&m, out, resume, e);
  if (status == OK) status = write_folder(&m, e);
  if (status == OK) {
    *result = (struct merge_result){m.rows, m.samples - m.rows, m.count, m.shards->columns, m.shards->tokens, !m.begun};
  }
  npy_abandon(m.features);
  npy_abandon(m.labels);
  output_abandon(&m.paths);
  output_abandon(&m.hashes);
  output_abandon(&m.skipped);
  output_abandon(&m.classes);
  if (status != OK && m.begun) {
    remove_results(&m, m.committed);
    features_folder_abandon(&m.folder);
  }
  features_folder_close(&m.folder);
  for (size_t i = 0; m.shards && i < count; i++) merge_shard_close(&m.shards[i]);
  free(m.shards);
  return status;
}
