/* Zip archives in memory (PKWARE's APPNOTE 6.3, with the 64-bit extensions): the directory is read and checked whole,
 * and entries that are stored without compression, as torch.save() writes them, are read in place. */
#ifndef WEIGHTS_TOOLS_ZIP_H
#define WEIGHTS_TOOLS_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

struct zip_entry {
  const char *name; /* in the archive's bytes, not terminated: printable, no byte below 0x20 */
  size_t name_length;
  size_t header;       /* where its local header lies */
  const uint8_t *data; /* `size` bytes as stored */
  size_t size;
  bool compressed, encrypted;
};

struct zip {
  struct zip_entry *entries; /* sorted by name (as bytes, a shorter one first) */
  size_t count;
};

/* List the archive that `bytes` (which the caller keeps) hold. Refused: a missing end record (a truncated file),
 * several volumes, entries that lie outside the file or overlap, whose local header or data descriptor disagrees with
 * the directory about name or size, and equal names. Checksums are not verified: that would read all the data. */
int zip_parse(struct zip *zip, const uint8_t *bytes, size_t size, error *e);
void zip_free(struct zip *zip);
/* NULL when there is no such entry. O(log n). */
const struct zip_entry *zip_find(const struct zip *zip, const char *name);
/* FAILED when the entry's data cannot be read in place: it is compressed or encrypted. */
int zip_check_stored(const struct zip_entry *entry, error *e);

#endif
