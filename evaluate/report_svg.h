/* Drawing in SVG: lengths are CSS pixels, y points down, colours are classes of the page's style. */
#ifndef EVALUATE_REPORT_SVG_H
#define EVALUATE_REPORT_SVG_H

#include "evaluate/report_page.h"

/* Text sizes of the drawings. */
enum { SVG_TEXT = 13, SVG_SMALL = 11 };

/* A drawing of this size, with a title and a description for those who cannot see it. */
void svg_begin(struct page *page, const char *class, double width, double height, const char *title,
               const char *description);
void svg_end(struct page *page);

void svg_line(struct page *page, const char *class, double x1, double y1, double x2, double y2);
void svg_rectangle(struct page *page, const char *class, double x, double y, double width, double height,
                   double opacity);
void svg_circle(struct page *page, const char *class, double x, double y, double radius);
/* anchor: 's' the text starts at x, 'm' it is centred there, 'e' it ends there; y is the baseline. `most` is the widest
 * it may be: longer text is cut and ends in an ellipsis, and its whole is told by a tool tip. */
void svg_text(struct page *page, const char *class, double x, double y, char anchor, const char *text, double most);

/* About as wide as Helvetica or Arial set it. */
double svg_text_width(const char *text, double size);

/* An axis from data to pixels. */
struct axis {
  double low, high;  /* of the data; of a logarithmic axis both positive */
  double begin, end; /* pixels */
  int logarithmic;
  double ticks[24];
  int tick_count;
  int decimals; /* that tell neighbouring ticks apart */
};

/* Ticks at whole multiples of 1, 2, 2.5 or 5 times a power of ten, about one in `spacing` pixels. */
struct axis axis_linear(double low, double high, double begin, double end, double spacing);
/* Ticks at 1, 2 and 5 times powers of ten, or at powers alone when these were too many. */
struct axis axis_logarithmic(double low, double high, double begin, double end, double spacing);
double axis_place(const struct axis *axis, double value);
/* A tick's number. */
char *axis_text(char text[static 48], const struct axis *axis, double value);

#endif
