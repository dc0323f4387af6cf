/* The drawings of a profile's report. Each is made twice, "wide" and "narrow": the style shows the one that fits. */
#ifndef BENCH_PROFILE_DRAWING_H
#define BENCH_PROFILE_DRAWING_H

#include "bench/profile.h"
#include "evaluate/report_page.h"

/* Which of the profile's kinds a row is of. */
size_t profile_kind_of(const struct profile *profile, const struct profile_row *row);

/* Operations with multiply-adds: GFLOP/s against FLOP/B, both logarithmic, under the machine's roof. */
void profile_draw_roofline(struct page *page, const struct profile *profile, const char *class, double width,
                           double height);
/* The others have no place there: the GB/s that they reach, a line for each kind. */
void profile_draw_movers(struct page *page, const struct profile *profile, const char *class, double width);
/* Whether there are any of these, or of the others. */
bool profile_has_movers(const struct profile *profile);
bool profile_has_products(const struct profile *profile);

/* A bar for each of n rows, of its time; the full part is what the roofline allows. */
void profile_draw_bars(struct page *page, const struct profile *profile, const struct profile_row *const *rows,
                       size_t n, const char *class, double width, const char *title);

#endif
