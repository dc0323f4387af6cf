#include "weights-tools/zip.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/little_endian.h"

/* Bytes of the fixed part of each record, and its signature "PK" and two more. */
enum { END = 22, LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30 };
enum { END_MARK = 0x06054b50, LOCATOR_MARK = 0x07064b50, END64_MARK = 0x06064b50 };
enum { CENTRAL_MARK = 0x02014b50, LOCAL_MARK = 0x04034b50, DESCRIPTOR_MARK = 0x08074b50 };

enum { MAX_COMMENT = 0xffff, IN_ZIP64 = 0xffff /* of a 16-bit field: its value stands in the 64-bit record */ };
enum { FLAG_ENCRYPTED = 1, FLAG_DESCRIPTOR = 8, EXTRA_ZIP64 = 1 };
static const uint64_t in_zip64 = 0xffffffff; /* the same of a 32-bit field */

struct archive {
  const uint8_t *bytes;
  size_t size;
};

static uint64_t get(const uint8_t *record, int at, int bytes) { return read_little_endian(record + at, bytes); }

/* The record with this mark and `length` fixed bytes at `offset`, all before `limit`; NULL when it is not there. */
static const uint8_t *record_at(const struct archive *a, uint64_t offset, size_t length, uint64_t mark, size_t limit) {
  if (offset > limit || limit - offset < length) return NULL;
  const uint8_t *record = a->bytes + offset;
  return get(record, 0, 4) == mark ? record : NULL;
}

/* ---- the end records: where the directory lies ---- */

struct directory {
  uint64_t offset, size, entries;
};

/* Whether a field of the end record is either what the 64-bit record says or refers to it. */
static bool agrees(uint64_t field, uint64_t sentinel, uint64_t value) { return field == sentinel || field == value; }

static int read_end64(struct directory *directory, const struct archive *a, const uint8_t *end, size_t *limit,
                      error *e) {
  const uint8_t *locator = record_at(a, *limit - LOCATOR, LOCATOR, LOCATOR_MARK, *limit);
  *limit -= LOCATOR;
  uint64_t offset = get(locator, 8, 8);
  const uint8_t *end64 = record_at(a, offset, END64, END64_MARK, *limit);
  if (!end64) return fail(e, "a damaged zip archive: its 64-bit end record is not where it should be");
  if (get(locator, 4, 4) != 0 || get(locator, 16, 4) > 1 || get(end64, 16, 4) != 0 || get(end64, 20, 4) != 0 ||
      get(end64, 24, 8) != get(end64, 32, 8)) {
    return fail(e, "a zip archive in several volumes");
  }
  *directory = (struct directory){.offset = get(end64, 48, 8), .size = get(end64, 40, 8), .entries = get(end64, 32, 8)};
  if (!agrees(get(end, 10, 2), IN_ZIP64, directory->entries) || !agrees(get(end, 12, 4), in_zip64, directory->size) ||
      !agrees(get(end, 16, 4), in_zip64, directory->offset)) {
    return fail(e, "a damaged zip archive: its two end records disagree");
  }
  *limit = (size_t)offset;
  return OK;
}

static int find_directory(struct directory *directory, const struct archive *a, error *e) {
  const uint8_t *end = NULL;
  size_t limit = 0;
  for (size_t comment = 0; !end && comment <= MAX_COMMENT && comment + END <= a->size; comment++) {
    limit = a->size - END - comment;
    end = record_at(a, limit, END, END_MARK, a->size);
    if (end && get(end, 20, 2) != comment) end = NULL;
  }
  if (!end) return fail(e, "not a whole zip archive: its end record is missing (a truncated file?)");
  if (limit >= LOCATOR && record_at(a, limit - LOCATOR, LOCATOR, LOCATOR_MARK, limit)) {
    if (read_end64(directory, a, end, &limit, e) != OK) return FAILED;
  } else {
    if (get(end, 4, 2) != 0 || get(end, 6, 2) != 0 || get(end, 8, 2) != get(end, 10, 2))
      return fail(e, "a zip archive in several volumes");
    *directory = (struct directory){.offset = get(end, 16, 4), .size = get(end, 12, 4), .entries = get(end, 10, 2)};
  }
  if (directory->offset > limit || directory->size > limit - directory->offset)
    return fail(e, "a damaged zip archive: its directory lies outside the file");
  if (directory->entries > directory->size / CENTRAL)
    return fail(e, "a damaged zip archive: %llu entries in a directory of %llu bytes",
                (unsigned long long)directory->entries, (unsigned long long)directory->size);
  return OK;
}

