#include "evaluate/shift.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 /* rows whose scores are held at a time */ };

static int check_features(const struct feature_set *train, const struct feature_set *shifted, error *e) {
  if (train->d != shifted->d) {
    return fail(e, "%s has features of width %zu, %s of width %zu: they come from different backbones", train->folder,
                train->d, shifted->folder, shifted->d);
  }
  if (train->weights && shifted->weights && strcmp(train->weights, shifted->weights) != 0) {
    return fail(e, "%s and %s come from different weights (SHA-256 %.12s and %.12s)", train->folder, shifted->folder,
                train->weights, shifted->weights);
  }
  if (train->kind && shifted->kind && strcmp(train->kind, shifted->kind) != 0) {
    return fail(e, "%s holds %.40s features, %s %.40s ones", train->folder, train->kind, shifted->folder,
                shifted->kind);
  }
  if (!train->names == !shifted->names) return OK;
  return fail(e, "%s has class names, %s has none", train->names ? train->folder : shifted->folder,
              train->names ? shifted->folder : train->folder);
}

static int find_class(const struct feature_set *train, const struct feature_set *shifted, int k) {
  if (!shifted->names) return k < train->classes ? k : -1;
  for (int i = 0; i < train->classes; i++) {
    if (!strcmp(train->names[i], shifted->names[k])) return i;
  }
  return -1;
}

/* class_of: [shifted->classes] numbers in train; is_used: [train->classes]. A class without an image may be unknown. */
static int match_classes(const struct feature_set *train, const struct feature_set *shifted, int *class_of,
                         bool *is_used, error *e) {
  for (int k = 0; k < shifted->classes; k++) class_of[k] = find_class(train, shifted, k);
  for (size_t i = 0; i < shifted->n; i++) {
    int own = shifted->labels[i], known = class_of[own];
    if (known >= 0) {
      is_used[known] = true;
    } else if (shifted->names) {
      return fail(e, "%s: the class %s is not one of %s", shifted->folder, shifted->names[own], train->folder);
    } else {
      return fail(e, "%s: the class %d is not one of %s", shifted->folder, own, train->folder);
    }
  }
  return OK;
}

/* The best of the classes in use; ties go to the smaller index. */
static int choose(const double *scores, const bool *is_used, int classes) {
  int best = -1;
  for (int k = 0; k < classes; k++) {
    if (is_used[k] && (best < 0 || scores[k] > scores[best])) best = k;
  }
  return best;
}

/* Count images and hits among those of the classes in use. class_of NULL: labels are train's. */
static int count_hits(const struct logistic_model *model, const struct feature_set *set, const int *class_of,
                      const bool *is_used, double *scores, struct threads *pool, int *choices, size_t *n,
                      size_t *correct, error *e) {
  for (size_t first = 0; first < set->n; first += BLOCK) {
    size_t count = set->n - first < BLOCK ? set->n - first : BLOCK;
    struct logistic_data data = {.x = set->x + first * set->d, .d = set->d, .n = count, .classes = model->classes};
    if (logistic_scores(model, &data, pool, scores, e) != OK) return FAILED;
    for (size_t i = 0; i < count; i++) {
      int label = set->labels[first + i], known = class_of ? class_of[label] : label;
      int choice = choose(scores + i * (size_t)model->classes, is_used, model->classes);
      if (choices) choices[first + i] = choice;
      if (!is_used[known]) continue;
      (*n)++;
      *correct += choice == known;
    }
  }
  return OK;
}

int shift_run(struct shift_result *result, const struct logistic_model *model, const struct feature_set *train,
              const struct feature_set *clean, const struct feature_set *shifted, struct threads *pool, int *choices,
              error *e) {
  *result = (struct shift_result){0};
  if (check_features(train, shifted, e) != OK) return FAILED;
  int *class_of = allocate((size_t)shifted->classes, sizeof *class_of, e);
  bool *is_used = allocate_zeroed((size_t)train->classes, sizeof *is_used, e);
  double *scores = allocate(BLOCK * (size_t)train->classes, sizeof *scores, e);
  int status = class_of && is_used && scores ? OK : FAILED;
  if (status == OK) status = match_classes(train, shifted, class_of, is_used, e);
  if (status == OK) {
    status = count_hits(model, shifted, class_of, is_used, scores, pool, choices, &result->n, &result->correct, e);
  }
  if (status == OK) {
    status = count_hits(model, clean, NULL, is_used, scores, pool, NULL, &result->clean_n, &result->clean_correct, e);
  }
  for (int k = 0; status == OK && k < train->classes; k++) result->classes += is_used[k];
  free(class_of);
  free(is_used);
  free(scores);
  return status;
}
