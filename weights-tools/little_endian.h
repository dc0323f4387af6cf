/* Unsigned numbers as binary formats store them: least significant byte first, at any address. */
#ifndef WEIGHTS_TOOLS_LITTLE_ENDIAN_H
#define WEIGHTS_TOOLS_LITTLE_ENDIAN_H

#include <stdint.h>

/* The number in the first n (at most 8) bytes. */
static inline uint64_t read_little_endian(const uint8_t *bytes, int n) {
  uint64_t number = 0;
  for (int i = 0; i < n; i++) number |= (uint64_t)bytes[i] << (8 * i);
  return number;
}

#endif
