/* The sections of the report. Each writes itself, or nothing when there is nothing to tell. */
#ifndef EVALUATE_REPORT_PARTS_H
#define EVALUATE_REPORT_PARTS_H

#include <stdbool.h>

#include "evaluate/report.h"
#include "evaluate/report_page.h"

void report_summary(struct page *page, const struct report *report);
void report_failures(struct page *page, const struct report *report);
void report_ranking(struct page *page, const struct report *report);
void report_costs(struct page *page, const struct report *report);
void report_scores(struct page *page, const struct report *report);
void report_agreement(struct page *page, const struct report *report);
void report_tests(struct page *page, const struct report *report);
void report_sets(struct page *page, const struct report *report);
void report_photos(struct page *page, const struct report *report);
void report_retrievals(struct page *page, const struct report *report);
void report_method(struct page *page, const struct report *report);

/* The page's style sheet and its script (which sorts tables; without it they stay as they are). */
extern const char report_style[], report_script[];

/* ---- what sections share ---- */

/* Backbones that have a score, in the order of the ranking. */
size_t report_ranked(const struct report *report);
/* A heading with an anchor for the table of contents. */
void report_heading(struct page *page, int level, const char *id, const char *text);
/* A table in a box that scrolls sideways where it is wider than the page; the caption says what it holds. */
void report_table_begin(struct page *page, const char *class, const char *caption);
void report_table_end(struct page *page);
/* The name of a task. */
void report_name(struct page *page, const char *name);
/* A column's heading, of numbers or of text. */
void report_column(struct page *page, const char *heading, bool numbers);
/* "<td ...>" of a number, with its value for the script that sorts; tint: colours the cell, from -1 to 1, 0 not. */
void report_cell(struct page *page, double value, double tint);
/* Decimals that suit a task's scores. */
int report_decimals(const struct score_column *column, size_t n /* backbones */);
/* How a kind of cost is called. */
const char *report_cost_name(const char *name);

#endif
