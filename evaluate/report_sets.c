/* A data set's classes as bars, and how far confidence can be believed. */
#include <math.h>
#include <stdlib.h>

#include "evaluate/metrics.h"
#include "evaluate/report_parts.h"
#include "evaluate/report_svg.h"

enum { MOST_BACKBONES = 8, MOST_CLASSES = 60 };

/* ---- classes ------------------------------------------------------------------------------------------------------
 */

struct class_row {
  size_t index, n;
  double mean; /* of the shown backbones' recalls */
  double recalls[MOST_BACKBONES];
};

/* The first backbones of the ranking that have answers on this set. */
static size_t shown_backbones(const struct report *report, const struct report_set *set, size_t *shown) {
  size_t count = 0;
  for (size_t i = 0; i < report_ranked(report) && count < MOST_BACKBONES; i++) {
    if (set->answers[report->comparison->order[i]].choices) shown[count++] = report->comparison->order[i];
  }
  return count;
}

static int hardest_first(const void *a, const void *b) {
  const struct class_row *x = a, *y = b;
  if (x->mean < y->mean || x->mean > y->mean) return x->mean < y->mean ? -1 : 1;
  return x->index < y->index ? -1 : 1;
}

static void fill_rows(struct class_row *rows, const struct report_set *set, const size_t *shown, size_t count) {
  for (size_t k = 0; k < set->classes; k++) rows[k] = (struct class_row){.index = k};
  for (size_t i = 0; i < set->n; i++) {
    struct class_row *row = &rows[set->labels[i]];
    row->n++;
    for (size_t s = 0; s < count; s++) row->recalls[s] += set->answers[shown[s]].choices[i] == set->labels[i];
  }
  for (size_t k = 0; k < set->classes; k++) {
    for (size_t s = 0; s < count; s++) {
      rows[k].recalls[s] = rows[k].n ? rows[k].recalls[s] / (double)rows[k].n : NAN;
      rows[k].mean += rows[k].recalls[s] / (double)count;
    }
    if (rows[k].n == 0) rows[k].mean = 2; /* classes without photos come last */
  }
  qsort(rows, set->classes, sizeof *rows, hardest_first);
}

static void write_bar(struct page *page, double recall) {
  char text[48];
  report_cell(page, recall, 0);
  page_text(page, number_text(text, recall, 2));
  if (!isnan(recall)) {
    page_write(
        page,
        "<svg class=\"bar\" viewBox=\"0 0 64 12\" width=\"64\" height=\"12\" aria-hidden=\"true\"><line class=\"grid\" "
        "x1=\"0\" y1=\"6\" x2=\"64\" y2=\"6\"/><rect class=\"cool\" y=\"1\" width=\"%.1f\" height=\"10\" "
        "fill-opacity=\"0.75\"/></svg>",
        64 * recall);
  }
  page_write(page, "</td>");
}

static void write_classes(struct page *page, const struct report *report, const struct report_set *set,
                          const size_t *shown, size_t count) {
  struct class_row *rows = calloc(set->classes, sizeof *rows);
  if (!rows) return;
  fill_rows(rows, set, shown, count);
  size_t most = set->classes < MOST_CLASSES ? set->classes : MOST_CLASSES;
  report_table_begin(
      page, "sortable",
      most < set->classes
          ? "Recall of the hardest classes, hardest first."
          : "Recall of every class (the share of its test photos that are classified right), hardest first.");
  page_write(page, "<thead><tr>\n");
  report_column(page, "Class", false);
  report_column(page, "Photos", true);
  for (size_t s = 0; s < count; s++) report_column(page, report->scores->backbones[shown[s]], true);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t k = 0; k < most; k++) {
    page_write(page, "<tr><th scope=\"row\">%s</th><td class=\"number\">%zu</td>", set->class_names[rows[k].index],
               rows[k].n);
    for (size_t s = 0; s < count; s++) write_bar(page, rows[k].recalls[s]);
    page_write(page, "</tr>\n");
  }
  page_write(page, "</tbody>\n");
  report_table_end(page);
  if (most < set->classes) page_write(page, "<p class=\"note\">%zu of %zu classes.</p>\n", most, set->classes);
  free(rows);
}

/* ---- reliability --------------------------------------------------------------------------------------------------
 */

struct bin {
  size_t n, correct;
  double confidence;
};

static const double PANEL = 176, FOOT = 30, HISTOGRAM = 30;

