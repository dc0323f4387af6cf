/* `backbones battle` that runs its tasks: its figures are those of the single commands, failures do not stop it, and an
 * interrupted or repeated battle takes what is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/holdout.h"
#include "tests/folders.h"
#include "tests/harness.h"

static const char small[] = "small=seeded:resnet8_cifar", large[] = "large=seeded:resnet20_cifar";

/* "NAME":number behind `from`. */
static double number_after(const char *text, const char *from, const char *name) {
  char key[80];
  snprintf(key, sizeof key, "\"%s\":", name);
  const char *at = from ? strstr(text, from) : text;
  at = at ? strstr(at, key) : NULL;
  return at ? strtod(at + strlen(key), NULL) : -1;
}

/* The lines of the backbone "large": on the linear probe their mean is its accuracy, and a prediction is given. */
static void check_predictions(const char *path, double top1) {
  char *csv = read_file(path, NULL);
  REQUIRE(csv != NULL);
  CHECK(!strncmp(csv, "set,path,label,backbone,task,value,prediction,confidence\n", 57));
  double right = 0;
  int lines = 0, again = 0;
  for (char *line = strtok(csv, "\n"); line; line = strtok(NULL, "\n")) {
    const char *value = strstr(line, ",large,linear probe,");
    again += !strncmp(line, "photos/again,", 13) && strstr(line, "large,shift: again,") != NULL;
    if (!value) continue;
    lines++;
    right += value[20] == '1';
    CHECK(value[21] == ',' && value[22] != ',' && strchr(value + 22, ',')[1] == '0');
  }
  CHECK(lines > 0 && lines == again);
  CHECK_NEAR(right / lines, top1, 1e-12);
  free(csv);
}

TEST(battle_has_the_figures_of_the_single_commands) {
  char *photos = draw_photos("6"), *out = path_in(test_folder(), "out"), *shifted = path_in(photos, "test");
  char shift[600], *csv = path_in(test_folder(), "predictions.csv");
  snprintf(shift, sizeof shift, "again=%s", shifted);
  struct run run =
      RUN("battle", "--weights", small, "--weights", large, "--data", photos, "--out", out, "--shift", shift,
          "--corrupt", "contrast:2", "--C", "1", "--k", "3", "--resamples", "100", "--quiet", "--predictions", csv);
  REQUIRE(check_that(run.exit_code == 0, __FILE__, __LINE__, "%s", run.err));
  char *results = read_file(path_join(out, "results.json"), NULL);
  REQUIRE(results != NULL);
  const char *own = strstr(results, "\"name\":\"large\"");
  REQUIRE(own != NULL);
  char *features = path_in(out, "features/large/photos"), *train = path_in(features, "train"),
       *test = path_in(features, "test");
  run = RUN("probe", "--train", train, "--test", test, "--C", "1", "--json");
  double top1 = number_after(run.out, NULL, "top1");
  CHECK_NEAR(number_after(own, "\"scores\"", "linear probe"), top1, 0);
  CHECK_NEAR(number_after(own, "\"scores\"", "calibration error"), number_after(run.out, NULL, "ece"), 0);
  CHECK_NEAR(number_after(own, "\"scores\"", "NLL"), number_after(run.out, NULL, "nll"), 0);
  CHECK_NEAR(number_after(own, "\"scores\"", "shift: again"), top1, 0);
  run = RUN("knn", "--train", train, "--test", test, "--k", "3", "--json");
  CHECK_NEAR(number_after(own, "\"scores\"", "k-NN"), number_after(run.out, NULL, "top1"), 0);
  CHECK_NEAR(number_after(own, "\"scores\"", "class mean"), number_after(run.out, "class_mean", "top1"), 0);
  run = RUN("retrieve", "--gallery", test, "--json");
  CHECK_NEAR(number_after(own, "\"scores\"", "retrieval mAP"), number_after(run.out, NULL, "map"), 0);
  char *spoilt = path_in(features, "test-contrast-2"), sets[700];
  snprintf(sets, sizeof sets, "contrast=%s", spoilt);
  run = RUN("shift", "--train", train, "--test", test, "--shifted", sets, "--C", "1", "--json");
  CHECK_NEAR(number_after(own, "\"scores\"", "corruptions"), number_after(run.out, "\"contrast\"", "top1"), 0);
  char *html = read_file(path_join(out, "report.html"), NULL);
  REQUIRE(html != NULL);
  CHECK_CONTAINS(html, "src=\"data:image/jpeg;base64,");
  CHECK_CONTAINS(html, "Nearest neighbours");
  CHECK_CONTAINS(html, "--corrupt contrast:2");
  check_predictions(csv, top1);
  free(csv);
  free(html);
  free(results);
  free(spoilt);
  free(features);
  free(train);
  free(test);
  free(photos);
  free(shifted);
  free(out);
}

TEST(battle_warns_of_photos_in_both_parts) {
  char *photos = draw_photos("3"), *train = path_in(photos, "train"), *out = path_in(test_folder(), "out");
  struct run run = RUN("battle", "--weights", small, "--data", train, "--test", train, "--out", out, "--tasks", "knn",
                       "--k", "1", "--resamples", "100", "--quiet");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.err, "are also in");
  char *html = read_file(path_join(out, "report.html"), NULL);
  CHECK(html != NULL);
  if (html) CHECK_CONTAINS(html, "30 photos to judge by are also learnt from");
  free(html);
  free(photos);
  free(train);
  free(out);
}

