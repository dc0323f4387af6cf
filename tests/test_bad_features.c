/* Every command that judges features, given sets that are damaged, do not fit together or are just odd: each is refused
 * with the file and the place, or handled. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/npy.h"
#include "tests/folders.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

#define NAMES "cat\ndog\nowl\n"

/* L: the set to learn from (or to search), J: the one to judge by, G: a good one, E: class embeddings. */
static const struct evaluator {
  const char *name;
  const char *arguments[10];
} evaluators[] = {
    {"probe", {"probe", "--train", "L", "--test", "J"}},
    {"probe --val", {"probe", "--train", "L", "--val", "J", "--test", "G", "--C=1,2"}},
    {"knn", {"knn", "--train", "L", "--test", "J"}},
    {"fewshot", {"fewshot", "--train", "L", "--test", "J"}},
    {"fewshot class_mean", {"fewshot", "--train", "L", "--test", "J", "--classifier=class_mean"}},
    {"retrieve", {"retrieve", "--gallery", "L", "--query", "J"}},
    {"retrieve alone", {"retrieve", "--gallery", "J"}},
    {"shift", {"shift", "--train", "L", "--test", "J", "--shifted", "G"}},
    {"shift to", {"shift", "--train", "L", "--test", "G", "--shifted", "J"}},
    {"calibrate", {"calibrate", "--train", "L", "--val", "G", "--test", "J"}},
    {"calibrate logits", {"calibrate", "--val", "J", "--test", "J"}},
    {"zeroshot", {"zeroshot", "--test", "J", "--embeddings", "E"}},
};
enum { EVALUATORS = sizeof evaluators / sizeof evaluators[0] };

enum side { LEARNT = 1, JUDGED = 2 };

static const float good_x[] = {4, 0, 1, 5, 0.1F, 1, -4, 0.2F, 1, -5, 0, 1, 0, 6, 1, 0.1F, 5, 1};
static const int64_t good_labels[] = {0, 0, 1, 1, 2, 2};

