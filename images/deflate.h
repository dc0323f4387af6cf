/* DEFLATE compression (RFC 1951) in the zlib format (RFC 1950): for the PNG files that the program writes. */
#ifndef IMAGES_DEFLATE_H
#define IMAGES_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* *out: free() it. LZ77 with lazy hash chains and the fixed Huffman codes; about as dense as zlib's level 3 on
 * pictures. The bytes depend on the input only. */
int zlib_deflate(const uint8_t *bytes, size_t size, uint8_t **out, size_t *out_size, error *e);

#endif
