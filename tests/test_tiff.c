/* TIFF against Pillow's pixels (tests/reference/make_tiff_fixtures.py), and damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/exif.h"
#include "tests/decoding.h"
#include "tests/harness.h"

TEST(tiffs_equal_pillow) { check_hash_tables("tiff"); }

TEST(damaged_tiffs_get_an_answer) {
  /* The directory is at the end, but tags that have a default may be missing. */
  static const char *const names[] = {"gray-12",     "gray-16",       "palette-2",   "rgb-predictor-tiles",
                                      "cmyk-planes", "rgb-extra-1-0", "rgb-old-lzw", "rgb-raw-planes",
                                      "big-lzw",     "turned-7"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64];
    snprintf(path, sizeof path, "tiff/%s.tif", names[i]);
    check_damage(path, 120);
  }
}

/* A directory with one strip of one byte, gray. */
struct file {
  uint8_t bytes[128];
  size_t size;
};

static void put(struct file *file, int tag, uint32_t value) {
  uint8_t entry[12] = {(uint8_t)tag, (uint8_t)(tag >> 8), 4, 0, 1};
  memcpy(entry + 8, &value, 4);
  memcpy(file->bytes + file->size, entry, sizeof entry);
  file->size += sizeof entry;
  file->bytes[8]++;
}

static struct file file_of(uint32_t width, uint32_t height, uint32_t compression) {
  struct file file = {"II*\0\10\0\0\0", 10};
  put(&file, 256, width);
  put(&file, 257, height);
  put(&file, 258, 8);
  put(&file, 259, compression);
  put(&file, 262, 1);
  put(&file, 273, 8);
  put(&file, 279, 1);
  file.size += 4;
  return file;
}

TEST(refused_tiffs_say_why) {
  struct file file = file_of(1, 1, 7);
  check_refused(file.bytes, 5, "no TIFF header");
  check_refused(file.bytes, 9, "no directory at byte 8");
  check_refused(file.bytes, file.size, "compression 7 (JPEG) is not supported");
  file = file_of(1, 1, 4);
  check_refused(file.bytes, file.size, "compression 4 (CCITT group 4) is not supported");
  file = file_of(200, 1, 1);
  check_refused(file.bytes, file.size, "the pixels from byte 8 end at byte 98, after 0 of 1 rows");
  file = file_of(4, 1, 5);
  check_refused(file.bytes, file.size, "strip or tile 0 at byte 8: its 1 bytes give 0 of 4 bytes of pixels");
  file = file_of(1U << 30, 1U << 30, 1);
  check_refused(file.bytes, file.size, "passes the limit");
  /* Far more pixels than the packed bytes can be, before any are allocated. */
  file = file_of(10000, 10000, 8);
  check_refused(file.bytes, file.size, "1 packed bytes cannot be 100000000 bytes of pixels");
  file = file_of(1, 1, 1);
  file.bytes[10 + 4 * 12 + 8] = 6;
  check_refused(file.bytes, file.size, "photometric interpretation 6 (YCbCr)");
  file.bytes[10 + 4 * 12 + 8] = 1;
  file.size -= 4; /* before the end of the directory */
  put(&file, 339, 3);
  file.size += 4;
  file.bytes[10 + 2 * 12 + 8] = 32;
  check_refused(file.bytes, file.size, "float samples of 32 bits");
}

/* Pillow turns TIFF pictures when it loads them, so that nothing is left for the option to do. */
TEST(tiffs_are_turned_once) {
  size_t size;
  char *bytes = read_file(fixture("tiff/turned-6.tif"), &size);
  REQUIRE(bytes != NULL);
  CHECK(image_orientation((uint8_t *)bytes, size) == 1);
  struct decode_options options = {.exif_orientation = true};
  struct image turned, usual;
  REQUIRE(image_decode(&turned, (uint8_t *)bytes, size, &options, NULL) == OK);
  REQUIRE(image_decode(&usual, (uint8_t *)bytes, size, NULL, NULL) == OK);
  CHECK(usual.width == 7 && turned.width == 7 && usual.height == 9);
  CHECK(!memcmp(usual.rgb, turned.rgb, (size_t)usual.width * (size_t)usual.height * 3));
  image_free(&turned);
  image_free(&usual);
  free(bytes);
}
