#include "evaluate/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 30 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_start(struct progress *p, size_t total, const char *unit, bool shown) {
  *p = (struct progress){.total = total, .unit = unit, .shown = shown, .terminal = isatty(STDERR_FILENO) == 1};
  p->begin = p->last_print = now();
}

static void format_duration(char *text, size_t size, double seconds) {
  long s = (long)(seconds + 0.5);
  if (s < 3600)
    snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
  else
    snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void print(const struct progress *p, double time) {
  double elapsed = time - p->begin, rate = elapsed > 0 ? (double)p->done / elapsed : 0;
  char left[32];
  format_duration(left, sizeof left, rate > 0 ? (double)(p->total - p->done) / rate : 0);
  if (!p->terminal) {
    fprintf(stderr, "%zu of %zu %s, %.1f %s/s, %s left\n", p->done, p->total, p->unit, rate, p->unit, left);
    return;
  }
  char bar[BAR + 1];
  size_t full = p->total ? p->done * BAR / p->total : BAR;
  for (size_t i = 0; i < BAR; i++) bar[i] = i < full ? '#' : '.';
  bar[BAR] = 0;
  fprintf(stderr, "\r[%s] %zu/%zu %s, %.1f/s, %s left \033[K", bar, p->done, p->total, p->unit, rate, left);
}

void progress_add(struct progress *p, size_t done) {
  p->done += done;
  double time = now();
  if (!p->shown || time - p->last_print < (p->terminal ? 0.1 : 10)) return;
  p->last_print = time;
  print(p, time);
}

void progress_end(struct progress *p) {
  if (!p->shown) return;
  double elapsed = now() - p->begin;
  fprintf(stderr, "%s%zu %s in %.1f s, %.1f %s/s\n", p->terminal ? "\r\033[K" : "", p->done, p->unit, elapsed,
          elapsed > 0 ? (double)p->done / elapsed : 0, p->unit);
}
