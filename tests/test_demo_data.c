/* The drawn demo set: the same bytes everywhere, the promised files, and honest failures. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/demo_data.h"
#include "images/image.h"
#include "tests/harness.h"

enum { SMALL = 16 };

static uint64_t fnv(uint64_t hash, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

static bool exists(const char *path) {
  struct stat information;
  return lstat(path, &information) == 0;
}

/* Entries of a folder, hidden ones too; -1 when it cannot be read. */
static int entry_count(const char *folder) {
  DIR *stream = opendir(folder);
  if (!stream) return -1;
  int count = -2; /* . and .. */
  while (readdir(stream)) count++;
  closedir(stream);
  return count;
}

static bool same_file(const char *a, const char *b) {
  size_t size_a = 0, size_b = 0;
  char *bytes_a = read_file(a, &size_a), *bytes_b = read_file(b, &size_b);
  bool same = bytes_a && bytes_b && size_a == size_b && !memcmp(bytes_a, bytes_b, size_a);
  free(bytes_a);
  free(bytes_b);
  return same;
}

static struct demo_data small_set(void) {
  struct demo_data data = {.seed = 5, .per_class = 3, .size = SMALL};
  data.classes[1] = data.classes[8] = true;
  return data;
}

/* Whatever the compiler, its flags and the machine. */
TEST(demo_drawings_are_the_same_bytes_everywhere) {
  static const uint64_t expected[DEMO_CLASSES] = {
      0x7bfbd3e18ca03a76, 0x7eaa47860257be6b, 0x58ec2ff65b185fcd, 0xe8177bfbdd3f78d1, 0xb45f179e5b290794,
      0x07a0dc2a1c2fc8e2, 0x2fa4d2555dde4132, 0xd8e24a8e802fbb01, 0xf7e7ce3ee1d3fc21, 0xe0c4de650a8b0b37};
  enum { SIZE = 64, SEEDS = 8 };
  static uint8_t rgb[SIZE * SIZE * 3];
  for (int c = 0; c < DEMO_CLASSES; c++) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
      demo_draw(rgb, SIZE, c, seed);
      hash = fnv(hash, rgb, sizeof rgb);
    }
    CHECK_MSG(hash == expected[c], "%s: 0x%016llx", demo_class_names[c], (unsigned long long)hash);
  }
}

TEST(demo_classes_are_sorted) {
  for (int c = 1; c < DEMO_CLASSES; c++) CHECK(strcmp(demo_class_names[c - 1], demo_class_names[c]) < 0);
}

/* No channel's mean may give a class away: between classes it varies far less than between pictures of one class. */
TEST(demo_classes_do_not_differ_in_colour) {
  enum { PICTURES = 40, PIXELS = SMALL * SMALL };
  uint8_t rgb[PIXELS * 3];
  double lowest[3] = {255, 255, 255}, highest[3] = {0}, variance[3] = {0};
  for (int c = 0; c < DEMO_CLASSES; c++) {
    double sum[3] = {0}, squares[3] = {0};
    for (int i = 0; i < PICTURES; i++) {
      double mean[3] = {0};
      demo_draw(rgb, SMALL, c, 1000 * (uint64_t)c + (uint64_t)i);
      for (int p = 0; p < PIXELS * 3; p++) mean[p % 3] += rgb[p] / (double)PIXELS;
      for (int k = 0; k < 3; k++) {
        sum[k] += mean[k] / PICTURES;
        squares[k] += mean[k] * mean[k] / PICTURES;
      }
    }
    for (int k = 0; k < 3; k++) {
      lowest[k] = sum[k] < lowest[k] ? sum[k] : lowest[k];
      highest[k] = sum[k] > highest[k] ? sum[k] : highest[k];
      variance[k] += (squares[k] - sum[k] * sum[k]) / DEMO_CLASSES;
    }
  }
  for (int k = 0; k < 3; k++) {
    double range = highest[k] - lowest[k]; /* of ten means of 40 pictures; by chance about half a deviation */
    CHECK_MSG(range * range < variance[k], "channel %d: means %g to %g, variance %g", k, lowest[k], highest[k],
              variance[k]);
  }
}

TEST(demo_data_writes_the_promised_files) {
  struct demo_data data = small_set();
  const char *folder = path_join(test_folder(), "new/set");
  error e = {""};
  CHECK_MSG(demo_data_write(&data, folder, NULL, NULL, &e) == OK, "%s", e.message);
  CHECK(demo_test_per_class(&data) == 2);
  CHECK(demo_picture_count(&data) == 10);
  CHECK(entry_count(folder) == 2);
  CHECK(entry_count(path_join(folder, "train")) == 2);
  CHECK(entry_count(path_join(folder, "test")) == 2);
  CHECK(entry_count(path_join(folder, "train/spotted-fish")) == 3);
  CHECK(entry_count(path_join(folder, "test/striped-shirt")) == 2);

  size_t size = 0;
  char *bytes = read_file(path_join(folder, "train/spotted-fish/0002.png"), &size);
  REQUIRE(bytes);
  struct image image;
  CHECK_MSG(png_decode(&image, (const uint8_t *)bytes, size, NULL, &e) == OK, "%s", e.message);
  CHECK(image.width == SMALL && image.height == SMALL);
  image_free(&image);
  free(bytes);
}

