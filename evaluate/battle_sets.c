#include "evaluate/battle_sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/holdout.h"

/* ---- checks -------------------------------------------------------------------------------------------------------
 */

static int check_labels(const struct dataset *part, error *e) {
  for (size_t i = 0; i < part->count; i++) {
    if (part->samples[i].label < 0) return fail(e, "%s: %s: has no label", part->name, part->samples[i].path);
  }
  return part->class_count >= 2 ? OK : fail(e, "%s: has %zu classes; two are needed", part->name, part->class_count);
}

static int check_same_classes(const struct dataset *train, const struct dataset *other, error *e) {
  if (check_labels(other, e) != OK) return FAILED;
  size_t n = train->class_count < other->class_count ? train->class_count : other->class_count;
  for (size_t k = 0; k < n; k++) {
    if (!strcmp(train->classes[k], other->classes[k])) continue;
    return fail(e, "%s: class %zu is %s; of %s it is %s", other->name, k, other->classes[k], train->name,
                train->classes[k]);
  }
  if (train->class_count == other->class_count) return OK;
  return fail(e, "%s: has %zu classes, %s has %zu", other->name, other->class_count, train->name, train->class_count);
}

static int check_every_class(const struct dataset *train, error *e) {
  bool *seen = allocate_zeroed(train->class_count, sizeof *seen, e);
  if (!seen) return FAILED;
  for (size_t i = 0; i < train->count; i++) seen[train->samples[i].label] = true;
  int status = OK;
  for (size_t k = 0; status == OK && k < train->class_count; k++) {
    if (!seen[k]) status = fail(e, "%s: no image to learn the class %s from", train->name, train->classes[k]);
  }
  free(seen);
  return status;
}

/* ---- parts --------------------------------------------------------------------------------------------------------
 */

/* Open DATA:INNER for the first of the names that there is; false: none is, or it holds no labelled images (a class
 * that is called "train"). */
static bool open_inner(struct dataset *part, const char *data, const char *const *names, error *e) {
  for (; *names; names++) {
    char *path = NULL;
    error ignored = {""};
    if (asprintf(&path, "%s:%s", data, *names) < 0) {
      fail(e, "out of memory");
      return false;
    }
    bool opened = dataset_open(part, path, &ignored) == OK;
    free(path);
    if (opened && part->class_count) return true;
    if (opened) dataset_close(part);
  }
  return false;
}

static bool open_parts(struct battle_set *set, const char *data, error *e) {
  static const char *const train[] = {"train", "training", NULL}, *const test[] = {"test", "testing", NULL},
                           *const val[] = {"val", "valid", "validation", NULL};
  if (!open_inner(&set->train, data, train, e)) return false;
  bool has_val = open_inner(&set->val, data, val, e);
  if (open_inner(&set->test, data, test, e)) return true;
  if (has_val) { /* ImageNet's way */
    set->test = set->val;
    set->val = (struct dataset){0};
    return true;
  }
  dataset_close(&set->train);
  return false;
}

/* Keep the samples whose flag is `kept`. */
static void keep_samples(struct dataset *dataset, const bool *flags, bool kept) {
  size_t count = 0;
  for (size_t i = 0; i < dataset->count; i++) {
    if (flags[i] == kept) {
      dataset->samples[count++] = dataset->samples[i];
    } else {
      free(dataset->samples[i].path);
    }
  }
  dataset->count = count;
}

static int hold_out(struct battle_set *set, const struct battle_division *division, error *e) {
  size_t n = set->train.count;
  bool *held = allocate(n, sizeof *held, e);
  int *labels = held ? allocate(n, sizeof *labels, e) : NULL;
  int status = labels ? dataset_open(&set->test, division->data, e) : FAILED;
  if (status == OK && set->test.count != n) status = fail(e, "%s: changed while it was read", division->data);
  if (status == OK) {
    for (size_t i = 0; i < n; i++) labels[i] = set->train.samples[i].label;
    status = holdout_draw(held, labels, n, (int)set->train.class_count, division->share, division->seed, e);
  }
  if (status == OK) {
    keep_samples(&set->train, held, false);
    keep_samples(&set->test, held, true);
    if (set->test.count == 0) status = fail(e, "%s: has one image a class, none to judge by", division->data);
  }
  free(held);
  free(labels);
  return status;
}

static int open_divided(struct battle_set *set, const struct battle_division *division, error *e) {
  const char *data = division->data;
  int status = OK, written;
  if (division->test) {
    status = dataset_open(&set->train, data, e);
    if (status == OK) status = dataset_open(&set->test, division->test, e);
    written = asprintf(&set->origin, "learns from %s, judged by %s", data, division->test);
  } else if (open_parts(set, data, e)) {
    written = asprintf(&set->origin, "learns from %s, judged by %s", set->train.name, set->test.name);
  } else {
    status = dataset_open(&set->train, data, e);
    if (status == OK) status = check_labels(&set->train, e);
    if (status == OK) status = hold_out(set, division, e);
    written = asprintf(&set->origin, "%s, of which %g of every class is held out to judge by (seed %llu)", data,
                       division->share, (unsigned long long)division->seed);
  }
  if (written < 0) set->origin = NULL;
  if (status == OK && written < 0) status = fail(e, "out of memory");
  if (status == OK && division->val) status = dataset_open(&set->val, division->val, e);
  return status;
}

int battle_set_open(struct battle_set *set, const char *name, const struct battle_division *division, error *e) {
  *set = (struct battle_set){.name = copy_string(name, e)};
  int status = set->name ? open_divided(set, division, e) : FAILED;
  if (status == OK) status = check_labels(&set->train, e);
  if (status == OK) status = check_same_classes(&set->train, &set->test, e);
  if (status == OK && set->val.count) status = check_same_classes(&set->train, &set->val, e);
  if (status == OK) status = check_every_class(&set->train, e);
  if (status != OK) battle_set_close(set);
  return status;
}

int battle_set_add_shift(struct battle_set *set, const char *name, const char *data, error *e) {
  int status = grow((void **)&set->shifts, &set->shift_capacity, set->shift_count, sizeof *set->shifts, e);
  if (status != OK) return status;
  struct battle_shift shift = {.name = copy_string(name, e)};
  status = shift.name ? dataset_open(&shift.dataset, data, e) : FAILED;
  if (status == OK) set->shifts[set->shift_count++] = shift; /* the set's from here on */
  if (status != OK) free(shift.name);
  for (size_t k = 0; status == OK && k < shift.dataset.class_count; k++) {
    size_t t = 0;
    while (t < set->train.class_count && strcmp(shift.dataset.classes[k], set->train.classes[t]) != 0) t++;
    if (t == set->train.class_count) {
      status = fail(e, "%s: the class %s is none of %s", data, shift.dataset.classes[k], set->train.name);
    }
  }
  return status == OK ? check_labels(&shift.dataset, e) : status;
}

void battle_set_close(struct battle_set *set) {
  dataset_close(&set->train);
  dataset_close(&set->val);
  dataset_close(&set->test);
  for (size_t i = 0; i < set->shift_count; i++) {
    dataset_close(&set->shifts[i].dataset);
    free(set->shifts[i].name);
  }
  free(set->shifts);
  free(set->name);
  free(set->origin);
  *set = (struct battle_set){0};
}
