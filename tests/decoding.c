#include "tests/decoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "tests/harness.h"
#include "tests/pictures.h"

struct line {
  char name[96], mode[16], hash[32];
  int width, height;
};

/* One decoding of one file. */
static void check_picture(const struct line *line, const uint8_t *bytes, size_t size, struct decode_options options,
                          bool damaged) {
  struct image image;
  error e = {""};
  int status = image_decode(&image, bytes, size, &options, &e);
  if (!strcmp(line->hash, "refused") || (damaged && !options.lenient)) {
    CHECK_MSG(status == FAILED && e.message[0], "%s is accepted", line->name);
    CHECK(image.rgb == NULL);
  } else if (CHECK_MSG(status == OK, "%s: %s", line->name, e.message)) {
    bool same = image.width == line->width && image.height == line->height &&
                fnv(image.rgb, (size_t)image.width * (size_t)image.height * 3) == strtoull(line->hash, NULL, 16);
    CHECK_MSG(same, "%s: other pixels than Pillow's (%d x %d)", line->name, image.width, image.height);
    bool same_mode = options.exif_orientation || (image.mode && !strcmp(image.mode, line->mode));
    CHECK_MSG(same_mode, "%s: mode %s", line->name, image.mode);
    CHECK_MSG(image.partial == damaged, "%s: partial %d", line->name, image.partial);
  }
  if (status == OK) image_free(&image);
}

static void check_table(const char *folder, const char *name, bool damaged, bool turned) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  char *table = read_file(fixture(path), NULL);
  REQUIRE(table != NULL);
  for (char *text = strtok(table, "\n"); text; text = strtok(NULL, "\n")) {
    struct line line;
    REQUIRE(sscanf(text, "%95s %d %d %15s %31s", line.name, &line.width, &line.height, line.mode, line.hash) == 5);
    snprintf(path, sizeof path, "%s/%s", folder, line.name);
    size_t size;
    char *bytes = read_file(fixture(path), &size);
    REQUIRE(bytes != NULL);
    struct decode_options options = {.exif_orientation = turned};
    check_picture(&line, (uint8_t *)bytes, size, options, damaged);
    options.lenient = true;
    check_picture(&line, (uint8_t *)bytes, size, options, damaged);
    free(bytes);
  }
  free(table);
}

void check_hash_tables(const char *folder) {
  check_table(folder, "hashes.tsv", false, false);
  check_table(folder, "damaged.tsv", true, false);
}

void check_turned_hashes(const char *folder) { check_table(folder, "turned.tsv", false, true); }

/* Of memory that ends with the file, so that sanitizers see a step beyond. */
static bool decodes(const char *bytes, size_t size, bool lenient) {
  struct decode_options options = {.max_pixels = 1 << 18, .lenient = lenient};
  uint8_t *copy = malloc(size ? size : 1);
  memcpy(copy, bytes, size);
  struct image image;
  error e = {""};
  bool decoded = image_decode(&image, copy, size, &options, &e) == OK;
  if (decoded) {
    image_free(&image);
  } else {
    CHECK(e.message[0] && image.rgb == NULL);
  }
  free(copy);
  return decoded;
}

void check_damage(const char *name, size_t forgiven) {
  size_t size;
  char *bytes = read_file(fixture(name), &size);
  REQUIRE(bytes != NULL);
  for (size_t n = 0; n < size; n++) {
    if (decodes(bytes, n, false)) CHECK_MSG(n + forgiven >= size, "%s: the first %zu bytes are enough", name, n);
    decodes(bytes, n, true);
    for (int bit = 0; bit < 8; bit++) {
      bytes[n] = (char)(bytes[n] ^ (1 << bit));
      decodes(bytes, size, false);
      decodes(bytes, size, true);
      bytes[n] = (char)(bytes[n] ^ (1 << bit));
    }
  }
  free(bytes);
}

void check_refused(const void *bytes, size_t size, const char *part) {
  struct image image;
  error e = {""};
  if (CHECK_MSG(image_decode(&image, bytes, size, NULL, &e) == FAILED, "accepted, not: %s", part)) {
    CHECK_CONTAINS(e.message, part);
  } else {
    image_free(&image);
  }
}
