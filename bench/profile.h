/* Where the time of one model goes: what `backbones profile` measures, and how it tells. */
#ifndef BENCH_PROFILE_H
#define BENCH_PROFILE_H

#include <stdbool.h>

#include "bench/perf_counters.h"
#include "models/placement.h"

/* An operation, or all operations of a kind; sums are of one batch. */
struct profile_row {
  char name[64], kind[32], shape[64]; /* of a kind only the kind */
  double seconds, flops, bytes;
  double function_seconds;            /* the least that activations and softmax take */
  double counts[PERF_PROFILE_EVENTS]; /* by all threads; NaN where not counted */
  int operations;
};

struct profile {
  const char *arch, *weights, *device; /* as given; arch or weights is NULL */
  double seconds;                      /* to measure */
  struct gpu_facts gpu;                /* the device, or without a name the CPU */
  int batch, threads;
  /* measured: */
  char title[96]; /* the model's name */
  char isa[32];
  double peak, bandwidth; /* GFLOP/s, GB/s */
  struct profile_row *rows, *kinds;
  size_t count, kind_count; /* kinds: most time first */
  double total;             /* seconds of a batch */
  size_t runs;
  double others;       /* cores that other programs used meanwhile */
  char uncounted[192]; /* why counts are missing; "" when there are all */
};

/* Fill in what is measured from what was given; profile_free() it, whatever happens. */
int profile_measure(struct profile *profile, error *e);
void profile_free(struct profile *profile);

/* The least time that the machine could take: arithmetic at its peak or bytes at its bandwidth, whichever is longer,
 * and activations and softmax at their measured rates. */
double profile_least_seconds(const struct profile *profile, const struct profile_row *row);
/* Of all operations together, those above their roofline (Winograd, caches) as fast as they were. */
double profile_least_total(const struct profile *profile);
/* FLOP for every byte that is read or written once. */
double profile_intensity(const struct profile_row *row);
/* Whether an event was counted. */
bool profile_counted(const struct profile *profile, size_t event);

/* ---- telling ---- */

void profile_print(const struct profile *profile);
int profile_print_json(const struct profile *profile, error *e);
/* The Trace Event Format that chrome://tracing and Perfetto read. */
int profile_write_trace(const struct profile *profile, const char *path, error *e);
/* One HTML file that needs nothing else; command: the command line, to be told. */
int profile_write_report(const struct profile *profile, const char *path, const char *command, error *e);

#endif
