#include "images/exif.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/byte_order.h"
#include "images/inflate.h"
#include "images/tiff_ifd.h"
#include "kernels/memory.h"

/* What a file holds of both kinds; sizes are 0 where it holds none. */
struct metadata {
  const uint8_t *exif, *xmp;
  size_t exif_size, xmp_size;
  uint8_t *owned_exif, *owned_xmp; /* what must be freed, of data that do not lie in the file as they are */
  size_t capacity;                 /* of owned_exif while segments are joined */
};

static void free_metadata(struct metadata *m) {
  free(m->owned_exif);
  free(m->owned_xmp);
}

static bool starts_with(const uint8_t *bytes, size_t size, const char *start, size_t length) {
  return size >= length && memcmp(bytes, start, length) == 0;
}

int xmp_orientation(const uint8_t *xmp, size_t size) {
  if (size == 0) return 1;
  static const char name[] = "tiff:Orientation";
  const size_t length = sizeof name - 1;
  for (const uint8_t *at = xmp, *end = xmp + size; (at = memmem(at, (size_t)(end - at), name, length)); at++) {
    const uint8_t *value = at + length;
    if (end - value >= 3 && value[0] == '=' && value[1] == '"') {
      value += 2;
    } else if (end - value >= 2 && value[0] == '>') {
      value += 1;
    } else {
      continue;
    }
    if (*value >= '0' && *value <= '9') return *value >= '2' && *value <= '8' ? *value - '0' : 1;
  }
  return 1;
}

static int orientation_of(const struct metadata *m) {
  const uint8_t *exif = m->exif;
  size_t size = m->exif_size;
  while (starts_with(exif, size, "Exif\0\0", 6)) {
    exif += 6;
    size -= 6;
  }
  if (size > 0) {
    struct tiff_header header;
    /* Pillow does not read EXIF in the form of BigTIFF. */
    if (!tiff_read_header(&header, exif, size) || header.big) return 1;
    struct tiff_directory directory = tiff_open_directory(&header, exif, size, header.directory);
    bool present;
    int orientation = tiff_orientation(&directory, &present);
    if (present) return orientation;
  }
  return xmp_orientation(m->xmp, m->xmp_size);
}

/* ---- JPEG ---------------------------------------------------------------------------------------------------- */

/* The first EXIF segment's data, and what later ones add. */
static void add_exif(struct metadata *m, const uint8_t *data, size_t size) {
  enum { PREFIX = 6 };
  if (m->exif_size == 0) {
    m->exif = data;
    m->exif_size = size;
    return;
  }
  data += PREFIX;
  size -= PREFIX;
  if (m->exif_size + size > m->capacity) {
    size_t capacity = 2 * (m->exif_size + size);
    uint8_t *joined = allocate(capacity, 1, NULL);
    if (!joined) return;
    memcpy(joined, m->exif, m->exif_size);
    free(m->owned_exif);
    m->exif = m->owned_exif = joined;
    m->capacity = capacity;
  }
  memcpy(m->owned_exif + m->exif_size, data, size);
  m->exif_size += size;
}

static void read_jpeg_segment(struct metadata *m, int marker, const uint8_t *data, size_t size) {
  enum { APP1 = 0xe1 };
  static const char xmp[] = "http://ns.adobe.com/xap/1.0/"; /* ended by 0 in the file, too */
  if (marker != APP1) return;
  if (starts_with(data, size, "Exif\0\0", 6)) {
    add_exif(m, data, size);
  } else if (starts_with(data, size, xmp, sizeof xmp)) {
    m->xmp = data + sizeof xmp;
    m->xmp_size = size - sizeof xmp;
  }
}

