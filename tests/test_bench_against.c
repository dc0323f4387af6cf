/* `backbones bench --against`: verdicts of made and of measured runs, rows that only one of them has, damaged files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/against.h"
#include "bench/other_load.h"
#include "tests/harness.h"

static struct bench_row row_of(double ms, double q1, double q3) {
  return (struct bench_row){
      .arch = "a", .dtype = "f32", .batch = 1, .threads = 1, .images_per_s = 1000 / ms, .ms = ms, .q1 = q1, .q3 = q3};
}

TEST(against_verdicts_follow_the_noise_of_both) {
  struct bench_row ten = row_of(10, 9.9, 10.2), nine = row_of(9, 8.9, 9.1), quiet = row_of(10, 10, 10);
  struct bench_row near = row_of(10.15, 10.15, 10.15), loud = row_of(9, 8, 10.5);
  CHECK_NEAR(against_band(&ten, &nine), 0.03 + 0.2 / 9, 1e-12);
  CHECK_NEAR(against_band(&quiet, &quiet), 0.02, 1e-12); /* the least */
  CHECK_STRING(against_verdict(&ten, &nine), "faster");
  CHECK_STRING(against_verdict(&nine, &ten), "slower");
  CHECK_STRING(against_verdict(&quiet, &near), "same");
  CHECK_STRING(against_verdict(&near, &quiet), "same");
  CHECK_STRING(against_verdict(&quiet, &loud), "same");
  struct random random = {1};
  for (int i = 0; i < 2000; i++) { /* a pair and its reverse: opposite verdicts, and every row is the same as itself */
    struct bench_row rows[2];
    for (int k = 0; k < 2; k++) {
      double ms = 1 + random_unit(&random), noise = random_unit(&random) * random_unit(&random) * 0.3;
      rows[k] = row_of(ms, ms * (1 - noise), ms * (1 + noise));
    }
    const char *there = against_verdict(&rows[0], &rows[1]), *back = against_verdict(&rows[1], &rows[0]);
    bool opposite = (*there == 'f' && !strcmp(back, "slower")) || (*back == 'f' && !strcmp(there, "slower"));
    CHECK_MSG(opposite || (!strcmp(there, "same") && !strcmp(back, "same")), "%s and %s", there, back);
    CHECK_STRING(against_verdict(&rows[0], &rows[0]), "same");
  }
}

static const char made_machine[] =
    "{\"machine\": {\"cpu\": \"Made 9000\", \"cores\": 4096, \"isa\": \"vax\", \"version\": \"0.0.1\"}, \"rows\": [";
#define MADE_ROW(arch, batch, rate, ms, q1, q3)                                                                  \
  "{\"arch\": \"" arch "\", \"dtype\": \"f32\", \"batch\": " #batch ", \"threads\": 1, \"images_per_s\": " #rate \
  ", \"ms\": " #ms ", \"ms_q1\": " #q1 ", \"ms_q3\": " #q3 "}"

static char *write_made(const char *name, const char *rows) {
  char *path = strdup(path_join(test_folder(), name));
  char text[4096];
  int size = snprintf(text, sizeof text, "%s%s]}\n", made_machine, rows);
  CHECK(write_file(path, text, (size_t)size));
  return path;
}

