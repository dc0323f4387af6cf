#include "images/tiff_ifd.h"

#include <string.h>

#include "images/byte_order.h"

enum { ORIENTATION = 274 };

static uint32_t read_16(const struct tiff_directory *d, const uint8_t *p) {
  return d->big_endian ? big_endian_16(p) : little_endian_16(p);
}
static uint32_t read_32(const struct tiff_directory *d, const uint8_t *p) {
  return d->big_endian ? big_endian_32(p) : little_endian_32(p);
}
static uint64_t read_64(const struct tiff_directory *d, const uint8_t *p) {
  return d->big_endian ? big_endian_64(p) : little_endian_64(p);
}
/* A count or an offset. */
static uint64_t read_word(const struct tiff_directory *d, const uint8_t *p) {
  return d->big ? read_64(d, p) : read_32(d, p);
}

/* The last two have the version in the other byte order: Pillow opens them. */
static const uint8_t magics[][4] = {{'I', 'I', 42, 0}, {'M', 'M', 0, 42}, {'I', 'I', 43, 0},
                                    {'M', 'M', 0, 43}, {'I', 'I', 0, 42}, {'M', 'M', 42, 0}};

bool tiff_matches(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; size >= 4 && i < sizeof magics / sizeof *magics; i++) {
    if (memcmp(bytes, magics[i], 4) == 0) return true;
  }
  return false;
}

bool tiff_read_header(struct tiff_header *header, const uint8_t *bytes, size_t size) {
  if (size < 8 || !tiff_matches(bytes, size)) return false;
  /* Pillow looks for the 43 in the third byte only. */
  *header = (struct tiff_header){.big_endian = bytes[0] == 'M', .big = bytes[2] == 43};
  header->odd_version = (bytes[0] == 'M') != (bytes[2] == 0);
  if (header->big && size < 16) return false;
  struct tiff_directory d = {.big_endian = header->big_endian, .big = header->big};
  header->directory = read_word(&d, bytes + (header->big ? 8 : 4));
  return true;
}

/* ---- entries ------------------------------------------------------------------------------------------------- */

static size_t entry_size(const struct tiff_directory *d) { return d->big ? 20 : 12; }

/* Bytes of a value; 0: no such type. */
static size_t type_size(uint32_t type) {
  static const uint8_t sizes[17] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < sizeof sizes ? sizes[type] : 0;
}

/* False when the values lie outside of the file. A field without values has count 0. */
static bool read_entry(const struct tiff_directory *d, size_t number, struct tiff_field *field) {
  const uint8_t *entry = d->entries + number * entry_size(d);
  size_t word = d->big ? 8 : 4;
  field->type = (int)read_16(d, entry + 2);
  field->count = read_word(d, entry + 4);
  field->data = entry + 4 + word;
  uint64_t each = type_size((uint32_t)field->type), total;
  if (each == 0) field->count = 0;
  if (__builtin_mul_overflow(each, field->count, &total)) return false;
  if (total <= word) return true;
  uint64_t offset = read_word(d, field->data);
  if (offset > d->size || total > d->size - offset) return false;
  field->data = d->bytes + offset;
  return true;
}

struct tiff_directory tiff_open_directory(const struct tiff_header *header, const uint8_t *bytes, size_t size,
                                          uint64_t offset) {
  struct tiff_directory d = {.bytes = bytes, .size = size, .big_endian = header->big_endian, .big = header->big};
  size_t word = d.big ? 8 : 2;
  if (offset > size || size - offset < word) return d;
  d.declared = d.big ? read_64(&d, bytes + offset) : read_16(&d, bytes + offset);
  d.entries = bytes + offset + word;
  size_t room = (size - (size_t)offset - word) / entry_size(&d);
  d.all = d.declared < room ? (size_t)d.declared : room;
  struct tiff_field field;
  while (d.count < d.all && read_entry(&d, d.count, &field)) d.count++;
  return d;
}

