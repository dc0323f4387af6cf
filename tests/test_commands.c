/* The command line's contract: what each command prints, writes and exits with, on good input and on bad. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/folders.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

#define WEIGHTS "seeded:resnet8_cifar"

static double number_of(const char *json, const char *key) {
  struct json_document document;
  error e = {""};
  if (!CHECK_MSG(json_parse(&document, json, strlen(json), true, &e) == OK, "%s: %s", e.message, json)) return -1;
  double value = -1;
  CHECK_MSG(json_get_number(document.root, key, &value), "no %s in %s", key, json);
  json_free(&document);
  return value;
}

TEST(commands_and_help) {
  static const char *const commands[] = {"convert", "inspect",  "features", "merge",   "classify", "probe",
                                         "knn",     "retrieve", "fewshot",  "shift",   "zeroshot", "calibrate",
                                         "battle",  "pixels",   "bench",    "profile", "demo-data"};
  struct run run = RUN("help");
  CHECK(run.exit_code == 0);
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    CHECK_CONTAINS(run.out, commands[i]);
    struct run help = RUN(commands[i], "--help");
    CHECK(help.exit_code == 0);
    CHECK_CONTAINS(help.out, "Usage: backbones ");
    struct run same = RUN("help", commands[i]);
    CHECK_STRING(same.out, help.out);
    struct run unknown = RUN(commands[i], "--no-such-option");
    CHECK(unknown.exit_code == 2);
    CHECK_CONTAINS(unknown.err, "backbones: unknown option --no-such-option");
  }
  CHECK(RUN("version").exit_code == 0);
  CHECK_CONTAINS(RUN("--version").out, "backbones ");
}

TEST(wrong_usage_exits_with_2) {
  CHECK(run_backbones((const char *const[]){NULL}).exit_code == 2);
  struct run run = RUN("fly");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "unknown command fly");
  CHECK(RUN("features").exit_code == 2);
  CHECK_CONTAINS(RUN("features").err, "--weights is needed");
  CHECK(RUN("features", "--weights").exit_code == 2);
  CHECK(RUN("features", "--weights", "a", "--weights", "b").exit_code == 2);
  CHECK(RUN("features", "-w", WEIGHTS, "-d", "x", "-o", "y", "--batch", "0").exit_code == 2);
  CHECK(RUN("features", "-w", WEIGHTS, "-d", "x", "-o", "y", "--shard", "3/2").exit_code == 2);
  CHECK(RUN("features", "-w", WEIGHTS, "-d", "x", "-o", "y", "--interpolation", "sinc").exit_code == 2);
  CHECK(RUN("features", "-w", WEIGHTS, "-d", "x", "-o", "y", "--features", "everything").exit_code == 2);
  CHECK(RUN("classify", "-w", WEIGHTS).exit_code == 2);
  CHECK(RUN("bench", "--arch", "resnet51").exit_code == 2);
  CHECK(RUN("bench", "--batch", "1.5").exit_code == 2);
  CHECK(RUN("profile").exit_code == 2);
  CHECK(RUN("inspect").exit_code == 2);
  CHECK(RUN("convert", "a.safetensors").exit_code == 2);
}

TEST(features_are_the_same_bits_for_threads_batch_and_order) {
  char *photos = draw_photos("4"), *train = path_in(photos, "train"), *first = path_in(test_folder(), "a");
  struct run run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", first, "--threads", "1", "--batch", "1");
  REQUIRE(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "40 x 64 features of resnet8_cifar");
  size_t size, labels_size;
  char *expected = read_file(path_join(first, "features.npy"), &size);
  char *labels = read_file(path_join(first, "labels.npy"), &labels_size);
  REQUIRE(expected && labels);
  CHECK(size == 128 + 40 * 64 * 4);
  CHECK(labels_size == 128 + 40 * 8);
  CHECK(exists(first, "classes.txt") && exists(first, "meta.json") && !exists(first, "partial") &&
        !exists(first, "skipped.tsv"));
  static const char *const ways[][2] = {{"2", "7"}, {"3", "64"}};
  for (int i = 0; i < 2; i++) {
    char name[8] = {(char)('b' + i), 0};
    char *out = path_in(test_folder(), name);
    run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--threads", ways[i][0], "--batch", ways[i][1]);
    size_t other_size;
    char *other = read_file(path_join(out, "features.npy"), &other_size);
    CHECK(run.exit_code == 0 && other && other_size == size && !memcmp(other, expected, size));
    free(other);
    free(out);
  }
  /* Shuffled: a csv of the same files backwards; rows matched by path. */
  char *paths = read_file(path_join(first, "paths.txt"), NULL), *csv = path_in(train, "backwards.csv");
  FILE *file = fopen(csv, "w");
  char *lines[40], *next = paths;
  for (int i = 0; i < 40; i++) {
    lines[i] = next;
    next = strchr(next, '\n');
    REQUIRE(next != NULL);
    *next++ = 0;
  }
  for (int i = 39; i >= 0; i--) fprintf(file, "%s,x\n", lines[i]);
  fclose(file);
  char *out = path_in(test_folder(), "csv");
  run = RUN("features", "-w", WEIGHTS, "-d", csv, "-o", out);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  char *shuffled = read_file(path_join(out, "features.npy"), &size);
  REQUIRE(shuffled && size == 128 + 40 * 64 * 4);
  for (int i = 0; i < 40; i++) CHECK(!memcmp(expected + 128 + i * 256, shuffled + 128 + (39 - i) * 256, 256));
  free(shuffled);
  free(out);
  free(csv);
  free(paths);
  free(labels);
  free(expected);
  free(first);
  free(train);
  free(photos);
}

