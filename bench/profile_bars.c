/* Bars of time. */
#include <math.h>
#include <stdio.h>

#include "bench/profile_drawing.h"
#include "bench/profile_marks.h"
#include "evaluate/report_svg.h"

void profile_draw_bars(struct page *page, const struct profile *profile, const struct profile_row *const *rows,
                       size_t n, const char *class, double width, const char *title) {
  bool wide = width > 500;
  double line = wide ? 24 : 38, figures_width = svg_text_width("0000.000 ms  00.0 %", SVG_TEXT), label = 0, most = 0;
  for (size_t i = 0; i < n; i++) {
    const char *name = rows[i]->name[0] ? rows[i]->name : rows[i]->kind;
    label = fmax(label, svg_text_width(name, SVG_TEXT) + 4);
    most = fmax(most, rows[i]->seconds);
  }
  label = wide ? fmin(label, width * 0.32) : width - figures_width - 22;
  double left = wide ? 22 + label + 10 : 0, room = width - left - (wide ? figures_width + 10 : 0);
  svg_begin(page, class, width, line * (double)n, title,
            "A bar for each, as long as its time; its full part is the least time that the roofline allows. The tables "
            "below have the same numbers.");
  for (size_t i = 0; i < n; i++) {
    const struct profile_row *row = rows[i];
    const char *name = row->name[0] ? row->name : row->kind;
    double y = line * (double)i, bar = wide ? y + 6 : y + 22, text = wide ? y + 16.5 : y + 15;
    double length = room * row->seconds / most,
           least = length * fmin(1, profile_least_seconds(profile, row) / row->seconds);
    char figures[64];
    size_t kind = profile_kind_of(profile, row);
    profile_mark_begin(page, "key", kind, 8, text - 4.5, 4.8);
    profile_mark_end(page);
    svg_text(page, "", 22, text, 's', name, label);
    snprintf(figures, sizeof figures, "%.3f ms", row->seconds * 1e3);
    svg_text(page, "", width - 52, text, 'e', figures, width);
    snprintf(figures, sizeof figures, "%.1f %%", 100 * row->seconds / profile->total);
    svg_text(page, "soft", width, text, 'e', figures, width);
    profile_bar(page, "whole", kind, left, bar, fmax(1, length), 12);
    profile_bar(page, "least", kind, left, bar, least, 12);
  }
  svg_end(page);
}
