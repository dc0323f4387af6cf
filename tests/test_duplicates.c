/* The same picture in two sets is found by its bytes, whatever its name. */
#include "evaluate/duplicates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/folders.h"
#include "tests/harness.h"

/* FOLDER/name with hashes.txt and paths.txt of n rows, row i being picture pictures[i]. */
static struct feature_set make_set(const char *name, const int *pictures, size_t n) {
  struct feature_set set = {.folder = path_in(test_folder(), name), .n = n};
  CHECK(mkdir(set.folder, 0700) == 0);
  FILE *hashes = fopen(path_join(set.folder, "hashes.txt"), "w"),
       *paths = fopen(path_join(set.folder, "paths.txt"), "w");
  for (size_t i = 0; i < n; i++) {
    /* Hashes that begin alike share a slot of the table. */
    fprintf(hashes, "%016x%048x\n", pictures[i] % 2, pictures[i]);
    fprintf(paths, "%s/%zu.jpg\n", name, i);
  }
  fclose(hashes);
  fclose(paths);
  return set;
}

TEST(duplicates_are_counted_and_the_first_is_named) {
  struct feature_set train = make_set("train", (const int[]){5, 1, 2, 3, 1, 11, 9}, 7);
  struct feature_set test = make_set("test", (const int[]){4, 13, 1, 11, 1, 6}, 6);
  struct duplicates d;
  error e = {""};
  CHECK(duplicates_find(&d, &train, &test, &e) == OK);
  CHECK(d.known && d.count == 3 && d.first == 2 && d.original == 1);
  CHECK_STRING(d.path, "test/2.jpg");
  CHECK_STRING(d.other_path, "train/1.jpg");
  duplicates_free(&d);
  char *text = NULL;
  size_t size, count = 0;
  FILE *log = open_memstream(&text, &size);
  CHECK(duplicates_warn(&train, &test, log, &count, &e) == OK && count == 3);
  test.n = 0; /* nothing in common, nothing said */
  CHECK(write_file(path_join(test.folder, "hashes.txt"), "", 0));
  CHECK(duplicates_warn(&train, &test, log, &count, &e) == OK && count == 0);
  fclose(log);
  char expected[512];
  snprintf(expected, sizeof expected, "warning: 3 images of %s are also in %s (first: test/2.jpg, there train/1.jpg)\n",
           test.folder, train.folder);
  CHECK_STRING(text, expected);
  free(text);
  free(train.folder);
  free(test.folder);
}

TEST(duplicates_without_hashes_are_unknown_and_wrong_hashes_an_error) {
  struct feature_set train = make_set("train", (const int[]){1, 2}, 2), test = make_set("test", (const int[]){2}, 1);
  struct duplicates d;
  error e = {""};
  unlink(path_join(test.folder, "paths.txt"));
  CHECK(duplicates_find(&d, &train, &test, &e) == OK && d.count == 1 && !d.path && d.other_path);
  duplicates_free(&d);
  train.n = 3;
  CHECK(duplicates_find(&d, &train, &test, &e) == FAILED);
  CHECK_CONTAINS(e.message, "train/hashes.txt: does not hold the 3 hashes");
  train.n = 2;
  char *path = path_in(train.folder, "hashes.txt"), *text = read_file(path, NULL);
  text[65 + 63] = 'G';
  CHECK(write_file(path, text, 130));
  CHECK(duplicates_find(&d, &train, &test, &e) == FAILED);
  CHECK_CONTAINS(e.message, "train/hashes.txt: line 2: is not a SHA-256");
  unlink(path);
  CHECK(duplicates_find(&d, &train, &test, &e) == OK && !d.known && d.count == 0);
  free(text);
  free(path);
  free(train.folder);
  free(test.folder);
}

