/* GIF against Pillow's pixels (tests/reference/make_gif_fixtures.py), and damaged. */
#include "tests/decoding.h"
#include "tests/harness.h"

TEST(gifs_equal_pillow) { check_hash_tables("gif"); }

TEST(damaged_gifs_get_an_answer) {
  check_damage("gif/colours-16.gif", 4); /* the end code, the empty sub-block and the trailer */
  check_damage("gif/small-transparent-frame.gif", 4);
  check_damage("gif/extensions.gif", 4);
  check_damage("gif/interlaced.gif", 4);
}

TEST(refused_gifs_say_why) {
  check_refused("GIF89a", 6, "truncated inside the header");
  check_refused("GIF89a\1\0\1\0\0\0\0", 13, "no frame before the end of the file at byte 13");
  check_refused("GIF89a\1\0\1\0\0\0\0;", 14, "the end marker is at byte 13");
  check_refused("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\0\0\1\0\0\2", 24, "has no pixels");
  check_refused("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\20\0", 25, "codes of 17 bits at byte 23");
  /* 65535 x 65535 pixels are refused before anything is allocated. */
  check_refused("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\377\377\377\377\0\2\0", 25, "passes the limit");
}
