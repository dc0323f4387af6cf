/* The simulated machine catches kernels that are wrong on purpose. */
#include <stdio.h>
#include <string.h>

#include "kernels/cuda/language.h"
#include "tests/cuda/kernel_check.h"
#include "tests/cuda/machine.h"
#include "tests/harness.h"

enum { THREADS = 64 };

struct example {
  const float *in;
  float *out;
  int page; /* floats of a page, and one */
};
struct row {
  float values[THREADS];
};

/* out[t] = in[THREADS - 1 - t] through shared memory, as it should be. */
KERNEL(right, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  s->values[threadIdx.x] = p.in[threadIdx.x];
  __syncthreads();
  p.out[threadIdx.x] = s->values[THREADS - 1 - threadIdx.x];
}

KERNEL(without_a_barrier, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  s->values[threadIdx.x] = p.in[threadIdx.x];
  p.out[threadIdx.x] = s->values[THREADS - 1 - threadIdx.x];
}

/* Both halves write the same places of global memory. */
KERNEL(racing, struct example, p, THREADS, 1) { p.out[threadIdx.x % 32] = p.in[threadIdx.x]; }

/* Blocks may not count on each other's order either. */
KERNEL(racing_blocks, struct example, p, THREADS, 1) { p.out[threadIdx.x] = p.in[threadIdx.x] * (float)blockIdx.x; }

KERNEL(half_at_the_barrier, struct example, p, THREADS, 1) {
  if (threadIdx.x < 32) __syncthreads();
  p.out[threadIdx.x] = p.in[threadIdx.x];
}

KERNEL(two_barriers, struct example, p, THREADS, 1) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  p.out[threadIdx.x] = p.in[threadIdx.x];
}

KERNEL(half_a_shuffle, struct example, p, THREADS, 1) {
  float value = p.in[threadIdx.x];
  if (threadIdx.x % 2) value = __shfl_xor_sync(WHOLE_WARP, value, 1);
  p.out[threadIdx.x] = value;
}

/* Warps that exchange among themselves are no further than one that has not begun. */
KERNEL(without_a_barrier_behind_a_shuffle, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  s->values[threadIdx.x] = p.in[threadIdx.x];
  __syncthreads();
  s->values[threadIdx.x] = __shfl_xor_sync(WHOLE_WARP, p.in[threadIdx.x], 1);
  p.out[threadIdx.x] = s->values[(threadIdx.x + 32) % THREADS];
}

KERNEL(reading_beyond, struct example, p, THREADS, 1) { p.out[threadIdx.x] = p.in[threadIdx.x + 1]; }
KERNEL(reading_before, struct example, p, THREADS, 1) { p.out[threadIdx.x] = p.in[threadIdx.x - p.page]; }
KERNEL(writing_beyond, struct example, p, THREADS, 1) { p.out[threadIdx.x + 1] = p.in[threadIdx.x]; }

KERNEL(beyond_shared, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  float *values = s->values;
  values[threadIdx.x + 1] = p.in[threadIdx.x];
  __syncthreads();
  p.out[threadIdx.x] = values[threadIdx.x + 1];
}

KERNEL(uninitialised, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  if (threadIdx.x > 0) s->values[threadIdx.x] = p.in[threadIdx.x];
  __syncthreads();
  p.out[threadIdx.x] = s->values[threadIdx.x];
}

KERNEL(misaligned, struct example, p, THREADS, 1) {
  float4 four = load4(p.in + threadIdx.x % 32);
  p.out[threadIdx.x] = four.x;
}

/* Reads what cp.async brings without waiting for it. */
KERNEL(impatient, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  copy_async4(&s->values[threadIdx.x], &p.in[threadIdx.x], true);
  copy_commit();
  float early = s->values[threadIdx.x];
  copy_wait(0);
  p.out[threadIdx.x] = early;
}

KERNEL(never_waiting, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  copy_async4(&s->values[threadIdx.x], &p.in[threadIdx.x], true);
  copy_commit();
  p.out[threadIdx.x] = 0;
}

