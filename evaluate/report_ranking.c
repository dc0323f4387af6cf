/* Who is ahead, and how surely: summary, dots with whiskers, the table of the ranking; what failed. */
#include <math.h>

#include "evaluate/report_parts.h"
#include "evaluate/report_svg.h"

/* ---- in words -----------------------------------------------------------------------------------------------------
 */

static const char *name_of(const struct report *report, size_t place) {
  return report->scores->backbones[report->comparison->order[place]];
}

static size_t wins(const struct report *report, size_t b) {
  size_t count = 0;
  for (size_t t = 0; t < report->comparison->tasks; t++) {
    count += report->comparison->ranks[t * report->comparison->backbones + b] < 2;
  }
  return count;
}

static const char *drawn(const struct report *report) {
  return report->standings->basis == STANDINGS_PHOTOS ? "test photos" : "tasks";
}

/* Whether the first is surely ahead of the second. */
static void write_lead(struct page *page, const struct report *report) {
  size_t first = report->comparison->order[0], second = report->comparison->order[1];
  double lead = report->comparison->mean_z[first] - report->comparison->mean_z[second];
  struct interval behind = report->standings->behind[second];
  char a[48], b[48], c[48];
  page_write(page, " %s follows %s behind", name_of(report, 1), number_text(a, lead, 2));
  if (isnan(behind.low)) {
    page_write(page, ".");
  } else if (behind.low > 0) {
    page_write(page, ", and that is more than drawing the %s again explains (95&#8239;%% interval %s to %s).",
               drawn(report), signed_text(b, behind.low, 2), signed_text(c, behind.high, 2));
  } else {
    page_write(page,
               ", which may be chance: with the %s drawn again the lead lies between %s and %s "
               "(95&#8239;%% interval).",
               drawn(report), signed_text(b, behind.low, 2), signed_text(c, behind.high, 2));
  }
}

void report_summary(struct page *page, const struct report *report) {
  size_t ranked = report_ranked(report), tasks = report->comparison->counted;
  if (ranked == 0) {
    page_write(page, "<p class=\"lead\">No two backbones have scores on the same task.</p>\n");
    return;
  }
  char z[48];
  size_t first = report->comparison->order[0];
  page_write(page, "<p class=\"lead\"><strong>%s</strong> ", name_of(report, 0));
  if (ranked == 1) {
    page_write(page, "is alone: with another backbone there would be something to compare.</p>\n");
    return;
  }
  page_write(page, "leads %zu backbones on %zu task%s: its mean z-score is %s, and it is the best on %zu.", ranked,
             tasks, tasks == 1 ? "" : "s", signed_text(z, report->comparison->mean_z[first], 2), wins(report, first));
  write_lead(page, report);
  page_write(page, "</p>\n");
}

void report_failures(struct page *page, const struct report *report) {
  if (report->failure_count == 0) return;
  page_write(page, "<section class=\"failures\" aria-labelledby=\"failed\">\n");
  report_heading(page, 2, "failed", "What failed");
  page_write(page, "<p>The others went on; what is missing below is missing for these reasons.</p>\n<ul>\n");
  for (size_t i = 0; i < report->failure_count; i++) {
    page_write(page, "<li><strong>%s</strong>: %s</li>\n", report->failures[i].subject, report->failures[i].message);
  }
  page_write(page, "</ul>\n</section>\n");
}

/* ---- dots and whiskers --------------------------------------------------------------------------------------------
 */

enum { ROW = 28, TOP = 8, BOTTOM = 46, MOST_ROWS = 60 };

struct chart {
  double width, label, value; /* columns for names and numbers */
  struct axis axis;
  size_t rows;
};

static void extend(double *low, double *high, double value) {
  if (isnan(value)) return;
  *low = fmin(*low, value);
  *high = fmax(*high, value);
}

