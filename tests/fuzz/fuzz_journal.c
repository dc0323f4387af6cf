/* What an interrupted extraction left: a journal and rows of any bytes are cut back to what can be trusted. The first
 * two bytes tell where the one ends and the other begins. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/feature_journal.h"

enum { COLUMNS = 3, MOST = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *folder(void) {
  static char path[] = "/tmp/fuzz-journal-XXXXXX";
  static bool made;
  if (!made && !mkdtemp(path)) abort();
  made = true;
  return path;
}

static void write_bytes(const char *name, const uint8_t *bytes, size_t size) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder(), name);
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || write(file, bytes, size) != (ssize_t)size) abort();
  close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2) return 0;
  size_t split = (size_t)bytes[0] | (size_t)bytes[1] << 8, lost;
  bytes += 2;
  size -= 2;
  if (split > size) split = size;
  write_bytes("journal.tsv", bytes, split);
  write_bytes("features.npy", bytes + split, size - split);
  struct feature_journal journal;
  error e;
  if (feature_journal_continue(&journal, folder(), COLUMNS, MOST, &lost, &e) != OK) return 0;
  if (journal.samples > MOST || journal.taken > journal.samples || journal.line_bytes > split) abort();
  feature_journal_close(&journal);
  return 0;
}
