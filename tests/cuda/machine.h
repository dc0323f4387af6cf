/* A simulated GPU: runs the kernels of kernels/cuda, compiled as C with `-include tests/cuda/machine.h`, block by
 * block, thread by thread between barriers.
 *
 * Every thread of a block is a fibre that runs until it ends or reaches a barrier (or a warp's exchange). Which thread
 * goes first is a choice: forward and reverse take warp after warp as far as the next barrier, shuffled takes all
 * threads in an order anew at every barrier, from exchange to exchange; blocks follow the same choice. Threads that
 * communicate through memory without a barrier therefore give other results in another order. The machine reports
 *   - a barrier or an exchange that some threads do not reach, or that they reach at different lines;
 *   - a read or write beyond a buffer of machine_allocate() or beyond the block's shared memory (guard pages);
 *   - a float4 that is not 16-byte aligned, also in cp.async;
 *   - a cp.async that nobody waited for. Its bytes arrive at copy_wait() (forward), at once (reverse), or one or the
 *     other (shuffled).
 * Shared memory begins as a pattern that the caller chooses: a read of what nothing wrote gives another result under
 * another pattern. kernel_problem() in kernel_check.h runs a launch in all of these ways and says what is wrong.
 *
 * How to write a kernel and its test: CONTRIBUTING.md, "Adding a CUDA kernel". What the machine does not see: races
 * within a warp that an exchange happens to order, and anything about speed. */
#ifndef TESTS_CUDA_MACHINE_H
#define TESTS_CUDA_MACHINE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what the tests use ---- */

#ifdef __cplusplus
extern "C" {
#endif

enum machine_order { ORDER_FORWARD, ORDER_REVERSE, ORDER_SHUFFLED, ORDER_COUNT };

/* Forget the last problem; run what follows in this order, with shared memory full of this 32-bit pattern. */
void machine_reset(enum machine_order order, uint32_t pattern);
/* The first problem since machine_reset(), "" when there was none. Later launches are left out, as on a GPU. */
const char *machine_problem(void);
/* From now on every launch fails for this reason, as on a GPU that is lost. Of a whole program: where
 * MACHINE_LAST_LAUNCH in the environment is the number of its last launch. */
void machine_break(const char *reason);

/* A buffer of `floats` floats, full of NaN, 16-byte aligned, that ends (but for alignment) at a page nobody may touch,
 * and begins behind one. NULL when memory is short. */
float *machine_allocate(size_t floats);
/* Bytes of a page: one of them is the guard. */
size_t machine_page(void);
void machine_release(float *memory);

/* device_allocate() gives no more than this many bytes at a time. */
void machine_limit_memory(size_t bytes);

#ifdef __cplusplus
}
#endif

#ifndef TESTS_ON_GPU /* `make test-cuda` has these functions for a real GPU: tests/cuda/on_gpu.cu */

/* ---- what kernels are compiled with: kernels/cuda/language.h says what each name means ---- */

struct machine_index {
  int x, y, z;
};
extern struct machine_index threadIdx, blockIdx, gridDim;

typedef struct {
  float x, y, z, w;
} float4;

#define KERNEL(name, type, p, threads, blocks)                          \
  static void name(const type p);                                       \
  static void name##_entry(const void *p_) { name(*(const type *)p_); } \
  static void name(const type p)
#define LAUNCH(stream, name, x, y, z, threads, arguments)                                                            \
  machine_launch((stream), &(struct machine_launch){#name, name##_entry, {(int)(x), (int)(y), (int)(z)}, (threads)}, \
                 (arguments), sizeof *(arguments))
#define SHARED(type, s) type *const s = machine_shared(sizeof(type))
#define DEVICE static inline
#define DEVICE_CALL static inline
#define UNROLL
#define FMA(a, b, c) ((a) * (b) + (c))

#define __syncthreads() machine_barrier(__LINE__)
#define __syncwarp() machine_exchange(__LINE__, 0, NULL)
#define __shfl_xor_sync(mask, value, lane) machine_shuffle_xor(__LINE__, (mask), (value), (lane))
#define __shfl_sync(mask, value, lane) machine_shuffle(__LINE__, (mask), (value), (lane))

static inline float4 make_float4(float x, float y, float z, float w) { return (float4){x, y, z, w}; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
void machine_misaligned(const void *at);
static inline float4 load4(const float *from) {
  if ((uintptr_t)from % 16) machine_misaligned(from);
  return (float4){from[0], from[1], from[2], from[3]};
}
static inline void store4(float *to, float4 values) {
  if ((uintptr_t)to % 16) machine_misaligned(to);
  to[0] = values.x;
  to[1] = values.y;
  to[2] = values.z;
  to[3] = values.w;
}
void copy_async4(float *to, const float *from, bool inside);
void copy_async16(float *to, const float *from, bool inside);
void copy_commit(void);
void copy_wait(int groups);

struct machine_launch {
  const char *kernel;
  void (*entry)(const void *arguments);
  int grid[3], threads;
};
void machine_launch(void *stream, const struct machine_launch *launch, const void *arguments, size_t size);
/* While the stream records a graph: keep the launch (machine_device.c). False when it does not. */
bool machine_record(void *stream, const struct machine_launch *launch, const void *arguments, size_t size);
void *machine_shared(size_t bytes);
void machine_barrier(int line);
/* Every lane of the warp gives `words` 32-bit words and gets, when all have come to this line, a table [lane][words]
 * (rows MACHINE_WORDS apart) that holds until its next exchange. */
enum { MACHINE_WORDS = 12 };
const uint32_t (*machine_exchange(int line, int words, const uint32_t *mine))[MACHINE_WORDS];
/* mma.sync as kernels/cuda/tensor_core.h lays it out. */
void machine_mma_tf32(int line, float d[4], const float a[4], const float b[2]);
void machine_mma_bfloat16(int line, float d[4], const float a[8], const float b[4]);
float machine_shuffle_xor(int line, unsigned mask, float value, int lane);
float machine_shuffle(int line, unsigned mask, float value, int lane);

#endif

#endif
