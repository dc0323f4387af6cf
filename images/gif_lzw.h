/* GIF's variant of LZW: codes from the least significant bit on, in sub-blocks of up to 255 bytes. */
#ifndef IMAGES_GIF_LZW_H
#define IMAGES_GIF_LZW_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

enum {
  /* How far beyond the wanted indices gif_lzw_decode() may write: the longest string and a copied word. */
  GIF_LZW_SLACK = 4096 + 16,
};

/* The stream whose sub-blocks begin at bytes[from], into `indices`, which has room for wanted + GIF_LZW_SLACK.
 * FAILED when the stream is damaged or ends before `wanted` indices are there; *known of them are right all the same.
 */
int gif_lzw_decode(const uint8_t *bytes, size_t size, size_t from, int literal_bits, uint8_t *indices, size_t wanted,
                   size_t *known, error *e);

#endif