KERNEL(with_copies, struct example, p, THREADS, 1) {
  SHARED(struct row, s);
  copy_async4(&s->values[threadIdx.x], &p.in[threadIdx.x], threadIdx.x != 5);
  copy_commit();
  copy_wait(0);
  __syncthreads();
  p.out[threadIdx.x] = s->values[THREADS - 1 - threadIdx.x];
}

/* The sum of a warp by a butterfly, in every lane. */
KERNEL(butterfly, struct example, p, THREADS, 1) {
  float sum = p.in[threadIdx.x];
  for (int lane = 16; lane > 0; lane /= 2) sum += __shfl_xor_sync(WHOLE_WARP, sum, lane);
  p.out[threadIdx.x] = sum;
}

#define LAUNCHER(name, blocks)                                                  \
  static void launch_##name(const void *context) {                              \
    LAUNCH(NULL, name, blocks, 1, 1, THREADS, (const struct example *)context); \
  }
LAUNCHER(right, 1)
LAUNCHER(without_a_barrier, 1)
LAUNCHER(racing, 1)
LAUNCHER(racing_blocks, 3)
LAUNCHER(half_at_the_barrier, 1)
LAUNCHER(two_barriers, 1)
LAUNCHER(half_a_shuffle, 1)
LAUNCHER(without_a_barrier_behind_a_shuffle, 1)
LAUNCHER(reading_beyond, 1)
LAUNCHER(reading_before, 1)
LAUNCHER(writing_beyond, 1)
LAUNCHER(beyond_shared, 1)
LAUNCHER(uninitialised, 1)
LAUNCHER(misaligned, 1)
LAUNCHER(impatient, 1)
LAUNCHER(never_waiting, 1)
LAUNCHER(with_copies, 1)
LAUNCHER(butterfly, 1)

TEST(simulated_gpu_catches_wrong_kernels) {
  static const struct {
    const char *name;
    void (*launch)(const void *context);
    const char *finding; /* "": none */
  } cases[] = {
      {"right", launch_right, ""},
      {"without_a_barrier", launch_without_a_barrier, "uninitialised read"},
      {"racing", launch_racing, "a race"},
      {"racing_blocks", launch_racing_blocks, "a race"},
      {"half_at_the_barrier", launch_half_at_the_barrier, "which thread 32 does not reach"},
      {"two_barriers", launch_two_barriers, "but thread 0 at line"},
      {"half_a_shuffle", launch_half_a_shuffle, "waits at an exchange of line"},
      {"without_a_barrier_behind_a_shuffle", launch_without_a_barrier_behind_a_shuffle, "a race"},
      {"reading_beyond", launch_reading_beyond, "thread 63: touches"},
      {"reading_before", launch_reading_before, "thread 0: touches"},
      {"writing_beyond", launch_writing_beyond, "thread 63: touches"},
      {"beyond_shared", launch_beyond_shared, "thread 63: touches"},
      {"uninitialised", launch_uninitialised, "an uninitialised read"},
      {"misaligned", launch_misaligned, "is not 16-byte aligned"},
      {"impatient", launch_impatient, "an uninitialised read"},
      {"never_waiting", launch_never_waiting, "a cp.async that nobody waited for"},
      {"with_copies", launch_with_copies, ""},
      {"butterfly", launch_butterfly, ""},
  };
  struct random random = {1};
  float *in = machine_random(&random, THREADS), *out = machine_allocate(THREADS);
  REQUIRE(in && out);
  struct example example = {in, out, (int)(machine_page() / sizeof(float)) + 1};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    memset(out, 0, THREADS * sizeof *out);
    const char *problem = kernel_problem(cases[i].launch, &example, out, THREADS);
    if (cases[i].finding[0])
      CHECK_MSG(strstr(problem, cases[i].finding) != NULL, "%s: \"%s\"", cases[i].name, problem);
    else
      CHECK_MSG(!problem[0], "%s: \"%s\"", cases[i].name, problem);
    bool unfinished = strstr(problem, "touches") || strstr(problem, "reach");
    for (int t = 0; !problem[0] && !unfinished && !strcmp(cases[i].name, "right") && t < THREADS; t++) {
      CHECK(out[t] == in[THREADS - 1 - t]);
    }
  }
  machine_release(in);
  machine_release(out);
}