TEST(battle_goes_on_without_what_fails) {
  char *all = draw_photos("6"), *photos = path_in(all, "train"), *out = path_in(test_folder(), "out");
  struct run run =
      RUN("battle", "--weights", small, "--weights", "none=/nowhere/at/all.safetensors", "--weights", large, "--data",
          photos, "--out", out, "--tasks", "knn,retrieve", "--resamples", "100", "--quiet");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "failed: none: /nowhere/at/all.safetensors");
  CHECK_CONTAINS(run.err, "1 parts of the battle failed");
  CHECK_CONTAINS(run.out, "report.html");
  char *html = read_file(path_join(out, "report.html"), NULL), *csv = read_file(path_join(out, "results.csv"), NULL);
  REQUIRE(html != NULL && csv != NULL);
  CHECK_CONTAINS(html, "/nowhere/at/all.safetensors");
  CHECK_CONTAINS(csv, "large,k-NN,");
  CHECK(!strstr(csv, "none,") && !strstr(csv, "linear probe"));
  free(html);
  free(csv);
  /* Once more: features are there, and figures stay; the missing backbone's features cannot be taken for others. */
  char *features = path_in(out, "features/large/train/train"),
       *meta = read_file(path_join(features, "meta.json"), NULL);
  CHECK(meta != NULL && !exists(out, "features/none"));
  run = RUN("battle", "--weights", small, "--weights", large, "--data", photos, "--out", out, "--tasks", "knn,retrieve",
            "--resamples", "100", "--quiet");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  run = RUN("battle", "--weights", "large=seeded:resnet8_cifar", "--data", photos, "--out", out, "--tasks", "knn",
            "--resamples", "100", "--quiet");
  CHECK(run.exit_code == 1);
  free(meta);
  free(features);
  free(photos);
  free(all);
  free(out);
}

TEST(battle_refuses_what_it_cannot_name) {
  char *photos = draw_photos("2"), *out = path_in(test_folder(), "out"), twice[600], shift[600];
  snprintf(twice, sizeof twice, "a=%s", photos);
  snprintf(shift, sizeof shift, "b/dark=%s", photos);
  const char *const wrong[][4] = {
      {"--weights", "seeded:resnet8_cifar", "--weights", "seeded:resnet8_cifar"},
      {"--weights", "a/b=seeded:resnet8_cifar", "--quiet", NULL},
      {"--weights", small, "--tasks", "juggling"},
      {"--weights", small, "--corrupt", "fog:3"},
      {"--weights", small, "--recipe", "small=--input-size"},
      {"--weights", small, "--recipe", "other=--input-size 64"},
      {"--weights", small, "--recipe", "small=--batch 3"},
      {"--weights", small, "--test", "b=/tmp"},
      {"--weights", small, "--shift", shift},
      {"--weights", small, "--embeddings", "nobody=x.npy"},
      {"--weights", small, "--test-share", "1.5"},
      {"--weights", small, "--data", twice},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct run run = RUN("battle", "--data", twice, "--out", out, wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3]);
    CHECK_MSG(run.exit_code == 2, "case %zu: exit %d, %s", i, run.exit_code, run.err);
  }
  CHECK(RUN("battle", "--weights", small, "--out", out).exit_code == 2);
  CHECK(RUN("battle", "--data", twice, "--out", out).exit_code == 2);
  CHECK(RUN("battle", "--weights", small, "--data", "/nowhere", "--out", out).exit_code == 1);
  CHECK(!exists(test_folder(), "out"));
  free(photos);
  free(out);
}

TEST(battle_wants_the_same_classes_everywhere) {
  char *photos = draw_photos("6"), *out = path_in(test_folder(), "out"), *other = path_in(test_folder(), "other");
  char test[600], shift[600];
  REQUIRE(RUN("demo-data", other, "--per-class", "2", "--size", "32", "--classes", "striped-mug,spotted-mug", "--quiet")
              .exit_code == 0);
  snprintf(test, sizeof test, "%s/test", other);
  struct run run = RUN("battle", "--weights", small, "--data", photos, "--test", test, "--out", out);
  CHECK(run.exit_code != 0 && !exists(test_folder(), "out"));
  snprintf(shift, sizeof shift, "strange=%s/train", photos);
  run = RUN("battle", "--weights", small, "--data", other, "--shift", shift, "--out", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "is none of");
  free(photos);
  free(other);
  free(out);
}

TEST(holdout_takes_a_share_of_every_class) {
  enum { N = 100, CLASSES = 4 };
  int labels[N], counts[CLASSES] = {0}, n[CLASSES] = {0};
  bool held[N], again[N];
  error e = {""};
  for (int i = 0; i < N; i++) labels[i] = i == 0 ? 3 : i < 3 ? 2 : i % 2; /* one of class 3, two of class 2 */
  REQUIRE(holdout_draw(held, labels, N, CLASSES, 0.25, 7, &e) == OK);
  REQUIRE(holdout_draw(again, labels, N, CLASSES, 0.25, 7, &e) == OK);
  CHECK(!memcmp(held, again, sizeof held));
  for (int i = 0; i < N; i++) n[labels[i]]++, counts[labels[i]] += held[i];
  CHECK(counts[3] == 0 && counts[2] == 1 && counts[0] == n[0] / 4 && counts[1] == n[1] / 4);
  REQUIRE(holdout_draw(again, labels, N, CLASSES, 0.25, 8, &e) == OK);
  CHECK(memcmp(held, again, sizeof held) != 0);
}
