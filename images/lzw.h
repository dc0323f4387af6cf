/* What the LZW decoders of GIF and TIFF share. */
#ifndef IMAGES_LZW_H
#define IMAGES_LZW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copy `length` bytes of earlier output to its end `out`, and up to 7 bytes more; the two may overlap, as in a run. */
static inline void lzw_copy(uint8_t *out, const uint8_t *from, size_t length) {
  if (out - from >= 8) {
    for (size_t i = 0; i < length; i += 8) memcpy(out + i, from + i, 8);
  } else {
    for (size_t i = 0; i < length; i++) out[i] = from[i];
  }
}

#endif
