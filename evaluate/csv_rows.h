/* Comma- or tab-separated values as RFC 4180 has them (quotes, doubled quotes, CR LF or LF), row after row. */
#ifndef EVALUATE_CSV_ROWS_H
#define EVALUATE_CSV_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

enum { CSV_MAX_FIELDS = 1024 };

/* A row's fields are unquoted into one buffer, each ended by a 0; they stay until the next row is read. */
struct csv_rows {
  const uint8_t *bytes;
  size_t size, at;
  size_t line, next_line; /* line: number of the row's first line, from 1 */
  char separator;
  char *text;
  const char *fields[CSV_MAX_FIELDS];
  size_t field_count;
};

/* The bytes must stay until csv_rows_end(); a byte order mark is passed over. */
int csv_rows_begin(struct csv_rows *rows, const uint8_t *bytes, size_t size, char separator, error *e);
/* The next row that is not empty; field_count is 0 at the end. Errors read "line N: reason". */
int csv_rows_next(struct csv_rows *rows, error *e);
void csv_rows_end(struct csv_rows *rows);
/* Tab for names that end in .tsv, else comma. */
char csv_separator(const char *path);

#endif
