/* The dialect that the kernels in this folder are written in: the part of CUDA C++ that is C as well. nvcc compiles
 * them for GPUs; a C compiler with `-include tests/cuda/machine.h`, which defines the same names, for the simulated
 * machine that the tests run them on. What CUDA spells in a way that C cannot read has a name here:
 *
 *   KERNEL(name, struct s, p, threads, blocks)   a kernel of blocks of `threads` threads, `blocks` of which should fit
 *                                                on a multiprocessor; its only argument is the struct, `p`
 *   LAUNCH(stream, name, x, y, z, threads, &s)   start a grid of x * y * z blocks with the struct s
 *   SHARED(type, s)                              type *s: the block's shared memory, once in a kernel, at its start
 *   DEVICE                                       a function that kernels call; always inlined
 *   DEVICE_CALL                                  the same, called: large ones that are used many times in a kernel
 *   UNROLL                                       in front of a loop whose count is a constant after inlining
 *   load4, store4                                float4, 16-byte aligned
 *   copy_async4, copy_async16, copy_commit, copy_wait   cp.async (PTX ISA, "Data Movement and Conversion": cp.async):
 *                                                global to shared memory, zeros where `inside` is false; without
 *                                                sm_80 an ordinary copy. copy_wait(n): all but the last n groups are
 *                                                there for this thread; __syncthreads() shows them to the others
 *   FMA(a, b, c)                                 a * b + c, one instruction on a GPU
 *
 * Threads are numbered by threadIdx.x alone; every block is whole warps. */
#ifndef KERNELS_CUDA_LANGUAGE_H
#define KERNELS_CUDA_LANGUAGE_H

#ifdef __CUDACC__

#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

#define KERNEL(name, type, p, threads, blocks) \
  static __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ type p)
#define LAUNCH(stream, name, x, y, z, threads, arguments) \
  name<<<dim3((unsigned)(x), (unsigned)(y), (unsigned)(z)), (threads), 0, (cudaStream_t)(stream)>>>(*(arguments))
#define SHARED(type, s)                                           \
  __shared__ __align__(16) unsigned char s##_bytes[sizeof(type)]; \
  type *const s = (type *)s##_bytes
#define DEVICE static __device__ __forceinline__
#define DEVICE_CALL static __device__ __noinline__
#define UNROLL _Pragma("unroll")
#define FMA(a, b, c) fmaf((a), (b), (c))

DEVICE float4 load4(const float *from) { return *(const float4 *)from; }
DEVICE void store4(float *to, float4 values) { *(float4 *)to = values; }

#if __CUDA_ARCH__ >= 800
DEVICE void copy_async4(float *to, const float *from, bool inside) {
  unsigned shared = (unsigned)__cvta_generic_to_shared(to);
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared), "l"(from), "r"(inside ? 4 : 0));
}
DEVICE void copy_async16(float *to, const float *from, bool inside) {
  unsigned shared = (unsigned)__cvta_generic_to_shared(to);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(inside ? 16 : 0));
}
DEVICE void copy_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define copy_wait(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")
#else
DEVICE void copy_async4(float *to, const float *from, bool inside) { *to = inside ? *from : 0; }
DEVICE void copy_async16(float *to, const float *from, bool inside) {
  store4(to, inside ? load4(from) : make_float4(0, 0, 0, 0));
}
DEVICE void copy_commit(void) {}
#define copy_wait(n) ((void)0)
#endif

#elif !defined TESTS_CUDA_MACHINE_H
#error "compile with nvcc, or with -include tests/cuda/machine.h"
#endif

/* Lanes of a warp, and the mask of all of them. */
enum { WARP = 32 };
#define WHOLE_WARP 0xffffffffu

#endif
