#include "bench/other_load.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/machine.h"

const double disturbing_load = 0.1;

static bool may_use(unsigned core) {
  cpu_set_t set;
  if (core >= CPU_SETSIZE || sched_getaffinity(0, sizeof set, &set)) return true;
  return CPU_ISSET(core, &set);
}

double load_busy_seconds(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  char line[1024];
  double ticks = 0;
  while (fgets(line, sizeof line, file) && !strncmp(line, "cpu", 3)) {
    if (line[3] == ' ') continue; /* the sum over all cores has no number, and %u would take its first figure for one */
    unsigned core;
    double user, nice, system, idle, wait, irq, soft, steal;
    if (sscanf(line, "cpu%u %lf %lf %lf %lf %lf %lf %lf %lf", &core, &user, &nice, &system, &idle, &wait, &irq, &soft,
               &steal) != 9)
      continue;
    if (may_use(core)) ticks += user + nice + system + irq + soft + steal;
  }
  fclose(file);
  return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double own_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct load_watch load_watch_start(void) {
  return (struct load_watch){.begin = now(), .busy = load_busy_seconds("/proc/stat"), .own = own_seconds()};
}

double load_watch_others(const struct load_watch *watch) {
  double time = now() - watch->begin;
  if (time < 0.25) return 0;
  double others = (load_busy_seconds("/proc/stat") - watch->busy - (own_seconds() - watch->own)) / time;
  return others > 0 ? others : 0;
}
