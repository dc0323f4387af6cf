/* The page around the sections. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/output.h"
#include "evaluate/report_parts.h"
#include "weights-tools/sha256.h"

/* ---- what sections share ------------------------------------------------------------------------------------------
 */

size_t report_ranked(const struct report *report) {
  size_t ranked = 0;
  for (size_t b = 0; b < report->comparison->backbones; b++) ranked += report->comparison->covered[b] > 0;
  return ranked;
}

void report_heading(struct page *page, int level, const char *id, const char *text) {
  page_write(page, "<h%d id=\"%s\">%s</h%d>\n", level, id, text, level);
}

void report_table_begin(struct page *page, const char *class, const char *caption) {
  int id = ++page->figures;
  page_write(page,
             "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"c%d\">\n<table class=\"%s\">\n"
             "<caption id=\"c%d\"><span>%s</span></caption>\n",
             id, class, id, caption);
}

void report_table_end(struct page *page) { page_write(page, "</table>\n</div>\n"); }

void report_column(struct page *page, const char *heading, bool numbers) {
  page_write(page, numbers ? "<th scope=\"col\" class=\"number\">" : "<th scope=\"col\">");
  report_name(page, heading);
  page_write(page, "</th>\n");
}

void report_cell(struct page *page, double value, double tint) {
  page_write(page, "<td class=\"number\"");
  if (tint > 0 || tint < 0) {
    page_write(page, " style=\"background: color-mix(in srgb, var(--%s) %.0f%%, transparent)\"",
               tint > 0 ? "cool" : "warm", 45 * fmin(1, fabs(tint)));
  }
  if (isnan(value)) {
    page_write(page, " data-value=\"\">");
  } else {
    page_write(page, " data-value=\"%.9g\">", value);
  }
}

/* Lines may break behind a slash: tasks are named DATA/TASK. */
void report_name(struct page *page, const char *name) {
  for (size_t length; *name; name += length) {
    char part[128];
    length = strcspn(name, "/");
    length += name[length] == '/';
    if (length >= sizeof part) break;
    memcpy(part, name, length);
    part[length] = 0;
    page_write(page, name[length] ? "%s<wbr/>" : "%s", part);
  }
  page_text(page, name);
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

/* "sha256-...": the one script that the page's policy lets run, whatever a name may smuggle in. */
static void write_script_hash(struct page *page) {
  struct sha256 hash;
  char text[SHA256_TEXT];
  uint8_t digest[SHA256_BYTES];
  sha256_begin(&hash);
  sha256_add(&hash, report_script, strlen(report_script));
  sha256_finish(&hash, text);
  for (size_t i = 0; i < SHA256_BYTES; i++) {
    char digits[3] = {text[2 * i], text[2 * i + 1], 0};
    digest[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  page_write(page, "sha256-");
  page_base64(page, digest, sizeof digest);
}

static void write_page(struct page *page, const struct report *report) {
  page_write(page,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
             "'unsafe-inline'; script-src '");
  write_script_hash(page);
  page_write(page,
             "'\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
             "<meta name=\"color-scheme\" content=\"light dark\"/>\n<meta name=\"generator\" content=\"backbones "
             "%s\"/>\n<title>%s</title>\n<link rel=\"icon\" href=\"data:,\"/>\n<style>\n",
             BACKBONES_VERSION, report->title);
  fputs(report_style, page->stream);
  page_write(page,
             "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the ranking</a>\n<header>\n"
             "<h1>%s</h1>\n",
             report->title);
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
  page_write(page, "</main>\n<footer>\n<p>Written by backbones %s.</p>\n</footer>\n<script>", BACKBONES_VERSION);
  fputs(report_script, page->stream);
  page_write(page, "</script>\n</body>\n</html>\n");
}

int report_write(const struct report *report, const char *path, error *e) {
  struct output output;
  int status = output_open(&output, path, e);
  if (status != OK) return status;
  struct page page = {.stream = output.stream};
  write_page(&page, report);
  return output_commit(&output, e);
}
