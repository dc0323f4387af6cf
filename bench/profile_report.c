/* The report of a profile: one HTML file that needs nothing else. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backbones.h"
#include "bench/machine_facts.h"
#include "bench/other_load.h"
#include "bench/profile_drawing.h"
#include "bench/profile_marks.h"
#include "evaluate/output.h"
#include "evaluate/report_document.h"
#include "kernels/memory.h"

enum { MOST_BARS = 20 };

static const char style[] =
    ".roof { fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-linejoin: round; }\n"
    ".keys { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0; padding: 0; list-style: none; "
    "font-size: .875rem; }\n"
    ".keys, figure p { font-family: \"Helvetica Neue\", Helvetica, Arial, \"Liberation Sans\", Roboto, system-ui, "
    "sans-serif; }\n"
    ".unit { white-space: nowrap; }\n";

size_t profile_kind_of(const struct profile *profile, const struct profile_row *row) {
  size_t k = 0;
  while (k + 1 < profile->kind_count && strcmp(profile->kinds[k].kind, row->kind) != 0) k++;
  return k;
}

static void section_begin(struct page *page, const char *id, const char *title) {
  page_write(page, "<section aria-labelledby=\"%s\">\n", id);
  report_heading(page, 2, id, title);
}
static void section_end(struct page *page) { page_write(page, "</section>\n"); }

/* ---- in words ---------------------------------------------------------------------------------------------------- */

static void write_summary(struct page *page, const struct profile *profile) {
  double flops = 0;
  for (size_t i = 0; i < profile->count; i++) flops += profile->rows[i].flops;
  page_write(
      page,
      "<p class=\"lead\"><strong>%s</strong> takes %.2f&#160;ms for a batch of %d on %d thread%s: %.1f&#160;images/s, "
      "%.1f&#160;GFLOP/s, %.0f&#8239;%% of the FMA peak.</p>\n",
      profile->title, profile->total * 1e3, profile->batch, profile->threads, profile->threads == 1 ? "" : "s",
      profile->batch / profile->total, flops / profile->total * 1e-9,
      100 * flops / profile->total * 1e-9 / profile->peak);
  page_write(
      page, "<p>With every operation at its roofline, or as fast as now where it is above, it would take %.2f&#160;ms.",
      profile_least_total(profile) * 1e3);
  if (profile->kind_count)
    page_write(page, " Most of the time, %.0f&#8239;%%, goes into %s.",
               100 * profile->kinds[0].seconds / profile->total, profile->kinds[0].kind);
  page_write(page, "</p>\n");
}

/* ---- drawings ---------------------------------------------------------------------------------------------------- */

static void write_keys(struct page *page, const struct profile *profile) {
  page_write(page, "<ul class=\"keys\">\n");
  for (size_t k = 0; k < profile->kind_count; k++) {
    page_write(page, "<li>");
    profile_key(page, k);
    page_write(page, "%s (%d)</li>\n", profile->kinds[k].kind, profile->kinds[k].operations);
  }
  page_write(page, "</ul>\n");
}

static void write_roofline(struct page *page, const struct profile *profile) {
  section_begin(page, "roofline", "Roofline");
  page_write(
      page,
      "<p>A mark for each operation; the larger, the more time it takes. An operation cannot be faster than the "
      "line allows as long as its data travels through memory (%.1f&#160;GB/s) and its multiply-adds are those of the "
      "direct sum (%.1f&#160;GFLOP/s, %s): what lies above found its data in a cache or saved multiplications by "
      "Winograd's algorithm%s, or another program slowed the machine while its roof was measured.</p>\n",
      profile->bandwidth, profile->peak, profile->gpu.name[0] ? "as the card states them" : "both measured now",
      strstr(profile->isa, "bf16") ? " or has its factors rounded to bfloat16 (the peak is of float32)" : "");
  write_keys(page, profile);
  if (profile_has_products(profile)) {
    page_write(page, "<figure>\n");
    profile_draw_roofline(page, profile, "wide", 864, 520);
    profile_draw_roofline(page, profile, "narrow", 344, 380);
    page_write(page, "</figure>\n");
  }
  if (profile_has_movers(profile)) {
    page_write(page,
               "<p>Operations without multiply-adds have an intensity of 0; what they can reach is the "
               "bandwidth.</p>\n<figure>\n");
    profile_draw_movers(page, profile, "wide", 864);
    profile_draw_movers(page, profile, "narrow", 344);
    page_write(page, "</figure>\n");
  }
  section_end(page);
}

