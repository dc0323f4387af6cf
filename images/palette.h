/* Pixels that are numbers of colours. */
#ifndef IMAGES_PALETTE_H
#define IMAGES_PALETTE_H

#include <stddef.h>
#include <stdint.h>

/* Colours a palette does not give are black, as Pillow has them. */
struct palette {
  uint8_t rgb[256][4]; /* red, green, blue, and a byte that makes entries fit a register */
};

/* rgb[3n] <- the colours of n indices. Writes nothing beyond. */
void palette_expand(const struct palette *palette, const uint8_t *indices, size_t n, uint8_t *rgb);
/* The same of indices of 1, 2, 4 or 8 bits, the most significant bits of a byte first. */
void palette_expand_packed(const struct palette *palette, const uint8_t *packed, int bits, size_t n, uint8_t *rgb);
/* indices [n]: those of 1, 2 or 4 bits, one to a byte */
void palette_unpack(const uint8_t *packed, int bits, size_t n, uint8_t *indices);
/* index i is gray of level i */
void palette_set_gray(struct palette *palette);

#endif
