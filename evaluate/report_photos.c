/* Photos that all backbones get wrong, photos on which they differ, and what each finds nearest to a query. */
#include <math.h>

#include "evaluate/report_parts.h"

static void write_picture(struct page *page, const struct report_picture *picture, const char *alternative) {
  page_write(page, "<img alt=\"%s\" width=\"%d\" height=\"%d\" loading=\"lazy\" src=\"", alternative, picture->width,
             picture->height);
  page_data_uri(page, picture->type, picture->bytes, picture->size);
  page_write(page, "\"/>");
}

/* What each backbone says, right answers marked. */
static void write_answers(struct page *page, const struct report *report, const struct report_set *set, size_t row) {
  page_write(page, "<ul>\n");
  for (size_t i = 0; i < report_ranked(report); i++) {
    size_t b = report->comparison->order[i];
    const struct report_answers *answers = &set->answers[b];
    if (!answers->choices) continue;
    bool right = answers->choices[row] == set->labels[row];
    page_write(page, "<li>%s: ", report->scores->backbones[b]);
    if (right) {
      page_write(page, "<span aria-hidden=\"true\">\xe2\x9c\x93</span><span class=\"unseen\">right</span>");
    } else {
      page_text(page, set->class_names[answers->choices[row]]);
    }
    page_write(page, " %.0f&#8239;%%</li>\n", 100 * answers->confidences[row]);
  }
  page_write(page, "</ul>\n");
}

static void write_photo(struct page *page, const struct report *report, const struct report_set *set,
                        const struct report_photo *photo) {
  page_write(page, "<li class=\"photo\"><figure>");
  write_picture(page, &photo->picture, set->paths[photo->row]);
  page_write(page, "<figcaption><strong>%s</strong></figcaption></figure>\n",
             set->class_names[set->labels[photo->row]]);
  write_answers(page, report, set, photo->row);
  page_write(page, "</li>\n");
}

static void write_photos(struct page *page, const struct report *report, const struct report_set *set,
                         const struct report_photo *photos, size_t count) {
  page_write(page, "<ul class=\"photos\">\n");
  for (size_t i = 0; i < count; i++) write_photo(page, report, set, &photos[i]);
  page_write(page, "</ul>\n");
}

void report_photos(struct page *page, const struct report *report) {
  page_write(
      page,
      "<p>Under each photo its label, then every backbone&#8217;s answer (a tick where it is right) and confidence. "
      "Photos that all get wrong are hard, or labelled wrong.</p>\n");
  for (size_t s = 0; s < report->set_count; s++) {
    const struct report_set *set = &report->sets[s];
    char text[320], id[48];
    if (set->hard_count) {
      snprintf(text, sizeof text, "%.200s: all wrong", set->name);
      snprintf(id, sizeof id, "hard-%zu", s + 1);
      report_heading(page, 3, id, text);
      page_write(page,
                 "<p class=\"note\">%zu of %zu photos that no backbone gets right, the surest mistakes first.</p>\n",
                 set->hard_count, set->hard_total);
      write_photos(page, report, set, set->hard, set->hard_count);
    }
    if (set->split_count) {
      snprintf(text, sizeof text, "%.200s: they disagree", set->name);
      snprintf(id, sizeof id, "split-%zu", s + 1);
      report_heading(page, 3, id, text);
      page_write(
          page,
          "<p class=\"note\">%zu of %zu photos that some get right and some wrong, the most evenly split first.</p>\n",
          set->split_count, set->split_total);
      write_photos(page, report, set, set->split, set->split_count);
    }
  }
}

/* ---- neighbours ---------------------------------------------------------------------------------------------------
 */

static void write_neighbour(struct page *page, const struct report_set *set, const struct report_picture *picture,
                            size_t row, int query) {
  int label = set->labels[row];
  page_write(page, label == query ? "<li class=\"photo\"><figure>" : "<li class=\"photo other\"><figure>");
  write_picture(page, picture, set->paths[row]);
  page_write(page, "<figcaption>%s %s<span class=\"unseen\">%s</span></figcaption></figure></li>\n",
             label == query ? "\xe2\x9c\x93" : "\xe2\x9c\x97", set->class_names[label],
             label == query ? ", same class" : ", another class");
}

static void write_retrieval(struct page *page, const struct report *report, const struct report_set *set,
                            const struct report_retrieval *r) {
  page_write(page, "<p class=\"note\">%s</p>\n<ul class=\"strip\">\n<li class=\"photo query\"><figure>",
             report->scores->backbones[r->backbone]);
  write_picture(page, &r->picture, set->paths[r->query]);
  page_write(page, "<figcaption><strong>%s</strong>, the query</figcaption></figure></li>\n",
             set->class_names[set->labels[r->query]]);
  for (size_t k = 0; k < r->count; k++) {
    write_neighbour(page, set, &r->neighbours[k].picture, r->neighbours[k].row, set->labels[r->query]);
  }
  page_write(page, "</ul>\n");
}

void report_retrievals(struct page *page, const struct report *report) {
  page_write(
      page,
      "<p>A query photo, and the test photos whose features are most similar to its own by the cosine, nearest first; "
      "\xe2\x9c\x93 marks the query&#8217;s class, \xe2\x9c\x97 others.</p>\n");
  for (size_t s = 0; s < report->set_count; s++) {
    const struct report_set *set = &report->sets[s];
    if (set->retrieval_count == 0) continue;
    char id[48];
    snprintf(id, sizeof id, "near-%zu", s + 1);
    report_heading(page, 3, id, set->name);
    for (size_t i = 0; i < set->retrieval_count; i++) write_retrieval(page, report, set, &set->retrievals[i]);
  }
}