int tiff_open_strictly(struct tiff_directory *strict, const struct tiff_directory *directory, error *e) {
  enum { MOST_ENTRIES = 4096 };
  /* Tags of one value, then of several. */
  static const int single[] = {256, 257, 259, 277, 278, 284, 322, 323}, several[] = {258, 273, 279, 324, 325, 338, 339};
  *strict = *directory;
  strict->count = strict->all;
  if (directory->all < directory->declared || directory->declared > MOST_ENTRIES) {
    return fail(e, "the directory at byte %zu is cut: %zu of %llu entries",
                (size_t)(directory->entries - directory->bytes), directory->all,
                (unsigned long long)directory->declared);
  }
  for (size_t i = 0; i < strict->count; i++) {
    int tag = (int)read_16(strict, strict->entries + i * entry_size(strict));
    struct tiff_field field;
    bool whole = read_entry(strict, i, &field);
    for (size_t k = 0; k < sizeof single / sizeof *single; k++) {
      if (tag == single[k] && (!whole || field.count != 1)) return fail(e, "tag %d has not one value", tag);
    }
    for (size_t k = 0; k < sizeof several / sizeof *several && !whole; k++) {
      if (tag == several[k]) return fail(e, "the values of tag %d lie outside of the file", tag);
    }
  }
  return OK;
}

bool tiff_find(const struct tiff_directory *d, int tag, struct tiff_field *field) {
  for (size_t i = d->count; i-- > 0;) {
    if (read_16(d, d->entries + i * entry_size(d)) != (uint32_t)tag) continue;
    if (read_entry(d, i, field) && field->count > 0) return true;
  }
  return false;
}

/* ---- values -------------------------------------------------------------------------------------------------- */

bool tiff_integer(const struct tiff_directory *d, const struct tiff_field *field, uint64_t i, int64_t *value) {
  if (i >= field->count) return false;
  const uint8_t *data = field->data + i * type_size((uint32_t)field->type);
  switch (field->type) {
    case TIFF_SHORT:
      *value = read_16(d, data);
      return true;
    case TIFF_IFD:
    case TIFF_LONG:
      *value = read_32(d, data);
      return true;
    case TIFF_SIGNED_BYTE:
      *value = data[0] < 128 ? data[0] : data[0] - 256;
      return true;
    case TIFF_SIGNED_SHORT:
      *value = (int16_t)read_16(d, data);
      return true;
    case TIFF_SIGNED_LONG:
      *value = (int32_t)read_32(d, data);
      return true;
    case TIFF_LONG8:
      *value = (int64_t)read_64(d, data);
      return *value >= 0;
    default:
      return false;
  }
}

/* The first value of a field of fractions or floats. */
static double real(const struct tiff_directory *d, const struct tiff_field *field) {
  enum { RATIONAL = 5, SIGNED_RATIONAL = 10, FLOAT = 11, DOUBLE = 12 };
  uint32_t first = read_32(d, field->data);
  if (field->type == RATIONAL) return first / (double)read_32(d, field->data + 4);
  if (field->type == SIGNED_RATIONAL) return (int32_t)first / (double)(int32_t)read_32(d, field->data + 4);
  if (field->type == FLOAT) {
    float value;
    memcpy(&value, &first, sizeof value);
    return (double)value;
  }
  double value = 0;
  if (field->type == DOUBLE) {
    uint64_t bits = read_64(d, field->data);
    memcpy(&value, &bits, sizeof value);
  }
  return value;
}

int tiff_orientation(const struct tiff_directory *directory, bool *present) {
  struct tiff_field field;
  *present = tiff_find(directory, ORIENTATION, &field);
  if (!*present) return 1;
  int64_t integer;
  double value = tiff_integer(directory, &field, 0, &integer) ? (double)integer : real(directory, &field);
  for (int orientation = 2; orientation <= 8; orientation++) {
    if (value == orientation) return orientation;
  }
  return 1;
}
