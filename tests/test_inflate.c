/* DEFLATE in both directions, and the checksums. */
#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "images/deflate.h"
#include "images/inflate.h"
#include "tests/harness.h"

/* Runs of an alphabet that repeat from some distance. */
static uint8_t *compressible(struct random *random, size_t size) {
  uint8_t *bytes = malloc(size + 1);
  int alphabet = 1 << random_between(random, 0, 8), back = random_between(random, 1, 40000);
  for (size_t i = 0; i < size; i++) {
    bool repeat = i >= (size_t)back && random_between(random, 0, 9) > 0;
    bytes[i] = repeat ? bytes[i - (size_t)back] : (uint8_t)random_between(random, 0, alphabet - 1);
  }
  return bytes;
}

TEST(deflate_and_inflate_undo_each_other) {
  struct random random = {17};
  for (int round = 0; round < 60; round++) {
    size_t size = (size_t)random_between(&random, 0, 70000);
    uint8_t *bytes = compressible(&random, size);
    uint8_t *packed, *unpacked;
    size_t packed_size, unpacked_size;
    error e = {""};
    REQUIRE(zlib_deflate(bytes, size, &packed, &packed_size, &e) == OK);
    int status = inflate_all(WRAPPER_ZLIB, packed, packed_size, 1 << 20, &unpacked, &unpacked_size, &e);
    if (CHECK_MSG(status == OK, "%s", e.message)) {
      CHECK(unpacked_size == size && !memcmp(unpacked, bytes, size));
      free(unpacked);
    }
    free(packed);
    free(bytes);
  }
}

TEST(inflate_reads_every_block_type_and_wrapper) {
  static const struct {
    enum deflate_wrapper wrapper;
    size_t size;
    const char *bytes, *text;
  } streams[] = {
      {WRAPPER_NONE, 8,
       "\x01\x03\x00\xfc\xff"
       "abc",
       "abc"},                                          /* stored */
      {WRAPPER_NONE, 5, "\x4b\x4c\x4a\x06\x00", "abc"}, /* fixed codes */
      {WRAPPER_NONE, 10,
       "\x00\x01\x00\xfe\xff"
       "a"
       "\x4b\x4a\x06\x00",
       "abc"},                                            /* two blocks */
      {WRAPPER_NONE, 5, "\x4b\x4c\x04\x02\x00", "aaaaa"}, /* a match that overlaps itself */
      {WRAPPER_ZLIB, 11, "\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x27", "abc"},
      {WRAPPER_GZIP, 23, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0", "abc"},
      /* Two members, the first with a name, and padding. */
      {WRAPPER_GZIP, 52,
       "\x1f\x8b\x08\x08\0\0\0\0\0\x03n\0\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0"
       "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\3\0\0\0\0\0\0\0",
       "abcabc"},
  };
  for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
    const uint8_t *bytes = (const uint8_t *)streams[i].bytes;
    uint8_t *out;
    size_t size;
    error e = {""};
    int status = inflate_all(streams[i].wrapper, bytes, streams[i].size, 100, &out, &size, &e);
    if (CHECK_MSG(status == OK, "stream %zu: %s", i, e.message)) {
      CHECK_MSG(size == strlen(streams[i].text) && !memcmp(out, streams[i].text, size), "stream %zu", i);
      free(out);
    }
    CHECK(inflate_all(streams[i].wrapper, bytes, streams[i].size, 2, &out, &size, &e) == FAILED);
    CHECK_CONTAINS(e.message, "limit of 2 bytes");
    CHECK(inflate_all(streams[i].wrapper, bytes, 4, 100, &out, &size, &e) == FAILED);
  }
}

TEST(inflate_names_what_is_broken) {
  static const struct {
    enum deflate_wrapper wrapper;
    size_t size;
    const char *bytes, *message;
  } streams[] = {
      {WRAPPER_NONE, 1, "\x07", "unknown type"},
      {WRAPPER_NONE, 8,
       "\x01\x03\x00\xfd\xff"
       "abc",
       "stored block"},
      {WRAPPER_NONE, 4, "\x4b\x04\x22\x00", "before the beginning"},
      {WRAPPER_NONE, 4, "\xfd\xff\xff\xff", "too many symbols"},
      {WRAPPER_NONE, 11, "\x05\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff", "code of code lengths"},
      {WRAPPER_ZLIB, 3, "\x79\x9c\x03", "not a zlib stream"},
      {WRAPPER_ZLIB, 3, "\x78\x9d\x03", "header is damaged"},
      {WRAPPER_ZLIB, 3, "\x78\xbb\x03", "preset dictionary"},
      {WRAPPER_ZLIB, 11, "\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x28", "Adler-32"},
      {WRAPPER_GZIP, 23, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x36\3\0\0\0", "CRC-32"},
      {WRAPPER_GZIP, 4, "\x1f\x8b\x08\xe0", "not a gzip stream"},
      {WRAPPER_GZIP, 10, "\x1f\x8b\x08\0\0\0\0\0\0\x03", "cut off"},
  };
  for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
    uint8_t *out;
    size_t size;
    error e = {""};
    int status =
        inflate_all(streams[i].wrapper, (const uint8_t *)streams[i].bytes, streams[i].size, 100, &out, &size, &e);
    CHECK_MSG(status == FAILED, "stream %zu", i);
    CHECK_CONTAINS(e.message, streams[i].message);
  }
}

