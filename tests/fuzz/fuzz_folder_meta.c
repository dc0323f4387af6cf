/* meta.json of a features folder, compared with itself: its members stay inside the text. */
#include <stdlib.h>

#include "evaluate/folder_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const char *const nothing[] = {NULL};
  struct folder_meta meta;
  error e;
  if (folder_meta_parse(&meta, (const char *)bytes, size, &e) != OK) return 0;
  for (size_t i = 0; i < meta.count; i++) {
    const struct meta_member *m = &meta.members[i];
    if (m->key < meta.text || m->value <= m->key || m->value + m->value_length > meta.text + size) abort();
    char shown[64];
    size_t value;
    folder_meta_show(&meta, m, shown);
    folder_meta_count(&meta, "shards", &value, NULL);
  }
  if (folder_meta_difference(&meta, &meta, nothing, true)) abort();
  folder_meta_free(&meta);
  return 0;
}
