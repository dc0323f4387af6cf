/* The tests' machine (tests/cuda/machine.h) on a real GPU, for `make test-cuda`: buffers are managed memory, which the
 * host and the GPU both see, and orders of threads are the GPU's own. Guards are compute-sanitizer's. */
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cuda/machine.h"

static cudaError_t first_problem = cudaSuccess;

void machine_reset(enum machine_order order, uint32_t pattern) {
  (void)order;
  (void)pattern;
  first_problem = cudaSuccess;
}

const char *machine_problem(void) {
  cudaError_t status = cudaDeviceSynchronize(), last = cudaGetLastError();
  if (first_problem == cudaSuccess) first_problem = status != cudaSuccess ? status : last;
  return first_problem == cudaSuccess ? "" : cudaGetErrorString(first_problem);
}

float *machine_allocate(size_t floats) {
  float *memory = NULL;
  size_t n = floats ? floats : 1;
  cudaError_t status = cudaMallocManaged(&memory, n * sizeof *memory);
  if (status != cudaSuccess) {
    fprintf(stderr, "no buffer of %zu floats on the GPU: %s\n", n, cudaGetErrorString(status));
    exit(1);
  }
  for (size_t i = 0; i < n; i++) memory[i] = NAN;
  return memory;
}

void machine_release(float *memory) {
  cudaDeviceSynchronize();
  cudaFree(memory);
}
