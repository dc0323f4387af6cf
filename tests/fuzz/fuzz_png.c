/* Any bytes to png_decode(), with the chunks' checksums put right so that what lies behind them is reached: an error or
 * a picture, within the limit. */
#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "images/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair_checksums(uint8_t *bytes, size_t size) {
  for (size_t at = 8; size >= 12 && at <= size - 12;) {
    size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
    if (length > size - 12 - at) return;
    uint32_t crc = checksum_crc32(0, bytes + at + 4, length + 4);
    for (size_t i = 0; i < 4; i++) bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size + 1);
  if (!copy) return 0;
  memcpy(copy, data, size);
  /* The last byte decides: damaged checksums must be met as well. */
  if (size && data[size - 1] % 8) repair_checksums(copy, size);
  struct decode_options options = {.max_pixels = 1 << 18};
  struct image image;
  error e;
  if (png_decode(&image, copy, size, &options, &e) == OK) image_free(&image);
  free(copy);
  return 0;
}
