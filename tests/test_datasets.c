/* Every kind of data set: order, labels, class names, and what is refused. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/dataset.h"
#include "evaluate/output.h"
#include "tests/harness.h"

/* Make a file below the test's folder, and the folders on the way. */
static void put_bytes(const char *name, const void *bytes, size_t size) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", test_folder(), name);
  *strrchr(path, '/') = 0;
  error e = {""};
  if (output_make_folder(path, &e) != OK) CHECK_MSG(false, "%s", e.message);
  CHECK(write_file(path_join(test_folder(), name), bytes, size));
}

static void put(const char *name, const char *text) { put_bytes(name, text, strlen(text)); }

static const char *in_folder(const char *name) { return path_join(test_folder(), name); }

/* "path:label path:label ... | class class ..." of a data set, or its error without the folder's name. */
static const char *describe(const char *name) {
  static char text[4096];
  struct dataset dataset;
  error e = {""};
  const char *data = in_folder(name);
  if (dataset_open(&dataset, data, &e) != OK) {
    const char *message = e.message;
    if (!strncmp(message, test_folder(), strlen(test_folder()))) message += strlen(test_folder()) + 1;
    snprintf(text, sizeof text, "%s", message);
    return text;
  }
  size_t used = 0;
  for (size_t i = 0; i < dataset.count && used < sizeof text; i++) {
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "%s:%d ", dataset.samples[i].path, dataset.samples[i].label);
  }
  if (used < sizeof text) used += (size_t)snprintf(text + used, sizeof text - used, "|");
  for (size_t i = 0; i < dataset.class_count && used < sizeof text; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, " %s", dataset.classes[i]);
  }
  dataset_close(&dataset);
  return text;
}

TEST(datasets_folder_of_class_folders) {
  put("d/a-b/1.jpg", "");
  put("d/a/2.PNG", "");
  put("d/a/10.jpeg", "");
  put("d/B/x/deep.ppm", "");
  put("d/B/notes.txt", "");
  put("d/.hidden/1.jpg", "");
  put("d/a/.3.jpg", "");
  put("d/stray.jpg", "");
  /* Bytes decide: B before a; a before a-b, although "a-b/" sorts before "a/". */
  CHECK_STRING(describe("d"), "B/x/deep.ppm:0 a/10.jpeg:1 a/2.PNG:1 a-b/1.jpg:2 | B a a-b");
  struct dataset dataset;
  error e;
  REQUIRE(dataset_open(&dataset, in_folder("d"), &e) == OK);
  CHECK_STRING(dataset.note,
               "files left out: 1 without an image's extension (jpg jpeg png webp gif bmp dib tif tiff ppm pgm pbm "
               "pnm), 1 beside the class folders");
  dataset_close(&dataset);
  CHECK_STRING(describe("d/a"), "10.jpeg:-1 2.PNG:-1 |");
}

TEST(datasets_folders_that_make_no_sense) {
  put("one/cat/1.jpg", "");
  CHECK_CONTAINS(describe("one"), "one: holds one class only (cat)");
  put("empty/cat/1.jpg", "");
  put("empty/dog/1.jpg", "");
  put("empty/fox/readme", "");
  CHECK_STRING(describe("empty"), "empty: the class folder fox holds no image");
  put("none/readme.txt", "");
  CHECK_STRING(describe("none"), "none: holds no image");
  CHECK_STRING(describe("missing"), "missing: No such file or directory");
  CHECK_STRING(
      describe("none/readme.txt"),
      "none/readme.txt: is no data set (a folder, a .tar, a .csv or .tsv, a CIFAR .bin or an IDX images file is)");
  put("mixed/1.jpg", "");
  put("mixed/more/2.jpg", "");
  CHECK_CONTAINS(describe("mixed"), "holds images and a folder of images (more)");
}

