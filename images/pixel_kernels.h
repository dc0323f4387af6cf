/* The inner loops of decoding and resizing, as a table of function pointers per instruction set, in the manner of
 * kernels/kernels.h. Every table gives the same bytes; images/pixel_reference.c is the definition. */
#ifndef IMAGES_PIXEL_KERNELS_H
#define IMAGES_PIXEL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
  PIXEL_ROWS = 4,   /* the most lines that resize_across takes at a time */
  PIXEL_SLACK = 64, /* bytes that kernels may read, or write, beyond what they are asked for, where they say so */
  PIXEL_BLOCKS = 4, /* inverse_dct works on whole groups of so many blocks */
};

/* Weights of resampling are 22-bit fixed point numbers, high * 2^15 + low, so that 16-bit multiplies do: sums of two
 * products at a time go into a high and a low sum of 32 bits that wrap around, which leaves the whole sum exact as long
 * as that fits 32 bits. Those of two neighbouring positions lie together. */
enum { WEIGHT_FRACTION = 32 - 8 - 2, WEIGHT_LOW_BITS = 15 };
struct weight_pair {
  int16_t high[2], low[2];
};

/* One axis of a resize: for each output position the input position where its window begins, its length in pairs of
 * positions, and the weights. Along lines windows begin at even positions. */
struct resize_axis {
  int count; /* output positions */
  int room;  /* pairs of weights for each window */
  int *first, *pairs;
  struct weight_pair *weights; /* [count][room] */
};

struct pixel_kernels {
  const char *isa;
  int rows; /* lines that resize_across takes at a time, at most PIXEL_ROWS */

  /* Dequantise n blocks of 8x8 coefficients, which lie one after the other, and transform them (islow) into samples
   * side by side, 8 lines `stride` bytes apart. Blocks and samples have room for n rounded up to PIXEL_BLOCKS, and the
   * surplus is transformed as well. */
  void (*inverse_dct)(const int16_t *blocks, int n, const uint16_t *quantisation, uint8_t *samples, size_t stride);

  /* Chroma upsampling with triangle filters, n samples of a line. in[-1] and in[n] (near, far likewise) count: the
   * neighbours, or at an end of the line the last sample again. PIXEL_SLACK bytes beyond them may be read. */
  void (*double_width)(const uint8_t *in, int n, uint8_t *out); /* out: 2 n samples */
  /* `near` weighs three times as much as `far`; lower: the result is the lower of two lines, which rounds up. */
  void (*double_height)(const uint8_t *near, const uint8_t *far, int n, int lower, uint8_t *out); /* n samples */
  void (*double_both)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out);              /* 2 n samples */
  /* The same as libwebp rounds: halves always up. */
  void (*vp8_upsample)(const uint8_t *near, const uint8_t *far, int n, uint8_t *out);

  /* JFIF's colours to n pixels of three bytes. PIXEL_SLACK bytes beyond y, cb and cr may be read. */
  void (*ycc_to_rgb)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int n, uint8_t *rgb);
  /* The same for VP8's, whose luma is 16..235, as libwebp computes them. */
  void (*vp8_to_rgb)(const uint8_t *y, const uint8_t *u, const uint8_t *v, int n, uint8_t *rgb);

  /* Filter `rows` RGB lines along their length: line i, at in + i * in_stride, to axis->count pixels at out + i *
   * out_stride. PIXEL_SLACK bytes beyond the last window are read, beyond the last pixel written.
   * scratch: 64-byte aligned, resize_scratch(width of the windows) bytes. */
  void (*resize_across)(const struct resize_axis *axis, const uint8_t *in, size_t in_stride, int in_width, uint8_t *out,
                        size_t out_stride, void *scratch);
  /* n bytes, each the weighted sum of those at its place in 2 * pairs lines. PIXEL_SLACK bytes beyond n are read and
   * written. */
  void (*resize_down)(const struct weight_pair *weights, int pairs, const uint8_t *const *lines, size_t n,
                      uint8_t *out);
};

/* That of the instruction set which BACKBONES_ISA allows, the best of this machine otherwise. */
const struct pixel_kernels *pixel_kernels(void);
/* By name, NULL where it does not run here; "reference" is the definition. */
const struct pixel_kernels *pixel_kernels_find(const char *isa);

/* Bytes of resize_across's scratch for lines of in_width pixels. */
size_t resize_scratch(int in_width);

#endif
