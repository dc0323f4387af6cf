/* The sections of the report. Each writes itself, or nothing when there is nothing to tell. */
#ifndef EVALUATE_REPORT_PARTS_H
#define EVALUATE_REPORT_PARTS_H

#include "evaluate/report.h"
#include "evaluate/report_document.h"

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

/* ---- what sections share ---- */

/* Backbones that have a score, in the order of the ranking. */
size_t report_ranked(const struct report *report);
/* Decimals that suit a task's scores. */
int report_decimals(const struct score_column *column, size_t n /* backbones */);
/* How a kind of cost is called. */
const char *report_cost_name(const char *name);

#endif
