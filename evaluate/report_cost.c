/* Accuracy against cost: a drawing for every kind of cost, with the Pareto front, and the table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/report_parts.h"
#include "evaluate/report_svg.h"

static const double WIDTH = 416, HEIGHT = 300, LEFT = 44, RIGHT = 12, TOP = 24, BOTTOM = 46;

struct point {
  size_t backbone;
  double x, y;
  bool front;
};

struct box {
  double left, top, right, bottom;
};

enum { MOST_POINTS = SCORES_MAX_BACKBONES };

struct plot {
  struct axis x, y;
  struct point points[MOST_POINTS];
  size_t count;
  struct box taken[2 * MOST_POINTS]; /* points and labels so far */
  size_t taken_count;
};

/* ---- where things go ----------------------------------------------------------------------------------------------
 */

static bool overlap(const struct box *a, const struct box *b) {
  return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static bool is_free(const struct plot *plot, const struct box *box, size_t but) {
  if (box->left < LEFT || box->right > WIDTH || box->top < TOP - 4 || box->bottom > HEIGHT - BOTTOM) return false;
  for (size_t i = 0; i < plot->taken_count; i++) {
    if (i != but && overlap(box, &plot->taken[i])) return false;
  }
  return true;
}

/* Beside the point, else above or below it; without room there is no label, and the table tells the name. */
static void label_point(struct page *page, struct plot *plot, const struct report *report, size_t i) {
  static const struct {
    char anchor;
    double x, y; /* from the point to the text's anchor, the y of its middle */
  } places[] = {{'s', 9, 0},   {'e', -9, 0},   {'m', 0, -13}, {'m', 0, 13},
                {'s', 6, -11}, {'e', -6, -11}, {'s', 6, 11},  {'e', -6, 11}};
  const struct point *point = &plot->points[i];
  const char *name = report->scores->backbones[point->backbone];
  double width = fmin(svg_text_width(name, SVG_TEXT), 150);
  for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
    double x = point->x + places[k].x, y = point->y + places[k].y;
    double left = places[k].anchor == 's' ? x : places[k].anchor == 'e' ? x - width : x - width / 2;
    struct box box = {left - 2, y - 7.5, left + width + 2, y + 7.5};
    if (!is_free(plot, &box, i)) continue;
    plot->taken[plot->taken_count++] = box;
    svg_text(page, point->front ? "" : "soft", x, y + 4.5, places[k].anchor, name, 150);
    return;
  }
}

/* ---- one drawing --------------------------------------------------------------------------------------------------
 */

static bool has_point(const struct report *report, const struct score_column *cost, size_t b) {
  /* A logarithmic axis has no place for nothing. */
  return cost->scores[b].value > 0 && !isnan(report->headline_scores[b]);
}

static void find_points(struct plot *plot, const struct report *report, const struct score_column *cost) {
  double least = INFINITY, most = 0, low = INFINITY, high = -INFINITY, values[MOST_POINTS] = {0};
  bool front[MOST_POINTS];
  size_t n = report->scores->backbone_count;
  for (size_t b = 0; b < n; b++) {
    bool drawn = has_point(report, cost, b);
    values[b] = drawn ? cost->scores[b].value : NAN;
    if (!drawn) continue;
    least = fmin(least, values[b]);
    most = fmax(most, values[b]);
    low = fmin(low, report->headline_scores[b]);
    high = fmax(high, report->headline_scores[b]);
  }
  pareto_front(report->headline_scores, values, n, front);
  if (!(most > 0)) return;
  plot->x = axis_logarithmic(least, most, LEFT + 10, WIDTH - RIGHT - 10, 48);
  double room = high > low ? 0.1 * (high - low) : fmax(0.1 * fabs(high), 0.1);
  plot->y = axis_linear(low - room, high + room, HEIGHT - BOTTOM, TOP, 46);
  /* Points of the front first: their names are placed before others take the room. */
  for (int pass = 0; pass < 2; pass++) {
    for (size_t b = 0; b < n; b++) {
      if (isnan(values[b]) || front[b] != (pass == 0)) continue;
      double x = axis_place(&plot->x, values[b]), y = axis_place(&plot->y, report->headline_scores[b]);
      plot->taken[plot->taken_count++] = (struct box){x - 5, y - 5, x + 5, y + 5};
      plot->points[plot->count++] = (struct point){b, x, y, front[b]};
    }
  }
}

static void draw_axes(struct page *page, const struct plot *plot, const struct report *report, const char *cost) {
  char text[48];
  double bottom = HEIGHT - BOTTOM;
  for (int i = 0; i < plot->y.tick_count; i++) {
    double y = axis_place(&plot->y, plot->y.ticks[i]);
    svg_line(page, "grid", LEFT, y, WIDTH - RIGHT, y);
    svg_text(page, "small soft", LEFT - 6, y + 4, 'e', axis_text(text, &plot->y, plot->y.ticks[i]), LEFT);
  }
  for (int i = 0; i < plot->x.tick_count; i++) {
    double x = axis_place(&plot->x, plot->x.ticks[i]);
    svg_line(page, "grid", x, TOP, x, bottom);
    svg_text(page, "small soft", x, bottom + 16, 'm', axis_text(text, &plot->x, plot->x.ticks[i]), 48);
  }
  svg_line(page, "base", LEFT, bottom, WIDTH - RIGHT, bottom);
  svg_text(page, "small soft", 0, 12, 's', report->headline, WIDTH);
  char title[128];
  snprintf(title, sizeof title, "%.90s (logarithmic)", report_cost_name(cost));
  svg_text(page, "small soft", WIDTH - RIGHT, HEIGHT - 10, 'e', title, WIDTH);
}

