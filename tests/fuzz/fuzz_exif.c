/* Any bytes to image_orientation(), as a file and as the EXIF data of a JPEG. */
#include <stdlib.h>
#include <string.h>

#include "images/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *bytes, size_t size) {
  int orientation = image_orientation(bytes, size);
  if (orientation < 1 || orientation > 8) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t head[] = {0xff, 0xd8, 0xff, 0xe1, 0, 0, 'E', 'x', 'i', 'f', 0, 0};
  check(data, size);
  if (size > 60000) return 0;
  uint8_t *jpeg = malloc(sizeof head + size);
  if (!jpeg) return 0;
  memcpy(jpeg, head, sizeof head);
  if (size) memcpy(jpeg + sizeof head, data, size);
  size_t length = 8 + size;
  jpeg[4] = (uint8_t)(length >> 8);
  jpeg[5] = (uint8_t)length;
  check(jpeg, sizeof head + size);
  free(jpeg);
  return 0;
}
