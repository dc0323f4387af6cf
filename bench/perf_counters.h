/* The processor's own counters, by Linux's perf_event_open(2): of this process's threads, in user mode. */
#ifndef BENCH_PERF_COUNTERS_H
#define BENCH_PERF_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

enum { PERF_MOST_EVENTS = 4 };

/* An event as perf_event_open() numbers it. */
struct perf_event {
  uint32_t type;
  uint64_t config;
  const char *name; /* "cache_misses" */
};

/* What a profile counts: cache misses, instructions, cycles. A cache miss is the processor's generic one: of the last
 * level on Intel's, of the second on AMD's. */
enum { PERF_CACHE_MISSES, PERF_INSTRUCTIONS, PERF_CYCLES, PERF_PROFILE_EVENTS };
extern const struct perf_event perf_profile_events[PERF_PROFILE_EVENTS];

struct perf_counters {
  int descriptors[PERF_MOST_EVENTS]; /* -1: refused */
  size_t count;
  char reason[192]; /* which events are not counted, and why; "" when all are */
};

/* Count n events on the calling thread and on every thread that it starts from now on (so before threads_start()). What
 * the kernel or the processor refuses is left out, with the reason. */
void perf_counters_start(struct perf_counters *counters, const struct perf_event *events, size_t n);
void perf_counters_stop(struct perf_counters *counters);

/* What was counted since the start. Where more events are counted than the processor has counters for, they take turns,
 * and `running` is less than `enabled`: nanoseconds, summed over the threads. */
struct perf_reading {
  uint64_t value, enabled, running;
};
/* All 0 for an event that is refused. */
struct perf_reading perf_counters_read(const struct perf_counters *counters, size_t event);

/* Counts by operation: `watch` is for session_watch(). */
struct perf_watch {
  const struct perf_counters *counters;
  struct perf_reading last[PERF_MOST_EVENTS], sum[PERF_MOST_EVENTS];
  double *counts; /* [operations, counters->count], added to */
};
/* After operation `op`; -1: a run begins. context is a struct perf_watch. */
void perf_watch_operation(void *context, int op);
/* The share of an event's counts that was seen, in (0, 1]; 0: it was never counted. Counts are to be divided by it. */
double perf_watch_seen(const struct perf_watch *watch, size_t event);

#endif