/* ---- entries ---- */

struct sizes {
  uint64_t uncompressed, compressed, header; /* `header`: where the local header lies, in the directory only */
};

/* Replace those of the n values that refer to the zip64 field of extra[0, length) by what stands there, in order. */
static bool resolve_zip64(uint64_t *const *values, int n, const uint8_t *extra, size_t length) {
  bool needed = false;
  for (int i = 0; i < n; i++) needed |= *values[i] == in_zip64;
  if (!needed) return true;
  for (size_t at = 0; length - at >= 4;) {
    size_t id = (size_t)get(extra + at, 0, 2), bytes = (size_t)get(extra + at, 2, 2);
    at += 4;
    if (bytes > length - at) return false;
    if (id == EXTRA_ZIP64) {
      size_t end = at + bytes;
      for (int i = 0; i < n; i++) {
        if (*values[i] != in_zip64) continue;
        if (end - at < 8) return false;
        *values[i] = get(extra + at, 0, 8);
        at += 8;
      }
      return true;
    }
    at += bytes;
  }
  return false;
}

static bool is_printable(const char *name, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
  }
  return length > 0;
}

/* Whether the descriptor behind the data (a mark, a checksum, both sizes in 4 or 8 bytes) says the same size. */
static bool descriptor_agrees(const struct archive *a, uint64_t at, uint64_t size, uint64_t uncompressed,
                              size_t limit) {
  const uint8_t *record = record_at(a, at, 16, DESCRIPTOR_MARK, limit);
  if (!record) return false;
  if (get(record, 8, 4) == size && get(record, 12, 4) == uncompressed) return true;
  record = record_at(a, at, 24, DESCRIPTOR_MARK, limit);
  return record && get(record, 8, 8) == size && get(record, 16, 8) == uncompressed;
}

/* Find the entry's data behind its local header, which must tell the same as the directory (`sizes`, flags, method). */
static int locate_data(struct zip_entry *entry, const struct archive *a, const struct sizes *sizes, uint64_t flags,
                       uint64_t method, size_t limit, error *e) {
  const uint8_t *local = record_at(a, sizes->header, LOCAL, LOCAL_MARK, limit);
  if (!local) return fail(e, "its header is not where the directory says");
  size_t name_length = (size_t)get(local, 26, 2), extra_length = (size_t)get(local, 28, 2);
  uint64_t start = sizes->header + LOCAL;
  if (limit - start < name_length + extra_length) return fail(e, "its header lies outside the file");
  const uint8_t *name = a->bytes + start;
  if (name_length != entry->name_length || memcmp(name, entry->name, name_length) != 0)
    return fail(e, "its header has another name than the directory");
  uint64_t uncompressed = get(local, 22, 4), size = get(local, 18, 4);
  if (!resolve_zip64((uint64_t *const[]){&uncompressed, &size}, 2, name + name_length, extra_length))
    return fail(e, "its header has no 64-bit size");
  bool later = (flags & FLAG_DESCRIPTOR) && size == 0 && uncompressed == 0; /* sizes stand behind the data */
  if (!later && (size != sizes->compressed || uncompressed != sizes->uncompressed)) {
    return fail(e, "its header says %llu bytes, the directory %llu", (unsigned long long)size,
                (unsigned long long)sizes->compressed);
  }
  if (get(local, 6, 2) != flags || get(local, 8, 2) != method) return fail(e, "its header contradicts the directory");
  start += name_length + extra_length;
  if (sizes->compressed > limit - start) return fail(e, "its data lies outside the file");
  if (later && !descriptor_agrees(a, start + sizes->compressed, sizes->compressed, sizes->uncompressed, limit))
    return fail(e, "the directory says %llu bytes, its data ends elsewhere", (unsigned long long)sizes->compressed);
  entry->header = (size_t)sizes->header;
  entry->data = a->bytes + start;
  entry->size = (size_t)sizes->compressed;
  return OK;
}