static void read_jpeg(struct metadata *m, const uint8_t *bytes, size_t size) {
  enum { SOS = 0xda, DHT = 0xc4, FIRST_SOF = 0xc0, SOI = 0xd8, EOI = 0xd9, RST0 = 0xd0 };
  size_t at = 2;
  while (size - at >= 2) {
    if (bytes[at] != 0xff) {
      at++;
      continue;
    }
    int marker = bytes[at + 1];
    if (marker == 0xff) {
      at++;
      continue;
    }
    at += 2;
    if (marker == SOS) return;
    /* Markers without a segment, and what is none. */
    if (marker < FIRST_SOF || marker == 0xc8 || (marker >= RST0 && marker <= EOI) ||
        (marker >= 0xf0 && marker < 0xfe)) {
      continue;
    }
    if (size - at < 2) return;
    size_t length = big_endian_16(bytes + at);
    if (length < 2) length = 2;
    if (size - at < length) return;
    read_jpeg_segment(m, marker, bytes + at + 2, length - 2);
    at += length;
  }
}

/* ---- PNG ----------------------------------------------------------------------------------------------------- */

/* Hexadecimal digits after three lines of text, as ImageMagick writes EXIF data. */
static void read_raw_profile(struct metadata *m, const uint8_t *text, size_t size) {
  const uint8_t *end = text + size;
  for (int line = 0; line < 3 && text; line++) {
    text = memchr(text, '\n', (size_t)(end - text));
    if (text) text++;
  }
  free(m->owned_exif);
  m->exif_size = 0;
  m->exif = m->owned_exif = allocate(size / 2 + 1, 1, NULL);
  if (!text || !m->exif) return;
  size_t digits = 0;
  bool broken = false;
  for (unsigned value = 0; text < end && !broken; text++) {
    unsigned letter = *text | 32U;
    bool digit = *text >= '0' && *text <= '9', space = *text == ' ' || (*text >= '\t' && *text <= '\r');
    if (digit || (letter >= 'a' && letter <= 'f')) {
      value = value << 4 | (digit ? *text - 48U : letter - 'a' + 10U);
      if (digits++ % 2) m->owned_exif[digits / 2 - 1] = (uint8_t)value;
    } else {
      broken = !space;
    }
  }
  /* One byte is broken EXIF. */
  m->exif_size = broken || digits % 2 ? 1 : digits / 2;
}

struct png {
  struct metadata *m;
  bool has_exif;   /* as such, which goes before a raw profile */
  size_t inflated; /* bytes of all texts */
};

struct text {
  const uint8_t *value;
  size_t size;
  uint8_t *owned;
};

/* zlib data of a text, up to the sizes that Pillow accepts. */
static struct text inflate_text(struct png *png, const uint8_t *data, size_t size) {
  enum { MOST_TEXT = 1 << 20, MOST_TEXTS = 64 << 20 };
  struct text text = {.owned = png->inflated < MOST_TEXTS ? allocate(MOST_TEXT, 1, NULL) : NULL};
  struct inflated result = {0};
  if (text.owned && inflate_into(WRAPPER_ZLIB, data, size, text.owned, MOST_TEXT, &result, NULL) == OK &&
      result.end != INFLATE_FULL) {
    text.value = text.owned;
    text.size = result.produced;
  }
  png->inflated += result.produced;
  return text;
}

/* The text after the keyword in a tEXt, zTXt or iTXt chunk. */
static struct text read_text(struct png *png, char kind, const uint8_t *data, size_t size) {
  const struct text none = {0};
  const uint8_t *end = data + size;
  bool compressed = kind == 'z';
  if (kind == 'z') {
    if (size == 0 || *data++ != 0) return none;
  } else if (kind == 'i') {
    if (size < 2) return none;
    compressed = data[0] != 0;
    if (compressed && data[1] != 0) return none;
    data += 2;
    for (int i = 0; i < 2; i++) { /* the language and the translated keyword */
      data = memchr(data, 0, (size_t)(end - data));
      if (!data) return none;
      data++;
    }
  }
  if (compressed) return inflate_text(png, data, (size_t)(end - data));
  return (struct text){.value = data, .size = (size_t)(end - data)};
}

