/* Six shapes with a colour each; a seventh kind begins again, hollow. Colours have a contrast of at least 3 to 1 with
 * the page in both schemes. */
#include "bench/profile_marks.h"

#include <stdio.h>

enum { SHAPES = 6 };

const char profile_marks_style[] =
    ":root { --k0: #1d5c96; --k1: #b4541a; --k2: #2b7a4b; --k3: #8d3f93; --k4: #876b00; --k5: #5a5f69; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --k0: #7db4ea; --k1: #ee9c63; --k2: #74c793; --k3: #d79de4; --k4: #d8bb4c; --k5: #a7a9b0; }\n"
    "}\n"
    "@media print {\n"
    "  :root { --k0: #1d5c96; --k1: #a3480f; --k2: #2b7a4b; --k3: #8d3f93; --k4: #876b00; --k5: #444; }\n"
    "}\n"
    ".k0 { color: var(--k0); }\n.k1 { color: var(--k1); }\n.k2 { color: var(--k2); }\n"
    ".k3 { color: var(--k3); }\n.k4 { color: var(--k4); }\n.k5 { color: var(--k5); }\n"
    ".op, .key { fill: currentColor; stroke: var(--hole); stroke-width: 1; }\n"
    ".op { fill-opacity: .85; }\n"
    ".op:hover { fill-opacity: 1; stroke: var(--ink); }\n"
    ".hollow-op { fill: var(--hole); stroke: currentColor; stroke-width: 2; }\n"
    ".whole { fill: currentColor; fill-opacity: .3; }\n"
    ".least { fill: currentColor; }\n"
    ".mark { display: inline-block; vertical-align: -2px; width: 14px; height: 14px; margin-right: .35rem; }\n";

/* Corners in units of the radius, so that areas look alike. */
static const struct {
  int count; /* 0: a circle */
  double x[12], y[12];
} shapes[SHAPES] = {
    {0, {0}, {0}},
    {4, {-.89, .89, .89, -.89}, {-.89, -.89, .89, .89}},
    {3, {0, 1.25, -1.25}, {-1.35, .85, .85}},
    {4, {0, 1.25, 0, -1.25}, {-1.25, 0, 1.25, 0}},
    {3, {0, 1.25, -1.25}, {1.35, -.85, -.85}},
    {12,
     {-.45, .45, .45, 1.2, 1.2, .45, .45, -.45, -.45, -1.2, -1.2, -.45},
     {-1.2, -1.2, -.45, -.45, .45, .45, 1.2, 1.2, .45, .45, -.45, -.45}},
};

void profile_mark_begin(struct page *page, const char *class, size_t k, double x, double y, double radius) {
  size_t s = k % SHAPES;
  page_write(page, "<path class=\"%s%s k%zu\" d=\"", class, k >= SHAPES ? " hollow-op" : "", s);
  if (shapes[s].count == 0) {
    page_write(page, "M%.1f %.1fa%.1f %.1f 0 1 0 %.1f 0a%.1f %.1f 0 1 0 %.1f 0", x - radius, y, radius, radius,
               2 * radius, radius, radius, -2 * radius);
  }
  for (int i = 0; i < shapes[s].count; i++) {
    page_write(page, i ? "L%.1f %.1f" : "M%.1f %.1f", x + radius * shapes[s].x[i], y + radius * shapes[s].y[i]);
  }
  page_write(page, "Z\">");
}

void profile_mark_end(struct page *page) { page_write(page, "</path>\n"); }

void profile_key(struct page *page, size_t k) {
  page_write(page, "<svg class=\"mark\" viewBox=\"0 0 14 14\" width=\"14\" height=\"14\" aria-hidden=\"true\">");
  profile_mark_begin(page, "key", k, 7, 7, 4.8);
  page_write(page, "</path></svg>");
}

void profile_bar(struct page *page, const char *class, size_t k, double x, double y, double width, double height) {
  page_write(page, "<rect class=\"%s k%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class,
             k % SHAPES, x, y, width, height);
}
