#include "evaluate/duplicates.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/sample_paths.h"
#include "weights-tools/sha256.h"

enum { DIGITS = SHA256_TEXT - 1, LINE = DIGITS + 1 };

/* A folder's hashes.txt: n lines of 64 digits. */
struct hashes {
  struct file_view file;
  size_t n;
  bool exist;
};

static const char *line_of(const struct hashes *hashes, size_t row) {
  return (const char *)hashes->file.bytes + row * LINE;
}

static bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

static int check_lines(const struct hashes *hashes, error *e) {
  if (hashes->file.size != hashes->n * LINE) {
    return fail(e, "does not hold the %zu hashes of features.npy's rows, a line of %d digits each", hashes->n, DIGITS);
  }
  for (size_t row = 0; row < hashes->n; row++) {
    const char *line = line_of(hashes, row);
    int digits = 0;
    while (digits < DIGITS && is_digit(line[digits])) digits++;
    if (digits < DIGITS || line[DIGITS] != '\n') {
      return fail(e, "line %zu: is not a SHA-256 of %d hexadecimal digits", row + 1, DIGITS);
    }
  }
  return OK;
}

static int open_hashes(struct hashes *hashes, const struct feature_set *set, error *e) {
  *hashes = (struct hashes){.n = set->n};
  char *path = join_path(set->folder, "hashes.txt", e);
  if (!path) return FAILED;
  int status = OK;
  hashes->exist = access(path, F_OK) == 0;
  if (hashes->exist) {
    status = file_open(&hashes->file, path, e);
    if (status == OK && check_lines(hashes, e) != OK) {
      file_close(&hashes->file);
      status = fail_within(e, "%s", path);
    }
  }
  free(path);
  return status;
}

/* The first 64 bits: hashes are spread evenly already. */
static size_t slot_of(const char *line, size_t mask) {
  size_t bits = 0;
  for (int i = 0; i < 16; i++) bits = bits << 4 | (size_t)(line[i] <= '9' ? line[i] - '0' : line[i] - 'a' + 10);
  return bits & mask;
}

/* An open-addressed table of rows + 1, at most half full. */
struct table {
  const struct hashes *hashes;
  size_t *rows, mask;
};

/* The place of a hash: its row + 1 stands there, or 0. */
static size_t *find(const struct table *table, const char *line) {
  size_t slot = slot_of(line, table->mask);
  while (table->rows[slot] && memcmp(line_of(table->hashes, table->rows[slot] - 1), line, DIGITS) != 0) {
    slot = (slot + 1) & table->mask;
  }
  return &table->rows[slot];
}

static int fill(struct table *table, const struct hashes *hashes, error *e) {
  size_t size = 16;
  while (size < 2 * hashes->n) size *= 2;
  *table = (struct table){.hashes = hashes, .rows = allocate_zeroed(size, sizeof *table->rows, e), .mask = size - 1};
  if (!table->rows) return FAILED;
  for (size_t row = 0; row < hashes->n; row++) {
    size_t *place = find(table, line_of(hashes, row));
    if (!*place) *place = row + 1;
  }
  return OK;
}

static int compare(struct duplicates *d, const struct hashes *train, const struct hashes *test, error *e) {
  struct table table;
  if (fill(&table, train, e) != OK) return FAILED;
  for (size_t row = 0; row < test->n; row++) {
    size_t found = *find(&table, line_of(test, row));
    if (found && d->count++ == 0) {
      d->first = row;
      d->original = found - 1;
    }
  }
  free(table.rows);
  d->known = true;
  return OK;
}

static int copy_path(char **path, const struct feature_set *set, size_t row, error *e) {
  struct sample_paths paths;
  if (sample_paths_open(&paths, set, e) != OK) return FAILED;
  int status = OK;
  if (paths.paths && !(*path = copy_string(paths.paths[row], e))) status = FAILED;
  sample_paths_close(&paths);
  return status;
}

int duplicates_find(struct duplicates *d, const struct feature_set *train, const struct feature_set *test, error *e) {
  *d = (struct duplicates){0};
  struct hashes a, b = {0};
  int status = open_hashes(&a, train, e);
  if (status == OK) status = open_hashes(&b, test, e);
  if (status == OK && a.exist && b.exist) status = compare(d, &a, &b, e);
  if (status == OK && d->count) status = copy_path(&d->path, test, d->first, e);
  if (status == OK && d->count) status = copy_path(&d->other_path, train, d->original, e);
  file_close(&a.file);
  file_close(&b.file);
  if (status != OK) duplicates_free(d);
  return status;
}

void duplicates_free(struct duplicates *d) {
  free(d->path);
  free(d->other_path);
  *d = (struct duplicates){0};
}

int duplicates_warn(const struct feature_set *train, const struct feature_set *test, FILE *log, size_t *count,
                    error *e) {
  struct duplicates d;
  int status = duplicates_find(&d, train, test, e);
  if (count) *count = d.count;
  if (d.count) {
    bool one = d.count == 1;
    fprintf(log, "warning: %zu image%s of %s %s also in %s", d.count, one ? "" : "s", test->folder, one ? "is" : "are",
            train->folder);
    if (d.path && d.other_path) fprintf(log, " (%s%s, there %s)", one ? "" : "first: ", d.path, d.other_path);
    fprintf(log, "\n");
  }
  duplicates_free(&d);
  return status;
}
