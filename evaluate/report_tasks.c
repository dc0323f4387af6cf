/* The scores and z-scores of every task, how far tasks agree, and tests of the first against the others. */
#include <math.h>

#include "evaluate/report_parts.h"
#include "evaluate/report_svg.h"

/* ---- scores and z-scores ------------------------------------------------------------------------------------------
 */

static void write_heads(struct page *page, const struct report *report, bool directions) {
  page_write(page, "<thead><tr>\n");
  report_column(page, "Backbone", false);
  for (size_t t = 0; t < report->scores->task_count; t++) {
    const struct score_column *task = &report->scores->tasks[t];
    page_write(page, "<th scope=\"col\" class=\"number\">");
    report_name(page, task->name);
    if (directions && task->better == BETTER_LOWER) page_write(page, "<span class=\"interval\">lower is better</span>");
    page_write(page, "</th>\n");
  }
}

static void write_score(struct page *page, const struct report *report, size_t t, size_t b) {
  const struct score_column *task = &report->scores->tasks[t];
  const struct comparison *c = report->comparison;
  struct score score = task->scores[b];
  int decimals = report_decimals(task, c->backbones);
  char text[48], high[48];
  bool best = c->ranks[t * c->backbones + b] < 2 && report_ranked(report) > 1;
  report_cell(page, score.value, 0);
  if (best) {
    page_write(page, "<span class=\"best\">%s</span><span class=\"unseen\"> (best)</span>",
               number_text(text, score.value, decimals));
  } else {
    page_text(page, number_text(text, score.value, decimals));
  }
  if (!isnan(score.low) && !isnan(score.high)) {
    page_write(page, "<span class=\"interval\">%s\xe2\x80\x93%s</span>", number_text(text, score.low, decimals),
               number_text(high, score.high, decimals));
  }
  page_write(page, "</td>");
}

static void write_scores(struct page *page, const struct report *report) {
  bool intervals = false;
  for (size_t t = 0; t < report->scores->task_count; t++) {
    for (size_t b = 0; b < report->scores->backbone_count; b++)
      intervals |= !isnan(report->scores->tasks[t].scores[b].low);
  }
  report_table_begin(page, "sortable",
                     intervals ? "Scores with their 95 % intervals; the best of a task is bold."
                               : "Scores; the best of a task is bold.");
  write_heads(page, report, true);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < report_ranked(report); i++) {
    size_t b = report->comparison->order[i];
    page_write(page, "<tr><th scope=\"row\">%s</th>", report->scores->backbones[b]);
    for (size_t t = 0; t < report->scores->task_count; t++) write_score(page, report, t, b);
    page_write(page, "</tr>\n");
  }
  page_write(page, "</tbody>\n");
  report_table_end(page);
}

static void write_z_scores(struct page *page, const struct report *report) {
  const struct comparison *c = report->comparison;
  char text[48];
  report_table_begin(page, "sortable tinted",
                     "z-scores: standard deviations above (+) or below (\xe2\x88\x92) the mean of the backbones.");
  write_heads(page, report, false);
  report_column(page, "Mean", true);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < report_ranked(report); i++) {
    size_t b = c->order[i];
    page_write(page, "<tr><th scope=\"row\">%s</th>", report->scores->backbones[b]);
    for (size_t t = 0; t < c->tasks; t++) {
      double z = c->z[t * c->backbones + b];
      report_cell(page, z, z / 2);
      page_write(page, "%s</td>", signed_text(text, z, 2));
    }
    report_cell(page, c->mean_z[b], 0);
    page_write(page, "<span class=\"best\">%s</span></td></tr>\n", signed_text(text, c->mean_z[b], 2));
  }
  page_write(page, "</tbody>\n");
  report_table_end(page);
}

void report_scores(struct page *page, const struct report *report) {
  write_scores(page, report);
  write_z_scores(page, report);
}

/* ---- agreement ----------------------------------------------------------------------------------------------------
 */

enum { CELL = 46, SMALL_CELL = 34, MOST_TASKS = 40 };

/* The lower triangle, as journals print it: rows have names and numbers, columns the numbers alone. */
static void draw_agreement(struct page *page, const struct report *report, size_t n) {
  double label = 0, cell = n > 14 ? SMALL_CELL : CELL;
  char text[48];
  for (size_t t = 0; t < n; t++) label = fmax(label, svg_text_width(report->scores->tasks[t].name, SVG_TEXT));
  label = fmin(label, 220) + 34;
  svg_begin(
      page, "fixed", label + cell * (double)(n - 1) + 4, 22 + cell * (double)n,
      "Rank correlation of every pair of tasks",
      "A row and a column for each task; a cell holds Spearman's rank correlation of the two. The table below has the "
      "same numbers.");
  for (size_t t = 0; t < n; t++) {
    double y = 20 + cell * (double)t, middle = y + cell / 2 + 4.5;
    char number[16];
    snprintf(number, sizeof number, "%zu", t + 1);
    svg_text(page, "soft", 18, middle, 'e', number, 30);
    svg_text(page, "", 26, middle, 's', report->scores->tasks[t].name, label - 32);
    if (t + 1 < n) svg_text(page, "soft", label + cell * ((double)t + 0.5), y + cell - 6, 'm', number, cell);
    for (size_t s = 0; s < t; s++) {
      double rho = report->comparison->spearman[t * report->comparison->tasks + s], x = label + cell * (double)s;
      svg_rectangle(page, rho < 0 ? "warm" : "cool", x + 1, y + 1, cell - 2, cell - 2,
                    isnan(rho) ? 0 : fabs(rho) * 0.45);
      svg_text(page, n > 14 ? "small" : "", x + cell / 2, middle, 'm', number_text(text, rho, 2), cell);
    }
  }
  svg_end(page);
}

