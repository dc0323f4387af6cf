/* Decompression of DEFLATE streams (RFC 1951), bare or inside zlib (RFC 1950) and gzip (RFC 1952) wrappers. */
#ifndef IMAGES_INFLATE_H
#define IMAGES_INFLATE_H

#include <stdbool.h>
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

/* Input in pieces. Embed it as the first member of the state it works on. */
struct inflate_source {
  /* The next piece, which stays where it is until the one after it is asked for; false: that was all. */
  bool (*next)(struct inflate_source *source, const uint8_t **bytes, size_t *size);
};

/* One stream whose output is taken in order, bit by bit, and forgotten: in memory are as much as distances reach back
 * (32 kB), some output in advance, and `most`. */
struct inflater;
enum { INFLATER_SLACK = 16 };
/* most: bytes that will be taken at a time; total: in all. NULL when memory is short. */
struct inflater *inflater_new(enum deflate_wrapper wrapper, struct inflate_source *source, size_t most, size_t total,
                              error *e);
/* The next n bytes at *bytes, until the next call (INFLATER_SLACK more may be read); less in *got where the stream
 * ends. FAILED when it is broken or its checksum is wrong, either of them right after these bytes or before: *got tells
 * how many came before. */
int inflater_take(struct inflater *inflater, size_t n, const uint8_t **bytes, size_t *got, error *e);
void inflater_free(struct inflater *inflater);

#endif
