#include "evaluate/feature_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/feature_journal.h"
#include "evaluate/features_folder.h"
#include "evaluate/folder_meta.h"
#include "evaluate/npy.h"
#include "evaluate/output.h"

struct feature_store {
  const struct feature_order *order;
  struct features_folder folder;
  struct feature_journal journal;
};

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

/* Whether folder/name tells of the same run as the order. */
static int check_identity(const struct feature_order *order, const char *folder, const char *name, const char *what,
                          error *e) {
  static const char *const nothing[] = {NULL};
  struct folder_meta wanted, found = {0};
  int status = folder_meta_parse(&wanted, order->identity, strlen(order->identity), e);
  if (status == OK) status = folder_meta_open(&found, folder, name, e);
  const struct meta_member *other = status == OK ? folder_meta_difference(&wanted, &found, nothing, false) : NULL;
  if (other) {
    char there[64], here[64];
    status = fail(e, "%s: holds %s: it has %.*s %s, not %s", order->folder, what, (int)other->key_length, other->key,
                  folder_meta_show(&found, other, there), folder_meta_show(&wanted, other, here));
  }
  folder_meta_free(&wanted);
  folder_meta_free(&found);
  return status;
}

/* A run that was killed between moving its rows to their place and writing meta.json is not through. */
static int take_rows_back(const struct feature_store *s, error *e) {
  if (features_folder_has(s->folder.partial, "features.npy")) return OK;
  char *from = join_path(s->folder.path, "features.npy", e), *to = join_path(s->folder.partial, "features.npy", e);
  int status = from && to ? OK : FAILED;
  if (status == OK && rename(from, to) && errno != ENOENT) status = fail(e, "%s: %s", from, strerror(errno));
  free(from);
  free(to);
  return status;
}

static int continue_run(struct feature_store *s, char note[static 256], error *e) {
  size_t lost;
  int status = check_identity(s->order, s->folder.partial, "identity.json",
                              "an interrupted run of something else, which cannot be continued", e);
  if (status == OK) status = take_rows_back(s, e);
  if (status == OK) {
    status = feature_journal_continue(&s->journal, s->folder.partial, s->order->columns, s->order->count, &lost, e);
  }
  if (status == OK && lost) {
    snprintf(note, 256, "the last %zu bytes of its journal do not fit its rows or are torn: that part is done again",
             lost);
  }
  return status;
}

static int begin(struct feature_store *s, enum store_state *state, char note[static 256], error *e) {
  const struct feature_order *order = s->order;
  snprintf(note, 256, "%s", s->folder.note);
  bool interrupted = s->folder.state == FOLDER_INTERRUPTED && features_folder_has(s->folder.partial, "identity.json");
  if (s->folder.state == FOLDER_FINISHED) {
    *state = STORE_FINISHED;
    if (order->resume) return check_identity(order, order->folder, "meta.json", "the features of something else", e);
    return fail(e, "%s: holds features already; choose another folder or remove it", order->folder);
  }
  if (interrupted) {
    *state = STORE_RESUMED;
    if (order->resume) return continue_run(s, note, e);
    return fail(e, "%s: holds an interrupted run (--resume continues it)", order->folder);
  }
  *state = STORE_FRESH;
  /* identity.json comes last: without it there is nothing to continue. */
  int status = feature_journal_create(&s->journal, s->folder.partial, order->columns, e);
  if (status == OK) status = features_folder_write(s->folder.partial, "identity.json", order->identity, e);
  if (status == OK) features_folder_sync(s->folder.partial);
  return status;
}

int feature_store_open(struct feature_store **result, const struct feature_order *order, enum store_state *state,
                       char note[static 256], error *e) {
  *result = NULL;
  *note = 0;
  struct feature_store *s = allocate_zeroed(1, sizeof *s, e);
  if (!s) return FAILED;
  s->order = order;
  s->journal.rows = s->journal.lines = -1;
  int status = features_folder_open(&s->folder, order->folder, e);
  if (status == OK) status = begin(s, state, note, e);
  if (status == OK && *state != STORE_FINISHED)
    *result = s;
  else
    feature_store_close(s);
  return status;
}

size_t feature_store_done(const struct feature_store *s) { return s->journal.samples; }
size_t feature_store_rows(const struct feature_store *s) { return s->journal.taken; }

int feature_store_add(struct feature_store *s, const struct extracted *results, size_t n, error *e) {
  return feature_journal_add(&s->journal, results, n, e);
}

void feature_store_close(struct feature_store *s) {
  if (!s) return;
  feature_journal_close(&s->journal);
  features_folder_close(&s->folder);
  free(s);
}

