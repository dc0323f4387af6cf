/* Progress of long work on stderr: a bar with rate and time left on a terminal, a line now and then otherwise. */
#ifndef EVALUATE_PROGRESS_H
#define EVALUATE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
  size_t total, done;
  const char *unit;
  bool shown, terminal;
  double begin, last_print;
};

void progress_start(struct progress *progress, size_t total, const char *unit, bool shown);
void progress_add(struct progress *progress, size_t done);
/* Ends the bar's line, or prints the last one: "1874 images in 70.1 s, 26.7 images/s". */
void progress_end(struct progress *progress);

#endif
