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

/* x * sigmoid(1.702 x) */
V_INLINE vfloat v_quick_gelu(vfloat x) { return x / (v_set(1) + v_exp(v_set(-1.702f) * x)); }

/* x / 2 * (1 + tanh y) = x * sigmoid(2 y), y = sqrt(2 / pi) * (x + 0.044715 x^3) */
V_INLINE vfloat v_gelu_tanh(vfloat x) {
  vfloat minus_2y = x * v_fma(x * x, v_set(-2 * 0.7978845608f * 0.044715f), v_set(-2 * 0.7978845608f));
  return x / (v_set(1) + v_exp(minus_2y));
}

/* x * Phi(x) within 2.5e-7 below 4, within one rounding of x above, and exactly 0 below -6.5.
 * It is max(x, 0) - a * Phi(-a) with a = |x|, and Phi(-a) is (1 - a / 6.5)^8 times a polynomial: the factor falls as
 * the tail does, ends in 0, and costs three squarings where e^(-a^2 / 2) would cost twelve instructions. The
 * coefficients are the minimax fit to a * Phi(-a), in u = 1 - a / 3.25 that runs over [-1, 1], where the sum does not
 * cancel. */
V_INLINE vfloat v_gelu(vfloat x) {
  vfloat a = v_min(v_set(6.5f), v_abs(x)); /* in this order NaN stays NaN */
  vfloat u = v_fma(a, v_set(-0x1.3b13b2p-2f), v_set(1));
  vfloat p = v_set(0x1.93d93ep-9f);
  p = v_fma(p, u, v_set(-0x1.31c9eep-7f));
  p = v_fma(p, u, v_set(0x1.53224ap-8f));
  p = v_fma(p, u, v_set(0x1.9990d2p-8f));
  p = v_fma(p, u, v_set(-0x1.88098ap-10f));
  p = v_fma(p, u, v_set(-0x1.1fbca6p-8f));
  p = v_fma(p, u, v_set(-0x1.aa7dc0p-9f));
  p = v_fma(p, u, v_set(0x1.1130e0p-11f));
  p = v_fma(p, u, v_set(0x1.749752p-9f));
  p = v_fma(p, u, v_set(0x1.03607cp-9f));
  p = v_fma(p, u, v_set(0x1.2e84c8p-11f));
  vfloat factor = v_set(1) + u;
  factor *= factor;
  factor *= factor;
  factor *= factor;
  return v_fma(-a * factor, p, v_max(v_set(0), x));
}

/* Branches once a call: where the activation is a constant or hoisted out of the loop, not at all. */
V_INLINE vfloat v_activate(vfloat x, enum activation activation) {
  switch (activation) {
    case ACTIVATION_NONE:
      break;
    case ACTIVATION_RELU:
      return v_max(v_set(0), x); /* in this order NaN stays NaN */
    case ACTIVATION_GELU:
      return v_gelu(x);
    case ACTIVATION_GELU_TANH:
      return v_gelu_tanh(x);
    case ACTIVATION_QUICK_GELU:
      return v_quick_gelu(x);
    case ACTIVATION_SILU:
      return v_silu(x);
  }
  return x;
}

#endif
