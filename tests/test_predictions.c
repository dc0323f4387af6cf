/* Results image by image and class by class. */
#include "evaluate/predictions.h"

#include <stdlib.h>
#include <string.h>

#include "evaluate/sample_paths.h"
#include "tests/harness.h"

static char cat[] = "cat", wild_cat[] = "big, \"wild\" cat", dog[] = "dog", *names[] = {cat, wild_cat, dog};
static int labels[] = {0, 1, 1, 0};
static const int choices[] = {0, 1, 2, 2};
static const double confidences[] = {1, 0.5, 1.0 / 3, 1e-9}, margins[] = {0, 0.25, -1, 2};

static struct feature_set set_of(const char *folder) {
  return (struct feature_set){
      .folder = (char *)(uintptr_t)folder, .labels = labels, .n = 4, .names = names, .classes = 3};
}

TEST(predictions_are_written_by_name) {
  const char *folder = test_folder();
  struct feature_set set = set_of(folder);
  const struct prediction_column column = {"margin", margins};
  struct predictions p = {&set, choices, confidences, &column, 1};
  error e = {""};
  const char lines[] = "cat/1.jpg\nwild/a,b.jpg\r\nwild/2.jpg\ncat/2.jpg";
  REQUIRE(write_file(path_join(folder, "paths.txt"), lines, sizeof lines - 1));
  REQUIRE(predictions_write_folder(&p, folder, &e) == OK);
  char *text = read_file(path_join(folder, "predictions.csv"), NULL);
  CHECK_STRING(text,
               "path,label,prediction,confidence,correct,margin\n"
               "cat/1.jpg,cat,cat,1,1,0\n"
               "\"wild/a,b.jpg\",\"big, \"\"wild\"\" cat\",\"big, \"\"wild\"\" cat\",0.5,1,0.25\n"
               "wild/2.jpg,\"big, \"\"wild\"\" cat\",dog,0.33333333,0,-1\n"
               "cat/2.jpg,cat,dog,1e-09,0,2\n");
  free(text);
  text = read_file(path_join(folder, "per_class.csv"), NULL);
  CHECK_STRING(text,
               "class,n,correct,recall\n"
               "cat,2,1,0.5\n"
               "\"big, \"\"wild\"\" cat\",2,1,0.5\n"
               "dog,0,0,\n");
  free(text);
}

TEST(predictions_without_names_are_numbers) {
  const char *folder = test_folder();
  struct feature_set set = set_of(folder);
  set.names = NULL;
  set.classes = 2; /* a choice may lie beyond what the labels of this set show */
  struct predictions p = {.set = &set, .choices = choices, .confidences = confidences};
  error e = {""};
  REQUIRE(predictions_write_folder(&p, folder, &e) == OK);
  char *text = read_file(path_join(folder, "predictions.csv"), NULL);
  CHECK_STRING(text,
               "path,label,prediction,confidence,correct\n"
               "0,0,0,1,1\n1,1,1,0.5,1\n2,1,2,0.33333333,0\n3,0,2,1e-09,0\n");
  free(text);
}

TEST(predictions_need_a_path_for_every_row) {
  const char *folder = test_folder();
  struct feature_set set = set_of(folder);
  struct predictions p = {.set = &set, .choices = choices, .confidences = confidences};
  error e = {""};
  const char *const wrong[] = {"", "a\nb\nc\n", "a\nb\nc\nd\ne"};
  const char *const lines[] = {"has 0 lines", "has 3 lines; features.npy has 4 rows", "has 5 lines"};
  for (int i = 0; i < 3; i++) {
    REQUIRE(write_file(path_join(folder, "paths.txt"), wrong[i], strlen(wrong[i])));
    CHECK(predictions_write(&p, path_join(folder, "predictions.csv"), &e) == FAILED);
    CHECK_CONTAINS(e.message, "/paths.txt: ");
    CHECK_CONTAINS(e.message, lines[i]);
  }
  CHECK(read_file(path_join(folder, "predictions.csv"), NULL) == NULL);
}
