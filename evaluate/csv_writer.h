/* Comma-separated values out, as RFC 4180 has them: a field with a comma, a quote or a line break is quoted. */
#ifndef EVALUATE_CSV_WRITER_H
#define EVALUATE_CSV_WRITER_H

#include <stdio.h>

/* The separators and line ends are the caller's. */
void csv_write_field(FILE *stream, const char *text);

#endif
