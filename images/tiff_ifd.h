/* The directory of a TIFF file (TIFF 6.0, section 2; BigTIFF), which is also what EXIF data are. */
#ifndef IMAGES_TIFF_IFD_H
#define IMAGES_TIFF_IFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

struct tiff_header {
  bool big_endian, big; /* big: BigTIFF, with numbers of 64 bits */
  bool odd_version;     /* its bytes are in the wrong order, which Pillow forgives */
  uint64_t directory;   /* where the first directory lies */
};

bool tiff_matches(const uint8_t *bytes, size_t size);
/* False when bytes do not begin as a TIFF file does. */
bool tiff_read_header(struct tiff_header *header, const uint8_t *bytes, size_t size);

struct tiff_directory {
  const uint8_t *bytes; /* the file */
  size_t size;
  bool big_endian, big;
  const uint8_t *entries;
  size_t count;      /* of entries before the first whose values lie outside of the file */
  size_t all;        /* of entries that lie in the file */
  uint64_t declared; /* how many there should be */
};

/* A field's values. */
struct tiff_field {
  int type;
  uint64_t count;      /* of values, at least 1 */
  const uint8_t *data; /* all of them lie within the file */
};

enum tiff_type { /* bytes and undefined are strings for Pillow, the others whole numbers */
                 TIFF_BYTE = 1,
                 TIFF_SHORT = 3,
                 TIFF_LONG = 4,
                 TIFF_SIGNED_BYTE = 6,
                 TIFF_UNDEFINED = 7,
                 TIFF_SIGNED_SHORT = 8,
                 TIFF_SIGNED_LONG = 9,
                 TIFF_IFD = 13,
                 TIFF_LONG8 = 16,
};

/* The directory at `offset`. As for Pillow, one that is cut or has an entry whose values lie outside of the file ends
 * before that entry. */
struct tiff_directory tiff_open_directory(const struct tiff_header *header, const uint8_t *bytes, size_t size,
                                          uint64_t offset);
/* The same directory as libtiff sees it, which steps over such entries, but refuses directories that are cut or have
 * them for tags that say how a picture lies in the file. FAILED with a message then. */
int tiff_open_strictly(struct tiff_directory *strict, const struct tiff_directory *directory, error *e);
/* The last entry with the tag; entries without values or of unknown types are none. */
bool tiff_find(const struct tiff_directory *directory, int tag, struct tiff_field *field);
/* Value i of a field of whole numbers; false when it is none, or is beyond 63 bits. */
bool tiff_integer(const struct tiff_directory *directory, const struct tiff_field *field, uint64_t i, int64_t *value);

/* The orientation tag's value, 2 to 8 (whatever its type), else 1; *present: there is such a tag. */
int tiff_orientation(const struct tiff_directory *directory, bool *present);

#endif
