/* The loss of a linear classifier, row by row: three passes over scores that lie in L1, bound by the exponential. */
#include <math.h>

#include "kernels/simd/math.h"
#include "kernels/simd/simd_kernels.h"

/* The label's part is kept out of the sum: what is near 1 would drown the others, and with them the small residual and
 * loss of a row that is classified well. */
double ISA_NAME(cross_entropy_row)(float *x, const float *bias, int classes, int label) {
  vfloat largest = v_set(-INFINITY), sum = v_set(0);
  for (int k = 0; k < classes; k += LANES) {
    vfloat score = v_load(x + k) + v_load(bias + k);
    v_store(x + k, score);
    largest = v_max(largest, score);
  }
  float lanes[LANES], top = -INFINITY, own = x[label];
  v_store(lanes, largest);
  for (int l = 0; l < LANES; l++) top = lanes[l] > top ? lanes[l] : top;
  x[label] = -INFINITY;
  for (int k = 0; k < classes; k += LANES) {
    vfloat power = v_exp(v_load(x + k) - v_set(top));
    v_store(x + k, power);
    sum += power;
  }
  v_store(lanes, v_exp(v_set(own - top)));
  float others = v_sum(sum), total = others + lanes[0];
  vfloat share = v_set(1 / total);
  for (int k = 0; k < classes; k += LANES) v_store(x + k, v_load(x + k) * share);
  x[label] = -others / total;
  return (double)(top - own) + (own >= top ? log1p((double)others) : log((double)total));
}
