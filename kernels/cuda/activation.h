/* The activations of enum activation, one number at a time. */
#ifndef KERNELS_CUDA_ACTIVATION_H
#define KERNELS_CUDA_ACTIVATION_H

#include "kernels/cuda/language.h"
#include "kernels/kernels.h"

DEVICE float silu(float x) { return x / (1 + expf(-x)); }

/* A call, as 64 copies of all of these at the end of a product would cost it registers. */
DEVICE_CALL float activate(float x, enum activation activation) {
  switch (activation) {
    case ACTIVATION_NONE:
      break;
    case ACTIVATION_RELU:
      return x < 0 ? 0 : x;
    case ACTIVATION_GELU:
      return 0.5f * x * erfcf(-0.70710678f * x);
    case ACTIVATION_GELU_TANH:
      return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case ACTIVATION_QUICK_GELU:
      return x / (1 + expf(-1.702f * x));
    case ACTIVATION_SILU:
      return silu(x);
  }
  return x;
}

#endif
