#include "evaluate/feature_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/npy.h"
#include "evaluate/output.h"

struct feature_store {
  char *folder, *partial;
  FILE *rows_file, *index_file;
  size_t columns, tokens, done, rows;
};

static char *join(const char *folder, const char *name, error *e) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = allocate(size, 1, e);
  if (path) snprintf(path, size, "%s/%s", folder, name);
  return path;
}

static bool exists(const char *folder, const char *name) {
  char *path = join(folder, name, NULL);
  bool found = path && access(path, F_OK) == 0;
  free(path);
  return found;
}

/* The line's number of bytes with its line feed, 0 when it is not whole. */
static size_t whole_line(const uint8_t *bytes, size_t size) {
  const uint8_t *end = memchr(bytes, '\n', size);
  return end ? (size_t)(end - bytes) + 1 : 0;
}

/* Count the whole lines of index.tsv ("1", or "0 reason") and cut both files back to what they agree on. */
static int recover(struct feature_store *s, const char *rows_path, const char *index_path, error *e) {
  struct file_view index, rows;
  if (file_open(&index, index_path, e) != OK) return FAILED;
  if (file_open(&rows, rows_path, e) != OK) {
    file_close(&index);
    return FAILED;
  }
  size_t row_bytes = s->columns * sizeof(float), available = rows.size / row_bytes, at = 0;
  while (at < index.size) {
    size_t length = whole_line(index.bytes + at, index.size - at);
    bool has_row = index.bytes[at] == '1';
    if (length == 0 || (!has_row && index.bytes[at] != '0') || (has_row && s->rows == available)) break;
    s->rows += has_row;
    s->done++;
    at += length;
  }
  file_close(&index);
  file_close(&rows);
  if (truncate(index_path, (off_t)at) || truncate(rows_path, (off_t)(s->rows * row_bytes))) {
    return fail(e, "%s: %s", s->partial, strerror(errno));
  }
  return OK;
}

static int open_files(struct feature_store *s, bool resume, error *e) {
  char *rows = join(s->partial, "rows.f32", e), *index = join(s->partial, "index.tsv", e);
  int status = rows && index ? OK : FAILED;
  if (status == OK && resume) status = recover(s, rows, index, e);
  if (status == OK) {
    s->rows_file = fopen(rows, resume ? "abe" : "wbe");
    s->index_file = fopen(index, resume ? "abe" : "wbe");
    if (!s->rows_file || !s->index_file) status = fail(e, "%s: %s", s->partial, strerror(errno));
  }
  free(rows);
  free(index);
  return status;
}

static int write_text(const char *folder, const char *name, const char *text, error *e) {
  char *path = join(folder, name, e);
  if (!path) return FAILED;
  struct output output;
  int status = output_open(&output, path, e);
  if (status == OK) {
    fputs(text, output.stream);
    status = output_commit(&output, e);
  }
  free(path);
  return status;
}

/* Whether partial/identity.json says the same. */
static int check_identity(const struct feature_store *s, const char *identity, error *e) {
  char *path = join(s->partial, "identity.json", e);
  if (!path) return FAILED;
  struct file_view view;
  int status = file_open(&view, path, e);
  free(path);
  if (status != OK) return FAILED;
  bool same = view.size == strlen(identity) && !memcmp(view.bytes, identity, view.size);
  file_close(&view);
  if (same) return OK;
  return fail(e, "%s: holds an interrupted run with other weights, data, recipe or version; it cannot be continued",
              s->folder);
}

static int begin(struct feature_store *s, const char *identity, bool resume, enum store_state *state, error *e) {
  bool interrupted = exists(s->partial, "identity.json");
  if (interrupted && !resume) {
    return fail(e, "%s: holds an interrupted run (--resume continues it)", s->folder);
  }
  if (output_make_folder(s->folder, e) != OK || output_make_folder(s->partial, e) != OK) return FAILED;
  if (interrupted) {
    *state = STORE_RESUMED;
    if (check_identity(s, identity, e) != OK) return FAILED;
    return open_files(s, exists(s->partial, "index.tsv") && exists(s->partial, "rows.f32"), e);
  }
  *state = STORE_FRESH;
  if (open_files(s, false, e) != OK) return FAILED;
  return write_text(s->partial, "identity.json", identity, e);
}

int feature_store_open(struct feature_store **result, const char *folder, const char *identity, size_t columns,
                       size_t tokens, bool resume, enum store_state *state, error *e) {
  *result = NULL;
  if (exists(folder, "meta.json") || exists(folder, "features.npy")) {
    *state = STORE_FINISHED;
    if (resume && exists(folder, "meta.json")) return OK;
    return fail(e, "%s: holds features already; choose another folder or remove it", folder);
  }
  struct feature_store *s = allocate_zeroed(1, sizeof *s, e);
  if (!s) return FAILED;
  s->columns = columns;
  s->tokens = tokens;
  s->folder = copy_string(folder, e);
  s->partial = join(folder, "partial", e);
  int status = s->folder && s->partial ? begin(s, identity, resume, state, e) : FAILED;
  if (status == OK)
    *result = s;
  else
    feature_store_close(s);
  return status;
}

size_t feature_store_done(const struct feature_store *s) { return s->done; }
size_t feature_store_rows(const struct feature_store *s) { return s->rows; }