static void write_pairs(struct page *page, const struct report *report) {
  const struct comparison *c = report->comparison;
  char rho[48], tau[48];
  report_table_begin(
      page, "sortable",
      "Every pair of tasks: Spearman's rho and Kendall's tau-b over the backbones that have both scores.");
  page_write(page, "<thead><tr>\n");
  report_column(page, "Task", false);
  report_column(page, "Task", false);
  report_column(page, "rho", true);
  report_column(page, "tau", true);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t t = 0; t < c->tasks; t++) {
    for (size_t s = 0; s < t; s++) {
      double r = c->spearman[t * c->tasks + s], k = c->kendall[t * c->tasks + s];
      page_write(page, "<tr><th scope=\"row\">%s</th><td>%s</td>", report->scores->tasks[t].name,
                 report->scores->tasks[s].name);
      report_cell(page, r, 0);
      page_write(page, "%s</td>", number_text(rho, r, 3));
      report_cell(page, k, 0);
      page_write(page, "%s</td></tr>\n", number_text(tau, k, 3));
    }
  }
  page_write(page, "</tbody>\n");
  report_table_end(page);
}

void report_agreement(struct page *page, const struct report *report) {
  size_t n = report->comparison->tasks;
  page_write(
      page,
      "<p>Spearman&#8217;s rank correlation between tasks over the backbones: 1 when two tasks put them in the same "
      "order, \xe2\x88\x92"
      "1 when in the opposite one, a dash where a task does not tell them apart.%s</p>\n",
      report_ranked(report) < 6 ? " With so few backbones chance alone gives large values." : "");
  page_write(
      page,
      "<figure>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Rank correlation of tasks\">\n");
  draw_agreement(page, report, n < MOST_TASKS ? n : MOST_TASKS);
  page_write(page, "</div>\n");
  if (n > MOST_TASKS) page_write(page, "<figcaption>The first %d of %zu tasks.</figcaption>\n", MOST_TASKS, n);
  page_write(page, "</figure>\n<details>\n<summary>The numbers as a table</summary>\n");
  write_pairs(page, report);
  page_write(page, "</details>\n");
}

/* ---- chance -------------------------------------------------------------------------------------------------------
 */

static void write_p(struct page *page, double p) {
  report_cell(page, p, 0);
  page_write(page,
             p < 0.0001 ? "&lt;\xe2\x80\x89"
                          "0.0001</td>"
                        : "%.4f</td>",
             p);
}

static void write_test(struct page *page, const struct report *report, const struct report_test *test) {
  char text[48], low[48], high[48];
  page_write(page, "<tr><th scope=\"row\">%s</th><td>", report->scores->backbones[test->other]);
  report_name(page, report->scores->tasks[test->task].name);
  page_write(page, "</td>");
  report_cell(page, test->difference, 0);
  page_write(page, "%s<span class=\"interval\">%s to %s</span></td>", signed_text(text, 100 * test->difference, 1),
             signed_text(low, 100 * test->low, 1), signed_text(high, 100 * test->high, 1));
  page_write(page, "<td class=\"number\">%zu</td><td class=\"number\">%zu</td><td class=\"number\">%zu</td>",
             test->only_first, test->only_other, test->n);
  write_p(page, test->p);
  write_p(page, test->adjusted);
  page_write(page, "<td>%s</td></tr>\n",
             test->adjusted >= 0.05 ? "may be chance"
             : test->difference > 0 ? "better"
                                    : "worse");
}

void report_tests(struct page *page, const struct report *report) {
  const char *first = report->scores->backbones[report->comparison->order[0]];
  page_write(
      page,
      "<p>%s against each other backbone, photo by photo. Difference: its accuracy less the other&#8217;s, in points, "
      "with the 95&#8239;%% interval of a paired bootstrap. p: McNemar&#8217;s test (mid-p) on the photos that only "
      "one "
      "of the two gets right; the last p is adjusted for all %zu tests (Holm), and the verdict goes by it.</p>\n",
      first, report->test_count);
  report_table_begin(page, "sortable", "The first of the ranking against the others.");
  page_write(page, "<thead><tr>\n");
  static const char *const heads[] = {"Against", "Task", "Difference",  "Only the first right", "Only the other right",
                                      "Photos",  "p",    "p, adjusted", "The first is"};
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) report_column(page, heads[i], i > 1 && i < 8);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < report->test_count; i++) write_test(page, report, &report->tests[i]);
  page_write(page, "</tbody>\n");
  report_table_end(page);
}