/* Equal bins of confidence, as evaluate/metrics.h has them. */
static double fill_bins(struct bin *bins, const struct report_set *set, const struct report_answers *answers) {
  for (size_t i = 0; i < set->n; i++) {
    double confidence = answers->confidences[i];
    size_t b = ece_bin(confidence);
    bins[b].n++;
    bins[b].correct += answers->choices[i] == set->labels[i];
    bins[b].confidence += confidence;
  }
  double ece = 0;
  for (size_t b = 0; b <= ECE_BINS; b++) ece += fabs((double)bins[b].correct - bins[b].confidence) / (double)set->n;
  return ece;
}

static double panel_y(double share) { return 22 + (1 - share) * (PANEL - 28); }
static double panel_x(double share) { return 28 + share * (PANEL - 36); }

static void draw_curve(struct page *page, const struct bin *bins) {
  page_write(page, "<path class=\"curve\" d=\"");
  const char *move = "M";
  for (size_t b = 0; b <= ECE_BINS; b++) {
    if (bins[b].n == 0) continue;
    double n = (double)bins[b].n;
    page_write(page, "%s%.1f %.1f", move, panel_x(bins[b].confidence / n), panel_y((double)bins[b].correct / n));
    move = "L";
  }
  page_write(page, "\"/>\n");
  for (size_t b = 0; b <= ECE_BINS; b++) {
    double n = (double)bins[b].n;
    if (bins[b].n) svg_circle(page, "dot", panel_x(bins[b].confidence / n), panel_y((double)bins[b].correct / n), 2.5);
  }
}

static void draw_panel(struct page *page, const char *name, const struct report_set *set,
                       const struct report_answers *answers) {
  struct bin bins[ECE_BINS + 1] = {{0}};
  double ece = fill_bins(bins, set, answers), bottom = panel_y(0), base = bottom + HISTOGRAM + 6;
  char title[200], text[48];
  snprintf(title, sizeof title, "%.120s: expected calibration error %.3f", name, ece);
  svg_begin(
      page, "panel", PANEL, base + FOOT, title,
      "Accuracy against confidence in 15 bins, a dashed line where they are equal; below, how many photos a bin has.");
  svg_text(page, "strong", 0, 12, 's', name, PANEL - 4);
  static const double ticks[] = {0, 0.5, 1};
  for (int i = 0; i < 3; i++) {
    svg_line(page, "grid", panel_x(0), panel_y(ticks[i]), panel_x(1), panel_y(ticks[i]));
    svg_line(page, "grid", panel_x(ticks[i]), panel_y(0), panel_x(ticks[i]), panel_y(1));
    svg_text(page, "small soft", panel_x(0) - 5, panel_y(ticks[i]) + 4, 'e', i == 1 ? "0.5" : i ? "1" : "0", 30);
    svg_text(page, "small soft", panel_x(ticks[i]), base + 13, 'm', i == 1 ? "0.5" : i ? "1" : "0", 30);
  }
  svg_line(page, "ideal", panel_x(0), panel_y(0), panel_x(1), panel_y(1));
  draw_curve(page, bins);
  snprintf(text, sizeof text, "ECE %.3f", ece);
  svg_text(page, "", panel_x(0) + 5, panel_y(1) + 14, 's', text, 90);
  size_t most = 1;
  for (size_t b = 0; b <= ECE_BINS; b++) most = bins[b].n > most ? bins[b].n : most;
  double step = (panel_x(1) - panel_x(0)) / ECE_BINS;
  for (size_t b = 0; b <= ECE_BINS; b++) {
    double height = HISTOGRAM * (double)bins[b].n / (double)most,
           x = panel_x(0) + step * (double)(b < ECE_BINS ? b : b - 1);
    if (bins[b].n) svg_rectangle(page, "cool", x + 0.5, base - height, step - 1, height, 0.45);
  }
  svg_end(page);
}

void report_sets(struct page *page, const struct report *report) {
  for (size_t s = 0; s < report->set_count; s++) {
    const struct report_set *set = &report->sets[s];
    size_t shown[MOST_BACKBONES], count = shown_backbones(report, set, shown);
    if (count == 0) continue;
    char id[32];
    snprintf(id, sizeof id, "set-%zu", s + 1);
    report_heading(page, 3, id, set->name);
    page_write(page, "<p>%zu test photos of %zu classes, classified by the %s.%s</p>\n", set->n, set->classes,
               set->classifier, count < report_ranked(report) ? " The first backbones of the ranking:" : "");
    write_classes(page, report, set, shown, count);
    page_write(
        page,
        "<p>Can its confidence be believed? Above the dashed line the classifier is better than it thinks, below it is "
        "overconfident. The bars count the photos.</p>\n<div class=\"panels\">\n");
    for (size_t i = 0; i < count; i++) {
      draw_panel(page, report->scores->backbones[shown[i]], set, &set->answers[shown[i]]);
    }
    page_write(page, "</div>\n");
  }
}
