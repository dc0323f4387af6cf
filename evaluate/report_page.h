/* Writing HTML: markup is the program's, text is anybody's. */
#ifndef EVALUATE_REPORT_PAGE_H
#define EVALUATE_REPORT_PAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct page {
  FILE *stream;
  int figures; /* numbered so far */
};

/* printf's %s, %d, %zu, %f and %g (with flags, width and precision) into markup. Whatever %s inserts is text: it is
 * escaped, so that it can stand between tags and in quoted attributes. Bytes that are not UTF-8, control characters and
 * those that turn the direction of writing become U+FFFD. */
void page_write(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text alone. */
void page_text(struct page *page, const char *text);
/* The same, cut to `most` characters with an ellipsis. */
void page_short_text(struct page *page, const char *text, size_t most);
void page_base64(struct page *page, const uint8_t *bytes, size_t size);
/* Bytes as "data:TYPE;base64,...". */
void page_data_uri(struct page *page, const char *type, const uint8_t *bytes, size_t size);

/* Numbers as they are read: with a minus sign, not a hyphen, and a dash for NaN. text: at least 48 bytes. */
char *number_text(char text[static 48], double value, int decimals);
/* The same with a plus sign before positive numbers. */
char *signed_text(char text[static 48], double value, int decimals);
/* 1234567 becomes 1.23 M: three digits and a letter. */
char *amount_text(char text[static 48], double value);

#endif