static int longest_first(const void *a, const void *b) {
  const struct profile_row *x = *(const struct profile_row *const *)a, *y = *(const struct profile_row *const *)b;
  return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void write_bars(struct page *page, const struct profile *profile, const struct profile_row *rows, size_t n,
                       const char *title) {
  const struct profile_row **sorted = calloc(n + 1, sizeof *sorted);
  if (!sorted) return; /* the table tells the same */
  for (size_t i = 0; i < n; i++) sorted[i] = &rows[i];
  qsort(sorted, n, sizeof *sorted, longest_first);
  if (n > MOST_BARS) n = MOST_BARS;
  page_write(page, "<figure>\n");
  profile_draw_bars(page, profile, sorted, n, "wide", 864, title);
  profile_draw_bars(page, profile, sorted, n, "narrow", 344, title);
  page_write(page, "</figure>\n");
  free(sorted);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void write_number(struct page *page, double number, int decimals) {
  char text[48];
  report_cell(page, number, 0);
  page_write(page, "%s</td>", number_text(text, number, decimals));
}

/* A column's heading that no line break may split at its slash. */
static void write_unit(struct page *page, const char *heading) {
  page_write(page, "<th scope=\"col\" class=\"number\"><span class=\"unit\">%s</span></th>\n", heading);
}

static void write_heads(struct page *page, const struct profile *profile, bool kinds) {
  page_write(page, "<thead><tr>\n");
  report_column(page, kinds ? "Kind" : "Operation", false);
  if (kinds) report_column(page, "Operations", true);
  report_column(page, "ms", true);
  report_column(page, "Share, %", true);
  write_unit(page, "GFLOP/s");
  report_column(page, "MB", true);
  write_unit(page, "FLOP/B");
  report_column(page, "Of roofline, %", true);
  if (profile_counted(profile, PERF_CACHE_MISSES)) report_column(page, "Cache misses", true);
  if (profile_counted(profile, PERF_INSTRUCTIONS)) report_column(page, "Instructions", true);
  if (profile_counted(profile, PERF_CYCLES)) report_column(page, "Cycles", true);
  if (!kinds) {
    report_column(page, "Kind", false);
    report_column(page, "Shape", false);
  }
  page_write(page, "</tr></thead>\n<tbody>\n");
}

static void write_row(struct page *page, const struct profile *profile, const struct profile_row *row, bool kind) {
  char text[48];
  page_write(page, "<tr><th scope=\"row\">%s</th>", kind ? row->kind : row->name);
  if (kind) write_number(page, row->operations, 0);
  write_number(page, row->seconds * 1e3, 3);
  write_number(page, 100 * row->seconds / profile->total, 1);
  write_number(page, row->flops / row->seconds * 1e-9, 1);
  write_number(page, row->bytes * 1e-6, 2);
  write_number(page, profile_intensity(row), 2);
  write_number(page, 100 * profile_least_seconds(profile, row) / row->seconds, 1);
  for (size_t c = 0; c < PERF_PROFILE_EVENTS; c++) {
    if (!profile_counted(profile, c)) continue;
    report_cell(page, row->counts[c], 0);
    page_write(page, "%s</td>", amount_text(text, row->counts[c]));
  }
  if (!kind) page_write(page, "<td>%s</td><td>%s</td>", row->kind, row->shape);
  page_write(page, "</tr>\n");
}

static void write_table(struct page *page, const struct profile *profile, bool kinds) {
  const struct profile_row *rows = kinds ? profile->kinds : profile->rows;
  size_t n = kinds ? profile->kind_count : profile->count;
  report_table_begin(page, "sortable",
                     kinds ? "Kinds of operations; sums over a batch."
                           : "Every operation, in the order in which they run; times of a batch.");
  write_heads(page, profile, kinds);
  for (size_t i = 0; i < n; i++) write_row(page, profile, &rows[i], kinds);
  page_write(page, "</tbody>\n");
  report_table_end(page);
}

static void write_fact(struct page *page, const char *what, const char *told) {
  page_write(page, "<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", what, told);
}

static void write_facts(struct page *page, const struct profile *profile, const char *command) {
  char text[384];
  struct machine_facts facts = machine_facts_read();
  section_begin(page, "method", "How this was measured");
  report_table_begin(page, "facts", "What was run, on what.");
  page_write(page, "<thead><tr>\n");
  report_column(page, "What", false);
  report_column(page, "Value", false);
  page_write(page, "</tr></thead>\n<tbody>\n");
  write_fact(page, "command", command);
  snprintf(text, sizeof text, "%s, %d core%s usable", facts.cpu, facts.cores, facts.cores == 1 ? "" : "s");
  write_fact(page, "machine", text);
  if (profile->gpu.name[0]) write_fact(page, "device", profile->gpu.name);
  write_fact(page, "kernels", profile->isa);
  snprintf(text, sizeof text, "batch %d, %d thread%s, %zu runs after one that warms up", profile->batch,
           profile->threads, profile->threads == 1 ? "" : "s", profile->runs);
  write_fact(page, "runs", text);
  if (profile->others > disturbing_load) {
    snprintf(text, sizeof text, "others used %.1f cores meanwhile", profile->others);
    write_fact(page, "disturbed", text);
  }
  snprintf(text, sizeof text, "%.1f GFLOP/s (a multiply-add counts as two), %s", profile->peak,
           profile->gpu.name[0] ? "as the card states it" : "measured in registers on all threads, float32");
  write_fact(page, "FMA peak", text);
  snprintf(text, sizeof text, "%.1f GB/s, %s", profile->bandwidth,
           profile->gpu.name[0] ? "as the card states it" : "measured by copying, read and written bytes");
  write_fact(page, "bandwidth", text);
  if (profile->uncounted[0]) write_fact(page, "not counted", profile->uncounted);
  if (profile_counted(profile, PERF_CACHE_MISSES))
    write_fact(page, "counts",
               "of all threads in user mode, in runs of their own; instructions and cycles include waiting");
  write_fact(page, "bytes", "what an operation reads and writes once, weights included");
  write_fact(page, "program", "backbones " BACKBONES_VERSION);
  page_write(page, "</tbody>\n");
  report_table_end(page);
  section_end(page);
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void write_page(struct page *page, const struct profile *profile, const char *command, const char *rules) {
  char title[160];
  snprintf(title, sizeof title, "Where the time of %s goes", profile->title);
  report_document_begin(page, title, "the roofline", rules);
  write_summary(page, profile);
  page_write(page,
             "</header>\n<nav aria-label=\"Contents\">\n<ul>\n<li><a href=\"#roofline\">Roofline</a></li>\n"
             "<li><a href=\"#kinds\">Kinds</a></li>\n<li><a href=\"#operations\">Operations</a></li>\n"
             "<li><a href=\"#method\">How this was measured</a></li>\n</ul>\n</nav>\n<main id=\"main\">\n");
  write_roofline(page, profile);
  section_begin(page, "kinds", "Kinds");
  page_write(page, "<p>The full part of a bar is the least time that the roofline allows.</p>\n");
  write_bars(page, profile, profile->kinds, profile->kind_count, "Time by kind of operation");
  write_table(page, profile, true);
  section_end(page);
  section_begin(page, "operations", "Operations");
  if (profile->count > MOST_BARS)
    page_write(page, "<p>The %d that take most time, of %zu.</p>\n", MOST_BARS, profile->count);
  write_bars(page, profile, profile->rows, profile->count, "The slowest operations");
  write_table(page, profile, false);
  section_end(page);
  write_facts(page, profile, command);
  page_write(page, "</main>\n");
  report_document_end(page);
}

int profile_write_report(const struct profile *profile, const char *path, const char *command, error *e) {
  struct output output;
  char *rules = allocate(strlen(style) + strlen(profile_marks_style) + 1, 1, e);
  int status = rules ? output_open(&output, path, e) : FAILED;
  if (status == OK) {
    struct page page = {.stream = output.stream};
    memcpy(rules, style, strlen(style));
    memcpy(rules + strlen(style), profile_marks_style, strlen(profile_marks_style) + 1);
    write_page(&page, profile, command, rules);
    status = output_commit(&output, e);
  }
  free(rules);
  return status;
}
