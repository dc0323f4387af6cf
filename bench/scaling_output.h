/* The table, the drawing and the JSON of `bench --scaling`. */
#ifndef BENCH_SCALING_OUTPUT_H
#define BENCH_SCALING_OUTPUT_H

#include <stdbool.h>

#include "bench/scaling.h"
#include "bench/scaling_model.h"

enum { MOST_POINTS = 24, MOST_TAILS = 3 };

struct scaling_point {
  int threads;
  bool measured;     /* else expected: ms, q1, q3 are 0, and images_per_s is the model's */
  double ms, q1, q3; /* of a batch */
  double others;     /* cores that other programs used meanwhile */
  double images_per_s, speedup, efficiency;
  double model_images_per_s, model_efficiency;
  double bandwidth;  /* GB/s, measured or assumed */
  double barrier_us; /* of latency, as `terms` */
  struct latency_terms terms;
};

struct scaling_curve {
  struct scaling_point points[MOST_POINTS];
  size_t count;
};

struct scaling_result {
  const char *arch, *dtype;
  size_t ops, jobs;                      /* of an image; jobs: calls of threads_run() */
  double weight_bytes, activation_bytes; /* packed; read and written by an image */
  double together;                       /* images of a worker's batch that run together */
  double bytes;                          /* of an image in throughput */
  double socket_bandwidth;
  int batch;
  struct scaling_curve latency, throughput;
  /* The ops with the longest tails on the last point's threads: seconds beyond an even split. */
  struct op_tail {
    const char *name;
    double seconds;
  } tails[MOST_TAILS];
  size_t tail_count;
};

/* others: cores that other programs used meanwhile. */
void scaling_print_barriers(const int *threads, const double *us, size_t count, double others);
void scaling_print_model(const struct scaling_result *result);
/* Point i, the first with its heading. */
void scaling_print_latency(const struct scaling_result *result, size_t i);
void scaling_print_tails(const struct scaling_result *result);
void scaling_print_throughput(const struct scaling_result *result, size_t i);
/* How to check what was expected. */
void scaling_print_check(const struct scaling_request *request);
/* The member "barriers" of the open object. */
void scaling_write_barriers(const int *threads, const double *us, size_t count, struct json_writer *w);
/* An object. */
void scaling_write(const struct scaling_result *result, struct json_writer *w);

#endif
