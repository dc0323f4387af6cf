/* Any bytes as a list of path,label. */
#include <stdlib.h>

#include "evaluate/dataset_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct dataset dataset = {0};
  error e;
  if (csv_parse(&dataset, data, size, size % 2 ? ',' : '\t', &e) == OK) {
    for (size_t i = 0; i < dataset.count; i++) {
      if (!*dataset.samples[i].path || dataset.samples[i].label >= (int)dataset.class_count) abort();
    }
  }
  dataset_close(&dataset);
  return 0;
}
