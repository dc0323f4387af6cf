/* The frame of a page: head, style and script around what others write, headings and tables. */
#include "evaluate/report_document.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backbones.h"
#include "weights-tools/sha256.h"

/* ---- the page -----------------------------------------------------------------------------------------------------
 */

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

void report_document_begin(struct page *page, const char *title, const char *skip, const char *style) {
  page_write(page,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
             "'unsafe-inline'; script-src '");
  write_script_hash(page);
  page_write(page,
             "'\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
             "<meta name=\"color-scheme\" content=\"light dark\"/>\n<meta name=\"generator\" content=\"backbones "
             "%s\"/>\n<title>%s</title>\n<link rel=\"icon\" href=\"data:,\"/>\n<style>\n",
             BACKBONES_VERSION, title);
  fputs(report_style, page->stream);
  fputs(style, page->stream);
  page_write(page,
             "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to %s</a>\n<header>\n"
             "<h1>%s</h1>\n",
             skip, title);
}

void report_document_end(struct page *page) {
  page_write(page, "<footer>\n<p>Written by backbones %s.</p>\n</footer>\n<script>", BACKBONES_VERSION);
  fputs(report_script, page->stream);
  page_write(page, "</script>\n</body>\n</html>\n");
}

/* ---- headings and tables ------------------------------------------------------------------------------------------
 */

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
