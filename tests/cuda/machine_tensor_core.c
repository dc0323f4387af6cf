/* mma.sync on the simulated machine: the warp's fragments gathered, multiplied, and handed back. */
#include <string.h>

#include "tests/cuda/machine.h"

static float as_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static uint32_t as_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* cvt.rna.tf32.f32: 10 bits of fraction, ties away from zero. */
static float round_tf32(float x) { return isfinite(x) ? as_float((as_bits(x) + 0x1000u) & ~0x1fffu) : x; }
/* cvt.rn.bf16.f32: 7 bits of fraction, ties to even. */
static float round_bfloat16(float x) {
  uint32_t bits = as_bits(x);
  return isfinite(x) ? as_float((bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u) : x;
}

/* Element (row, k) of A and (k, column) of B: the lane that holds it, and where. */
struct held {
  int lane, index;
};
static struct held a_tf32(int row, int k) { return (struct held){row % 8 * 4 + k % 4, row / 8 + k / 4 * 2}; }
static struct held b_tf32(int k, int column) { return (struct held){column * 4 + k % 4, k / 4}; }
static struct held a_bfloat16(int row, int k) {
  return (struct held){row % 8 * 4 + k % 8 / 2, (row / 8 + k / 8 * 2) * 2 + k % 2};
}
static struct held b_bfloat16(int k, int column) { return (struct held){column * 4 + k % 8 / 2, k / 8 * 2 + k % 2}; }

/* d[i] of the thread's lane, from the table of all lanes' words a, then b. */
static void multiply(const uint32_t (*table)[MACHINE_WORDS], int depth, int a_words, float d[4],
                     struct held (*a)(int row, int k), struct held (*b)(int k, int column), float (*rounded)(float)) {
  int lane = threadIdx.x % 32;
  for (int i = 0; i < 4; i++) {
    int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    float sum = 0;
    for (int k = 0; k < depth; k++) {
      struct held left = a(row, k), right = b(k, column);
      sum +=
          rounded(as_float(table[left.lane][left.index])) * rounded(as_float(table[right.lane][a_words + right.index]));
    }
    d[i] += sum;
  }
}

void machine_mma_tf32(int line, float d[4], const float a[4], const float b[2]) {
  uint32_t words[6];
  memcpy(words, a, 4 * sizeof *words);
  memcpy(words + 4, b, 2 * sizeof *words);
  multiply(machine_exchange(line, 6, words), 8, 4, d, a_tf32, b_tf32, round_tf32);
}

void machine_mma_bfloat16(int line, float d[4], const float a[8], const float b[4]) {
  uint32_t words[12];
  memcpy(words, a, 8 * sizeof *words);
  memcpy(words + 8, b, 4 * sizeof *words);
  multiply(machine_exchange(line, 12, words), 16, 8, d, a_bfloat16, b_bfloat16, round_bfloat16);
}
