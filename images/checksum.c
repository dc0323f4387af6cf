#include "images/checksum.h"

#include <pthread.h>
#include <string.h>

/* crc_tables[k][b]: the CRC of byte b followed by k zero bytes, so that eight bytes take eight look-ups that do not
 * wait for each other ("slicing by eight", Kounavis and Berry 2005). */
static uint32_t crc_tables[8][256];
static pthread_once_t crc_tables_filled = PTHREAD_ONCE_INIT;

static void fill_crc_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    crc_tables[0][byte] = crc;
  }
  for (int k = 1; k < 8; k++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t before = crc_tables[k - 1][byte];
      crc_tables[k][byte] = before >> 8 ^ crc_tables[0][before & 0xff];
    }
  }
}

uint32_t checksum_crc32(uint32_t crc, const uint8_t *bytes, size_t size) {
  pthread_once(&crc_tables_filled, fill_crc_tables);
  crc = ~crc;
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    eight ^= crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= crc_tables[7 - i][eight >> (8 * i) & 0xff];
  }
  for (; size > 0; bytes++, size--) crc = crc >> 8 ^ crc_tables[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

uint32_t checksum_adler32(uint32_t adler, const uint8_t *bytes, size_t size) {
  /* A block of 5552 bytes is the longest whose sums cannot pass 2^32 before the remainder is taken. */
  enum { modulus = 65521, block = 5552, lanes = 16 };
  uint32_t low = adler & 0xffff, high = adler >> 16;
  while (size > 0) {
    size_t n = size < block ? size : block, i = 0;
    /* Lanes sum separately so that the compiler can use vectors: a byte at position p of `whole` bytes counts
     * (whole - p) times in `high`. */
    uint32_t sums[lanes] = {0}, weighted[lanes] = {0};
    size_t whole = n - n % lanes;
    for (; i < whole; i += lanes) {
      for (int lane = 0; lane < lanes; lane++) {
        weighted[lane] += sums[lane];
        sums[lane] += bytes[i + (size_t)lane];
      }
    }
    high += low * (uint32_t)whole;
    for (uint32_t lane = 0; lane < lanes; lane++) {
      low += sums[lane];
      high += lanes * (weighted[lane] % modulus) + (lanes - lane) * sums[lane];
      high %= modulus;
    }
    for (; i < n; i++) {
      low += bytes[i];
      high += low;
    }
    low %= modulus;
    high %= modulus;
    bytes += n;
    size -= n;
  }
  return high << 16 | low;
}