TEST(one_bad_photo_does_not_lose_the_others) {
  char *photos = draw_photos("4"), *train = path_in(photos, "train"), *out = path_in(test_folder(), "out");
  /* The first class folder gets a file that is no picture, one that is cut off, and an empty one. */
  struct run listing = RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--quiet");
  REQUIRE(listing.exit_code == 0);
  char *classes = read_file(path_join(out, "classes.txt"), NULL);
  classes[strcspn(classes, "\n")] = 0;
  char *folder = path_in(train, classes);
  size_t size;
  char *paths = read_file(path_join(out, "paths.txt"), NULL);
  paths[strcspn(paths, "\n")] = 0;
  char *picture = read_file(path_join(train, paths), &size);
  REQUIRE(write_file(path_join(folder, "bad1.png"), "nonsense", 8));
  REQUIRE(write_file(path_join(folder, "bad2.png"), picture, size / 2));
  REQUIRE(write_file(path_join(folder, "bad3.jpg"), "", 0));
  char *second = path_in(test_folder(), "second");
  struct run run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", second, "--quiet", "--json");
  CHECK(run.exit_code == 0);
  CHECK(number_of(run.out, "n") == 40 && number_of(run.out, "skipped") == 3 && number_of(run.out, "d") == 64);
  char *skipped = read_file(path_join(second, "skipped.tsv"), NULL);
  CHECK_CONTAINS(skipped, "bad1.png\t");
  CHECK_CONTAINS(skipped, "bad2.png\t");
  CHECK(!strstr(skipped, "bad1.png: "));
  CHECK_CONTAINS(run.err, "bad1.png: ");
  CHECK_CONTAINS(skipped, "bad3.jpg\t");
  size_t a, b;
  char *before = read_file(path_join(out, "features.npy"), &a),
       *after = read_file(path_join(second, "features.npy"), &b);
  CHECK(before && after && a == b && !memcmp(before, after, a));
  char *third = path_in(test_folder(), "third");
  run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", third, "--quiet", "--strict");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: ");
  CHECK_CONTAINS(run.err, "bad");
  CHECK(!exists(third, "features.npy") && !exists(third, "meta.json"));
  free(before);
  free(after);
  free(third);
  free(skipped);
  free(second);
  free(picture);
  free(paths);
  free(folder);
  free(classes);
  free(out);
  free(train);
  free(photos);
}

TEST(data_that_cannot_be_read_is_an_error) {
  char *out = path_in(test_folder(), "out"), *empty = path_in(test_folder(), "empty");
  mkdir(empty, 0700);
  struct run run = RUN("features", "-w", WEIGHTS, "-d", "/no/such/folder", "-o", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: /no/such/folder: ");
  run = RUN("features", "-w", WEIGHTS, "-d", empty, "-o", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, empty);
  run = RUN("features", "-w", "/no/such/weights", "-d", empty, "-o", out);
  CHECK(run.exit_code == 1);
  REQUIRE(write_file(path_join(empty, "a.jpg"), "nonsense", 8));
  run = RUN("features", "-w", WEIGHTS, "-d", empty, "-o", out, "--quiet");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "none of its 1 images could be read");
  CHECK(!exists(out, "features.npy"));
  free(out);
  free(empty);
}

