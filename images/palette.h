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
/* indices[n] <- n fields of 1, 2 or 4 bits, the most significant first. */
void unpack_indices(const uint8_t *packed, int bits, size_t n, uint8_t *indices);
/* index i is gray of level i */
void palette_set_gray(struct palette *palette);

#endif
