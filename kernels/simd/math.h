/* Functions of a real number on vectors. */
#ifndef KERNELS_SIMD_MATH_H
#define KERNELS_SIMD_MATH_H

#include "kernels/kernels.h"
#include "kernels/simd.h"

#define V_INLINE static inline __attribute__((always_inline))

/* p * 2^n for whole n from -151 to 128, rounded once; `shifted` is n + 1.5 * 2^23, whose low bits are those of n. */
V_INLINE vfloat v_scale(vfloat p, vfloat n, vfloat shifted) {
#if defined(ISA_avx512)
  (void)shifted;
  return _mm512_scalef_ps(p, n);
#else
  /* Two factors, as 2^n itself may be no normal number: 2^(n/2 rounded down) and the rest. */
  (void)n;
  vbits bits = (vbits)shifted, half = ((bits << 22) & 0xFF800000) + 0x3F800000;
  return p * (vfloat)half * (vfloat)((bits << 23) - half + 0x7F000000);
#endif
}

/* e^x within 1.5 units in the last place: 0 below -103.97, infinity above 88.72, NaN for NaN.
 * x = n ln 2 + r, |r| <= ln 2 / 2, and e^r by a minimax polynomial that is exactly 1 at 0. */
V_INLINE vfloat v_exp(vfloat x) {
  const vfloat shift = v_set(12582912); /* 1.5 * 2^23: adding it rounds to whole numbers */
  x = v_max(v_set(-104), v_min(v_set(89), x));
  vfloat shifted = v_fma(x, v_set(0x1.715476p+0f), shift), n = shifted - shift;
  /* ln 2 in two parts, the first so short that n times it is exact. */
  vfloat r = v_fma(n, v_set(-0x1.62e4p-1f), x);
  r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r);
  vfloat p = v_set(0x1.6a23d0p-10f);
  p = v_fma(p, r, v_set(0x1.123a20p-7f));
  p = v_fma(p, r, v_set(0x1.5558f2p-5f));
  p = v_fma(p, r, v_set(0x1.555492p-3f));
  p = v_fma(p, r, v_set(0x1.fffffcp-2f));
  p = v_fma(p, r, v_set(1));
  p = v_fma(p, r, v_set(1));
  return v_scale(p, n, shifted);
}

/* 1 / (1 + e^-x) */
V_INLINE vfloat v_sigmoid(vfloat x) { return v_set(1) / (v_set(1) + v_exp(-x)); }

/* x * sigmoid(x) */
V_INLINE vfloat v_silu(vfloat x) { return x / (v_set(1) + v_exp(-x)); }

#endif