static struct chart lay_out(const struct report *report, double width) {
  struct chart chart = {.width = width, .value = 50, .rows = report_ranked(report)};
  if (chart.rows > MOST_ROWS) chart.rows = MOST_ROWS;
  double low = 0, high = 0, widest = 0;
  for (size_t i = 0; i < chart.rows; i++) {
    size_t b = report->comparison->order[i];
    extend(&low, &high, report->comparison->mean_z[b]);
    extend(&low, &high, report->standings->mean_z[b].low);
    extend(&low, &high, report->standings->mean_z[b].high);
    widest = fmax(widest, svg_text_width(name_of(report, i), SVG_TEXT));
  }
  double room = fmax(0.02 * (high - low), 0.05);
  low -= room;
  high += room;
  chart.label = fmin(widest + 2, width * 0.36);
  chart.axis = axis_linear(low, high, chart.label + 18, width - chart.value - 14, width > 500 ? 90 : 60);
  return chart;
}

static void draw_axis(struct page *page, const struct chart *chart, double bottom) {
  char text[48];
  for (int i = 0; i < chart->axis.tick_count; i++) {
    double tick = chart->axis.ticks[i], x = axis_place(&chart->axis, tick);
    bool zero = !(tick > 0 || tick < 0);
    svg_line(page, zero ? "base" : "grid", x, TOP, x, bottom);
    svg_text(page, "small soft", x, bottom + 16, 'm', signed_text(text, tick, chart->axis.decimals), 60);
  }
  svg_text(page, "small soft", chart->axis.end, bottom + 34, 'e', "mean z-score; 0 is the average backbone", 300);
}

static void draw_row(struct page *page, const struct report *report, const struct chart *chart, size_t i) {
  size_t b = report->comparison->order[i];
  double y = TOP + ROW * ((double)i + 0.5), x = axis_place(&chart->axis, report->comparison->mean_z[b]);
  struct interval interval = report->standings->mean_z[b];
  char text[48];
  svg_text(page, i == 0 ? "strong" : "", 0, y + 4.5, 's', name_of(report, i), chart->label);
  if (!isnan(interval.low)) {
    svg_line(page, "whisker", axis_place(&chart->axis, interval.low), y, axis_place(&chart->axis, interval.high), y);
  }
  svg_circle(page, "dot", x, y, 4.5);
  svg_text(page, i == 0 ? "strong" : "", chart->width, y + 4.5, 'e',
           signed_text(text, report->comparison->mean_z[b], 2), chart->value + 20);
}