static void read_png_text(struct png *png, char kind, const uint8_t *data, size_t size) {
  static const char profile[] = "Raw profile type exif",
                    packet[] = "XML:com.adobe.xmp"; /* ended by 0 in the file, too */
  bool is_profile = starts_with(data, size, profile, sizeof profile);
  bool is_packet = starts_with(data, size, packet, sizeof packet);
  if (!(is_profile && !png->has_exif) && !is_packet) return;
  size_t keyword = is_profile ? sizeof profile : sizeof packet;
  struct text text = read_text(png, kind, data + keyword, size - keyword);
  if (text.value && is_packet) {
    free(png->m->owned_xmp);
    png->m->owned_xmp = text.owned;
    png->m->xmp = text.value;
    png->m->xmp_size = text.size;
    return;
  }
  if (text.value) read_raw_profile(png->m, text.value, text.size);
  free(text.owned);
}

static void set_png_exif(struct png *png, const uint8_t *data, size_t size) {
  free(png->m->owned_exif);
  png->m->owned_exif = NULL;
  png->m->exif = data;
  png->m->exif_size = size;
  png->has_exif = true;
}

static void read_png(struct metadata *m, const uint8_t *bytes, size_t size) {
  struct png png = {.m = m};
  bool animated = false, image_data = false;
  for (size_t at = 8; size - at >= 12;) {
    size_t length = big_endian_32(bytes + at);
    const uint8_t *type = bytes + at + 4, *data = bytes + at + 8;
    if (length > size - at - 12 || memcmp(type, "IEND", 4) == 0) return;
    if (memcmp(type, "eXIf", 4) == 0) {
      set_png_exif(&png, data, length);
    } else if (memcmp(type, "tEXt", 4) == 0 && starts_with(data, length, "exif", 5)) {
      set_png_exif(&png, data + 5, length - 5);
    } else if (memcmp(type + 1, "TXt", 3) == 0 || memcmp(type, "tEXt", 4) == 0) {
      read_png_text(&png, (char)type[0], data, length);
    } else if (memcmp(type, "acTL", 4) == 0 && length >= 4) {
      animated = big_endian_32(data) > 1;
    } else if (memcmp(type, "fcTL", 4) == 0 && animated && image_data) {
      return; /* the frames after the first are not read */
    }
    image_data |= memcmp(type, "IDAT", 4) == 0;
    at += 12 + length;
  }
}

/* ---- WebP ---------------------------------------------------------------------------------------------------- */

static void read_webp(struct metadata *m, const uint8_t *bytes, size_t size) {
  enum { RIFF_HEADER = 12, CHUNK_HEADER = 8, HAS_EXIF = 8, HAS_XMP = 4 };
  size_t riff = (size_t)little_endian_32(bytes + 4) + 8;
  if (riff < size) size = riff;
  if (size < RIFF_HEADER + CHUNK_HEADER + 10 || memcmp(bytes + RIFF_HEADER, "VP8X", 4) != 0) return;
  int flags = bytes[RIFF_HEADER + CHUNK_HEADER];
  for (size_t at = RIFF_HEADER; size - at >= CHUNK_HEADER;) {
    size_t length = little_endian_32(bytes + at + 4), left = size - at - CHUNK_HEADER;
    const uint8_t *data = bytes + at + CHUNK_HEADER;
    if (length > left) return;
    if (flags & HAS_EXIF && m->exif_size == 0 && memcmp(bytes + at, "EXIF", 4) == 0) {
      m->exif = data;
      m->exif_size = length;
    } else if (flags & HAS_XMP && m->xmp_size == 0 && memcmp(bytes + at, "XMP ", 4) == 0) {
      m->xmp = data;
      m->xmp_size = length;
    }
    length += length % 2;
    if (length > left) return;
    at += CHUNK_HEADER + length;
  }
}

int image_orientation(const uint8_t *bytes, size_t size) {
  struct metadata m = {0};
  if (starts_with(bytes, size, "\xff\xd8\xff", 3)) {
    read_jpeg(&m, bytes, size);
  } else if (starts_with(bytes, size, "\211PNG\r\n\032\n", 8)) {
    read_png(&m, bytes, size);
  } else if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
    read_webp(&m, bytes, size);
  }
  int orientation = orientation_of(&m);
  free_metadata(&m);
  return orientation;
}
