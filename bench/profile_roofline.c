/* The roofline: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
 * architectures", CACM 52(4), 2009. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/profile_drawing.h"
#include "bench/profile_marks.h"
#include "evaluate/report_svg.h"

static const double LEFT = 48, RIGHT = 14, TOP = 26, BOTTOM = 44, LINE = 34;

struct plot {
  struct axis x, y;
  double right, bottom, largest /* radius of a mark */;
};

static double rate(const struct profile_row *row) { return row->flops / row->seconds * 1e-9; }
static bool has_products(const struct profile_row *row) { return row->flops > 0; }

static bool any(const struct profile *profile, bool products) {
  for (size_t i = 0; i < profile->count; i++) {
    if (has_products(&profile->rows[i]) == products) return true;
  }
  return false;
}
bool profile_has_products(const struct profile *profile) { return any(profile, true); }
bool profile_has_movers(const struct profile *profile) { return any(profile, false); }

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static int longest_first(const void *a, const void *b) {
  const struct profile_row *x = *(const struct profile_row *const *)a, *y = *(const struct profile_row *const *)b;
  return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* Rows with or without products, most time first, so that small marks lie on large ones; free() it. */
static const struct profile_row **sorted_rows(const struct profile *profile, bool products, size_t *count) {
  const struct profile_row **rows = calloc(profile->count + 1, sizeof *rows);
  *count = 0;
  for (size_t i = 0; rows && i < profile->count; i++) {
    if (has_products(&profile->rows[i]) == products) rows[(*count)++] = &profile->rows[i];
  }
  if (rows) qsort(rows, *count, sizeof *rows, longest_first);
  return rows;
}

/* Its area is in proportion to the time, down to a size that is still seen. */
static double radius_of(const struct profile *profile, const struct profile_row *row, double largest) {
  double most = 0;
  for (size_t i = 0; i < profile->count; i++) most = fmax(most, profile->rows[i].seconds);
  return fmax(3, largest * sqrt(row->seconds / most));
}

static void draw_row(struct page *page, const struct profile *profile, const struct profile_row *row, double x,
                     double y, double largest) {
  profile_mark_begin(page, "op", profile_kind_of(profile, row), x, y, radius_of(profile, row, largest));
  page_write(page, "<title>%s: %s, %s; %.3f ms, %.1f%% of the time; ", row->name, row->kind, row->shape,
             row->seconds * 1e3, 100 * row->seconds / profile->total);
  if (has_products(row))
    page_write(page, "%.1f GFLOP/s at %.2f FLOP/B", rate(row), profile_intensity(row));
  else
    page_write(page, "%.1f GB/s", row->bytes / row->seconds * 1e-9);
  page_write(page, "; %.0f%% of its roofline</title>", 100 * profile_least_seconds(profile, row) / row->seconds);
  profile_mark_end(page);
}

/* ---- operations with products ------------------------------------------------------------------------------------ */

static struct plot place(const struct profile *profile, double width, double height) {
  /* The slope is seen, and has room for its name. */
  double ridge = profile->peak / profile->bandwidth, left = ridge / 6, right = ridge, low = profile->peak, high = low;
  for (size_t i = 0; i < profile->count; i++) {
    const struct profile_row *row = &profile->rows[i];
    if (!has_products(row)) continue;
    left = fmin(left, profile_intensity(row));
    right = fmax(right, profile_intensity(row));
    low = fmin(low, rate(row));
    high = fmax(high, rate(row));
  }
  struct plot plot = {.right = width - RIGHT, .bottom = height - BOTTOM, .largest = width > 500 ? 11 : 8};
  /* The marks stay inside. */
  double room = exp(log(fmax(4, right / left)) * 0.04);
  plot.x = axis_logarithmic(left / room, right * room, LEFT, plot.right, 48);
  room = exp(log(fmax(4, high / low)) * 0.06);
  plot.y = axis_logarithmic(low / room, high * room, plot.bottom, TOP, 40);
  return plot;
}

static void draw_axes(struct page *page, const struct plot *plot) {
  char text[48];
  for (int i = 0; i < plot->y.tick_count; i++) {
    double y = axis_place(&plot->y, plot->y.ticks[i]);
    svg_line(page, "grid", LEFT, y, plot->right, y);
    svg_text(page, "small soft", LEFT - 6, y + 4, 'e', axis_text(text, &plot->y, plot->y.ticks[i]), LEFT);
  }
  for (int i = 0; i < plot->x.tick_count; i++) {
    double x = axis_place(&plot->x, plot->x.ticks[i]);
    svg_line(page, "grid", x, TOP, x, plot->bottom);
    svg_text(page, "small soft", x, plot->bottom + 16, 'm', axis_text(text, &plot->x, plot->x.ticks[i]), 48);
  }
  svg_line(page, "base", LEFT, plot->bottom, plot->right, plot->bottom);
  svg_text(page, "small soft", 0, 12, 's', "GFLOP/s (logarithmic)", plot->right);
  svg_text(page, "small soft", plot->right, plot->bottom + 34, 'e', "arithmetic intensity, FLOP/B (logarithmic)",
           plot->right);
}

static void draw_roof(struct page *page, const struct profile *profile, const struct plot *plot) {
  double ridge = profile->peak / profile->bandwidth, top = axis_place(&plot->y, profile->peak),
         edge = axis_place(&plot->x, ridge);
  /* The slope comes in from the left or, where it is below the drawing there, from below. */
  double from = fmax(plot->x.low, plot->y.low / profile->bandwidth), x = axis_place(&plot->x, from),
         y = axis_place(&plot->y, from * profile->bandwidth);
  page_write(page, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>\n", x, y, edge, top, plot->right);
}

/* Last, with a halo, so that they can be read on top of marks. */
static void label_roof(struct page *page, const struct profile *profile, const struct plot *plot) {
  char text[96];
  double ridge = profile->peak / profile->bandwidth, top = axis_place(&plot->y, profile->peak),
         edge = axis_place(&plot->x, ridge);
  snprintf(text, sizeof text, "FMA peak %.0f GFLOP/s", profile->peak);
  /* Where the roof begins: few operations are both so light and so fast. */
  bool fits = edge + svg_text_width(text, SVG_SMALL) + 12 < plot->right;
  svg_text(page, "small strong", fits ? edge + 6 : plot->right, top - 6, fits ? 's' : 'e', text, plot->right - LEFT);
  double from = fmax(plot->x.low, plot->y.low / profile->bandwidth), x = axis_place(&plot->x, from),
         y = axis_place(&plot->y, from * profile->bandwidth), length = hypot(edge - x, y - top);
  snprintf(text, sizeof text, profile->gpu.name[0] ? "memory %.0f GB/s" : "copy bandwidth %.0f GB/s",
           profile->bandwidth);
  if (svg_text_width(text, SVG_SMALL) + 16 > length) return; /* the text above tells it */
  double angle = atan2(top - y, edge - x), middle_x = (x + edge) / 2, middle_y = (y + top) / 2;
  page_write(page,
             "<text class=\"small strong\" text-anchor=\"middle\" transform=\"translate(%.1f %.1f) "
             "rotate(%.1f)\">%s</text>\n",
             middle_x + 7 * sin(angle), middle_y - 7 * cos(angle), angle * 180 / acos(-1), text);
}

void profile_draw_roofline(struct page *page, const struct profile *profile, const char *class, double width,
                           double height) {
  char name[32], title[160];
  size_t count;
  const struct profile_row **rows = sorted_rows(profile, true, &count);
  if (!rows) return; /* the table tells the same */
  struct plot plot = place(profile, width, height);
  snprintf(name, sizeof name, "plot %s", class);
  snprintf(title, sizeof title, "Roofline of %s", profile->title);
  svg_begin(page, name, width, height, title,
            "A mark for each operation with multiply-adds: speed against arithmetic intensity, under the roof that "
            "memory bandwidth and the peak of multiply-adds make. The table of operations has the same numbers.");
  draw_axes(page, &plot);
  draw_roof(page, profile, &plot);
  for (size_t i = 0; i < count; i++) {
    draw_row(page, profile, rows[i], axis_place(&plot.x, profile_intensity(rows[i])),
             axis_place(&plot.y, rate(rows[i])), plot.largest);
  }
  label_roof(page, profile, &plot);
  svg_end(page);
  free(rows);
}

/* ---- operations without ------------------------------------------------------------------------------------------ */

void profile_draw_movers(struct page *page, const struct profile *profile, const char *class, double width) {
  char name[32], title[160], text[48];
  double low = profile->bandwidth, high = low, largest = width > 500 ? 11 : 8;
  size_t count, lines = 0, *line_of = calloc(profile->kind_count + 1, sizeof *line_of);
  const struct profile_row **rows = sorted_rows(profile, false, &count);
  if (rows && line_of) {
    for (size_t k = 0; k < profile->kind_count; k++) {
      line_of[k] = lines;
      lines += !has_products(&profile->kinds[k]);
    }
    for (size_t i = 0; i < count; i++) {
      low = fmin(low, rows[i]->bytes / rows[i]->seconds * 1e-9);
      high = fmax(high, rows[i]->bytes / rows[i]->seconds * 1e-9);
    }
    double label = width > 500 ? 150 : 8, bottom = TOP + LINE * (double)lines,
           room = exp(log(fmax(4, high / low)) * .05);
    struct axis x = axis_logarithmic(low / room, high * room, label, width - RIGHT, 48);
    snprintf(name, sizeof name, "plot %s", class);
    snprintf(title, sizeof title, "Operations of %s without multiply-adds", profile->title);
    svg_begin(page, name, width, bottom + BOTTOM, title,
              "A mark for each operation, a line for each kind: bytes a second, and the memory's bandwidth. The table "
              "of operations has the same operations.");
    for (int i = 0; i < x.tick_count; i++) {
      double at = axis_place(&x, x.ticks[i]);
      svg_line(page, "grid", at, TOP, at, bottom);
      svg_text(page, "small soft", at, bottom + 16, 'm', axis_text(text, &x, x.ticks[i]), 48);
    }
    svg_line(page, "base", label, bottom, width - RIGHT, bottom);
    svg_text(page, "small soft", width - RIGHT, bottom + 34, 'e', "GB/s (logarithmic)", width);
    double at = axis_place(&x, profile->bandwidth);
    page_write(page, "<path class=\"roof\" d=\"M%.1f %.1fV%.1f\"/>\n", at, TOP, bottom);
    for (size_t i = 0; i < count; i++) {
      double y = TOP + LINE * ((double)line_of[profile_kind_of(profile, rows[i])] + (width > 500 ? 0.5 : 0.7));
      draw_row(page, profile, rows[i], axis_place(&x, rows[i]->bytes / rows[i]->seconds * 1e-9), y, largest);
    }
    for (size_t k = 0; k < profile->kind_count; k++) {
      double y = TOP + LINE * (double)line_of[k];
      if (has_products(&profile->kinds[k])) continue;
      if (width > 500)
        svg_text(page, "", label - 12, y + LINE / 2 + 4.5, 'e', profile->kinds[k].kind, label - 12);
      else
        svg_text(page, "small", label, y + 11, 's', profile->kinds[k].kind, width - label);
    }
    snprintf(text, sizeof text, profile->gpu.name[0] ? "memory %.0f GB/s" : "copy bandwidth %.0f GB/s",
             profile->bandwidth);
    bool before = at - label > width / 2;
    svg_text(page, "small strong", at + (before ? 4 : -4), TOP - 8, before ? 'e' : 's', text, width);
    svg_end(page);
  }
  free(rows);
  free(line_of);
}
