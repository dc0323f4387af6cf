#include "tests/cuda/kernel_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda/machine.h"
#include "tests/harness.h"

/* Patterns of shared memory: a NaN, which spreads; and a large number, which comparisons do not swallow. */
static const uint32_t NOT_A_NUMBER = 0x7fc0deadu, LARGE = 0x5a5a5a5au;

static const struct way {
  enum machine_order order;
  uint32_t pattern;
  const char *difference; /* from the first: what it means */
} ways[] = {{ORDER_FORWARD, NOT_A_NUMBER, ""},
            {ORDER_FORWARD, LARGE, "an uninitialised read: the result depends on what shared memory held before"},
            {ORDER_REVERSE, NOT_A_NUMBER, "a race: the result depends on the order of threads"},
            {ORDER_SHUFFLED, NOT_A_NUMBER, "a race: the result depends on the order of threads"}};

const char *kernel_problem(void (*launch)(const void *context), const void *context, float *out, size_t n) {
  static char problem[512];
  problem[0] = 0;
  size_t bytes = n * sizeof *out;
  float *before = malloc(bytes + 1), *first = malloc(bytes + 1);
  memcpy(before, out, bytes);
  for (size_t w = 0; w < sizeof ways / sizeof *ways && !problem[0]; w++) {
    memcpy(out, before, bytes);
    machine_reset(ways[w].order, ways[w].pattern);
    launch(context);
    snprintf(problem, sizeof problem, "%s", machine_problem());
    if (w == 0)
      memcpy(first, out, bytes);
    else if (!problem[0] && memcmp(first, out, bytes) != 0)
      snprintf(problem, sizeof problem, "%s", ways[w].difference);
  }
  free(before);
  free(first);
  machine_reset(ORDER_FORWARD, NOT_A_NUMBER);
  return problem;
}

bool check_kernel(const char *what, void (*launch)(const void *context), const void *context, float *out, size_t n,
                  const float *expected, double tolerance) {
  const char *problem = kernel_problem(launch, context, out, n);
  if (!CHECK_MSG(!problem[0], "%s: %s", what, problem)) return false;
  return CHECK_MSG(CHECK_ALL_NEAR(out, expected, n, tolerance), "%s", what);
}

float *machine_random(struct random *random, size_t n) {
  float *values = machine_allocate(n);
  if (values) random_fill(random, values, n);
  return values;
}