TEST(bench_compares_with_an_earlier_run) {
  /* A resnet8_cifar far slower than any, one far faster, one with noise in which everything drowns. */
  char *path = write_made("made.json", MADE_ROW("resnet8_cifar", 1, 0.001, 1000000, 1000000, 1000000) ", " MADE_ROW(
                                           "resnet8_cifar", 2, 1e12, 2e-9, 2e-9,
                                           2e-9) ", " MADE_ROW("resnet8_cifar", 3, 1000, 3, 0.001,
                                                               3e6) ", " MADE_ROW("vit_elsewhere", 1, 20, 50, 49, 51));
  struct run run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1,2,3,4", "--threads", "1", "--seconds", "0.01",
                       "--against", path, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  const struct json *against = json_get(document.root, "against"), *rows = json_get(against, "rows");
  CHECK_STRING(json_get_string(against, "file"), path);
  CHECK_CONTAINS(json_get_string(against, "differences"), "cpu Made 9000 -> ");
  CHECK_CONTAINS(json_get_string(against, "differences"), "; isa vax -> ");
  CHECK_CONTAINS(json_get_string(against, "differences"), "; version 0.0.1 -> ");
  CHECK_CONTAINS(json_get_string(against, "differences"), "; cores 4096 -> ");
  REQUIRE(rows && rows->length == 3);
  const struct json *row = rows->first;
  static const char *const verdicts[] = {"faster", "slower", "same"};
  for (int i = 0; i < 3; i++, row = row->next) {
    double ratio = 0, before = 0, after = 0;
    CHECK_STRING(json_get_string(row, "verdict"), verdicts[i]);
    CHECK(json_get_number(row, "ratio", &ratio) && json_get_number(row, "images_per_s_before", &before) &&
          json_get_number(row, "images_per_s", &after));
    CHECK_NEAR(ratio * before / after, 1, 1e-12);
  }
  const struct json *only = json_get(against, "only_now");
  int64_t batch = 0;
  CHECK(only && only->length == 1 && json_get_integer(only->first, "batch", &batch) && batch == 4);
  only = json_get(against, "only_before");
  REQUIRE(only && only->length == 1);
  CHECK_STRING(json_get_string(only->first, "arch"), "vit_elsewhere");
  json_free(&document);

  run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1,2,4", "--threads", "1", "--seconds", "0.01", "--against",
            path);
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "  faster");
  CHECK_CONTAINS(run.out, "  slower");
  CHECK_CONTAINS(run.out, "  only now: ");
  CHECK_CONTAINS(run.out, "vit_elsewhere                f32       1       1  only before: 20.0 images/s\n");
  CHECK_CONTAINS(run.out, "\n1 faster, 1 slower, 0 the same");
  free(path);
}

TEST(against_marks_what_others_disturbed) {
  /* Rows that say how busy others were: the verdict stays, with a mark. */
  char *path = write_made("busy.json",
                          "{\"arch\": \"resnet8_cifar\", \"dtype\": \"f32\", \"batch\": 1, \"threads\": 1, "
                          "\"images_per_s\": 0.001, \"ms\": 1e6, \"ms_q1\": 1e6, \"ms_q3\": 1e6, "
                          "\"other_cores\": 1.25}");
  struct run run =
      RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--against", path);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "  faster (others used 1.2 cores before, ");
  CHECK_CONTAINS(run.out, "\n1 faster, 0 slower, 0 the same; others disturbed 1 of them\n");
  run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--against",
            path, "--json");
  CHECK_CONTAINS(run.out, "\"verdict\":\"faster\",\"disturbed\":true}");
  free(path);
}

TEST(bench_compares_with_the_file_that_it_replaces) {
  char *path = strdup(path_join(test_folder(), "bench.json"));
  struct run run =
      RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--out", path);
  CHECK(run.exit_code == 0);
  run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--out", path,
            "--against", path);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, ": the same machine and version\n");
  char *text = read_file(path, NULL);
  CHECK_CONTAINS(text, "\"verdict\":");
  run = RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--against",
            path); /* a file that holds a comparison itself */
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  free(text);
  free(path);
}

