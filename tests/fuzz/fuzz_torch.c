/* Any bytes as a file of torch.save(), zip archive or older format: refused, or every tensor readable. */
#include <stdlib.h>

#include "weights-tools/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct torch_file t;
  error e;
  if (torch_file_parse(&t, data, size, &e) != OK) return 0;
  unsigned sum = 0;
  for (size_t i = 0; i < t.count; i++) {
    const struct tensor *tensor = &t.tensors[i];
    if (tensor->bytes != (size_t)tensor->elements * dtype_size(tensor->dtype)) abort();
    for (size_t j = 0; j < tensor->bytes; j += tensor->bytes < 4096 ? 1 : 512) sum += tensor->data[j];
    if (i > 0 && tensor->bytes > 0) sum += tensor->data[tensor->bytes - 1];
  }
  volatile unsigned sink = sum;
  (void)sink;
  torch_file_close(&t);
  return 0;
}
