/* Any bytes to webp_decode(): an error or a picture, within the limit. */
#include "images/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct decode_options options = {.max_pixels = 1 << 14};
  struct image image;
  error e;
  if (webp_decode(&image, data, size, &options, &e) == OK) image_free(&image);
  return 0;
}