static void draw_ranking(struct page *page, const struct report *report, const char *class, double width) {
  struct chart chart = lay_out(report, width);
  double bottom = TOP + ROW * (double)chart.rows;
  svg_begin(page, class, width, bottom + BOTTOM, "Ranking of the backbones by mean z-score",
            report->standings->basis == STANDINGS_UNKNOWN
                ? "A row for each backbone, the best at the top; a dot marks its mean z-score. The table below has the "
                  "same numbers."
                : "A row for each backbone, the best at the top; a dot marks its mean z-score, a line its 95 % "
                  "interval. The table below has the same numbers.");
  draw_axis(page, &chart, bottom);
  for (size_t i = 0; i < chart.rows; i++) draw_row(page, report, &chart, i);
  svg_end(page);
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static void write_interval(struct page *page, struct interval interval, bool sign) {
  char low[48], high[48];
  if (isnan(interval.low)) return;
  page_write(page, "<span class=\"interval\">%s to %s</span>",
             sign ? signed_text(low, interval.low, 2) : number_text(low, interval.low, 2),
             sign ? signed_text(high, interval.high, 2) : number_text(high, interval.high, 2));
}

static void write_row(struct page *page, const struct report *report, size_t place) {
  const struct comparison *c = report->comparison;
  size_t b = c->order[place];
  double behind = c->mean_z[c->order[0]] - c->mean_z[b];
  char z[48], rank[48], less[48];
  page_write(page, "<tr><td class=\"number\">%zu</td><th scope=\"row\">%s</th>", place + 1, name_of(report, place));
  report_cell(page, c->mean_z[b], 0);
  page_text(page, signed_text(z, c->mean_z[b], 2));
  write_interval(page, report->standings->mean_z[b], true);
  page_write(page, "</td>");
  report_cell(page, behind, 0);
  page_text(page, place ? number_text(less, behind, 2) : "\xe2\x80\x93");
  if (place) write_interval(page, report->standings->behind[b], false);
  page_write(page, "</td><td class=\"number\">%s</td><td class=\"number\">%zu</td>",
             number_text(rank, c->mean_rank[b], 2), wins(report, b));
  page_write(page, "<td class=\"number\">%zu of %zu</td></tr>\n", c->covered[b], c->counted);
}

static void explain(struct page *page, const struct report *report) {
  page_write(page,
             "<p>On every task a score becomes a z-score: how many standard deviations it lies above the mean of the "
             "backbones compared here (the deviation of these, divided by their number; signs turned where lower is "
             "better). The ranking goes by the mean over tasks. ");
  switch (report->standings->basis) {
    case STANDINGS_PHOTOS:
      page_write(page,
                 "Whiskers are 95&#8239;%% intervals of a bootstrap that draws the test photos again, the same for all "
                 "backbones; they tell what other test photos of this kind could change, not other tasks.");
      break;
    case STANDINGS_TASKS:
      page_write(page,
                 "Whiskers are 95&#8239;%% intervals of a bootstrap that draws the tasks again: they tell how much the "
                 "ranking hangs on the choice of tasks.");
      break;
    default:
      page_write(page, "With one task and no results photo by photo there is no interval to give.");
  }
  page_write(page, "</p>\n");
}

/* Means over different tasks do not compare well. */
static void warn_of_gaps(struct page *page, const struct report *report) {
  const struct comparison *c = report->comparison;
  size_t gaps = 0, alone = 0;
  for (size_t t = 0; t < c->tasks; t++) {
    bool scored = false;
    for (size_t b = 0; b < c->backbones; b++) scored |= !isnan(report->scores->tasks[t].scores[b].value);
    if (c->counts[t] || !scored) continue;
    if (!alone++)
      page_write(page, "<p class=\"note\">Not counted, as one backbone alone took part: ");
    else
      page_write(page, ", ");
    page_text(page, report->scores->tasks[t].name);
  }
  if (alone) page_write(page, ".</p>\n");
  for (size_t i = 0; i < report_ranked(report); i++) gaps += c->covered[c->order[i]] < c->counted;
  if (gaps == 0) return;
  page_write(page,
             "<p class=\"note\">%zu backbone%s no score on some tasks: %s mean is over the others, which may be easier "
             "or harder.</p>\n",
             gaps, gaps == 1 ? " has" : "s have", gaps == 1 ? "its" : "their");
}

void report_ranking(struct page *page, const struct report *report) {
  size_t ranked = report_ranked(report);
  explain(page, report);
  warn_of_gaps(page, report);
  page_write(page, "<figure>\n");
  draw_ranking(page, report, "wide", 864);
  draw_ranking(page, report, "narrow", 344);
  if (ranked > MOST_ROWS) {
    page_write(page, "<figcaption>The first %d of %zu; the table has all.</figcaption>\n", MOST_ROWS, ranked);
  }
  page_write(page, "</figure>\n");
  report_table_begin(page, "sortable", "The ranking. Behind: mean z-score of the first less that of the row.");
  page_write(page, "<thead><tr>\n");
  report_column(page, "Rank", true);
  report_column(page, "Backbone", false);
  report_column(page, "Mean z", true);
  report_column(page, "Behind", true);
  report_column(page, "Mean rank", true);
  report_column(page, "Best on", true);
  report_column(page, "Tasks", true);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < ranked; i++) write_row(page, report, i);
  page_write(page, "</tbody>\n");
  report_table_end(page);
}
