/* The checksums of zlib, gzip and PNG streams. */
#ifndef IMAGES_CHECKSUM_H
#define IMAGES_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of ISO 3309 (RFC 1952, section 8), continued from `crc`, the value for the bytes before; start with 0. */
uint32_t checksum_crc32(uint32_t crc, const uint8_t *bytes, size_t size);
/* Adler-32 (RFC 1950, section 8), continued in the same way; start with 1. */
uint32_t checksum_adler32(uint32_t adler, const uint8_t *bytes, size_t size);

#endif
