/* Orientation: where it is found, and turned pixels, against Pillow (tests/reference/make_exif_fixtures.py). */
#include <stdlib.h>
#include <string.h>

#include "images/exif.h"
#include "tests/decoding.h"
#include "tests/harness.h"

TEST(turned_photos_equal_pillow) { check_turned_hashes("exif"); }

/* Every orientation of pictures around the size of a block, pixel by pixel. */
TEST(turned_pixels_come_from_the_right_place) {
  static const int sizes[][2] = {{1, 1}, {1, 40}, {33, 31}, {64, 65}};
  for (int orientation = 1; orientation <= 8; orientation++) {
    for (int s = 0; s < 4; s++) {
      int w = sizes[s][0], h = sizes[s][1];
      struct image image = {.rgb = malloc((size_t)w * (size_t)h * 3), .width = w, .height = h};
      for (int i = 0; i < w * h; i++) memcpy(image.rgb + 3 * i, &(uint32_t){(uint32_t)i * 977}, 3);
      REQUIRE(image_orient(&image, orientation, NULL) == OK);
      bool swapped = orientation >= 5;
      CHECK(image.width == (swapped ? h : w) && image.height == (swapped ? w : h));
      int wrong = 0;
      for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
          /* What EXIF calls the 0th row and column. */
          int row = swapped ? x : y, column = swapped ? y : x;
          if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) row = h - 1 - row;
          if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) column = w - 1 - column;
          uint32_t from = (uint32_t)(row * w + column) * 977;
          wrong += memcmp(image.rgb + 3 * (y * image.width + x), &from, 3) != 0;
        }
      }
      CHECK_MSG(wrong == 0, "orientation %d of %d x %d: %d pixels", orientation, w, h, wrong);
      image_free(&image);
    }
  }
}

/* RIFF, a VP8X chunk with these flags, a chunk. */
static int webp_orientation(uint8_t flags, const char *kind, const void *data, size_t size) {
  uint8_t file[256] = "RIFF\0\0\0\0WEBPVP8X\12";
  file[20] = flags;
  memcpy(file + 30, kind, 4);
  file[34] = (uint8_t)size;
  memcpy(file + 38, data, size);
  file[4] = (uint8_t)(30 + size);
  return image_orientation(file, 38 + size);
}

TEST(orientation_of_webp) {
  static const uint8_t exif[] = "Exif\0\0MM\0\52\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\6\0\0\0\0\0";
  static const char xmp[] = "<rdf:Description tiff:Orientation=\"8\"/>";
  CHECK(webp_orientation(8, "EXIF", exif, sizeof exif - 1) == 6);
  CHECK(webp_orientation(8, "EXIF", exif + 6, sizeof exif - 7) == 6);
  CHECK(webp_orientation(0, "EXIF", exif, sizeof exif - 1) == 1);
  CHECK(webp_orientation(4, "XMP ", xmp, sizeof xmp - 1) == 8);
  CHECK(webp_orientation(8, "XMP ", xmp, sizeof xmp - 1) == 1);
  CHECK(webp_orientation(8, "ABCD", exif, sizeof exif - 1) == 1);
}

/* Data that end anywhere, or are damaged anywhere, have some orientation. */
TEST(broken_exif_is_answered) {
  static const char *const names[] = {"exif/jpeg-two-segments.jpg", "exif/png-packed-profile.png", "exif/png-xmp.png"};
  for (int f = 0; f < 3; f++) {
    size_t size;
    char *bytes = read_file(fixture(names[f]), &size);
    REQUIRE(bytes != NULL);
    CHECK(image_orientation((uint8_t *)bytes, size) > 1);
    for (size_t n = 0; n < size; n++) {
      uint8_t *cut = malloc(n + 1);
      memcpy(cut, bytes, n);
      int orientation = image_orientation(cut, n);
      for (int bit = 0; bit < 8; bit++) {
        cut[n] = (uint8_t)(bytes[n] ^ 1 << bit);
        int other = image_orientation(cut, n + 1);
        CHECK(orientation >= 1 && orientation <= 8 && other >= 1 && other <= 8);
      }
      free(cut);
    }
    free(bytes);
  }
}