/* The directory's record at *at, which moves behind it. */
static int read_entry(struct zip_entry *entry, const struct archive *a, const struct directory *directory, size_t *at,
                      error *e) {
  size_t end = (size_t)(directory->offset + directory->size);
  const uint8_t *record = record_at(a, *at, CENTRAL, CENTRAL_MARK, end);
  if (!record) return fail(e, "a damaged zip archive: no entry at byte %zu of its directory", *at);
  size_t name_length = (size_t)get(record, 28, 2), extra_length = (size_t)get(record, 30, 2);
  size_t length = name_length + extra_length + (size_t)get(record, 32, 2);
  *at += CENTRAL;
  if (length > end - *at) return fail(e, "a damaged zip archive: its directory is cut off at byte %zu", *at);
  entry->name = (const char *)a->bytes + *at;
  entry->name_length = name_length;
  *at += length;
  if (!is_printable(entry->name, name_length))
    return fail(e, "a damaged zip archive: the name before byte %zu is not printable", *at);
  uint64_t flags = get(record, 8, 2), method = get(record, 10, 2);
  entry->encrypted = (flags & FLAG_ENCRYPTED) != 0;
  entry->compressed = method != 0;
  struct sizes sizes = {
      .uncompressed = get(record, 24, 4), .compressed = get(record, 20, 4), .header = get(record, 42, 4)};
  int status = OK;
  if (!resolve_zip64((uint64_t *const[]){&sizes.uncompressed, &sizes.compressed, &sizes.header}, 3,
                     (const uint8_t *)entry->name + name_length, extra_length)) {
    status = fail(e, "its 64-bit size is missing");
  } else if (!entry->compressed && sizes.compressed != sizes.uncompressed) {
    status = fail(e, "it is stored, yet its two sizes differ");
  } else {
    status = locate_data(entry, a, &sizes, flags, method, (size_t)directory->offset, e);
  }
  return status == OK ? OK : fail_within(e, "zip entry \"%.*s\"", (int)name_length, entry->name);
}

static int compare_headers(const void *a, const void *b) {
  const struct zip_entry *x = a, *y = b;
  return (x->header > y->header) - (x->header < y->header);
}

static int compare_names(const void *a, const void *b) {
  const struct zip_entry *x = a, *y = b;
  size_t shorter = x->name_length < y->name_length ? x->name_length : y->name_length;
  int order = memcmp(x->name, y->name, shorter);
  return order ? order : (x->name_length > y->name_length) - (x->name_length < y->name_length);
}

/* No byte belongs to two entries, and no name to two. Leaves them sorted by name. */
static int check_entries(struct zip *zip, const uint8_t *bytes, error *e) {
  qsort(zip->entries, zip->count, sizeof *zip->entries, compare_headers);
  for (size_t i = 1; i < zip->count; i++) {
    const struct zip_entry *before = &zip->entries[i - 1], *entry = &zip->entries[i];
    if ((size_t)(before->data - bytes) + before->size <= entry->header) continue;
    return fail(e, "zip entry \"%.*s\": it overlaps \"%.*s\"", (int)entry->name_length, entry->name,
                (int)before->name_length, before->name);
  }
  qsort(zip->entries, zip->count, sizeof *zip->entries, compare_names);
  for (size_t i = 1; i < zip->count; i++) {
    const struct zip_entry *entry = &zip->entries[i];
    if (compare_names(entry - 1, entry) == 0)
      return fail(e, "zip entry \"%.*s\": the name stands twice", (int)entry->name_length, entry->name);
  }
  return OK;
}

int zip_parse(struct zip *zip, const uint8_t *bytes, size_t size, error *e) {
  *zip = (struct zip){0};
  struct archive archive = {bytes, size};
  struct directory directory = {0};
  if (find_directory(&directory, &archive, e) != OK) return FAILED;
  zip->entries = allocate_zeroed((size_t)directory.entries, sizeof *zip->entries, e);
  if (!zip->entries) return FAILED;
  size_t at = (size_t)directory.offset;
  int status = OK;
  for (; zip->count < directory.entries && status == OK; zip->count++)
    status = read_entry(&zip->entries[zip->count], &archive, &directory, &at, e);
  if (status == OK) status = check_entries(zip, bytes, e);
  if (status != OK) zip_free(zip);
  return status;
}

void zip_free(struct zip *zip) {
  free(zip->entries);
  *zip = (struct zip){0};
}

const struct zip_entry *zip_find(const struct zip *zip, const char *name) {
  struct zip_entry wanted = {.name = name, .name_length = strlen(name)};
  return zip->count ? bsearch(&wanted, zip->entries, zip->count, sizeof *zip->entries, compare_names) : NULL;
}

int zip_check_stored(const struct zip_entry *entry, error *e) {
  if (!entry->compressed && !entry->encrypted) return OK;
  return fail(e, "zip entry \"%.*s\": it is %s, which torch.save() never does", (int)entry->name_length, entry->name,
              entry->encrypted ? "encrypted" : "compressed");
}
