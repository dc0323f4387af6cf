/* The machine's multiply-add peak: twelve independent chains in registers, nothing loaded or stored. */
#include "kernels/simd/simd_kernels.h"

double ISA_NAME(fma_peak)(long rounds, float *sink) {
  enum { CHAINS = 12 };
  vfloat sum[CHAINS], a = v_set(0.999f), b = v_set(0.001f);
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) sum[i] = v_set((float)i);
  for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = v_fma(sum[i], a, b);
  }
  vfloat total = v_set(0);
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) total += sum[i];
  v_store(sink, total);
  return 2.0 * CHAINS * LANES * (double)rounds;
}
