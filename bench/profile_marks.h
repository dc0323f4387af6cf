/* Marks that tell kinds of operations apart, by colour and by shape. */
#ifndef BENCH_PROFILE_MARKS_H
#define BENCH_PROFILE_MARKS_H

#include <stddef.h>

#include "evaluate/report_page.h"

/* Colours for both schemes, and how marks and bars are filled. */
extern const char profile_marks_style[];

/* An SVG path of the k-th kind's mark around (x, y), about as large as a circle of this radius, left open for a
 * <title>: profile_mark_end() closes it. */
void profile_mark_begin(struct page *page, const char *class, size_t k, double x, double y, double radius);
void profile_mark_end(struct page *page);
/* A drawing of the mark alone, to stand in a line of text. */
void profile_key(struct page *page, size_t k);
/* A bar in the k-th kind's colour. */
void profile_bar(struct page *page, const char *class, size_t k, double x, double y, double width, double height);

#endif
