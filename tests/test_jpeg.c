/* The JPEG decoder against Pillow's pixels (tests/reference/make_jpeg_fixtures.py), and on broken data. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "images/jpeg_internal.h"
#include "kernels/memory.h"
#include "tests/harness.h"
#include "tests/pictures.h"

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
  CHECK(files >= 50);
  free(table);
}

/* The rows that a truncated file still gives. */
TEST(lenient_jpegs_equal_pillow) {
  char *table = read_file(fixture("jpeg/lenient.tsv"), NULL);
  REQUIRE(table != NULL);
  int partial = 0;
  for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n")) {
    char name[128], path[160], hash[32];
    int kept;
    REQUIRE(sscanf(line, "%127s %d %31s", name, &kept, hash) == 3);
    snprintf(path, sizeof path, "jpeg/%s", name);
    size_t size;
    char *bytes = read_file(fixture(path), &size);
    REQUIRE(bytes != NULL && size > (size_t)kept);
    struct decode_options lenient = {.lenient = true};
    struct image image;
    error e = {""};
    int status = image_decode(&image, (uint8_t *)bytes, (size_t)kept, &lenient, &e);
    CHECK_MSG((status == OK) == (strcmp(hash, "refused") != 0), "%s, %d bytes: %s", name, kept,
              status == OK ? "accepted" : e.message);
    if (status == OK) {
      partial += image.partial;
      CHECK_MSG(fnv(image.rgb, (size_t)image.width * (size_t)image.height * 3) == strtoull(hash, NULL, 16),
                "%s, %d bytes: other pixels than Pillow's", name, kept);
      image_free(&image);
    }
    free(bytes);
  }
  CHECK(partial > 50);
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
    if (jpeg_decode(&image, cut, n, NULL, &e) == OK) {
      image_free(&image);
    } else {
      refused++;
      CHECK(*e.message && !image.rgb);
    }
    free(cut);
    uint8_t before = (uint8_t)bytes[n];
    struct decode_options options = {.max_pixels = 1 << 20};
    bytes[n] = (char)(before ^ (uint8_t)(1 + n % 255));
    if (jpeg_decode(&image, (uint8_t *)bytes, size, &options, &e) == OK) image_free(&image);
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
  break_everywhere("jpeg/progressive-restart.jpg");
  break_everywhere("jpeg/arithmetic-progressive.jpg");
}

/* ---- messages ----------------------------------------------------------------------------------------------------*/

/* Decode the fixture with `count` bytes at `offset` behind its first marker of this kind replaced. */
static int decode_patched(const char *name, int marker, size_t offset, const void *patch, size_t count, error *e) {
  size_t size;
  char *bytes = read_file(fixture(name), &size);
  if (!CHECK(bytes != NULL)) return OK;
  size_t at = 2;
  while (at + 4 < size && (uint8_t)bytes[at + 1] != marker) {
    at += 2 + (size_t)((uint8_t)bytes[at + 2] << 8 | (uint8_t)bytes[at + 3]);
  }
  struct image image;
  int status = FAILED;
  if (CHECK(at + offset + count <= size)) {
    memcpy(bytes + at + offset, patch, count);
    status = jpeg_decode(&image, (uint8_t *)bytes, size, NULL, e);
    if (status == OK) image_free(&image);
  }
  free(bytes);
  return status;
}

