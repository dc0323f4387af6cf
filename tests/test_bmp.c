/* BMP and DIB against Pillow's pixels (tests/reference/make_bmp_fixtures.py), and damaged. */
#include "tests/decoding.h"
#include "tests/harness.h"

TEST(bmps_equal_pillow) { check_hash_tables("bmp"); }

TEST(damaged_bmps_get_an_answer) {
  check_damage("bmp/palette-4.bmp", 1); /* the last row's padding */
  check_damage("bmp/fields-565.bmp", 2);
  check_damage("bmp/few-colours.bmp", 1);
  check_damage("bmp/runs-8.bmp", 2); /* the end's mark */
  check_damage("bmp/runs-4.bmp", 2);
  check_damage("bmp/palette.dib", 1);
}

TEST(refused_bmps_say_why) {
  char file[70] = "BM\0\0\0\0\0\0\0\0\66\0\0\0\50\0\0\0\1\0\0\0\1\0\0\0\1\0\30\0";
  check_refused(file, 10, "file header: the file ends at byte 10");
  check_refused(file, 40, "the header: the file ends at byte 40");
  check_refused(file, 55, "the pixels (from byte 54) end at byte 55, after 0 of 1 rows");
  file[28] = 5;
  check_refused(file, sizeof file, "5 bits a pixel (at byte 28)");
  file[28] = 24;
  file[30] = 5;
  check_refused(file, sizeof file, "compression 5 (PNG) (at byte 30) is not supported");
  file[30] = 0;
  file[14] = 41;
  check_refused(file, sizeof file, "no header of 41 bytes is known (at byte 14)");
  file[14] = 40;
  file[21] = 127;
  check_refused(file, sizeof file, "passes the limit");
}
