/* Functions of a real number on vectors. */
#ifndef KERNELS_SIMD_MATH_H
#define KERNELS_SIMD_MATH_H

#include "kernels/kernels.h"
#include "kernels/simd.h"

#define V_INLINE static inline __attribute__((always_inline))

/* e^x within 1.5 units in the last place: 0 below -103.97, infinity above 88.72, NaN for NaN.
 * x = n ln 2 + r, and e^r by a polynomial that is exactly 1 at 0. */
#if defined(ISA_avx512)
/* n in sixteenths, whose roots of 2 a permutation looks up: |r| <= ln 2 / 32, where Taylor's third degree is enough. */
static const float roots_of_2[LANES] __attribute__((aligned(64))) = {1,
                                                                     0x1.0b5586p0f,
                                                                     0x1.172b84p0f,
                                                                     0x1.2387a6p0f,
                                                                     0x1.306fep0f,
                                                                     0x1.3dea64p0f,
                                                                     0x1.4bfdaep0f,
                                                                     0x1.5ab07ep0f,
                                                                     0x1.6a09e6p0f,
                                                                     0x1.7a1148p0f,
                                                                     0x1.8ace54p0f,
                                                                     0x1.9c4918p0f,
                                                                     0x1.ae89fap0f,
                                                                     0x1.c199bep0f,
                                                                     0x1.d5818ep0f,
                                                                     0x1.ea4afap0f};

/* 2^y within 2 units in the last place, for any finite y: 0 where it is too small, infinity where too large. */
V_INLINE vfloat v_exp2(vfloat y) {
  const vfloat shift = v_set(0x1.8p+19f); /* adding it rounds to sixteenths, and leaves them in the lowest four bits */
  vfloat shifted = y + shift, n = shifted - shift, r = y - n;
  vfloat root = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), v_load(roots_of_2));
  vfloat p = v_fma(r, v_set(0x1.c6ac6ap-5f), v_set(0x1.ebfff4p-3f));
  p = v_fma(p, r, v_set(0x1.62e43p-1f));
  return _mm512_scalef_ps(v_fma(root * r, p, root), n); /* 2 to the whole number below n */
}

V_INLINE vfloat v_exp(vfloat x) {
  const vfloat shift = v_set(0x1.8p+19f);
  x = v_max(v_set(-104), v_min(v_set(89), x));
  vfloat shifted = v_fma(x, v_set(0x1.715476p+0f), shift), n = shifted - shift;
  /* ln 2 in two parts, the first so short that the difference is exact. */
  vfloat r = v_fma(n, v_set(-0x1.62e4p-1f), x);
  r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r);
  vfloat beyond_1 = v_fma(r * r, v_fma(r, v_set(1.0f / 6), v_set(0.5f)), r);
  vfloat root = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), v_load(roots_of_2));
  return _mm512_scalef_ps(v_fma(root, beyond_1, root), n);
}
#else
/* 2^y within 2 units in the last place, for finite y: 2^-125 below -125, 2^127 above 127. Whole n: |r| <= 1 / 2, and a
 * minimax polynomial of degree 5. */
V_INLINE vfloat v_exp2(vfloat y) {
  const vfloat shift = v_set(12582912); /* 1.5 * 2^23: adding it rounds to whole numbers */
  y = v_max(v_set(-125), v_min(v_set(127), y));
  vfloat shifted = y + shift, r = y - (shifted - shift);
  vfloat p = v_set(0x1.5bba14p-10f);
  p = v_fma(p, r, v_set(0x1.3cea88p-7f));
  p = v_fma(p, r, v_set(0x1.c6b752p-5f));
  p = v_fma(p, r, v_set(0x1.ebf9bcp-3f));
  p = v_fma(p, r, v_set(0x1.62e42ap-1f));
  p = v_fma(p, r, v_set(1));
  return p * (vfloat)(((vbits)shifted << 23) + 0x3F800000);
}

/* p * 2^n for whole n from -151 to 128, rounded once; `shifted` is n + 1.5 * 2^23, whose low bits are those of n. */
V_INLINE vfloat v_scale(vfloat p, vfloat shifted) {
  /* Two factors, as 2^n itself may be no normal number: 2^(n/2 rounded down) and the rest. */
  vbits bits = (vbits)shifted, half = ((bits << 22) & 0xFF800000) + 0x3F800000;
  return p * (vfloat)half * (vfloat)((bits << 23) - half + 0x7F000000);
}

/* Whole n: |r| <= ln 2 / 2, and a minimax polynomial. */
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
  return v_scale(p, shifted);
}
#endif

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