TEST(demo_pictures_depend_on_seed_set_class_and_number_only) {
  struct demo_data data = small_set();
  char alone[512], together[512], other[512];
  snprintf(alone, sizeof alone, "%s/alone", test_folder());
  snprintf(together, sizeof together, "%s/together", test_folder());
  snprintf(other, sizeof other, "%s/other", test_folder());
  struct threads *pool = threads_start(3, NULL);
  REQUIRE(pool);
  CHECK(demo_data_write(&data, alone, NULL, NULL, NULL) == OK);
  data.per_class = 5;
  data.classes[0] = true;
  CHECK(demo_data_write(&data, together, pool, NULL, NULL) == OK);
  data.seed++;
  CHECK(demo_data_write(&data, other, pool, NULL, NULL) == OK);
  threads_stop(pool);
  const char *const names[] = {"train/spotted-fish/0000.png", "train/striped-shirt/0002.png",
                               "test/spotted-fish/0001.png"};
  for (int i = 0; i < 3; i++) {
    const char *a = path_join(alone, names[i]);
    CHECK(same_file(a, path_join(together, names[i])));
    CHECK(!same_file(a, path_join(other, names[i])));
  }
  CHECK(!same_file(path_join(alone, names[0]), path_join(alone, "test/spotted-fish/0000.png")));
  CHECK(!same_file(path_join(alone, names[0]), path_join(alone, "train/spotted-fish/0001.png")));
}

TEST(demo_data_replaces_an_earlier_set_and_what_an_interrupted_run_left) {
  struct demo_data data = small_set();
  const char *folder = test_folder();
  CHECK(demo_data_write(&data, folder, NULL, NULL, NULL) == OK);
  const char *left = path_join(folder, ".drawing-1");
  CHECK(mkdir(left, 0777) == 0 && mkdir(path_join(left, "train"), 0777) == 0);
  data.per_class = 1;
  data.classes[1] = false;
  error e = {""};
  CHECK_MSG(demo_data_write(&data, folder, NULL, NULL, &e) == OK, "%s", e.message);
  CHECK(entry_count(folder) == 2);
  CHECK(entry_count(path_join(folder, "train")) == 1);
  CHECK(entry_count(path_join(folder, "train/striped-shirt")) == 1);
}

TEST(demo_data_leaves_other_files_alone) {
  static const char *const foreign[] = {"notes.txt", "train/cats", "test/spotted-fish/holiday.png",
                                        "train/striped-shirt/00001.png"};
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
    struct demo_data data = small_set();
    char name[16];
    snprintf(name, sizeof name, "%zu", i);
    const char *folder = path_join(test_folder(), name), *other = path_join(folder, foreign[i]);
    CHECK(demo_data_write(&data, folder, NULL, NULL, NULL) == OK);
    CHECK(write_file(other, "mine", 4));
    data.per_class = 1;
    error e = {""};
    CHECK(demo_data_write(&data, folder, NULL, NULL, &e) == FAILED);
    CHECK_CONTAINS(e.message, foreign[i]);
    CHECK_CONTAINS(e.message, "is no part of a demo set");
    CHECK(exists(other));
    CHECK(exists(path_join(folder, "train/spotted-fish/0002.png")));
  }
  /* A link is foreign whatever its name: nothing is removed behind it. */
  struct demo_data data = small_set();
  const char *linked = path_join(test_folder(), "linked");
  CHECK(mkdir(linked, 0777) == 0 && symlink("/", path_join(linked, "train")) == 0);
  error e = {""};
  CHECK(demo_data_write(&data, linked, NULL, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "linked/train: is no part of a demo set");
}

TEST(demo_data_needs_a_folder) {
  struct demo_data data = small_set();
  error e = {""};
  const char *file = path_join(test_folder(), "file");
  CHECK(write_file(file, "", 0));
  CHECK(demo_data_write(&data, file, NULL, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, file);
  CHECK(demo_data_write(&data, "/proc/none/here", NULL, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "/proc/none/here");
}

/* A file that cannot grow stands for a full disk: the same failed write. */
TEST(demo_data_on_a_full_disk_leaves_nothing) {
  struct demo_data data = small_set();
  const char *folder = test_folder(), *set = path_join(folder, "set");
  struct rlimit before;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  struct rlimit tight = {.rlim_cur = 64, .rlim_max = before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
  error e = {""};
  int fresh = demo_data_write(&data, set, NULL, NULL, &e), existing = demo_data_write(&data, folder, NULL, NULL, NULL);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  CHECK(fresh == FAILED && existing == FAILED);
  CHECK_CONTAINS(e.message, "0000.png: ");
  CHECK(entry_count(folder) == 0);
}

TEST(demo_data_command) {
  const char *folder = path_join(test_folder(), "set");
  struct run run = RUN("demo-data", folder, "--size", "16", "--per-class", "2", "--classes", "spotted-mug,striped-mug",
                       "--seed", "9", "--threads", "2", "--quiet");
  CHECK(run.exit_code == 0);
  CHECK_STRING(run.err, "");
  CHECK_CONTAINS(run.out, "set: 4 training and 2 test pictures of 2 classes, 16x16, seed 9\n");
  CHECK(entry_count(path_join(folder, "train/spotted-mug")) == 2);

  run = RUN("demo-data");
  CHECK(run.exit_code == 2);
  run = RUN("demo-data", folder, "--classes", "spotted-mug,cat");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "backbones: --classes: unknown class \"cat\"");
  run = RUN("demo-data", folder, "--classes", "spotted-mug,spotted-mug");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "spotted-mug is named twice");
  run = RUN("demo-data", folder, "--classes", "");
  CHECK(run.exit_code == 2);
  static const char *const wrong[][2] = {
      {"--per-class", "0"}, {"--per-class", "10000"}, {"--size", "15"}, {"--size", "x"}, {"--seed", "-1"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    run = RUN("demo-data", folder, wrong[i][0], wrong[i][1]);
    CHECK(run.exit_code == 2);
    CHECK_CONTAINS(run.err, wrong[i][0]);
  }
  run = RUN("demo-data", "/proc/none/here");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: /proc/none/here: ");
}