TEST(datasets_splits_must_be_chosen) {
  put("s/train/a/1.jpg", "");
  put("s/train/b/2.jpg", "");
  put("s/val/a/3.jpg", "");
  put("s/val/b/4.jpg", "");
  CHECK_STRING(describe("s"), "s: holds the splits train, val: choose one, as in DATA:train");
  CHECK_STRING(describe("s:val"), "a/3.jpg:0 b/4.jpg:1 | a b");
  CHECK_STRING(describe("s/train"), "a/1.jpg:0 b/2.jpg:1 | a b");
  CHECK_CONTAINS(describe("s:test"), "No such file or directory");
  /* A folder around everything is looked through, and its files are still found. */
  put("w/inside/a/1.pgm", "P5 1 1 255\n\x80");
  put("w/inside/b/2.pgm", "P5 1 1 255\n\x80");
  CHECK_STRING(describe("w"), "a/1.pgm:0 b/2.pgm:1 | a b");
  struct dataset dataset;
  struct image image;
  error e = {""};
  REQUIRE(dataset_open(&dataset, in_folder("w"), &e) == OK);
  CHECK_MSG(dataset_image(&dataset, 1, NULL, &image, &e) == OK, "%s", e.message);
  CHECK(image.width == 1 && image.rgb[0] == 128);
  image_free(&image);
  dataset_close(&dataset);
}

TEST(datasets_link_loops_end) {
  put("l/a/1.jpg", "");
  put("l/b/2.jpg", "");
  CHECK(symlink("..", in_folder("l/a/up")) == 0);
  CHECK(symlink("nowhere", in_folder("l/a/3.jpg")) == 0);
  CHECK(symlink("../b/2.jpg", in_folder("l/a/4.jpg")) == 0);
  CHECK_STRING(describe("l"), "a/1.jpg:0 a/4.jpg:0 b/2.jpg:1 | a b");
  /* Ten folders that all link to one another: an unbounded walk would take 10! steps. */
  for (int i = 0; i < 10; i++) {
    char name[32];
    snprintf(name, sizeof name, "k/%d/x.jpg", i);
    put(name, "");
  }
  for (int i = 0; i < 100; i++) {
    char link[64], to[32];
    if (i / 10 == i % 10) continue;
    snprintf(link, sizeof link, "k/%d/to%d", i / 10, i % 10);
    snprintf(to, sizeof to, "../%d", i % 10);
    CHECK(symlink(to, in_folder(link)) == 0);
  }
  struct dataset dataset;
  error e;
  REQUIRE(dataset_open(&dataset, in_folder("k"), &e) == OK);
  CHECK(dataset.class_count == 10);
  dataset_close(&dataset);
}

