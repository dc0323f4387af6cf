/* Decompression of DEFLATE streams (RFC 1951), bare or inside zlib (RFC 1950) and gzip (RFC 1952) wrappers. */
#ifndef IMAGES_INFLATE_H
#define IMAGES_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

enum deflate_wrapper { WRAPPER_NONE, WRAPPER_ZLIB, WRAPPER_GZIP };

/* Why decompression stopped without an error. */
enum inflate_end {
  INFLATE_COMPLETE, /* the stream's end was reached and its checksum is right */
  INFLATE_FULL,     /* the output is full and the stream goes on */
  INFLATE_CUT,      /* the input ended inside the stream or its checksum; what was produced stands */
};

struct inflated {
  size_t produced; /* bytes of output */
  size_t consumed; /* bytes of input */
  enum inflate_end end;
};

/* Decompress one stream (of gzip: one member) into out[0, capacity). FAILED when the stream is malformed or its
 * checksum is wrong; the message names the byte of the input. `result` is filled in either case. */
int inflate_into(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, uint8_t *out, size_t capacity,
                 struct inflated *result, error *e);

/* Decompress all of it (of gzip: all members, zero padding after them is skipped) into memory that the caller frees.
 * Output beyond `max_output` bytes is an error, so is an input that is cut off. Never allocates more than a small
 * multiple of the output. */
int inflate_all(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, size_t max_output, uint8_t **out,
                size_t *out_size, error *e);

#endif
