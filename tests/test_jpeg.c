/* The JPEG decoder against Pillow's pixels (tests/reference/make_jpeg_fixtures.py), and on broken data. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "kernels/memory.h"
#include "tests/harness.h"

static uint64_t fnv(const uint8_t *bytes, size_t size) {
  uint64_t state = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) state = (state ^ bytes[i]) * 0x100000001b3u;
  return state;
}

TEST(jpeg_pixels_equal_pillow) {
  char *table = read_file(fixture("jpeg/hashes.tsv"), NULL);
  REQUIRE(table != NULL);
  int files = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"), files++) {
    char name[128], path[160];
    int width, height;
    unsigned long long hash;
    REQUIRE(sscanf(line, "%127s %d %d %llx", name, &width, &height, &hash) == 4);
    snprintf(path, sizeof path, "jpeg/%s", name);
    size_t size;
    char *bytes = read_file(fixture(path), &size);
    REQUIRE(bytes != NULL);
    struct image image;
    error e = {""};
    if (CHECK_MSG(image_decode(&image, (uint8_t *)bytes, size, NULL, &e) == OK, "%s: %s", name, e.message)) {
      CHECK_MSG(
          image.width == width && image.height == height && fnv(image.rgb, (size_t)width * (size_t)height * 3) == hash,
          "%s: other pixels than Pillow's", name);
      image_free(&image);
    }
    free(bytes);
  }
  CHECK(files >= 20);
  free(table);
}

/* Cut at every byte, and with every byte changed: an answer each time. The copy ends where the data ends, so that the
 * address sanitizer sees a read beyond it. */
static void break_everywhere(const char *name) {
  size_t size;
  char *bytes = read_file(fixture(name), &size);
  REQUIRE(bytes != NULL);
  int refused = 0;
  for (size_t n = 0; n < size; n++) {
    uint8_t *cut = malloc(n ? n : 1);
    memcpy(cut, bytes, n);
    struct image image;
    error e = {""};
    if (jpeg_decode(&image, cut, n, NULL, &e) == OK)
      image_free(&image);
    else
      refused++, CHECK(*e.message && !image.rgb);
    free(cut);
    uint8_t before = (uint8_t)bytes[n];
    struct decode_limits limits = {.max_pixels = 1 << 20};
    bytes[n] = (char)(before ^ (uint8_t)(1 + n % 255));
    if (jpeg_decode(&image, (uint8_t *)bytes, size, &limits, &e) == OK) image_free(&image);
    bytes[n] = (char)before;
  }
  CHECK_MSG(refused == (int)size, "%s: %d of %zu cut files refused", name, refused, size);
  free(bytes);
}

TEST(broken_jpegs_get_an_answer) {
  break_everywhere("jpeg/420-16x16.jpg");
  break_everywhere("jpeg/444-37x29-progressive.jpg");
  break_everywhere("jpeg/restart.jpg");
  break_everywhere("jpeg/cmyk.jpg");
}

TEST(huge_jpegs_are_refused_before_anything_is_allocated) {
  size_t size;
  char *bytes = read_file(fixture("jpeg/420-16x16.jpg"), &size);
  REQUIRE(bytes != NULL);
  for (size_t i = 0; i + 9 < size; i++) {
    if ((uint8_t)bytes[i] == 0xff && (uint8_t)bytes[i + 1] == 0xc0) memset(bytes + i + 5, 0xff, 4);
  }
  struct image image;
  error e = {""};
  CHECK(jpeg_decode(&image, (uint8_t *)bytes, size, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "65535");
  free(bytes);
}

TEST(jpegs_of_other_decoders_are_answered) {
  static const char *const folders[] = {"jpeg", "jpeg-corrupt"};
  if (!shared_data(folders[0]) || !shared_data(folders[1])) SKIP("the conformance images are not here");
  for (int f = 0; f < 2; f++) {
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", shared_data(folders[f]));
    DIR *directory = opendir(folder);
    REQUIRE(directory != NULL);
    int decoded = 0, refused = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
      struct file_view view;
      error e = {""};
      if (file_open(&view, path_join(folder, entry->d_name), &e) != OK) continue;
      struct image image;
      if (jpeg_decode(&image, view.bytes, view.size, NULL, &e) == OK) {
        decoded++;
        image_free(&image);
      } else {
        refused++;
      }
      file_close(&view);
    }
    closedir(directory);
    if (f == 0) CHECK_MSG(decoded >= 77 && refused <= 3, "%d decoded, %d refused", decoded, refused);
  }
}