/* A tar of small members. */
static void put_tar(const char *name, const char *const *members) {
  static uint8_t bytes[40 * 512];
  size_t size = 0;
  memset(bytes, 0, sizeof bytes);
  for (; *members; members++, size += 1024) {
    uint8_t *header = bytes + size;
    snprintf((char *)header, 100, "%s", *members);
    snprintf((char *)header + 124, 12, "%011o", 12u);
    header[156] = '0';
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    unsigned sum = 8 * ' ';
    for (int i = 0; i < 512; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    memcpy(header + 512, "P5 1 1 255\n", 11);
    header[512 + 11] = (uint8_t)(size / 1024 + 1);
  }
  put_bytes(name, bytes, size + 1024);
}

TEST(datasets_tar) {
  put_tar("t.tar", (const char *const[]){"set/test/b/1.pgm", "set/test/a/1.pgm", "set/train/a/1.pgm",
                                         "set/train/b/1.pgm", "set/README", "set/test/a/1.pgm", NULL});
  CHECK_STRING(describe("t.tar"), "t.tar: holds the splits test, train: choose one, as in DATA:test");
  CHECK_STRING(describe("t.tar:test"), "a/1.pgm:0 b/1.pgm:1 | a b");
  CHECK_STRING(describe("t.tar:set/test"), "a/1.pgm:0 b/1.pgm:1 | a b");
  CHECK_STRING(describe("t.tar:test/a/"), "1.pgm:-1 |");
  CHECK_STRING(describe("t.tar:none"), "t.tar:none: holds no image in a folder none");
  struct dataset dataset;
  struct image image;
  error e = {""};
  REQUIRE(dataset_open(&dataset, in_folder("t.tar:test"), &e) == OK);
  REQUIRE(dataset_image(&dataset, 0, NULL, &image, &e) == OK);
  CHECK_MSG(image.rgb[0] == 6, "of a member that comes twice the later one counts");
  image_free(&image);
  dataset_close(&dataset);
  /* A tar of a flat folder: its wrapper is no class. */
  put_tar("f.tar", (const char *const[]){"set/2.pgm", "set/1.pgm", NULL});
  CHECK_STRING(describe("f.tar"), "1.pgm:-1 2.pgm:-1 |");
  put("c.tar.gz", "\x1f\x8b........");
  CHECK_STRING(describe("c.tar.gz"), "c.tar.gz: is compressed (gzip): unpack it to a plain .tar first");
  put("bad.tar", "not a tar");
  CHECK_STRING(describe("bad.tar"), "bad.tar: is too short for a tar");
}

TEST(datasets_csv) {
  put("l.csv", "\xef\xbb\xbfpath,label\r\nz.jpg,dog\r\n\"a, \"\"b\"\".jpg\",cat\r\n");
  CHECK_STRING(describe("l.csv"), "z.jpg:1 a, \"b\".jpg:0 | cat dog");
  put("n.csv", "a.jpg,10\n\nb.jpg,9\n");
  CHECK_STRING(describe("n.csv"), "a.jpg:1 b.jpg:0 | 9 10");
  put("h.tsv", "id\tclass\tfile\n1\tx\ta.jpg\n2\ty\tb.jpg\n");
  CHECK_STRING(describe("h.tsv"), "a.jpg:0 b.jpg:1 | x y");
  put("flat.csv", "a.jpg\nb.jpg\n");
  CHECK_STRING(describe("flat.csv"), "a.jpg:-1 b.jpg:-1 |");
  static const struct {
    const char *text, *message;
  } broken[] = {{"a,1\nb,2,3\n", "line 2: 3 fields where 2 are expected"},
                {"a,1\n\n\"b,2\n", "line 4: a quote is never closed"},
                {"a,1\nb\"c,2\n", "line 2: a quote inside an unquoted field"},
                {"a,1\n\"b\"c,2\n", "line 2: text after a closing quote"},
                {"a,1\n,2\n", "line 2: no path"},
                {"a,1\nb,\n", "line 2: no label"},
                {"a,1\n\"b\nc\",2\n", "line 2: a field holds a line break"},
                {"path,label\n", "holds no image"},
                {"", "holds no image"}};
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    put("b.csv", broken[i].text);
    /* An unclosed quote is named by the line on which its row begins. */
    CHECK_CONTAINS(describe("b.csv"), i == 1 ? "line 3: a quote is never closed" : broken[i].message);
  }
}

TEST(datasets_csv_paths_are_relative_to_it) {
  put("sub/l.csv", "images/1.pgm,a\n../2.pgm,b\nnone.pgm,a\n");
  put("sub/images/1.pgm", "P5 1 1 255\n\x11");
  put("2.pgm", "P5 1 1 255\n\x22");
  struct dataset dataset;
  struct image image;
  error e = {""};
  REQUIRE(dataset_open(&dataset, in_folder("sub/l.csv"), &e) == OK);
  for (size_t i = 0; i < 2; i++) {
    REQUIRE(dataset_image(&dataset, i, NULL, &image, &e) == OK);
    CHECK(image.rgb[2] == 0x11 * (int)(i + 1));
    image_free(&image);
  }
  CHECK(dataset_image(&dataset, 2, NULL, &image, &e) == FAILED);
  CHECK_CONTAINS(e.message, "none.pgm: No such file or directory");
  dataset_close(&dataset);
}

