#include "weights-tools/sha256.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

/* Section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* Section 6.2.2. */
static void add_plain_block(uint32_t state[static 8], const uint8_t *bytes) {
  uint32_t w[64];
  for (int t = 0; t < 16; t++) {
    const uint8_t *p = bytes + 4 * t;
    w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25), choice = g ^ (e & (f ^ g));
    uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22), majority = (a & b) | (c & (a | b));
    uint32_t t1 = h + sum1 + choice + k[t] + w[t], t2 = sum0 + majority;
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

static void add_plain_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) add_plain_block(state, bytes + i * BLOCK);
}

#if defined(__x86_64__)
/* The same by the SHA extensions, six times as fast: a checkpoint of a gigabyte is hashed in a second. Two registers
 * hold the state as (a b e f) and (c d g h), each instruction does two rounds. */
__attribute__((target("sha,sse4.1"))) static void add_fast_blocks(uint32_t state[static 8], const uint8_t *bytes,
                                                                  size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
  __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
  __m128i abef = _mm_unpacklo_epi64(_mm_shuffle_epi32(hgfe, 0xb1), _mm_shuffle_epi32(dcba, 0xb1));
  __m128i cdgh = _mm_unpackhi_epi64(_mm_shuffle_epi32(hgfe, 0xb1), _mm_shuffle_epi32(dcba, 0xb1));
  for (; blocks > 0; blocks--, bytes += BLOCK) {
    __m128i before_abef = abef, before_cdgh = cdgh, w[4];
#pragma GCC unroll 16
    for (int t = 0; t < 16; t++) { /* four rounds each */
      __m128i *now = &w[t % 4];
      const __m128i *next = &w[(t + 1) % 4], *after = &w[(t + 2) % 4], *last = &w[(t + 3) % 4];
      if (t < 4)
        *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * t)), swap);
      else
        *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, *next), _mm_alignr_epi8(*last, *after, 4)),
                                    *last);
      __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(const void *)(k + 4 * t)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, before_abef);
    cdgh = _mm_add_epi32(cdgh, before_cdgh);
  }
  dcba = _mm_shuffle_epi32(_mm_unpackhi_epi64(abef, cdgh), 0xb1);
  hgfe = _mm_shuffle_epi32(_mm_unpacklo_epi64(abef, cdgh), 0xb1);
  _mm_storeu_si128((__m128i *)(void *)state, dcba);
  _mm_storeu_si128((__m128i *)(void *)(state + 4), hgfe);
}

static bool has_sha_extensions(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}

static void add_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t blocks) {
  if (has_sha_extensions())
    add_fast_blocks(state, bytes, blocks);
  else
    add_plain_blocks(state, bytes, blocks);
}
#else
static void add_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t blocks) {
  add_plain_blocks(state, bytes, blocks);
}
#endif

void sha256_begin(struct sha256 *hash) {
  /* Section 5.3.3: the same of the square roots of the first eight primes. */
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(hash->state, initial, sizeof initial);
  hash->length = 0;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  size_t held = (size_t)(hash->length % BLOCK);
  hash->length += size;
  if (held > 0) {
    size_t taken = size < BLOCK - held ? size : BLOCK - held;
    memcpy(hash->block + held, at, taken);
    at += taken;
    size -= taken;
    if (held + taken < BLOCK) return;
    add_blocks(hash->state, hash->block, 1);
  }
  add_blocks(hash->state, at, size / BLOCK);
  if (size % BLOCK > 0) memcpy(hash->block, at + size / BLOCK * BLOCK, size % BLOCK);
}

void sha256_finish(struct sha256 *hash, char text[static SHA256_TEXT]) {
  static const uint8_t padding[BLOCK] = {0x80};
  uint64_t bits = hash->length * 8;
  size_t held = (size_t)(hash->length % BLOCK);
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(hash, padding, held < 56 ? 56 - held : 56 + BLOCK - held);
  sha256_add(hash, length, sizeof length);
  for (int i = 0; i < SHA256_BYTES; i++) {
    unsigned byte = hash->state[i / 4] >> (24 - 8 * (i % 4)) & 0xFF;
    text[2 * i] = "0123456789abcdef"[byte >> 4];
    text[2 * i + 1] = "0123456789abcdef"[byte & 15];
  }
  text[2 * SHA256_BYTES] = 0;
}
