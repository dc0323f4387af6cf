/* Any bytes as an .npy file. */
#include <stdlib.h>

#include "evaluate/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct npy array;
  error e;
  if (npy_parse(&array, data, size, &e) != OK) return 0;
  const float *values;
  void *owned;
  if (npy_floats(&array, &values, &owned, &e) == OK) free(owned);
  int64_t *integers;
  if (npy_integers(&array, &integers, &e) == OK) free(integers);
  return 0;
}