TEST(an_output_folder_is_never_overwritten) {
  char *photos = draw_photos("4"), *train = path_in(photos, "train"), *out = path_in(test_folder(), "out");
  REQUIRE(RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--quiet").exit_code == 0);
  struct run run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--quiet");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds features already");
  CHECK(RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--quiet", "--resume").exit_code == 0);
  run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", "/proc/nowhere", "--quiet");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "/proc/nowhere");
  free(out);
  free(train);
  free(photos);
}

TEST(probe_from_photos_to_accuracy) {
  char *photos = draw_photos("4"), *train = path_in(photos, "train"), *test = path_in(photos, "test");
  char *a = path_in(test_folder(), "a"), *b = path_in(test_folder(), "b"), *c = path_in(test_folder(), "c");
  REQUIRE(RUN("features", "-w", WEIGHTS, "-d", train, "-o", a, "--quiet").exit_code == 0);
  REQUIRE(RUN("features", "-w", WEIGHTS, "-d", test, "-o", b, "--quiet").exit_code == 0);
  struct run run = RUN("probe", "--train", a, "--test", b, "--C", "1", "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(number_of(run.out, "n_test") == 20);
  double top1 = number_of(run.out, "top1"), top5 = number_of(run.out, "top5");
  CHECK(top1 >= 0 && top1 <= 1 && top5 >= top1 && top5 <= 1);
  CHECK_NEAR(number_of(run.out, "correct") / 20, top1, 1e-12);
  CHECK(number_of(run.out, "nll") > 0 && number_of(run.out, "ece") >= 0);
  number_of(run.out, "mean_per_class");
  CHECK(RUN("probe", "--train", a, "--test", b, "--C", "0").exit_code == 2);
  CHECK(RUN("probe", "--train", a).exit_code == 2);
  CHECK(RUN("probe", "--train", a, "--test", "/no/such").exit_code == 1);
  REQUIRE(RUN("features", "-w", "seeded:resnet18", "-d", test, "-o", c, "--quiet", "--input-size", "32").exit_code ==
          0);
  run = RUN("probe", "--train", a, "--test", c);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "512");
  free(a);
  free(b);
  free(c);
  free(train);
  free(test);
  free(photos);
}

TEST(classify_images_and_data) {
  char *photos = draw_photos("4"), *test = path_in(photos, "test");
  struct run run = RUN("classify", "-w", WEIGHTS, "--data", test, "--json", "--quiet");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(number_of(run.out, "n") == 20 && number_of(run.out, "top5") >= number_of(run.out, "top1"));
  char *csv = path_in(test_folder(), "p.csv");
  run = RUN("classify", "-w", WEIGHTS, "--data", test, "--predictions", csv);
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "top-1");
  char *text = read_file(csv, NULL);
  CHECK_CONTAINS(text, "path,label,prediction,class,probability\n");
  REQUIRE(write_file(path_join(test_folder(), "bad.jpg"), "x", 1));
  char *bad = path_in(test_folder(), "bad.jpg");
  run = RUN("classify", "-w", WEIGHTS, bad);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "bad.jpg");
  run = RUN("classify", "-w", WEIGHTS, "/no/such.jpg");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "/no/such.jpg");
  free(text);
  free(bad);
  free(csv);
  free(test);
  free(photos);
}

TEST(bench_and_profile_measure) {
  char *file = path_in(test_folder(), "bench.json");
  struct run run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1,2", "--threads", "1", "--seconds", "0.01",
                       "--json", "--out", file);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK(number_of(run.out, "peak_gflops") > 0.1);
  static const char *const keys[] = {
      "\"machine\":",    "\"rows\":",   "\"ms\":",      "\"images_per_s\":", "\"gflops\":",
      "\"peak_share\":", "\"rss_mb\":", "\"load_ms\":", "\"isa\":",          "\"peak_mb\":"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) CHECK_CONTAINS(run.out, keys[i]);
  char *text = read_file(file, NULL);
  CHECK_STRING(text, run.out);
  char *trace = path_in(test_folder(), "trace.json");
  run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01", "--trace", trace, "--threads", "1");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "layer3.0.conv2");
  run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01", "--json");
  CHECK(run.exit_code == 0 && number_of(run.out, "ms") > 0);
  char *events = read_file(trace, NULL);
  CHECK_CONTAINS(events, "\"traceEvents\"");
  if (!test_emulated()) { /* layers of real networks: a minute, and an emulator's times tell nothing */
    run = RUN("bench", "--gemm", "--threads", "1", "--seconds", "0.01");
    CHECK(run.exit_code == 0);
    CHECK_CONTAINS(run.out, "geometric mean");
  }
  free(events);
  free(trace);
  free(text);
  free(file);
}

TEST(isa_is_chosen_by_the_environment) {
  char *before = getenv("BACKBONES_ISA") ? strdup(getenv("BACKBONES_ISA")) : NULL;
  setenv("BACKBONES_ISA", "mmx", 1);
  struct run run = RUN("profile", "--arch", "resnet8_cifar");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "BACKBONES_ISA=mmx");
  if (before)
    setenv("BACKBONES_ISA", before, 1);
  else
    unsetenv("BACKBONES_ISA");
  free(before);
}
