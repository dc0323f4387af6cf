#include "images/checksum.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* ---- CRC-32 -------------------------------------------------------------------------------------------------------
 *
 * A remainder of polynomials over GF(2). Bits are reflected: the lowest bit of the first byte is the highest power. */

enum { CRC_POLYNOMIAL_BYTES = 4, FOLD_BYTES = 16, FOLDS = 4 /* at a time, which do not wait for each other */ };
static const uint32_t crc_polynomial = 0xedb88320u;

/* crc_tables[k][b]: the CRC of byte b followed by k zero bytes, so that eight bytes take eight look-ups that do not
 * wait for each other ("slicing by eight", Kounavis and Berry 2005). */
static uint32_t crc_tables[8][256];
/* What 64 bits have to be multiplied with to count n bits later, for the two halves of 16 bytes. */
static uint64_t crc_fold_1[2], crc_fold_4[2];
static bool has_crc_instructions;
static pthread_once_t crc_prepared = PTHREAD_ONCE_INIT;

static uint32_t times_x(uint32_t polynomial) { return polynomial >> 1 ^ (polynomial & 1 ? crc_polynomial : 0); }

/* x^n modulo the polynomial, as a factor of a carry-less product, whose bits lie one place lower than its factors'. */
static uint64_t crc_power(int n) {
  uint32_t power = 0x80000000u;
  for (int i = 0; i < n; i++) power = times_x(power);
  return (uint64_t)power << 1;
}

static void prepare_crc(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = times_x(crc);
    crc_tables[0][byte] = crc;
  }
  for (int k = 1; k < 8; k++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t before = crc_tables[k - 1][byte];
      crc_tables[k][byte] = before >> 8 ^ crc_tables[0][before & 0xff];
    }
  }
  enum { bits = 8 * FOLD_BYTES, crc_bits = 8 * CRC_POLYNOMIAL_BYTES };
  for (int half = 0; half < 2; half++) {
    crc_fold_1[half] = crc_power(half == 0 ? bits + crc_bits : bits - crc_bits);
    crc_fold_4[half] = crc_power(half == 0 ? FOLDS * bits + crc_bits : FOLDS * bits - crc_bits);
  }
#if defined(__x86_64__)
  has_crc_instructions = __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__linux__)
  has_crc_instructions = getauxval(AT_HWCAP) & HWCAP_CRC32;
#endif
}

/* `crc` without the complement at either end. */
static uint32_t crc_by_tables(uint32_t crc, const uint8_t *bytes, size_t size) {
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    eight ^= crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= crc_tables[7 - i][eight >> (8 * i) & 0xff];
  }
  for (; size > 0; bytes++, size--) crc = crc >> 8 ^ crc_tables[0][(crc ^ *bytes) & 0xff];
  return crc;
}

#if defined(__x86_64__)
/* 16 bytes are congruent to the product of their halves with powers of x, which are added to those so many bytes on
 * (Gopal et al., "Fast CRC Computation Using PCLMULQDQ", 2009). */
__attribute__((target("pclmul"))) static inline __m128i fold(__m128i bytes, __m128i by, __m128i onto) {
  __m128i low = _mm_clmulepi64_si128(bytes, by, 0x00), high = _mm_clmulepi64_si128(bytes, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

static inline __m128i load_16(const void *p) { return _mm_loadu_si128(p); }

__attribute__((target("pclmul"))) static uint32_t crc_by_instructions(uint32_t crc, const uint8_t *bytes, size_t size) {
  enum { at_a_time = FOLDS * FOLD_BYTES };
  if (size < at_a_time) return crc_by_tables(crc, bytes, size);
  __m128i sums[FOLDS], by = load_16(crc_fold_4);
  for (int i = 0; i < FOLDS; i++) sums[i] = load_16(bytes + i * FOLD_BYTES);
  sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128((int)crc));
  for (bytes += at_a_time, size -= at_a_time; size >= at_a_time; bytes += at_a_time, size -= at_a_time) {
    for (int i = 0; i < FOLDS; i++) sums[i] = fold(sums[i], by, load_16(bytes + i * FOLD_BYTES));
  }
  by = load_16(crc_fold_1);
  for (int i = 1; i < FOLDS; i++) sums[i] = fold(sums[i - 1], by, sums[i]);
  __m128i sum = sums[FOLDS - 1];
  for (; size >= FOLD_BYTES; bytes += FOLD_BYTES, size -= FOLD_BYTES) sum = fold(sum, by, load_16(bytes));
  uint8_t rest[FOLD_BYTES];
  _mm_storeu_si128((void *)rest, sum);
  return crc_by_tables(crc_by_tables(0, rest, sizeof rest), bytes, size);
}
#elif defined(__aarch64__) && defined(__linux__)
static uint32_t crc_by_instructions(uint32_t crc, const uint8_t *bytes, size_t size) {
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    __asm__(".arch_extension crc\n\tcrc32x %w0, %w0, %x1" : "+r"(crc) : "r"(eight));
  }
  return crc_by_tables(crc, bytes, size);
}
#else
static uint32_t crc_by_instructions(uint32_t crc, const uint8_t *bytes, size_t size) {
  return crc_by_tables(crc, bytes, size);
}
#endif

