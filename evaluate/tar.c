/* Members of a tar archive (POSIX ustar and pax, GNU long names, old V7), as views into its bytes.
 * Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"

enum { BLOCK = 512, NAME = 0, SIZE = 124, CHECKSUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345 };

/* What special members say about the next ordinary one. */
struct override {
  char *path; /* NULL: the header's own */
  size_t size;
  bool has_size;
};

/* An octal number ended by a space, a NUL or the field's end, or GNU's base 256 when the top bit is set. */
static bool parse_number(const uint8_t *field, size_t length, uint64_t *value) {
  uint64_t number = 0;
  if (field[0] & 0x80) {
    if (field[0] != 0x80) return false; /* negative, or more than 2^88 */
    for (size_t i = 1; i < length; i++) {
      if (number >> 56) return false;
      number = number << 8 | field[i];
    }
    *value = number;
    return true;
  }
  size_t i = 0;
  while (i < length && field[i] == ' ') i++;
  for (; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
    if (number >> 61) return false;
    number = number << 3 | (uint64_t)(field[i] - '0');
  }
  *value = number;
  return i == length || field[i] == 0 || field[i] == ' ';
}

/* The sum of all header bytes with the checksum field as spaces; some old archives summed signed bytes. */
static bool checksum_holds(const uint8_t *header) {
  uint64_t stored;
  if (!parse_number(header + CHECKSUM, 8, &stored)) return false;
  uint32_t plain = 0;
  int32_t with_signs = 0;
  for (int i = 0; i < BLOCK; i++) {
    uint8_t byte = i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : header[i];
    plain += byte;
    with_signs += (int8_t)byte;
  }
  return stored == plain || (with_signs >= 0 && stored == (uint64_t)with_signs);
}

static bool is_zero(const uint8_t *block) {
  for (int i = 0; i < BLOCK; i++) {
    if (block[i]) return false;
  }
  return true;
}

/* Remove "./" and "/" from the start, doubled slashes, "." parts and the slash at the end, in place. */
static void tidy_path(char *path) {
  char *out = path;
  for (const char *part = path; *part;) {
    size_t length = strcspn(part, "/");
    if (length && !(length == 1 && *part == '.')) {
      if (out > path) *out++ = '/';
      memmove(out, part, length);
      out += length;
    }
    part += length;
    while (*part == '/') part++;
  }
  *out = 0;
}

/* name, or prefix/name in a POSIX header (GNU's magic ends in a space and uses those bytes otherwise). */
static char *header_path(const uint8_t *header, error *e) {
  char path[100 + 1 + 155 + 1];
  int prefix = 0;
  if (!memcmp(header + MAGIC, "ustar", 6) && header[PREFIX]) {
    prefix = (int)strnlen((const char *)header + PREFIX, 155);
  }
  snprintf(path, sizeof path, "%.*s%s%.*s", prefix, (const char *)header + PREFIX, prefix ? "/" : "", 100,
           (const char *)header + NAME);
  return copy_string(path, e);
}