TEST(datasets_cifar) {
  static uint8_t records[2 * 3074];
  for (size_t i = 0; i < 2; i++) {
    uint8_t *record = records + i * 3073;
    record[0] = (uint8_t)(i ? 9 : 3);
    for (size_t c = 0; c < 3; c++) memset(record + 1 + 1024 * c, (int)(10 * i + c), 1024);
  }
  put_bytes("c10/data_batch_1.bin", records, 2 * 3073);
  put_bytes("c10/test_batch.bin", records, 3073);
  CHECK_STRING(describe("c10"), "c10: holds the splits train, test: choose one, as in DATA:test");
  CHECK_STRING(describe("c10:test"),
               "test_batch.bin#00000:3 | airplane automobile bird cat deer dog frog horse ship truck");
  struct dataset dataset;
  struct image image;
  error e = {""};
  REQUIRE(dataset_open(&dataset, in_folder("c10/data_batch_1.bin"), &e) == OK);
  CHECK(dataset.count == 2 && dataset.samples[1].label == 9);
  REQUIRE(dataset_image(&dataset, 1, NULL, &image, &e) == OK);
  CHECK(image.width == 32 && image.height == 32 && image.rgb[0] == 10 && image.rgb[1] == 11 && image.rgb[3071] == 12);
  image_free(&image);
  dataset_close(&dataset);
  memset(records, 0, sizeof records);
  records[1] = 99;
  records[3074] = 19;
  records[3075] = 7;
  put_bytes("c100/train.bin", records, 2 * 3074);
  REQUIRE(dataset_open(&dataset, in_folder("c100"), &e) == OK);
  CHECK_STRING(dataset.kind, "CIFAR-100");
  CHECK(dataset.count == 2 && dataset.class_count == 100 && dataset.samples[0].label == 99 &&
        dataset.samples[1].label == 7);
  dataset_close(&dataset);
  put_bytes("bad.bin", records, 3000);
  CHECK_CONTAINS(describe("bad.bin"), "bad.bin: is no CIFAR file: 3000 bytes");
}

TEST(datasets_idx) {
  const uint8_t images[16 + 8] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
  uint8_t labels[8 + 2] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};
  put_bytes("m/t10k-images-idx3-ubyte", images, sizeof images);
  CHECK_STRING(describe("m"), "m/t10k-images-idx3-ubyte: its labels file is not beside it");
  put_bytes("m/t10k-labels-idx1-ubyte", labels, sizeof labels);
  CHECK_STRING(describe("m"), "t10k-images-idx3-ubyte#00000:7 t10k-images-idx3-ubyte#00001:0 | 0 1 2 3 4 5 6 7 8 9");
  struct dataset dataset;
  struct image image;
  error e = {""};
  REQUIRE(dataset_open(&dataset, in_folder("m/t10k-images-idx3-ubyte"), &e) == OK);
  REQUIRE(dataset_image(&dataset, 1, NULL, &image, &e) == OK);
  CHECK(image.width == 2 && image.height == 2 && image.rgb[0] == 5 && image.rgb[2] == 5 && image.rgb[11] == 8);
  image_free(&image);
  dataset_close(&dataset);
  put_bytes("m/t10k-labels-idx1-ubyte", labels, sizeof labels - 1);
  CHECK_CONTAINS(describe("m"), "t10k-labels-idx1-ubyte: is truncated");
  labels[7] = 1;
  put_bytes("m/t10k-labels-idx1-ubyte", labels, sizeof labels - 1);
  CHECK_CONTAINS(describe("m"), "2 images, but 1 labels");
  put_bytes("m/t10k-images-idx3-ubyte", images, 10);
  CHECK_CONTAINS(describe("m"), "is no IDX file of bytes with 3 dimensions");
}

TEST(datasets_real_ones) {
  const char *cifar = shared_data("cifar10.tar"), *mnist = shared_data("mnist");
  if (!cifar || !mnist) SKIP("the optional data folder is not there");
  char data[1200];
  struct dataset dataset;
  struct image image;
  error e = {""};
  snprintf(data, sizeof data, "%s:train", cifar);
  REQUIRE(dataset_open(&dataset, data, &e) == OK);
  CHECK(dataset.count == 5000 && dataset.class_count == 10);
  CHECK_STRING(dataset.samples[4999].path, "truck/0499.jpg");
  CHECK_STRING(dataset.classes[9], "truck");
  dataset_close(&dataset);
  REQUIRE(dataset_open(&dataset, mnist, &e) == OK);
  CHECK(dataset.count == 10000 && dataset.samples[0].label == 7 && dataset.samples[9999].label == 6);
  REQUIRE(dataset_image(&dataset, 9999, NULL, &image, &e) == OK);
  CHECK(image.width == 28 && image.height == 28);
  image_free(&image);
  dataset_close(&dataset);
}
