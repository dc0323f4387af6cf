/* The sections of a comparison's report, in their order. */
#include <math.h>
#include <string.h>

#include "evaluate/output.h"
#include "evaluate/report_parts.h"

/* ---- what sections share ------------------------------------------------------------------------------------------
 */

size_t report_ranked(const struct report *report) {
  size_t ranked = 0;
  for (size_t b = 0; b < report->comparison->backbones; b++) ranked += report->comparison->covered[b] > 0;
  return ranked;
}

int report_decimals(const struct score_column *column, size_t n) {
  double most = 0;
  for (size_t b = 0; b < n; b++) most = fmax(most, fabs(column->scores[b].value));
  return most <= 1 ? 3 : most < 1000 ? 2 : 0;
}

const char *report_cost_name(const char *name) {
  static const char *const known[][2] = {
      {"ms", "ms an image, one at a time"}, {"ms16", "ms an image, 16 at a time"}, {"gflops", "GFLOPs an image"},
      {"parameters", "parameters"},         {"memory_mb", "memory, MB"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!strcmp(name, known[i][0])) return known[i][1];
  }
  return name;
}

/* ---- sections -----------------------------------------------------------------------------------------------------
 */

static bool always(const struct report *report) { return report->scores->task_count > 0; }
static bool has_costs(const struct report *report) { return report->scores->cost_count > 0 && report->headline; }
static bool has_pairs(const struct report *report) {
  return report->scores->task_count > 1 && report_ranked(report) > 2;
}
static bool has_tests(const struct report *report) { return report->test_count > 0; }
static bool has_sets(const struct report *report) { return report->set_count > 0; }
static bool has_photos(const struct report *report) {
  for (size_t s = 0; s < report->set_count; s++) {
    if (report->sets[s].hard_count || report->sets[s].split_count) return true;
  }
  return false;
}
static bool has_retrievals(const struct report *report) {
  for (size_t s = 0; s < report->set_count; s++) {
    if (report->sets[s].retrieval_count) return true;
  }
  return false;
}
static bool has_facts(const struct report *report) { return report->fact_count > 0; }

static const struct section {
  const char *id, *title;
  bool (*present)(const struct report *report);
  void (*write)(struct page *page, const struct report *report);
} sections[] = {
    {"ranking", "Ranking", always, report_ranking},
    {"cost", "Accuracy against cost", has_costs, report_costs},
    {"scores", "Scores", always, report_scores},
    {"agreement", "Do the tasks agree?", has_pairs, report_agreement},
    {"chance", "Could it be chance?", has_tests, report_tests},
    {"sets", "Classes and confidence", has_sets, report_sets},
    {"photos", "Photos worth a look", has_photos, report_photos},
    {"neighbours", "Nearest neighbours", has_retrievals, report_retrievals},
    {"method", "How this was made", has_facts, report_method},
};
enum { SECTIONS = sizeof sections / sizeof sections[0] };

static void write_contents(struct page *page, const struct report *report) {
  page_write(page, "<nav aria-label=\"Contents\">\n<ul>\n");
  for (size_t i = 0; i < SECTIONS; i++) {
    if (sections[i].present(report)) {
      page_write(page, "<li><a href=\"#%s\">%s</a></li>\n", sections[i].id, sections[i].title);
    }
  }
  page_write(page, "</ul>\n</nav>\n");
}

static void write_page(struct page *page, const struct report *report) {
  report_document_begin(page, report->title, "the ranking", "");
  report_summary(page, report);
  page_write(page, "</header>\n");
  report_failures(page, report);
  write_contents(page, report);
  page_write(page, "<main id=\"main\">\n");
  for (size_t i = 0; i < SECTIONS; i++) {
    if (!sections[i].present(report)) continue;
    page_write(page, "<section aria-labelledby=\"%s\">\n", sections[i].id);
    report_heading(page, 2, sections[i].id, sections[i].title);
    sections[i].write(page, report);
    page_write(page, "</section>\n");
  }
  page_write(page, "</main>\n");
  report_document_end(page);
}

int report_write(const struct report *report, const char *path, error *e) {
  struct output output;
  int status = output_open(&output, path, e);
  if (status != OK) return status;
  struct page page = {.stream = output.stream};
  write_page(&page, report);
  return output_commit(&output, e);
}
