/* Any bytes as a zip archive: refused, or every entry's data readable and found by its name. */
#include <stdlib.h>
#include <string.h>

#include "weights-tools/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct zip zip;
  error e;
  if (zip_parse(&zip, data, size, &e) != OK) return 0;
  unsigned sum = 0;
  for (size_t i = 0; i < zip.count; i++) {
    const struct zip_entry *entry = &zip.entries[i];
    for (size_t j = 0; j < entry->size; j++) sum += entry->data[j];
    char *name = calloc(entry->name_length + 1, 1);
    if (!name) abort();
    memcpy(name, entry->name, entry->name_length);
    if (zip_find(&zip, name) != entry) abort();
    free(name);
    sum += zip_check_stored(entry, &e) == OK;
  }
  volatile unsigned sink = sum;
  (void)sink;
  zip_free(&zip);
  return 0;
}
