#include "evaluate/csv_rows.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernels/memory.h"

int csv_rows_begin(struct csv_rows *rows, const uint8_t *bytes, size_t size, char separator, error *e) {
  *rows = (struct csv_rows){.bytes = bytes, .size = size, .next_line = 1, .separator = separator};
  if (size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3)) rows->at = 3; /* byte order mark */
  rows->text = allocate(size + 2, 1, e);                            /* no row is longer than the file */
  return rows->text ? OK : FAILED;
}

void csv_rows_end(struct csv_rows *rows) {
  free(rows->text);
  rows->text = NULL;
}

char csv_separator(const char *path) {
  size_t length = strlen(path);
  return length >= 4 && !strcasecmp(path + length - 4, ".tsv") ? '\t' : ',';
}

static bool at_row_end(const struct csv_rows *rows) {
  return rows->at == rows->size || rows->bytes[rows->at] == '\n' ||
         (rows->bytes[rows->at] == '\r' && (rows->at + 1 == rows->size || rows->bytes[rows->at + 1] == '\n'));
}

static int take_quoted(struct csv_rows *rows, size_t *used, error *e) {
  rows->at++;
  for (;;) {
    if (rows->at == rows->size) return fail(e, "line %zu: a quote is never closed", rows->line);
    char letter = (char)rows->bytes[rows->at++];
    if (letter == '\n') rows->next_line++;
    if (letter == '"') {
      if (rows->at == rows->size || rows->bytes[rows->at] != '"') break;
      rows->at++;
    }
    rows->text[(*used)++] = letter;
  }
  if (!at_row_end(rows) && rows->bytes[rows->at] != (uint8_t)rows->separator) {
    return fail(e, "line %zu: text after a closing quote", rows->line);
  }
  return OK;
}

int csv_rows_next(struct csv_rows *rows, error *e) {
  rows->field_count = 0;
  while (rows->at < rows->size && at_row_end(rows)) {
    if (rows->bytes[rows->at++] == '\n') rows->next_line++;
  }
  rows->line = rows->next_line;
  size_t used = 0;
  while (rows->at < rows->size) {
    if (rows->field_count == CSV_MAX_FIELDS)
      return fail(e, "line %zu: more than %d fields", rows->line, CSV_MAX_FIELDS);
    size_t begin = used;
    rows->fields[rows->field_count++] = rows->text + used;
    if (rows->bytes[rows->at] == '"') {
      int status = take_quoted(rows, &used, e);
      if (status != OK) return status;
    } else {
      while (!at_row_end(rows) && rows->bytes[rows->at] != (uint8_t)rows->separator) {
        if (rows->bytes[rows->at] == '"') return fail(e, "line %zu: a quote inside an unquoted field", rows->line);
        rows->text[used++] = (char)rows->bytes[rows->at++];
      }
    }
    for (size_t i = begin; i < used; i++) {
      if (rows->text[i] == 0 || rows->text[i] == '\n' || rows->text[i] == '\r') {
        return fail(e, "line %zu: a field holds a %s", rows->line, rows->text[i] ? "line break" : "NUL byte");
      }
    }
    rows->text[used++] = 0;
    if (at_row_end(rows)) break;
    rows->at++; /* the separator */
    if (at_row_end(rows)) {
      /* A separator at the end of a row: one more field, empty. */
      if (rows->field_count == CSV_MAX_FIELDS)
        return fail(e, "line %zu: more than %d fields", rows->line, CSV_MAX_FIELDS);
      rows->text[used] = 0;
      rows->fields[rows->field_count++] = rows->text + used;
      break;
    }
  }
  return OK;
}
