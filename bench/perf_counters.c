/* One counter an event, inherited by the threads of the pool: a reading sums over them. (A group of events, which one
 * call could read, cannot be inherited before Linux 6.12.) */
#include "bench/perf_counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct perf_event perf_profile_events[PERF_PROFILE_EVENTS] = {
    [PERF_CACHE_MISSES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, "cache_misses"},
    [PERF_INSTRUCTIONS] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, "instructions"},
    [PERF_CYCLES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cycles"},
};

/* What stands in the way, as the user can change it. */
static const char *explain(int reason) {
  switch (reason) {
    case EACCES:
    case EPERM:
      return "the kernel refuses (kernel.perf_event_paranoid above 2, or a container's filter)";
    case ENOSYS:
      return "the kernel has no perf_event_open";
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return "the processor offers no such counter (virtual machines often hide it)";
    default:
      return strerror(reason);
  }
}

void perf_counters_start(struct perf_counters *counters, const struct perf_event *events, size_t n) {
  *counters = (struct perf_counters){.count = n};
  const char *why = NULL; /* the last one: they have all the same, but for rare processors */
  for (size_t i = 0; i < n; i++) {
    struct perf_event_attr attributes = {
        .type = events[i].type,
        .size = sizeof attributes,
        .config = events[i].config,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .inherit = 1,
        .exclude_kernel = 1, /* which is all that perf_event_paranoid = 2, the usual setting, allows */
        .exclude_hv = 1,
    };
    counters->descriptors[i] = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (counters->descriptors[i] >= 0) continue;
    why = explain(errno);
    size_t used = strlen(counters->reason);
    snprintf(counters->reason + used, sizeof counters->reason - used, "%s%s", used ? ", " : "", events[i].name);
  }
  if (why) {
    size_t used = strlen(counters->reason);
    snprintf(counters->reason + used, sizeof counters->reason - used, ": %s", why);
  }
}

void perf_counters_stop(struct perf_counters *counters) {
  for (size_t i = 0; i < counters->count; i++) {
    if (counters->descriptors[i] >= 0) close(counters->descriptors[i]);
  }
  *counters = (struct perf_counters){0};
}

struct perf_reading perf_counters_read(const struct perf_counters *counters, size_t event) {
  uint64_t words[3];
  if (counters->descriptors[event] < 0 || read(counters->descriptors[event], words, sizeof words) != sizeof words)
    return (struct perf_reading){0};
  return (struct perf_reading){words[0], words[1], words[2]};
}

void perf_watch_operation(void *context, int op) {
  struct perf_watch *watch = context;
  size_t n = watch->counters->count;
  for (size_t i = 0; i < n; i++) {
    struct perf_reading reading = perf_counters_read(watch->counters, i), *last = &watch->last[i],
                        *sum = &watch->sum[i];
    if (op >= 0 && reading.enabled >= last->enabled) {
      watch->counts[(size_t)op * n + i] += (double)(reading.value - last->value);
      sum->value += reading.value - last->value;
      sum->enabled += reading.enabled - last->enabled;
      sum->running += reading.running - last->running;
    }
    *last = reading;
  }
}

double perf_watch_seen(const struct perf_watch *watch, size_t event) {
  const struct perf_reading *sum = &watch->sum[event];
  return sum->enabled ? (double)sum->running / (double)sum->enabled : 0;
}