/* ---- the result files ---------------------------------------------------------------------------------------------
 */

static int open_result(struct output *output, const char *folder, const char *name, error *e) {
  char *path = join_path(folder, name, e);
  if (!path) return FAILED;
  int status = output_open(output, path, e);
  free(path);
  return status;
}

static int open_labels(struct npy_writer **writer, const char *folder, error *e) {
  char *path = join_path(folder, "labels.npy", e);
  if (!path) return FAILED;
  int status = npy_create(writer, path, DTYPE_I64, 0, e);
  free(path);
  return status;
}

struct lists {
  struct npy_writer *labels;
  struct output paths, hashes, skipped;
};

/* One sample's lines: of a row its label, path and hash; of a skipped one its path, the reason and which it was. */
static int write_sample(struct lists *lists, const struct sample *sample, size_t index, const struct journal_line *line,
                        error *e) {
  if (!line->taken) {
    fprintf(lists->skipped.stream, "%s\t%.*s\t%zu\n", sample->path, (int)line->length, line->text, index);
    return OK;
  }
  int64_t label = sample->label;
  fprintf(lists->paths.stream, "%s\n", sample->path);
  fprintf(lists->hashes.stream, "%.*s\n", (int)line->length, line->text);
  return npy_append(lists->labels, &label, 1, e);
}

static int write_samples(struct lists *lists, const struct feature_order *order, const struct file_view *journal,
                         error *e) {
  struct journal_line line;
  int status = OK;
  for (size_t i = 0, at = 0; status == OK && i < order->count; i++) {
    if (!feature_journal_next((const char *)journal->bytes, journal->size, &at, &line)) {
      return fail(e, "%s: the journal ends after %zu of %zu images", order->folder, i, order->count);
    }
    status = write_sample(lists, &order->dataset->samples[order->indices[i]], order->indices[i], &line, e);
  }
  return status;
}

static int commit_lists(struct lists *lists, error *e) {
  int status = npy_commit(lists->labels, e);
  lists->labels = NULL;
  if (status == OK) status = output_commit(&lists->paths, e);
  if (status == OK) status = output_commit(&lists->hashes, e);
  if (status == OK && lists->skipped.stream) status = output_commit(&lists->skipped, e);
  return status;
}

/* labels.npy, paths.txt and hashes.txt: an element or a line a row. skipped.tsv: path, reason, number of the sample. */
static int write_lists(const struct feature_store *s, error *e) {
  const char *folder = s->folder.path;
  struct lists lists = {0};
  struct file_view journal = {0};
  int status = file_open(&journal, s->journal.lines_path, e);
  if (status == OK) status = open_labels(&lists.labels, folder, e);
  if (status == OK) status = open_result(&lists.paths, folder, "paths.txt", e);
  if (status == OK) status = open_result(&lists.hashes, folder, "hashes.txt", e);
  if (status == OK && s->journal.samples > s->journal.taken) {
    status = open_result(&lists.skipped, folder, "skipped.tsv", e);
  }
  if (status == OK) status = write_samples(&lists, s->order, &journal, e);
  if (status == OK) status = commit_lists(&lists, e);
  npy_abandon(lists.labels);
  output_abandon(&lists.paths);
  output_abandon(&lists.hashes);
  output_abandon(&lists.skipped);
  file_close(&journal);
  return status;
}

static int write_classes(const struct feature_store *s, error *e) {
  const struct dataset *dataset = s->order->dataset;
  struct output output;
  if (open_result(&output, s->folder.path, "classes.txt", e) != OK) return FAILED;
  for (size_t i = 0; i < dataset->class_count; i++) fprintf(output.stream, "%s\n", dataset->classes[i]);
  return output_commit(&output, e);
}

/* The rows are an array by now: they get their name. */
static int move_features(struct feature_store *s, error *e) {
  if (feature_journal_seal(&s->journal, s->order->tokens, e) != OK) return FAILED;
  char *path = join_path(s->folder.path, "features.npy", e);
  if (!path) return FAILED;
  int status = rename(s->journal.rows_path, path) ? fail(e, "%s: %s", path, strerror(errno)) : OK;
  free(path);
  return status;
}

int feature_store_finish(struct feature_store *s, const char *meta, error *e) {
  int status = write_lists(s, e);
  if (status == OK) status = write_classes(s, e);
  if (status == OK) status = move_features(s, e);
  if (status == OK) status = features_folder_write(s->folder.path, "meta.json", meta, e);
  if (status == OK) features_folder_finish(&s->folder);
  return status;
}
