/* mma.sync (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "... mma.m16n8k16"): a warp's D = A * B + D, A 16 x k and B
 * k x 8 rounded to TF32 (k = 8) or bfloat16 (k = 16), D 16 x 8 in float32. With g = lane / 4 and t = lane % 4, a lane
 * holds
 *   d[0..3]   (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1)
 *   TF32      a[0..3] (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4); b[0..1] (t, g) (t + 4, g)
 *   bfloat16  a[0..3] pairs from (g, 2t) (g + 8, 2t) (g, 2t + 8) (g + 8, 2t + 8) rightwards; b[0..1] pairs from (2t, g)
 *             (2t + 8, g) downwards
 * Fragments are given as the floats they are rounded from, to nearest, ties to even (bfloat16) or away (TF32). */
#ifndef KERNELS_CUDA_TENSOR_CORE_H
#define KERNELS_CUDA_TENSOR_CORE_H

#include "kernels/cuda/language.h"

#ifdef __CUDACC__

/* Only on sm_80 and later: cuda_tensor_cores() in tensor_product.cu keeps them from other GPUs. */
DEVICE unsigned to_tf32(float x) {
  unsigned bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
  return bits;
}
DEVICE unsigned to_bfloat16_pair(float low, float high) {
  unsigned bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#endif
  return bits;
}

DEVICE void mma_tf32(float d[4], const float a[4], const float b[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(to_tf32(a[0])), "r"(to_tf32(a[1])), "r"(to_tf32(a[2])), "r"(to_tf32(a[3])), "r"(to_tf32(b[0])),
        "r"(to_tf32(b[1])));
#endif
}
/* Pairs: a[2 i], a[2 i + 1] of register i. */
DEVICE void mma_bfloat16(float d[4], const float a[8], const float b[4]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(to_bfloat16_pair(a[0], a[1])), "r"(to_bfloat16_pair(a[2], a[3])), "r"(to_bfloat16_pair(a[4], a[5])),
        "r"(to_bfloat16_pair(a[6], a[7])), "r"(to_bfloat16_pair(b[0], b[1])), "r"(to_bfloat16_pair(b[2], b[3])));
#endif
}

#else

#define mma_tf32(d, a, b) machine_mma_tf32(__LINE__, d, a, b)
#define mma_bfloat16(d, a, b) machine_mma_bfloat16(__LINE__, d, a, b)

#endif

#endif
