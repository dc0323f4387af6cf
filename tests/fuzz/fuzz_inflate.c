/* The first byte chooses the wrapper, the rest is the stream. */
#include <stdlib.h>

#include "images/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  uint8_t *out;
  size_t out_size;
  error e;
  enum deflate_wrapper wrapper = (enum deflate_wrapper)(data[0] % 3);
  if (inflate_all(wrapper, data + 1, size - 1, 1 << 20, &out, &out_size, &e) == OK) free(out);
  return 0;
}
