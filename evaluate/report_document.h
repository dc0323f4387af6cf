/* A page that needs nothing else: its frame, and the headings and tables that reports share. */
#ifndef EVALUATE_REPORT_DOCUMENT_H
#define EVALUATE_REPORT_DOCUMENT_H

#include <stdbool.h>

#include "evaluate/report_page.h"

/* The page's style sheet and its script (which sorts tables; without it they stay as they are). */
extern const char report_style[], report_script[];

/* From the first byte to the title as a heading, inside an open <header>; the caller closes that and writes
 * <main id="main">. skip: what the link for keyboards leads to ("the ranking"); style: rules beside report_style. */
void report_document_begin(struct page *page, const char *title, const char *skip, const char *style);
/* From behind </main> to the last byte. */
void report_document_end(struct page *page);

/* A heading with an anchor for the table of contents. */
void report_heading(struct page *page, int level, const char *id, const char *text);
/* A table in a box that scrolls sideways where it is wider than the page; the caption says what it holds. */
void report_table_begin(struct page *page, const char *class, const char *caption);
void report_table_end(struct page *page);
/* A name that may be long: lines may break behind its slashes. */
void report_name(struct page *page, const char *name);
/* A column's heading, of numbers or of text. */
void report_column(struct page *page, const char *heading, bool numbers);
/* "<td ...>" of a number, with its value for the script that sorts; tint: colours the cell, from -1 to 1, 0 not. */
void report_cell(struct page *page, double value, double tint);

#endif