/* What is wrong; members that are not given are those of the good set. */
static const struct fault {
  const char *name;
  int sides;        /* where it is put, one after the other */
  bool between;     /* it takes two sets to see it */
  const char *fine; /* evaluators that handle it, as "|knn|fewshot|" */
  const float *x;   /* [n, d] */
  size_t n, d;
  const int64_t *labels;
  const char *classes, *meta;
  const char *message; /* NULL: it is handled by all */
} faults[] = {
    {"NaN", LEARNT | JUDGED, .x = (const float[18]){1, 2, 3, 4, 5, 6, 7, 8, NAN},
     .message = "/features.npy: row 2, column 2 is not a number (NaN)"},
    {"infinity", LEARNT | JUDGED, .x = (const float[18]){1, 2, 3, -INFINITY},
     .message = "/features.npy: row 1, column 0 is infinite"},
    {"label out of range", LEARNT | JUDGED, .labels = (const int64_t[6]){0, 1, 2, 3, 0, 1},
     .message = "/labels.npy: row 3 has the label 3, but there are 3 classes"},
    {"negative label", LEARNT | JUDGED, .labels = (const int64_t[6]){0, 1, 2, 0, -7, 1},
     .message = "/labels.npy: row 4 has the label -7"},
    {"no label", LEARNT | JUDGED, .labels = (const int64_t[6]){0, 1, 2, 0, 1, -1},
     .message = "/labels.npy: row 5 has no label"},
    {"no class name", LEARNT | JUDGED, .classes = "", .message = "/classes.txt: is empty"},
    {"a shard", LEARNT | JUDGED, .meta = "{\"shard\":2,\"shards\":3}", .message = "holds only shard 2 of 3"},
    {"broken meta.json", LEARNT | JUDGED, .meta = "{\"shard\":", .message = "/meta.json: "},
    {"width", JUDGED, true, .d = 2, .n = 6, .message = "of width "},
    {"another name", JUDGED, true, .classes = "cat\ndog\nbear\n", .message = "bear"},
    {"a class more", JUDGED, true, "|shift to|", .labels = (const int64_t[6]){0, 1, 2, 0, 1, 2},
     .classes = NAMES "fox\n", .message = "(it lacks fox)"},
    {"a class less", JUDGED, true, "|shift to|", .labels = (const int64_t[6]){0, 1, 0, 1, 0, 1},
     .classes = "cat\ndog\n", .message = "(it lacks owl)"},
    {"other weights", JUDGED, true, .meta = "{\"weights_sha256\":\"ab\",\"features\":\"logits\"}",
     .message = "different weights"},
    {"a class without images to learn from", LEARNT, true, "|retrieve|", .labels = (const int64_t[6]){0, 0, 1, 1, 0, 1},
     .message = "the class owl has no row to learn from"},
    {"one class", LEARNT, true, .labels = (const int64_t[6]){0, 0, 0, 0, 0, 0}, .classes = "cat\n", .message = "class"},
    {"a class without images to judge by", JUDGED, .labels = (const int64_t[6]){0, 0, 1, 1, 0, 1}},
    {"a class of one image", LEARNT | JUDGED, .labels = (const int64_t[6]){0, 0, 1, 1, 1, 2}},
    {"constant features", LEARNT | JUDGED,
     .x = (const float[18]){2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {"rows of zeros", LEARNT | JUDGED, .x = (const float[18]){0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0}},
    {"one image", JUDGED, true, .n = 1},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static const char *write_meta(const char *folder, const char *meta) {
  if (meta) CHECK(write_file(path_join(folder, "meta.json"), meta, strlen(meta)));
  return folder;
}

static char *write_good(void) {
  const char *folder = write_features("good", good_x, 3, good_labels, 6, NAMES);
  return strdup(write_meta(folder, "{\"weights_sha256\":\"cd\",\"features\":\"logits\"}"));
}

static char *write_faulty(const struct fault *f) {
  const char *folder =
      write_features("faulty", f->x ? f->x : good_x, f->d ? f->d : 3, f->labels ? f->labels : good_labels,
                     f->n ? f->n : 6, f->classes ? f->classes : NAMES);
  unlink(path_join(folder, "meta.json"));
  return strdup(write_meta(folder, f->meta));
}

static char *write_embeddings(void) {
  static const float embeddings[] = {1, 0, 1, -1, 0, 1, 0, 1, 1};
  char *path = path_in(test_folder(), "names.npy");
  struct npy_writer *writer;
  error e;
  CHECK(npy_create(&writer, path, DTYPE_F32, 3, &e) == OK && npy_append(writer, embeddings, 3, &e) == OK &&
        npy_commit(writer, &e) == OK);
  return path;
}

static bool uses(const struct evaluator *evaluator, const char *set) {
  for (int i = 0; evaluator->arguments[i]; i++) {
    if (!strcmp(evaluator->arguments[i], set)) return true;
  }
  return false;
}

static struct run run_evaluator(const struct evaluator *evaluator, const char *learnt, const char *judged,
                                const char *good, const char *embeddings) {
  const char *arguments[14] = {0};
  int n = 0;
  for (; evaluator->arguments[n]; n++) {
    const char *a = evaluator->arguments[n];
    arguments[n] = !strcmp(a, "L") ? learnt : !strcmp(a, "J") ? judged : !strcmp(a, "G") ? good : a;
    if (!strcmp(a, "E")) arguments[n] = embeddings;
  }
  arguments[n++] = "--json";
  arguments[n] = "--threads=1";
  return run_backbones(arguments);
}

/* A whole JSON object without a figure that is not a number. */
static void check_handled(const struct run *run, const char *evaluator, const char *fault) {
  struct json_document document = {0};
  error e = {""};
  CHECK_MSG(run->exit_code == 0, "%s, %s: %s", evaluator, fault, run->err);
  CHECK_MSG(json_parse(&document, run->out, strlen(run->out), true, &e) == OK, "%s, %s: %s", evaluator, fault,
            e.message);
  CHECK_MSG(!strstr(run->out, "null"), "%s, %s: %s", evaluator, fault, run->out);
  json_free(&document);
}

static void check_refused(const struct run *run, const char *evaluator, const struct fault *f) {
  CHECK_MSG(run->exit_code == 1 && !*run->out, "%s, %s: exits with %d", evaluator, f->name, run->exit_code);
  CHECK_MSG(!strncmp(run->err, "backbones: ", 11) && strstr(run->err, "/faulty") && strstr(run->err, f->message),
            "%s, %s: %s", evaluator, f->name, run->err);
}

/* Faults from `first` on, before `end`, in all evaluators. */
static void try_faults(size_t first, size_t end) {
  char *good = write_good(), *embeddings = write_embeddings();
  for (size_t i = first; i < end; i++) {
    const struct fault *f = &faults[i];
    char *faulty = write_faulty(f);
    for (size_t c = 0; c < EVALUATORS; c++) {
      const struct evaluator *evaluator = &evaluators[c];
      char name[40];
      snprintf(name, sizeof name, "|%s|", evaluator->name);
      bool handled = !f->message || (f->fine && strstr(f->fine, name));
      for (int side = LEARNT; side <= JUDGED; side++) {
        if (!(f->sides & side) || !uses(evaluator, side == LEARNT ? "L" : "J")) continue;
        if (f->between && !uses(evaluator, "L")) continue;
        struct run run = side == LEARNT ? run_evaluator(evaluator, faulty, good, good, embeddings)
                                        : run_evaluator(evaluator, good, faulty, good, embeddings);
        if (handled)
          check_handled(&run, evaluator->name, f->name);
        else
          check_refused(&run, evaluator->name, f);
      }
    }
    free(faulty);
  }
  free(good);
  free(embeddings);
}

TEST(bad_features_good_ones_pass) {
  char *good = write_good(), *embeddings = write_embeddings();
  for (size_t c = 0; c < EVALUATORS; c++) {
    struct run run = run_evaluator(&evaluators[c], good, good, good, embeddings);
    check_handled(&run, evaluators[c].name, "nothing");
  }
  free(good);
  free(embeddings);
}

TEST(bad_features_are_refused_or_handled) { try_faults(0, FAULTS / 2); }
TEST(bad_features_are_refused_or_handled_too) { try_faults(FAULTS / 2, FAULTS); }
