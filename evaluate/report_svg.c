#include "evaluate/report_svg.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "weights-tools/utf8.h"

/* ---- elements -----------------------------------------------------------------------------------------------------
 */

void svg_begin(struct page *page, const char *class, double width, double height, const char *title,
               const char *description) {
  int id = ++page->figures;
  page_write(page,
             "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" "
             "aria-labelledby=\"t%d d%d\">\n<title id=\"t%d\">%s</title>\n<desc id=\"d%d\">%s</desc>\n",
             class, width, height, width, height, id, id, id, title, id, description);
}

void svg_end(struct page *page) { page_write(page, "</svg>\n"); }

void svg_line(struct page *page, const char *class, double x1, double y1, double x2, double y2) {
  page_write(page, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

void svg_rectangle(struct page *page, const char *class, double x, double y, double width, double height,
                   double opacity) {
  page_write(page, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill-opacity=\"%.2f\"/>\n",
             class, x, y, width, height, opacity);
}

void svg_circle(struct page *page, const char *class, double x, double y, double radius) {
  page_write(page, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", class, x, y, radius);
}

/* Characters of `text` that fit into `most` pixels with an ellipsis behind them. */
static size_t fitting(const char *text, double most) {
  char part[8];
  size_t count = 0;
  double width = 1.0 * SVG_TEXT;
  for (size_t left = strlen(text); left; count++) {
    size_t length = utf8_sequence(text, left);
    if (length == 0) length = 1;
    memcpy(part, text, length);
    part[length] = 0;
    width += svg_text_width(part, SVG_TEXT);
    if (width > most) return count;
    text += length;
    left -= length;
  }
  return count;
}

void svg_text(struct page *page, const char *class, double x, double y, char anchor, const char *text, double most) {
  const char *anchors = anchor == 's' ? "start" : anchor == 'm' ? "middle" : "end";
  page_write(page, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchors);
  if (svg_text_width(text, SVG_TEXT) <= most) {
    page_text(page, text);
  } else {
    page_short_text(page, text, fitting(text, most) + 1);
    page_write(page, "<title>%s</title>", text);
  }
  page_write(page, "</text>\n");
}

double svg_text_width(const char *text, double size) {
  /* Advance widths of Helvetica's printable ASCII, in thousandths of the size. */
  static const short widths[95] = {278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
                                   556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
                                   1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
                                   667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
                                   333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
                                   556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};
  double width = 0;
  for (size_t left = strlen(text); left;) {
    unsigned char first = (unsigned char)*text;
    size_t length = utf8_sequence(text, left);
    if (length == 0) length = 1;
    /* Letters of three bytes are mostly as wide as high, those of two mostly Latin, Greek or Cyrillic. */
    width += first >= 32 && first < 127 ? widths[first - 32] : length > 2 ? 1000 : 600;
    text += length;
    left -= length;
  }
  return width * size / 1000;
}

/* ---- axes ---------------------------------------------------------------------------------------------------------
 */

enum { MOST_TICKS = sizeof((struct axis *)0)->ticks / sizeof(double) };

struct axis axis_linear(double low, double high, double begin, double end, double spacing) {
  struct axis axis = {.begin = begin, .end = end};
  if (!(high > low)) {
    double room = fabs(low) > 0 ? fabs(low) / 10 : 1;
    low -= room;
    high += room;
  }
  double wanted = fmax(2, floor(fabs(end - begin) / spacing)), rough = (high - low) / wanted;
  double power = pow(10, floor(log10(rough))), step = power;
  static const double steps[] = {1, 2, 2.5, 5, 10};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    step = steps[i] * power;
    if (step >= rough * 0.999) break;
  }
  axis.low = low;
  axis.high = high;
  axis.decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
  /* A step of 2.5 or 0.25 needs one more. */
  double scaled = step * pow(10, axis.decimals);
  if (fabs(scaled - nearbyint(scaled)) > 1e-6) axis.decimals++;
  for (double k = ceil(low / step - 1e-9); k * step <= high + step * 1e-9 && axis.tick_count < MOST_TICKS; k++) {
    axis.ticks[axis.tick_count++] = k * step;
  }
  return axis;
}

struct axis axis_logarithmic(double low, double high, double begin, double end, double spacing) {
  struct axis axis = {.begin = begin, .end = end, .logarithmic = 1};
  /* At least a factor of four, so that nearly equal costs look nearly equal. */
  double middle = sqrt(low * high);
  axis.low = fmin(low / 1.15, middle / 2);
  axis.high = fmax(high * 1.15, middle * 2);
  double decades = log10(axis.high / axis.low), room = fabs(end - begin) / spacing;
  int step = (int)fmax(1, ceil(decades / fmax(1, room)));
  bool between = decades * 3 <= room;
  for (int k = (int)floor(log10(axis.low)); k <= (int)ceil(log10(axis.high)); k++) {
    static const double factors[] = {1, 2, 5};
    for (int i = 0; i < (between ? 3 : 1) && axis.tick_count < MOST_TICKS; i++) {
      double tick = factors[i] * pow(10, k);
      if (tick >= axis.low && tick <= axis.high && k % step == 0) axis.ticks[axis.tick_count++] = tick;
    }
  }
  return axis;
}

double axis_place(const struct axis *axis, double value) {
  double share = axis->logarithmic ? log(value / axis->low) / log(axis->high / axis->low)
                                   : (value - axis->low) / (axis->high - axis->low);
  return axis->begin + share * (axis->end - axis->begin);
}

char *axis_text(char text[static 48], const struct axis *axis, double value) {
  if (!axis->logarithmic) return number_text(text, value, axis->decimals);
  static const char *const units[] = {"", " k", " M", " G", " T"};
  size_t unit = 0;
  for (; value >= 1000 && unit < 4; unit++) value /= 1000;
  snprintf(text, 48, "%g%s", value, units[unit]);
  return text;
}