int feature_store_add(struct feature_store *s, const struct extracted *results, size_t n, error *e) {
  for (size_t i = 0; i < n; i++) {
    if (results[i].row) fwrite(results[i].row, sizeof(float), s->columns, s->rows_file);
  }
  bool written = fflush(s->rows_file) == 0 && !ferror(s->rows_file);
  for (size_t i = 0; written && i < n; i++) {
    if (results[i].row) {
      fputs("1\n", s->index_file);
      s->rows++;
      continue;
    }
    fputs("0 ", s->index_file);
    for (const char *c = results[i].reason; *c; c++) fputc(*c == '\n' || *c == '\t' ? ' ' : *c, s->index_file);
    fputc('\n', s->index_file);
  }
  written = written && fflush(s->index_file) == 0 && !ferror(s->index_file);
  if (!written) return fail(e, "%s: %s", s->partial, strerror(errno));
  s->done += n;
  return OK;
}

/* ---- the result files ---------------------------------------------------------------------------------------------
 */

struct finish {
  const struct feature_store *store;
  const struct dataset *dataset;
  const size_t *indices;
  struct file_view index, rows;
};

static int write_features(const struct finish *f, error *e) {
  char *path = join(f->store->folder, "features.npy", e);
  struct npy_writer *writer;
  if (!path || npy_create(&writer, path, DTYPE_F32, f->store->columns, e) != OK) {
    free(path);
    return FAILED;
  }
  free(path);
  npy_split_rows(writer, f->store->tokens);
  if (npy_append(writer, f->rows.bytes, f->store->rows, e) != OK) {
    npy_abandon(writer);
    return FAILED;
  }
  return npy_commit(writer, e);
}

static int write_labels(const struct finish *f, error *e) {
  char *path = join(f->store->folder, "labels.npy", e);
  struct npy_writer *writer;
  if (!path || npy_create(&writer, path, DTYPE_I64, 0, e) != OK) {
    free(path);
    return FAILED;
  }
  free(path);
  size_t at = 0;
  for (size_t i = 0; i < f->store->done; i++) {
    int64_t label = f->dataset->samples[f->indices[i]].label;
    bool taken = f->index.bytes[at] == '1';
    at += whole_line(f->index.bytes + at, f->index.size - at);
    if (taken && npy_append(writer, &label, 1, e) != OK) {
      npy_abandon(writer);
      return FAILED;
    }
  }
  return npy_commit(writer, e);
}

static int open_result(struct output *output, const struct finish *f, const char *name, error *e) {
  char *path = join(f->store->folder, name, e);
  if (!path) return FAILED;
  int status = output_open(output, path, e);
  free(path);
  return status;
}

/* paths.txt: a line a row. skipped.tsv: path, tab, reason. */
static int write_paths(const struct finish *f, error *e) {
  struct output paths = {0}, skipped = {0};
  size_t at = 0, skips = f->store->done - f->store->rows;
  int status = open_result(&paths, f, "paths.txt", e);
  if (status == OK && skips) status = open_result(&skipped, f, "skipped.tsv", e);
  for (size_t i = 0; status == OK && i < f->store->done; i++) {
    const char *line = (const char *)f->index.bytes + at, *path = f->dataset->samples[f->indices[i]].path;
    size_t length = whole_line(f->index.bytes + at, f->index.size - at);
    if (*line == '1')
      fprintf(paths.stream, "%s\n", path);
    else
      fprintf(skipped.stream, "%s\t%.*s", path, (int)length - 2, line + 2);
    at += length;
  }
  if (status == OK) status = output_commit(&paths, e);
  if (status == OK && skips) status = output_commit(&skipped, e);
  output_abandon(&paths);
  output_abandon(&skipped);
  return status;
}

static int write_classes(const struct finish *f, error *e) {
  struct output output;
  if (open_result(&output, f, "classes.txt", e) != OK) return FAILED;
  for (size_t i = 0; i < f->dataset->class_count; i++) fprintf(output.stream, "%s\n", f->dataset->classes[i]);
  return output_commit(&output, e);
}

static void remove_partial(const struct feature_store *s) {
  static const char *const names[] = {"rows.f32", "index.tsv", "identity.json"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *path = join(s->partial, names[i], NULL);
    if (path) unlink(path);
    free(path);
  }
  rmdir(s->partial);
}

int feature_store_finish(struct feature_store *s, const struct dataset *dataset, const size_t *indices,
                         const char *meta, error *e) {
  struct finish f = {.store = s, .dataset = dataset, .indices = indices};
  char *rows = join(s->partial, "rows.f32", e), *index = join(s->partial, "index.tsv", e);
  int status = rows && index ? OK : FAILED;
  if (status == OK) status = file_open(&f.rows, rows, e);
  if (status == OK) status = file_open(&f.index, index, e);
  free(rows);
  free(index);
  if (status == OK) status = write_features(&f, e);
  if (status == OK) status = write_labels(&f, e);
  if (status == OK) status = write_paths(&f, e);
  if (status == OK) status = write_classes(&f, e);
  if (status == OK) status = write_text(s->folder, "meta.json", meta, e);
  file_close(&f.rows);
  file_close(&f.index);
  if (status == OK) remove_partial(s);
  return status;
}

void feature_store_close(struct feature_store *s) {
  if (!s) return;
  if (s->rows_file) fclose(s->rows_file);
  if (s->index_file) fclose(s->index_file);
  free(s->folder);
  free(s->partial);
  free(s);
}
