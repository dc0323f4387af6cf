/* Any bytes as a tar archive: all members are listed, arranged into a data set, and their bytes touched. Checksums are
 * made right first, so that the fuzzer gets past them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *bytes = malloc(size ? size : 1);
  if (!bytes) return 0;
  if (size) memcpy(bytes, data, size);
  for (size_t at = 0; size - at >= 512; at += 512) {
    uint8_t *header = bytes + at;
    if (memcmp(header + 257, "ustar", 5) != 0) continue;
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
  }
  struct listing listing = {0};
  struct dataset dataset = {0};
  error e;
  static const char *const inner[] = {NULL, "train", "a/b"};
  if (tar_list(&listing, bytes, size, &e) == OK &&
      dataset_arrange(&dataset, &listing, inner[size % 3], true, &e) == OK) {
    unsigned sum = 0;
    for (size_t i = 0; i < dataset.count; i++) {
      const struct sample *sample = &dataset.samples[i];
      for (size_t j = 0; j < sample->size; j++) sum += sample->bytes[j];
      if (sample->label >= (int)dataset.class_count || !*sample->path) abort();
    }
    volatile unsigned sink = sum;
    (void)sink;
  }
  listing_free(&listing);
  dataset_close(&dataset);
  free(bytes);
  return 0;
}
