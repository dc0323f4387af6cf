/* `backbones bench` of whole models: what is asked for, the machine's figures, and a row for each model, batch and
 * number of threads. */
#ifndef BENCH_MODEL_BENCH_H
#define BENCH_MODEL_BENCH_H

#include "bench/against.h"
#include "kernels/kernels.h"
#include "models/placement.h"

enum { MOST_LIST = 16 };

struct bench {
  const char *archs, *weights, *out, *images, *device, *against;
  struct gpu_facts gpu; /* the device, or without a name the CPU */
  int batches[MOST_LIST], threads[MOST_LIST];
  size_t batch_count, thread_count;
  double peaks[MOST_LIST], bandwidths[MOST_LIST]; /* GFLOP/s and GB/s for each number of threads */
  double seconds;                                 /* of each row */
  double load_peak_mb;                            /* the resident set's largest size while the model was loaded */
  double bandwidth;                               /* --bandwidth, GB/s; 0: not given */
  bool json, gemm, scaling;
  const struct kernels *kernels;
  struct bench_rows measured, earlier;
  struct json_writer *w; /* NULL: a table only */
};

/* Print or write a row for each, and keep it in bench->measured. */
int bench_models(struct bench *bench, error *e);

#endif
