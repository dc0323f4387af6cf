/* The reliability diagram. */
#include <math.h>

#include "evaluate/calibration.h"

enum { SIDE = 360, LEFT = 56, TOP = 24, MARGIN = 16, BOTTOM = 48, LARGEST = 14 /* radius of a point of all images */ };

static double across(double x) { return LEFT + x * SIDE; }
static double down(double y) { return TOP + (1 - y) * SIDE; }

static void draw_axes(FILE *f) {
  for (int i = 0; i <= 5; i++) {
    double value = i / 5.0;
    fprintf(f, "<path class=\"grid\" d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>\n", across(value), down(0), down(1),
            across(0), down(value), across(1));
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.1f</text>\n", across(value), down(0) + 18, value);
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>\n", across(0) - 8, down(value) + 4, value);
  }
  fprintf(f, "<path class=\"diagonal\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", across(0), down(0), across(1), down(1));
  fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">confidence</text>\n", across(0.5), down(0) + 38);
  fprintf(f, "<text transform=\"translate(16 %.1f) rotate(-90)\" text-anchor=\"middle\">accuracy</text>\n", down(0.5));
}

static void draw_points(const struct calibration *c, const char *class, FILE *f) {
  size_t n = 0;
  for (int b = 0; b <= ECE_BINS; b++) n += c->bins[b].n;
  const char *command = "M";
  fprintf(f, "<path class=\"%s line\" d=\"", class);
  for (int b = 0; b <= ECE_BINS; b++) {
    if (!c->bins[b].n) continue;
    fprintf(f, "%s%.1f %.1f", command, across(c->bins[b].confidence), down(c->bins[b].accuracy));
    command = "L";
  }
  fprintf(f, "\"/>\n");
  for (int b = 0; b <= ECE_BINS; b++) {
    const struct calibration_bin *bin = &c->bins[b];
    if (!bin->n) continue;
    fprintf(f,
            "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%zu images: confidence %.3f, accuracy "
            "%.3f</title></circle>\n",
            class, across(bin->confidence), down(bin->accuracy), 2 + LARGEST * sqrt((double)bin->n / (double)n), bin->n,
            bin->confidence, bin->accuracy);
  }
}

static void draw_label(const struct calibration *c, const char *class, const char *name, double y, FILE *f) {
  fprintf(f, "<text class=\"%s label\" x=\"%.1f\" y=\"%.1f\">%s: ECE %.4f</text>\n", class, across(0.04), down(y), name,
          c->ece);
}

void calibration_draw(const struct calibration *before, const struct calibration *after, FILE *f) {
  int width = LEFT + SIDE + MARGIN, height = TOP + SIDE + BOTTOM;
  fprintf(f,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"t d\">\n"
          "<title id=\"t\">Reliability</title><desc id=\"d\">Accuracy over confidence: ECE %.4f",
          width, height, before->ece);
  if (after) fprintf(f, ", at temperature %.3f %.4f", after->temperature, after->ece);
  fprintf(f,
          "</desc>\n<style>text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd;fill:none}.diagonal{stroke:#888;"
          "stroke-dasharray:4 3}.line{fill:none;stroke-width:1.5}.before{fill:#b35806;stroke:#b35806;fill-opacity:.5}"
          ".after{fill:#2166ac;stroke:#2166ac;fill-opacity:.5}.line.before,.line.after{fill:none}"
          ".label{stroke:none;fill-opacity:1}</style>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
          width, height);
  draw_axes(f);
  draw_points(before, "before", f);
  draw_label(before, "before", after ? "as it is" : "first choices", 0.94, f);
  if (after) {
    draw_points(after, "after", f);
    draw_label(after, "after", "with temperature", 0.88, f);
  }
  fprintf(f, "</svg>\n");
}
