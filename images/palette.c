#include "images/palette.h"

#include <string.h>

void palette_expand(const struct palette *palette, const uint8_t *indices, size_t n, uint8_t *rgb) {
  if (n == 0) return;
  /* Four bytes at a time; the fourth is overwritten by the next pixel. */
  for (size_t i = 0; i + 1 < n; i++) memcpy(rgb + 3 * i, palette->rgb[indices[i]], 4);
  memcpy(rgb + 3 * (n - 1), palette->rgb[indices[n - 1]], 3);
}

void palette_set_gray(struct palette *palette) {
  for (int i = 0; i < 256; i++) memset(palette->rgb[i], i, 4);
}

void palette_unpack(const uint8_t *packed, int bits, size_t n, uint8_t *indices) {
  int per_byte = 8 / bits, mask = (1 << bits) - 1;
  size_t whole = n / (size_t)per_byte, rest = n % (size_t)per_byte;
  for (size_t i = 0; i < whole; i++) {
    for (int k = 1; k <= per_byte; k++) *indices++ = (uint8_t)(packed[i] >> (8 - bits * k) & mask);
  }
  for (int k = 1; k <= (int)rest; k++) *indices++ = (uint8_t)(packed[whole] >> (8 - bits * k) & mask);
}

void palette_expand_packed(const struct palette *palette, const uint8_t *packed, int bits, size_t n, uint8_t *rgb) {
  if (bits == 8) {
    palette_expand(palette, packed, n, rgb);
    return;
  }
  uint8_t indices[256];
  for (size_t x = 0, part; x < n; x += part) {
    part = n - x < sizeof indices ? n - x : sizeof indices;
    palette_unpack(packed + x * (size_t)bits / 8, bits, part, indices);
    palette_expand(palette, indices, part, rgb + 3 * x);
  }
}
