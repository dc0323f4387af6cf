/* Norms over pixels, scales and gates: vectors run along channels. */
#include <math.h>

#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

/* Squares of `vectors` neighbouring vectors; the pixels' lines are read once, in order. */
V_INLINE void norm_vectors(const float *in, ptrdiff_t stride, int n, const int vectors, int lanes, float *out) {
  vfloat sum[4];
  for (int v = 0; v < vectors; v++) sum[v] = v_set(0);
  for (int i = 0; i < n; i++, in += stride) {
    for (int v = 0; v < vectors; v++) {
      vfloat x = v_load_up_to(in + v * LANES, lanes);
      sum[v] = v_fma(x, x, sum[v]);
    }
  }
  for (int v = 0; v < vectors; v++) {
    float norm[LANES];
    v_store(norm, sum[v]);
    for (int l = 0; l < LANES; l++) norm[l] = sqrtf(norm[l]);
    v_store_up_to(out + v * LANES, v_load(norm), lanes);
  }
}

void ISA_NAME(norm_pixels)(const float *in, ptrdiff_t stride, int n, int channels, float *out) {
  int c = 0;
  for (; c + 4 * LANES <= channels; c += 4 * LANES) norm_vectors(in + c, stride, n, 4, LANES, out + c);
  for (; c + LANES <= channels; c += LANES) norm_vectors(in + c, stride, n, 1, LANES, out + c);
  if (c < channels) norm_vectors(in + c, stride, n, 1, channels - c, out + c);
}

void ISA_NAME(scale_row)(const float *in, const float *scale, const float *shift, int channels, float *out) {
  for (int c = 0; c < channels; c += LANES) {
    int lanes = channels - c;
    v_store_up_to(out + c,
                  v_fma(v_load_up_to(in + c, lanes), v_load_up_to(scale + c, lanes), v_load_up_to(shift + c, lanes)),
                  lanes);
  }
}

void ISA_NAME(gate_silu_row)(const float *in, int channels, float *out) {
  for (int c = 0; c < channels; c += LANES) {
    int lanes = channels - c;
    v_store_up_to(out + c, v_silu(v_load_up_to(in + c, lanes)) * v_load_up_to(in + channels + c, lanes), lanes);
  }
}
