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
