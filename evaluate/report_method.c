/* How every figure was made: facts, by subject. */
#include <string.h>

#include "evaluate/report_parts.h"

void report_method(struct page *page, const struct report *report) {
  report_table_begin(page, "facts", "What was run, on what, and with what.");
  page_write(page, "<thead><tr>\n");
  report_column(page, "Subject", false);
  report_column(page, "What", false);
  report_column(page, "Value", false);
  page_write(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < report->fact_count; i++) {
    const struct report_fact *fact = &report->facts[i];
    bool same = i > 0 && !strcmp(fact->subject, report->facts[i - 1].subject);
    page_write(page,
               same ? "<tr><th scope=\"row\"><span class=\"unseen\">%s</span></th>" : "<tr><th scope=\"row\">%s</th>",
               fact->subject);
    page_write(page, "<td>%s</td><td>%s</td></tr>\n", fact->what, fact->value);
  }
  page_write(page, "</tbody>\n");
  report_table_end(page);
}
