/* Unsigned numbers as files store them, at any address. */
#ifndef IMAGES_BYTE_ORDER_H
#define IMAGES_BYTE_ORDER_H

#include <stdint.h>

static inline uint32_t little_endian_16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t little_endian_24(const uint8_t *p) { return little_endian_16(p) | (uint32_t)p[2] << 16; }
static inline uint32_t big_endian_16(const uint8_t *p) { return (uint32_t)p[0] << 8 | (uint32_t)p[1]; }
static inline uint32_t little_endian_32(const uint8_t *p) {
  return little_endian_16(p) | little_endian_16(p + 2) << 16;
}
static inline uint32_t big_endian_32(const uint8_t *p) { return big_endian_16(p) << 16 | big_endian_16(p + 2); }
static inline uint64_t little_endian_64(const uint8_t *p) {
  return little_endian_32(p) | (uint64_t)little_endian_32(p + 4) << 32;
}
static inline uint64_t big_endian_64(const uint8_t *p) {
  return (uint64_t)big_endian_32(p) << 32 | big_endian_32(p + 4);
}

#endif
