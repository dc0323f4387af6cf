#include "tests/pictures.h"

#include <stdlib.h>

struct image picture(int width, int height) {
  struct image image = {.rgb = malloc((size_t)width * (size_t)height * 3), .width = width, .height = height};
  uint8_t *to = image.rgb;
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      for (int c = 0; c < 3; c++) *to++ = (uint8_t)((x * x * 3 + y * 7 * (c + 1) + x * y * (c + 2)) >> 2);
    }
  }
  return image;
}

uint64_t fnv(const void *bytes, size_t size) {
  uint64_t state = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) state = (state ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
  return state;
}