TEST(probe_warns_of_pictures_in_train_and_test) {
  char *photos = draw_photos("4"), *train = path_in(photos, "train"), *test = path_in(photos, "test");
  char *a = path_in(test_folder(), "a"), *b = path_in(test_folder(), "b");
  /* Two test pictures get into train, under other names and one in another class. */
  REQUIRE(link(path_join(test, "spotted-mug/0001.png"), path_join(train, "spotted-mug/copy.png")) == 0);
  REQUIRE(link(path_join(test, "spotted-fish/0000.png"), path_join(train, "striped-fish/other.png")) == 0);
  REQUIRE(RUN("features", "-w", "seeded:resnet8_cifar", "-d", train, "-o", a, "--quiet").exit_code == 0);
  REQUIRE(RUN("features", "-w", "seeded:resnet8_cifar", "-d", test, "-o", b, "--quiet").exit_code == 0);
  struct run run = RUN("probe", "--train", a, "--test", b, "--json", "--max-iterations", "3");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.err, "warning: 2 images of ");
  CHECK_CONTAINS(run.err, "(first: spotted-fish/0000.png, there striped-fish/other.png)");
  CHECK_CONTAINS(run.out, "\"duplicates\":2,");
  run = RUN("probe", "--train", a, "--test", a, "--max-iterations", "3");
  CHECK_CONTAINS(run.err, "warning: 42 images of ");
  run = RUN("probe", "--train", a, "--test", b, "--val", a, "--C", "0.1,1", "--max-iterations", "3");
  CHECK_CONTAINS(run.err, "warning: 42 images of ");
  free(a);
  free(b);
  free(train);
  free(test);
  free(photos);
}

/* Three sets of rows 0 to 3 of three classes; `pictures` says which rows show the same. */
static char *write_hashed(const char *name, const char *pictures) {
  static const float x[] = {4, 0, 0, 0, 4, 0, 0, 0, 4, 5, 0, 0.1F};
  static const int64_t labels[] = {0, 1, 2, 0};
  char *folder = strdup(write_features(name, x, 3, labels, 4, "cat\ndog\nowl\n"));
  FILE *hashes = fopen(path_join(folder, "hashes.txt"), "w");
  for (int i = 0; i < 4; i++) fprintf(hashes, "%064x\n", pictures[i]);
  fclose(hashes);
  return folder;
}

TEST(duplicates_are_warned_about_by_every_command) {
  char *train = write_hashed("train", "abcd"), *test = write_hashed("test", "xbya"), *val = write_hashed("val", "cxzz");
  static const char in_train[] = "warning: 2 images of ", count[] = "\"duplicates\":2,";
  const struct {
    struct run run;
    const char *also; /* beside test in train */
  } runs[] = {
      {RUN("probe", "--train", train, "--test", test, "--json"), "/test are also in "},
      {RUN("knn", "--train", train, "--test", test, "--json"), "/test are also in "},
      {RUN("fewshot", "--train", train, "--test", test, "--json"), "/test are also in "},
      {RUN("retrieve", "--gallery", train, "--query", test, "--json"), "/test are also in "},
      {RUN("shift", "--train", train, "--test", test, "--shifted", val, "--json"), "warning: 1 image of "},
      {RUN("calibrate", "--train", train, "--test", test, "--val", val, "--json"), "/val is also in "},
  };
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
    CHECK_MSG(runs[i].run.exit_code == 0, "%s", runs[i].run.err);
    CHECK_CONTAINS(runs[i].run.err, in_train);
    CHECK_CONTAINS(runs[i].run.err, runs[i].also);
    CHECK_CONTAINS(runs[i].run.out, count);
  }
  CHECK_CONTAINS(runs[4].run.out, "\"duplicates\":1}");
  CHECK_CONTAINS(runs[5].run.out, "\"val_duplicates\":1,");
  struct run run = RUN("calibrate", "--test", test, "--val", test, "--json");
  CHECK_CONTAINS(run.err, "warning: 4 images of ");
  run = RUN("retrieve", "--gallery", train, "--json");
  CHECK(run.exit_code == 0 && !strstr(run.err, " also in ") && !strstr(run.out, "duplicates"));
  free(train);
  free(test);
  free(val);
}