#if defined(ISA_avx512)
/* x * Phi(x) within 6e-8 and half a unit in the last place, and exactly 0 below -5.6.
 * It is max(x, 0) - a * Phi(-a) with a = |x|, and -a * Phi(-a), which does not cancel, is a polynomial on each of 15
 * pieces of equal width, 0 on the 16th: a permutation looks 16 coefficients up at once, in half the time of the
 * polynomial of the other instruction sets. Piece n is |a * GELU_PIECES - n| <= 1 / 2, its polynomial in the
 * difference the minimax fit of degree 5, within 1.1e-8. */
#define GELU_PIECES 0x1.4b6db6p+1f /* 14.5 / 5.6: a step's reciprocal */
static const float gelu_coefficients[6][LANES] __attribute__((aligned(64))) = {
    {0, -0x1.1492ccp-3f, -0x1.5bea5cp-3f, -0x1.2495fep-3f, -0x1.833642p-4f, -0x1.a6fdccp-5f, -0x1.84f832p-6f,
     -0x1.2ff574p-7f, -0x1.95c13cp-9f, -0x1.cffbep-11f, -0x1.c74efep-13f, -0x1.7fda3cp-15f, -0x1.163ab4p-17f,
     -0x1.5af446p-20f, -0x1.744d8p-23f, 0},
    {-0x1.8b79cep-3f, -0x1.46ee98p-4f, 0x1.ba13b8p-9f, 0x1.654d34p-5f, 0x1.8da7eap-5f, 0x1.2523d8p-5f, 0x1.4e4ff2p-6f,
     0x1.35cccep-7f, 0x1.dcd654p-9f, 0x1.344c0cp-10f, 0x1.5135f2p-12f, 0x1.3959aap-14f, 0x1.f036a2p-17f,
     0x1.4f7adap-19f, 0x1.83ede6p-22f, 0},
    {0x1.e77498p-5f, 0x1.a2aef2p-5f, 0x1.fba644p-6f, 0x1.47b12ep-7f, -0x1.c8f82p-9f, -0x1.053a3p-7f, -0x1.c05484p-8f,
     -0x1.0be33ep-8f, -0x1.f1a21p-10f, -0x1.76389cp-11f, -0x1.d0e41ap-13f, -0x1.e27f1ap-15f, -0x1.a55f6ep-17f,
     -0x1.3724e8p-19f, -0x1.85d878p-22f, 0},
    {0x1.b42c0ap-18f, -0x1.5a77dap-8f, -0x1.e9a764p-8f, -0x1.8b079p-8f, -0x1.7b7956p-9f, -0x1.45f9dap-12f,
     0x1.b2dc2p-11f, 0x1.d0dc38p-11f, 0x1.22f366p-11f, 0x1.0c7a3ep-12f, 0x1.86b8dap-14f, 0x1.ce0a8cp-16f,
     0x1.c34022p-18f, 0x1.6fa18p-20f, 0x1.f70112p-23f, 0},
    {-0x1.8aa622p-10f, -0x1.0a2b9ap-10f, -0x1.baecb4p-15f, 0x1.5fcdaep-11f, 0x1.9948f2p-11f, 0x1.ec7a94p-12f,
     0x1.0091ep-13f, -0x1.e5dc76p-15f, -0x1.7043e4p-14f, -0x1.e312aap-15f, -0x1.b842d4p-16f, -0x1.347a1cp-17f,
     -0x1.5a2b44p-19f, -0x1.3dba8ep-21f, -0x1.e31c22p-24f, 0},
    {0x1.93ef4ap-15f, 0x1.5bd814p-13f, 0x1.915b3ep-13f, 0x1.64e32cp-14f, -0x1.167792p-15f, -0x1.43686p-14f,
     -0x1.ce3fcp-15f, -0x1.30d6b8p-16f, 0x1.80bde8p-19f, 0x1.e7a3d2p-18f, 0x1.467592p-18f, 0x1.1f4438p-19f,
     0x1.7c4054p-21f, 0x1.8e13dp-23f, 0x1.51fa72p-25f, 0},
};

V_INLINE vfloat v_gelu(vfloat x) {
  const vfloat shift = v_set(12582912), scale = v_set(GELU_PIECES); /* adding 1.5 * 2^23 rounds to whole numbers */
  vfloat a = _mm512_range_ps(x, v_set(15 / GELU_PIECES), 0xA);      /* the smaller magnitude, without sign */
  vfloat shifted = v_fma(a, scale, shift), n = shifted - shift, t = v_fma(a, scale, -n);
  __m512i piece = _mm512_castps_si512(shifted); /* the lowest four bits are n */
  vfloat p = _mm512_permutexvar_ps(piece, v_load(gelu_coefficients[5]));
#pragma GCC unroll 5
  for (int i = 4; i >= 0; i--) p = v_fma(p, t, _mm512_permutexvar_ps(piece, v_load(gelu_coefficients[i])));
  return v_max(v_set(0), x) + p; /* in this order NaN stays NaN */
}
#else
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
#endif

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