TEST(jpeg_errors_say_what_is_wrong) {
  static const struct {
    const char *file;
    int marker, offset, count;
    const char *patch, *message;
  } cases[] = {
      {"420-16x16.jpg", 0xc0, 1, 1, "\xc3", "marker 0xc3"},             /* lossless */
      {"420-16x16.jpg", 0xc0, 4, 1, "\14", "samples of 12 bits"},       /* */
      {"420-16x16.jpg", 0xc0, 5, 4, "\0\0\0\0", "0 x 0"},               /* */
      {"420-16x16.jpg", 0xc0, 5, 4, "\377\377\377\377", "65535"},       /* too large */
      {"420-16x16.jpg", 0xc0, 9, 1, "\2", "2 components"},              /* */
      {"420-16x16.jpg", 0xc0, 11, 1, "\x52", "sampling"},               /* */
      {"420-16x16.jpg", 0xc0, 14, 1, "\x33", "fractional"},             /* 3 beside 2 */
      {"420-16x16.jpg", 0xc0, 12, 1, "\3", "no quantisation table"},    /* */
      {"420-16x16.jpg", 0xdb, 4, 1, "\4", "quantisation table"},        /* table 4 */
      {"420-16x16.jpg", 0xc4, 4, 1, "\4", "Huffman table"},             /* table 4 */
      {"420-16x16.jpg", 0xc4, 5, 1, "\3", "Huffman table"},             /* three codes of one bit */
      {"420-16x16.jpg", 0xda, 6, 1, "\x22", "no Huffman table"},        /* table 2 */
      {"420-16x16.jpg", 0xda, 5, 1, "\7", "unknown component"},         /* */
      {"444-37x29-progressive.jpg", 0xda, 12, 1, "\5", "progressive"},  /* DC and AC in one scan */
      {"420-16x16.jpg", 0xda, 1, 1, "\xc0", "second frame"},            /* */
      {"420-16x16.jpg", 0xc0, 1, 1, "\xfe", "a scan before the frame"}, /* */
      {"420-16x16.jpg", 0xda, 1, 1, "\xd9", "no data"},                 /* EOI */
      {"420-16x16.jpg", 0xda, 1, 1, "\xd8", "0xd8"},                    /* SOI */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[128];
    snprintf(path, sizeof path, "jpeg/%s", cases[i].file);
    error e = {""};
    CHECK(decode_patched(path, cases[i].marker, (size_t)cases[i].offset, cases[i].patch, (size_t)cases[i].count, &e) ==
          FAILED);
    CHECK_CONTAINS(e.message, cases[i].message);
    CHECK_CONTAINS(e.message, "byte ");
  }
  struct image image;
  error e = {""};
  CHECK(jpeg_decode(&image, (const uint8_t *)"\xff\xd8", 2, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "not a JPEG");
}

/* ---- time --------------------------------------------------------------------------------------------------------*/

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static char *append(char *at, const char *bytes, size_t count) {
  memcpy(at, bytes, count);
  return at + count;
}
#define APPEND(at, literal) append(at, literal, sizeof literal - 1)

/* A progressive picture of 4096 x 4096 with 20000 scans of 34 bytes, each of which visits every block. */
TEST(many_scans_of_few_bytes_are_refused_soon) {
  enum { SCANS = 20000 };
  char *bytes = malloc(200 + SCANS * 34);
  REQUIRE(bytes != NULL);
  char *at = APPEND(bytes, "\xff\xd8\xff\xdb\0\x43\0");
  memset(at, 1, JPEG_BLOCK);
  at = APPEND(at + JPEG_BLOCK, "\xff\xc2\0\x0b\10\x10\0\x10\0\1\1\x11\0");
  /* One code, 0: it ends 2^14 + 14 bits of blocks. */
  at = APPEND(at, "\xff\xc4\0\x14\x10\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0");
  for (int i = 0; i < SCANS; i++) {
    at = APPEND(at,
                "\xff\xda\0\10\1\1\0\1\x3f\x10\x7f\xfe\xff\0\xfd\xff\0\xfb\xff\0\xf7\xff\0\xef\xff\0\xdf\xff\0\xbf"
                "\xff\0\x7f");
  }
  at = APPEND(at, "\xff\xd9");
  struct image image;
  error e = {""};
  double start = seconds();
  CHECK(jpeg_decode(&image, (uint8_t *)bytes, (size_t)(at - bytes), NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "too many scans");
  CHECK_MSG(seconds() - start < 10, "it took %.1f s", seconds() - start);
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
      if (image_decode(&image, view.bytes, view.size, NULL, &e) == OK) {
        decoded++;
        image_free(&image);
      } else {
        refused++;
      }
      file_close(&view);
    }
    closedir(directory);
    if (f == 0) CHECK_MSG(decoded >= 80 && refused == 0, "%d decoded, %d refused", decoded, refused);
  }
}