static int by_x(const void *a, const void *b) {
  const struct point *p = a, *q = b;
  return (p->x > q->x) - (p->x < q->x);
}

/* A staircase: what can be had for a cost. */
static void draw_front(struct page *page, const struct plot *plot) {
  struct point front[MOST_POINTS];
  size_t count = 0;
  for (size_t i = 0; i < plot->count; i++) {
    if (plot->points[i].front) front[count++] = plot->points[i];
  }
  if (count == 0) return;
  qsort(front, count, sizeof *front, by_x);
  page_write(page, "<path class=\"front\" d=\"M%.1f %.1f", front[0].x, HEIGHT - BOTTOM);
  for (size_t i = 0; i < count; i++) page_write(page, "H%.1fV%.1f", front[i].x, front[i].y);
  page_write(page, "H%.1f\"/>\n", WIDTH - RIGHT);
}

static void draw_cost(struct page *page, const struct report *report, const struct score_column *cost) {
  struct plot *plot = calloc(1, sizeof *plot);
  if (!plot) return; /* the table tells the same */
  find_points(plot, report, cost);
  char title[256];
  snprintf(title, sizeof title, "%.100s against %.100s", report->headline, report_cost_name(cost->name));
  if (plot->count) {
    svg_begin(
        page, "plot", WIDTH, HEIGHT, title,
        "A point for each backbone; filled points, joined by a staircase, are the Pareto front: no other backbone "
        "is both cheaper and better. The table below has the same numbers.");
    draw_axes(page, plot, report, cost->name);
    draw_front(page, plot);
    for (size_t i = 0; i < plot->count; i++) {
      const struct point *point = &plot->points[i];
      svg_circle(page, point->front ? "dot" : "hollow", point->x, point->y, point->front ? 4.5 : 4);
    }
    for (size_t i = 0; i < plot->count; i++) label_point(page, plot, report, i);
    svg_end(page);
  }
  free(plot);
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static void write_row(struct page *page, const struct report *report, size_t b, const bool *fronts) {
  const struct score_table *table = report->scores;
  char text[48];
  page_write(page, "<tr><th scope=\"row\">%s</th>", table->backbones[b]);
  report_cell(page, report->headline_scores[b], 0);
  page_write(page, "%s</td>", number_text(text, report->headline_scores[b], 3));
  for (size_t k = 0; k < table->cost_count; k++) {
    double value = table->costs[k].scores[b].value;
    report_cell(page, value, 0);
    page_text(page, amount_text(text, value));
    if (fronts[k * table->backbone_count + b]) {
      page_write(page, "<span aria-hidden=\"true\"> \xe2\x97\x8f</span><span class=\"unseen\"> on the front</span>");
    } else if (!isnan(value)) {
      page_write(page, "<span aria-hidden=\"true\"> \xe2\x97\x8b</span>");
    }
    page_write(page, "</td>");
  }
  page_write(page, "</tr>\n");
}

static void write_table(struct page *page, const struct report *report) {
  const struct score_table *table = report->scores;
  size_t n = table->backbone_count;
  bool *fronts = calloc(n * table->cost_count + 1, sizeof *fronts);
  double *values = calloc(n, sizeof *values);
  if (fronts && values) {
    for (size_t k = 0; k < table->cost_count; k++) {
      for (size_t b = 0; b < n; b++) values[b] = table->costs[k].scores[b].value;
      pareto_front(report->headline_scores, values, n, fronts + k * n);
    }
    report_table_begin(page, "sortable", "Accuracy and cost. \xe2\x97\x8f: on the Pareto front of that cost.");
    page_write(page, "<thead><tr>\n");
    report_column(page, "Backbone", false);
    report_column(page, report->headline, true);
    for (size_t k = 0; k < table->cost_count; k++) report_column(page, report_cost_name(table->costs[k].name), true);
    page_write(page, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < report_ranked(report); i++) write_row(page, report, report->comparison->order[i], fronts);
    page_write(page, "</tbody>\n");
    report_table_end(page);
  }
  free(fronts);
  free(values);
}

void report_costs(struct page *page, const struct report *report) {
  page_write(page,
             "<p>Up is better, left is cheaper. Filled points are the Pareto front: to be better than these one has to "
             "pay more. The others (hollow) are beaten on both counts by some other backbone.</p>\n"
             "<div class=\"pair\">\n");
  for (size_t k = 0; k < report->scores->cost_count; k++) draw_cost(page, report, &report->scores->costs[k]);
  page_write(page, "</div>\n");
  write_table(page, report);
}
