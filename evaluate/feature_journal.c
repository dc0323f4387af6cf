#include "evaluate/feature_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/npy.h"
#include "images/checksum.h"
#include "weights-tools/sha256.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail_with_reason(error *e, const char *path) { return fail(e, "%s: %s", path, strerror(errno)); }

static size_t row_bytes(const struct feature_journal *j) { return j->columns * sizeof(float); }

static int open_both(struct feature_journal *j, const char *partial, size_t columns, int flags, error *e) {
  *j = (struct feature_journal){.rows = -1, .lines = -1, .columns = columns, .synced = now()};
  j->rows_path = join_path(partial, "features.npy", e);
  j->lines_path = join_path(partial, "journal.tsv", e);
  if (!j->rows_path || !j->lines_path) return FAILED;
  j->rows = open(j->rows_path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0666);
  if (j->rows < 0) return fail_with_reason(e, j->rows_path);
  j->lines = open(j->lines_path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0666);
  return j->lines < 0 ? fail_with_reason(e, j->lines_path) : OK;
}

int feature_journal_create(struct feature_journal *j, const char *partial, size_t columns, error *e) {
  int status = open_both(j, partial, columns, O_TRUNC, e);
  if (status != OK) feature_journal_close(j);
  return status;
}

void feature_journal_close(struct feature_journal *j) {
  if (j->rows >= 0) close(j->rows);
  if (j->lines >= 0) close(j->lines);
  free(j->rows_path);
  free(j->lines_path);
  free(j->text);
  *j = (struct feature_journal){.rows = -1, .lines = -1};
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* The line at `at` with its line feed, 0 when it is not whole. */
static size_t line_length(const char *bytes, size_t size, size_t at) {
  const char *end = at < size ? memchr(bytes + at, '\n', size - at) : NULL;
  return end ? (size_t)(end - (bytes + at)) + 1 : 0;
}

bool feature_journal_next(const char *bytes, size_t size, size_t *at, struct journal_line *line) {
  while (*at < size) {
    const char *begin = bytes + *at;
    size_t length = line_length(bytes, size, *at);
    if (length < 3) return false;
    *at += length;
    if (*begin == '=') continue;
    *line = (struct journal_line){*begin == '1', begin + 2, length - 3};
    return true;
  }
  return false;
}

struct recovery {
  const char *lines;
  const uint8_t *rows;
  size_t line_size, row_count; /* what is there */
  size_t most;
};

/* Whether the line at `at` vouches for the batch before it, which `seen` describes. */
static bool vouches(const struct recovery *r, size_t at, size_t length, const struct feature_journal *seen) {
  char expected[64];
  int size = snprintf(expected, sizeof expected, "=\t%zu\t%08" PRIx32 "\t%08" PRIx32 "\n", seen->samples,
                      seen->rows_crc, seen->lines_crc);
  return (size_t)size == length && !memcmp(r->lines + at, expected, length);
}

/* Read one batch behind what `j` holds already; false when it is torn, wrong or not there. */
static bool read_batch(struct feature_journal *j, const struct recovery *r) {
  struct feature_journal seen = *j;
  for (size_t at = j->line_bytes;;) {
    size_t length = line_length(r->lines, r->line_size, at);
    if (length < 3) return false;
    char kind = r->lines[at];
    if (kind == '=') {
      size_t added = seen.taken - j->taken;
      if (added) {
        seen.rows_crc =
            checksum_crc32(j->rows_crc, r->rows + NPY_HEADER + j->taken * row_bytes(j), added * row_bytes(j));
      }
      seen.lines_crc = checksum_crc32(j->lines_crc, (const uint8_t *)r->lines + j->line_bytes, at - j->line_bytes);
      if (!vouches(r, at, length, &seen)) return false;
      seen.line_bytes = at + length;
      *j = seen;
      return true;
    }
    if ((kind != '0' && kind != '1') || r->lines[at + 1] != '\t') return false;
    if (kind == '1' && length != SHA256_TEXT + 2) return false;
    seen.samples++;
    seen.taken += kind == '1';
    if (seen.samples > r->most || seen.taken > r->row_count) return false;
    at += length;
  }
}

/* Find how far both files agree. Rows that were looked at need not stay in memory. */
static int find_end(struct feature_journal *j, size_t most, size_t *lost, error *e) {
  struct file_view rows, lines;
  if (file_open(&rows, j->rows_path, e) != OK) return FAILED;
  if (file_open(&lines, j->lines_path, e) != OK) {
    file_close(&rows);
    return FAILED;
  }
  struct recovery r = {.lines = (const char *)lines.bytes, .rows = rows.bytes, .line_size = lines.size, .most = most};
  r.row_count = rows.size < NPY_HEADER ? 0 : (rows.size - NPY_HEADER) / row_bytes(j);
  enum { release = 64 << 20 };
  size_t released = 0;
  while (read_batch(j, &r)) {
    size_t through = NPY_HEADER + j->taken * row_bytes(j);
    if (through - released < release) continue;
    file_release(&rows, rows.bytes + released, through - released);
    released = through;
  }
  *lost = lines.size - j->line_bytes;
  file_close(&rows);
  file_close(&lines);
  return OK;
}

int feature_journal_continue(struct feature_journal *j, const char *partial, size_t columns, size_t most, size_t *lost,
                             error *e) {
  int status = open_both(j, partial, columns, 0, e);
  if (status == OK) status = find_end(j, most, lost, e);
  if (status == OK && ftruncate(j->lines, (off_t)j->line_bytes)) status = fail_with_reason(e, j->lines_path);
  if (status == OK && ftruncate(j->rows, (off_t)(NPY_HEADER + j->taken * row_bytes(j)))) {
    status = fail_with_reason(e, j->rows_path);
  }
  if (status != OK) feature_journal_close(j);
  return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static int write_at(int descriptor, const void *bytes, size_t size, size_t offset, const char *path, error *e) {
  const char *from = bytes;
  while (size > 0) {
    ssize_t written = pwrite(descriptor, from, size, (off_t)offset);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) return fail_with_reason(e, path);
    from += written;
    size -= (size_t)written;
    offset += (size_t)written;
  }
  return OK;
}

/* A sample's line; of a reason only what fits on one. */
static size_t write_line(char *text, const struct extracted *result) {
  const char *from = result->row ? result->sha256 : result->reason;
  char *to = text;
  *to++ = result->row ? '1' : '0';
  *to++ = '\t';
  for (; *from; from++) *to++ = *from == '\n' || *from == '\t' || *from == '\r' ? ' ' : *from;
  *to++ = '\n';
  return (size_t)(to - text);
}

static int make_room(struct feature_journal *j, const struct extracted *results, size_t n, error *e) {
  size_t size = 64; /* of the line that vouches */
  for (size_t i = 0; i < n; i++) size += 3 + strlen(results[i].row ? results[i].sha256 : results[i].reason);
  if (size <= j->text_capacity) return OK;
  free(j->text);
  j->text = allocate(size, 1, e);
  j->text_capacity = j->text ? size : 0;
  return j->text ? OK : FAILED;
}

static int sync_both(struct feature_journal *j, error *e) {
  if (fdatasync(j->rows) && errno != EINVAL) return fail_with_reason(e, j->rows_path);
  if (fdatasync(j->lines) && errno != EINVAL) return fail_with_reason(e, j->lines_path);
  j->synced = now();
  return OK;
}

int feature_journal_add(struct feature_journal *j, const struct extracted *results, size_t n, error *e) {
  struct feature_journal next = *j;
  if (make_room(j, results, n, e) != OK) return FAILED;
  size_t length = 0;
  for (size_t i = 0; i < n; i++) {
    length += write_line(j->text + length, &results[i]);
    next.samples++;
    if (!results[i].row) continue;
    size_t offset = NPY_HEADER + next.taken++ * row_bytes(j);
    if (write_at(j->rows, results[i].row, row_bytes(j), offset, j->rows_path, e) != OK) return FAILED;
    next.rows_crc = checksum_crc32(next.rows_crc, (const uint8_t *)results[i].row, row_bytes(j));
  }
  next.lines_crc = checksum_crc32(next.lines_crc, (const uint8_t *)j->text, length);
  length += (size_t)snprintf(j->text + length, 64, "=\t%zu\t%08" PRIx32 "\t%08" PRIx32 "\n", next.samples,
                             next.rows_crc, next.lines_crc);
  if (write_at(j->lines, j->text, length, j->line_bytes, j->lines_path, e) != OK) return FAILED;
  j->samples = next.samples;
  j->taken = next.taken;
  j->line_bytes += length;
  j->rows_crc = next.rows_crc;
  j->lines_crc = next.lines_crc;
  return now() - j->synced < JOURNAL_SYNC_SECONDS ? OK : sync_both(j, e);
}

int feature_journal_seal(struct feature_journal *j, size_t tokens, error *e) {
  uint8_t header[NPY_HEADER];
  npy_header(header, DTYPE_F32, j->taken, j->columns, tokens);
  int status = write_at(j->rows, header, sizeof header, 0, j->rows_path, e);
  return status == OK ? sync_both(j, e) : status;
}
