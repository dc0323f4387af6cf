/* GEMM alone, on the shapes of the layers that matter: how much of the machine's FMA peak the kernels reach. */
#ifndef BENCH_GEMM_BENCH_H
#define BENCH_GEMM_BENCH_H

#include "kernels/kernels.h"
#include "weights-tools/json.h"

/* Prints a table (or writes the value of a JSON key) for each number of threads. */
int gemm_bench(const struct kernels *kernels, const int *threads, size_t thread_counts, double seconds,
               struct json_writer *json, error *e);

#endif
