#include <math.h>

#include "kernels/reference/reference.h"

static double silu(double x) { return x / (1 + exp(-x)); }

double reference_activate(double x, enum activation activation) {
  switch (activation) {
    case ACTIVATION_NONE:
      break;
    case ACTIVATION_RELU:
      return x < 0 ? 0 : x;
    case ACTIVATION_GELU:
      return x / 2 * erfc(-x / sqrt(2));
    case ACTIVATION_GELU_TANH:
      return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case ACTIVATION_QUICK_GELU:
      return silu(1.702 * x) / 1.702;
    case ACTIVATION_SILU:
      return silu(x);
  }
  return x;
}