/* "LENGTH KEY=VALUE\n" records; only path and size matter here. */
static int parse_pax(struct override *next, const uint8_t *bytes, size_t size, error *e) {
  while (size > 0) {
    size_t length = 0, digits = 0;
    while (digits < size && digits < 10 && bytes[digits] >= '0' && bytes[digits] <= '9') {
      length = length * 10 + (size_t)(bytes[digits++] - '0');
    }
    if (digits == 0 || digits + 1 >= length || length > size || bytes[digits] != ' ' || bytes[length - 1] != '\n') {
      return fail(e, "a pax header has a broken record");
    }
    const char *key = (const char *)bytes + digits + 1, *end = (const char *)bytes + length - 1;
    const char *equals = memchr(key, '=', (size_t)(end - key));
    if (!equals) return fail(e, "a pax header has a record without '='");
    size_t key_length = (size_t)(equals - key), value_length = (size_t)(end - equals - 1);
    if (key_length == 4 && !memcmp(key, "path", 4)) {
      if (memchr(equals + 1, 0, value_length)) return fail(e, "a pax header's path holds a NUL byte");
      free(next->path);
      next->path = copy_bytes_as_string(equals + 1, value_length, e);
      if (!next->path) return FAILED;
    } else if (key_length == 4 && !memcmp(key, "size", 4)) {
      next->size = 0;
      next->has_size = true;
      for (const char *c = equals + 1; c < end; c++) {
        bool fits = *c >= '0' && *c <= '9' && multiply_size(next->size, 10, &next->size) &&
                    add_size(next->size, (size_t)(*c - '0'), &next->size);
        if (!fits) return fail(e, "a pax header's size is not a number");
      }
    } else if (key_length > 10 && !memcmp(key, "GNU.sparse", 10)) {
      return fail(e, "holds a sparse file, which is not supported");
    }
    bytes += length;
    size -= length;
  }
  return OK;
}

/* One member that is no header for the next one. */
static int take_member(struct listing *listing, uint8_t type, char *path, const uint8_t *data, size_t size, error *e) {
  size_t length = strlen(path);
  bool folder = type == '5' || ((type == '0' || type == 0) && length && path[length - 1] == '/');
  tidy_path(path);
  if (!*path) {
    free(path);
    return OK;
  }
  if (folder) return listing_add(listing, path, true, NULL, 0, e);
  if (type == '0' || type == 0 || type == '7') return listing_add(listing, path, false, data, size, e);
  free(path);
  listing->special++;
  return OK;
}

static int read_member(struct listing *listing, struct override *next, const uint8_t *bytes, size_t total,
                       size_t *offset, error *e) {
  const uint8_t *header = bytes + *offset, *data = header + BLOCK;
  size_t left = total - *offset - BLOCK;
  uint64_t stored;
  if (!checksum_holds(header)) return fail(e, "is no tar, or damaged: wrong checksum at byte %zu", *offset);
  if (!parse_number(header + SIZE, 12, &stored)) {
    return fail(e, "the member at byte %zu has an unreadable size", *offset);
  }
  uint8_t type = header[TYPE];
  bool describes_next = type == 'L' || type == 'K' || type == 'x' || type == 'g';
  /* Links and folders have no data, whatever their size field says. */
  bool has_data = describes_next || type == '0' || type == 0 || type == '7';
  if (!describes_next && next->has_size) stored = next->size;
  if (type >= '1' && type <= '6') stored = 0;
  if (type == 'S') return fail(e, "holds a sparse file at byte %zu, which is not supported", *offset);
  if (stored > left)
    return fail(e, "is truncated: the member at byte %zu has %zu of %llu bytes", *offset, left,
                (unsigned long long)stored);
  size_t size = (size_t)stored;
  int status = OK;
  if (type == 'L') {
    free(next->path);
    next->path = copy_bytes_as_string((const char *)data, strnlen((const char *)data, size), e);
    if (!next->path) status = FAILED;
  } else if (type == 'x') {
    status = parse_pax(next, data, size, e);
  } else if (!describes_next) {
    char *path = next->path ? next->path : header_path(header, e);
    *next = (struct override){0};
    status = path ? take_member(listing, type, path, has_data ? data : NULL, size, e) : FAILED;
  }
  size_t padded = size + (BLOCK - size % BLOCK) % BLOCK;
  *offset += BLOCK + (padded < left ? padded : left);
  return status;
}

int tar_list(struct listing *listing, const uint8_t *bytes, size_t size, error *e) {
  struct override next = {0};
  int status = OK;
  if (size < BLOCK) status = fail(e, size ? "is too short for a tar" : "is empty");
  for (size_t offset = 0; status == OK && size - offset >= BLOCK && !is_zero(bytes + offset);) {
    status = read_member(listing, &next, bytes, size, &offset, e);
  }
  free(next.path);
  return status;
}
