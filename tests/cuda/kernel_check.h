/* A launch held against the machine's rules, and its result against the reference. */
#ifndef TESTS_CUDA_KERNEL_CHECK_H
#define TESTS_CUDA_KERNEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Run launch(context), which writes out[n], in every order of threads and from other contents of shared memory, each
 * time from what `out` holds now. "" when nothing is wrong and all results are the same bits, which `out` then holds;
 * else what is wrong, until the next call: the machine's problem, "a race", "an uninitialised read". */
const char *kernel_problem(void (*launch)(const void *context), const void *context, float *out, size_t n);

/* kernel_problem() and |out - expected| <= tolerance, as checks of the running test. */
bool check_kernel(const char *what, void (*launch)(const void *context), const void *context, float *out, size_t n,
                  const float *expected, double tolerance);

/* Random floats in [-1, 1) in a guarded buffer of the machine. */
struct random;
float *machine_random(struct random *random, size_t n);

#endif
