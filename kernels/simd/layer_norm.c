/* Layer normalisation of one row: three passes over a row that lies in L1.
 *
 * A mean far larger than the deviation would leave few digits of either in single precision. So the first mean is only
 * a shift: deviations from it are exact where it matters, and their own mean corrects it (Chan, Golub and LeVeque 1983,
 * "corrected two-pass"). */
#include <math.h>
#include <stdbool.h>

#include "kernels/simd/simd_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Four chains hide the latency of an addition and shorten the sums. */
enum { CHAINS = 4 };

INLINE float sum_chains(const vfloat sum[CHAINS]) { return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3])); }

INLINE float sum_of(const float *in, int channels) {
  vfloat sum[CHAINS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
  int c = 0;
  for (; c + CHAINS * LANES <= channels; c += CHAINS * LANES) {
    for (int i = 0; i < CHAINS; i++) sum[i] += v_load(in + c + i * LANES);
  }
#pragma GCC unroll 4
  for (int i = 0; i < CHAINS; i++) { /* unrolled, as an index unknown to the compiler would keep `sum` in memory */
    int lanes = channels - c - i * LANES;
    if (lanes > 0) sum[i] += v_load_up_to(in + c + i * LANES, lanes);
  }
  return sum_chains(sum);
}

/* Sums of in - shift and of its square. */
INLINE void deviations_from(const float *in, int channels, float shift, float *sum, float *squares) {
  vfloat plain[CHAINS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
  vfloat squared[CHAINS] = {v_set(0), v_set(0), v_set(0), v_set(0)};
  int c = 0;
  for (; c + CHAINS * LANES <= channels; c += CHAINS * LANES) {
    for (int i = 0; i < CHAINS; i++) {
      vfloat x = v_load(in + c + i * LANES) - v_set(shift);
      plain[i] += x;
      squared[i] = v_fma(x, x, squared[i]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < CHAINS; i++) {
    int lanes = channels - c - i * LANES;
    if (lanes <= 0) break;
    vfloat x = v_load_up_to(in + c + i * LANES, lanes) - v_set(shift);
    if (lanes < LANES) x = v_keep_first(x, lanes);
    plain[i] += x;
    squared[i] = v_fma(x, x, squared[i]);
  }
  *sum = sum_chains(plain);
  *squares = sum_chains(squared);
}

/* out = ((in - shift) * scale + offset) * gamma + beta + residual; `affine` and `add` are constants at every call. */
INLINE void normalise(const float *in, int channels, float shift, float scale, float offset, const bool affine,
                      const float *gamma, const float *beta, const bool add, const float *residual, float *out) {
  for (int c = 0; c < channels; c += LANES) {
    int lanes = channels - c;
    vfloat x = v_fma(v_load_up_to(in + c, lanes) - v_set(shift), v_set(scale), v_set(offset));
    if (affine) x = v_fma(x, v_load_up_to(gamma + c, lanes), v_load_up_to(beta + c, lanes));
    if (add) x += v_load_up_to(residual + c, lanes);
    v_store_up_to(out + c, x, lanes);
  }
}

void ISA_NAME(layer_norm_row)(const float *in, int channels, const float *gamma, const float *beta, float epsilon,
                              const float *residual, float *out) {
  float share = 1 / (float)channels, shift = sum_of(in, channels) * share, sum, squares;
  deviations_from(in, channels, shift, &sum, &squares);
  float mean = sum * share, variance = (squares - sum * mean) * share;
  float scale = 1 / sqrtf((variance > 0 ? variance : 0) + epsilon), offset = -mean * scale;
  if (gamma && residual)
    normalise(in, channels, shift, scale, offset, true, gamma, beta, true, residual, out);
  else if (gamma)
    normalise(in, channels, shift, scale, offset, true, gamma, beta, false, residual, out);
  else if (residual)
    normalise(in, channels, shift, scale, offset, false, gamma, beta, true, residual, out);
  else
    normalise(in, channels, shift, scale, offset, false, gamma, beta, false, residual, out);
}