uint32_t checksum_crc32(uint32_t crc, const uint8_t *bytes, size_t size) {
  pthread_once(&crc_prepared, prepare_crc);
  return has_crc_instructions ? ~crc_by_instructions(~crc, bytes, size) : ~crc_by_tables(~crc, bytes, size);
}

/* ---- Adler-32 ------------------------------------------------------------------------------------------------------
 *
 * Two sums modulo 65521: of the bytes, and of the first sum after each byte, in which a byte at position p of n counts
 * n - p times. Here they are summed by lanes, sixteen bytes being a row: a byte of row r in a group of ROWS rows counts
 * ROWS - r times in its lane's `weighted`, and a whole group's lanes count GROUP times for each group that follows. */

enum {
  LANES = 16,
  ROWS = 22, /* the most whose weighted sum fits 16 bits: 255 * (1 + 2 + ... + 22) < 65536 */
  GROUP = ROWS * LANES,
  MOST_GROUPS = 512, /* so that no lane's sum passes 32 bits */
  MODULUS = 65521
};

typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));

/* Lanes 4 i, 4 i + 2, 4 i + 1 and 4 i + 3, i being the place in the vector: the order in which bytes of a word, then
 * words of two, are split into the low and the high half. */
struct lanes {
  u32x4 parts[4];
};
static int part_of(int lane) { return lane % 4 / 2 + lane % 2 * 2; }

static inline void add_words(struct lanes *sums, const u16x8 words[2]) {
  for (int i = 0; i < 2; i++) {
    sums->parts[2 * i] += (u32x4)words[i] & 0xffff;
    sums->parts[2 * i + 1] += (u32x4)words[i] >> 16;
  }
}

uint32_t checksum_adler32(uint32_t adler, const uint8_t *bytes, size_t size) {
  uint64_t low = adler & 0xffff, high = adler >> 16;
  while (size >= GROUP) {
    size_t groups = size / GROUP < MOST_GROUPS ? size / GROUP : MOST_GROUPS, n = groups * GROUP;
    struct lanes sums = {{{0}}}, weighted = {{{0}}}, before = {{{0}}}; /* before: the sums before each group, summed */
    for (const uint8_t *end = bytes + n; bytes < end; bytes += GROUP) {
      u16x8 sum[2] = {{0}}, sum_of_sums[2] = {{0}};
      for (int row = 0; row < ROWS; row++) {
        u16x8 pairs;
        memcpy(&pairs, bytes + row * LANES, LANES);
        sum[0] += pairs & 0xff;
        sum[1] += pairs >> 8;
        sum_of_sums[0] += sum[0];
        sum_of_sums[1] += sum[1];
      }
      for (int i = 0; i < 4; i++) before.parts[i] += sums.parts[i];
      add_words(&sums, sum);
      add_words(&weighted, sum_of_sums);
    }
    high += low * n;
    for (int lane = 0; lane < LANES; lane++) {
      int part = part_of(lane), place = lane / 4;
      uint64_t sum = sums.parts[part][place];
      low += sum;
      high += (uint64_t)before.parts[part][place] * GROUP + (uint64_t)weighted.parts[part][place] * LANES -
              sum * (unsigned)lane;
    }
    low %= MODULUS;
    high %= MODULUS;
    size -= n;
  }
  for (; size > 0; bytes++, size--) {
    low += *bytes;
    high += low;
  }
  return (uint32_t)(high % MODULUS << 16 | low % MODULUS);
}
