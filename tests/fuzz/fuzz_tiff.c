/* Any bytes to tiff_decode(): an error or a picture, within the limit. */
#include "images/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct decode_options options = {.max_pixels = 1 << 18, .lenient = size && data[size - 1] % 2};
  struct image image;
  error e;
  if (tiff_decode(&image, data, size, &options, &e) == OK) image_free(&image);
  return 0;
}