struct pieces {
  struct inflate_source source;
  const uint8_t *next, *end;
  size_t size; /* of each */
};

static bool next_piece(struct inflate_source *source, const uint8_t **bytes, size_t *size) {
  struct pieces *pieces = (struct pieces *)source;
  size_t left = (size_t)(pieces->end - pieces->next);
  *bytes = pieces->next;
  *size = left < pieces->size ? left : pieces->size;
  pieces->next += *size;
  return left > 0;
}

/* `out` [size] taken as n bytes at a time from a stream in pieces; how many bytes came. */
static size_t take_all(const uint8_t *in, size_t in_size, size_t piece, size_t n, uint8_t *out, size_t size,
                       int *status, error *e) {
  struct pieces pieces = {{next_piece}, in, in + in_size, piece};
  struct inflater *inflater = inflater_new(WRAPPER_ZLIB, &pieces.source, n, size, e);
  size_t taken = 0, got = n;
  *status = inflater ? OK : FAILED;
  while (*status == OK && got == n && taken < size) {
    const uint8_t *bytes;
    if (n > size - taken) n = size - taken;
    *status = inflater_take(inflater, n, &bytes, &got, e);
    memcpy(out + taken, bytes, got);
    taken += got;
  }
  inflater_free(inflater);
  return taken;
}

TEST(streams_in_pieces_give_the_same_bytes) {
  static const struct {
    size_t piece, taken;
  } ways[] = {{1, 77}, {7, 1}, {100, 5000}, {8192, 1001}, {1 << 20, 300000}, {50, 200000}};
  enum { SIZE = 400000 };
  struct random random = {5};
  uint8_t *out = malloc(SIZE);
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    uint8_t *bytes = compressible(&random, SIZE), *packed;
    size_t packed_size, taken;
    int status;
    error e = {""};
    REQUIRE(zlib_deflate(bytes, SIZE, &packed, &packed_size, &e) == OK);
    taken = take_all(packed, packed_size, ways[i].piece, ways[i].taken, out, SIZE, &status, &e);
    CHECK_MSG(status == OK && taken == SIZE && !memcmp(out, bytes, SIZE), "way %zu: %zu bytes, %s", i, taken,
              e.message);
    /* Cut off: what came before. */
    taken = take_all(packed, packed_size / 2, ways[i].piece, ways[i].taken, out, SIZE, &status, &e);
    CHECK_MSG(status == OK && taken < SIZE && taken > 0 && !memcmp(out, bytes, taken), "way %zu: %s", i, e.message);
    /* A wrong checksum is told with the last bytes. */
    packed[packed_size - 1] ^= 1;
    taken = take_all(packed, packed_size, ways[i].piece, ways[i].taken, out, SIZE, &status, &e);
    CHECK(status == FAILED && taken == SIZE && !memcmp(out, bytes, SIZE));
    CHECK_CONTAINS(e.message, "Adler-32");
    free(packed);
    free(bytes);
  }
  free(out);
}

static uint32_t crc32_by_definition(const uint8_t *bytes, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static uint32_t adler32_by_definition(const uint8_t *bytes, size_t size) {
  uint32_t low = 1, high = 0;
  for (size_t i = 0; i < size; i++) {
    low = (low + bytes[i]) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

TEST(checksums_equal_their_definitions) {
  enum { SIZE = 400000, SMALL = 800 };
  struct random random = {3};
  uint8_t *bytes = malloc(SIZE);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = i < SIZE / 2 ? 255 : (uint8_t)random_bits(&random);
  for (size_t n = 0; n < SMALL; n++) {
    const uint8_t *from = bytes + SIZE / 2 - n / 2;
    CHECK(checksum_crc32(0, from, n) == crc32_by_definition(from, n));
    CHECK(checksum_adler32(1, from, n) == adler32_by_definition(from, n));
    /* Continued. */
    CHECK(checksum_crc32(checksum_crc32(0, from, n / 3), from + n / 3, n - n / 3) == crc32_by_definition(from, n));
    CHECK(checksum_adler32(checksum_adler32(1, from, n / 3), from + n / 3, n - n / 3) ==
          adler32_by_definition(from, n));
  }
  CHECK(checksum_crc32(0, bytes, SIZE) == crc32_by_definition(bytes, SIZE));
  CHECK(checksum_adler32(1, bytes, SIZE) == adler32_by_definition(bytes, SIZE));
  CHECK(checksum_adler32(0xfff0fff0u, bytes, 0) == 0xfff0fff0u);
  free(bytes);
}
