/* SHA-256 (FIPS 180-4), in pieces of any size. */
#ifndef WEIGHTS_TOOLS_SHA256_H
#define WEIGHTS_TOOLS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_TEXT = 65 /* hexadecimal digits and the terminator */ };

struct sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  uint8_t block[64];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);
/* The digest as 64 lower-case hexadecimal digits. */
void sha256_finish(struct sha256 *hash, char text[static SHA256_TEXT]);

#endif
