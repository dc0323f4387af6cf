/* `backbones bench --scaling`: how speed grows with threads, measured here and expected on more cores. */
#ifndef BENCH_SCALING_H
#define BENCH_SCALING_H

#include "kernels/error.h"
#include "weights-tools/json.h"

struct scaling_request {
  const char *archs; /* a list of names, with seeded weights; or, with `weights`, the name of one or NULL */
  const char *weights;
  const char *device;       /* "cpu" or "cpu:bf16" */
  const int *threads;       /* [thread_count] rising, the first is 1 */
  const double *bandwidths; /* [thread_count] measured, GB/s */
  size_t thread_count;
  int batch;        /* of throughput */
  double seconds;   /* of each row */
  double bandwidth; /* of the larger machine, GB/s; 0: 200, which is eight channels of DDR4-3200 */
  bool table;       /* on standard output */
};

/* Of every model: latency (one image, each op split over the threads) and throughput (every thread its own batches)
 * for each number of threads, and what bench/scaling_model.h expects of more, up to 64. Writes an array when w is not
 * NULL. */
int scaling_bench(const struct scaling_request *request, struct json_writer *w, error *e);

#endif