TEST(bench_names_what_is_wrong_with_an_earlier_run) {
  const struct {
    const char *text, *reason;
  } cases[] = {
      {"", "byte 0: "},
      {"[1, 2", "byte 5: "},
      {"[1, 2]", "is no JSON object"},
      {"{\"n\": 3}", "machine: is missing: not written by bench"},
      {"{\"machine\": {\"cpu\": \"x\", \"cores\": 1, \"version\": \"1\"}, \"rows\": []}", "machine: isa: is missing"},
      {"{\"machine\": {\"cpu\": \"x\", \"cores\": -1, \"isa\": \"y\", \"version\": \"1\"}, \"rows\": []}",
       "machine: cores: is no count"},
      {"{\"machine\": {\"cpu\": \"x\", \"cores\": 1, \"isa\": \"y\", \"version\": \"1\"}, \"gemm\": []}",
       "rows: is missing: not a bench of models"},
  };
  char *path = strdup(path_join(test_folder(), "old.json"));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    REQUIRE(write_file(path, cases[i].text, strlen(cases[i].text)));
    struct run run = RUN("bench", "--arch", "resnet8_cifar", "--against", path);
    CHECK(run.exit_code == 1 && !*run.out); /* before anything is measured */
    CHECK_CONTAINS(run.err, path);
    CHECK_CONTAINS(run.err, cases[i].reason);
    CHECK(strchr(run.err, '\n') == run.err + strlen(run.err) - 1);
  }
  const struct {
    const char *rows, *reason;
  } rows[] = {
      {MADE_ROW("a", 1, 1, 1, 1, 1) ", 7", "rows[1]: is no object"},
      {MADE_ROW("a", 0, 1, 1, 1, 1), "rows[0]: batch: is no count"},
      {MADE_ROW("a", 1.5, 1, 1, 1, 1), "rows[0]: batch: is no count"},
      {MADE_ROW("", 1, 1, 1, 1, 1), "rows[0]: arch: is no name"},
      {MADE_ROW("a", 1, 0, 1, 1, 1), "rows[0]: images_per_s: is no number above 0"},
      {MADE_ROW("a", 1, 1, null, 1, 1), "rows[0]: ms: is no number above 0"},
      {MADE_ROW("a", 1, 1, 2, 3, 4), "rows[0]: ms: lies outside its quartiles"},
      {"{\"arch\": \"a\", \"dtype\": \"f32\", \"batch\": 1, \"threads\": 1, \"images_per_s\": 1, \"ms\": 1}",
       "rows[0]: ms_q1: is missing"},
      {MADE_ROW("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1, 1, 1, 1, 1),
       "rows[0]: arch: is too long"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char *made = write_made("rows.json", rows[i].rows);
    struct run run = RUN("bench", "--arch", "resnet8_cifar", "--against", made);
    CHECK(run.exit_code == 1);
    CHECK_CONTAINS(run.err, made);
    CHECK_CONTAINS(run.err, rows[i].reason);
    free(made);
  }
  struct run run = RUN("bench", "--against", "/no/such.json");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: /no/such.json: No such file");
  run = RUN("bench", "--gemm", "--against", path);
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--against: is for models");
  free(path);
}

/* Bytes changed at random, and every cut: rows, or an error that names the file. */
TEST(damaged_earlier_runs_are_refused_or_read) {
  char *path = write_made("whole.json", MADE_ROW("a", 1, 1000, 1, 0.5, 2) ", " MADE_ROW("b", 16, 20, 800, 790, 810));
  size_t size;
  char *whole = read_file(path, &size), *damaged = malloc(size);
  REQUIRE(whole && damaged);
  struct random random = {7};
  int read = 0;
  for (int i = 0; i < 400; i++) {
    memcpy(damaged, whole, size);
    size_t length = i % 3 ? size : (size_t)random_between(&random, 0, (int)size);
    for (int k = random_between(&random, 0, 3); k > 0 && length; k--)
      damaged[random_between(&random, 0, (int)length - 1)] = "0\"}{]-e.x,"[random_between(&random, 0, 9)];
    REQUIRE(write_file(path, damaged, length));
    struct bench_rows rows;
    error e = {""};
    if (bench_rows_read(&rows, path, &e) == OK) {
      read++;
      for (size_t r = 0; r < rows.count; r++) CHECK(against_band(&rows.rows[r], &rows.rows[r]) >= 0.02);
      bench_rows_free(&rows);
    } else {
      CHECK_MSG(!strncmp(e.message, path, strlen(path)), "%s", e.message);
    }
  }
  CHECK(read > 25);
  free(damaged);
  free(whole);
  free(path);
}

TEST(bench_describes_the_machine) {
  struct run run =
      RUN("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--json");
  CHECK(run.exit_code == 0);
  static const char *const keys[] = {"\"cpu\":",    "\"cores\":", "\"affinity_cores\":", "\"quota_cores\":",
                                     "\"caches\":", "\"ms_q1\":", "\"ms_q3\":",          "\"bandwidth_gbs\":"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) CHECK_CONTAINS(run.out, keys[i]);
}

/* Idle cores are nobody's work: the line of all cores together, whose idle time is large, does not count. */
TEST(busy_seconds_leave_idle_time_out) {
  static const char text[] =
      "cpu  1000 100 50 900000 7 1 2 3 0 0\ncpu0 1000 100 50 900000 7 1 2 3 0 0\nintr 5\ncpu1 9 9 9 9 9 9 9 9\n";
  const char *path = path_join(test_folder(), "stat");
  CHECK(write_file(path, text, strlen(text)));
  CHECK_NEAR(load_busy_seconds(path), 1156.0 / (double)sysconf(_SC_CLK_TCK), 1e-9);
  CHECK(load_busy_seconds(path_join(test_folder(), "none")) == 0);
}
