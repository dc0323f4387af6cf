#include "evaluate/battle_outcome.h"

#include <stdlib.h>
#include <string.h>

#include "evaluate/sample_paths.h"

static void photos_free(struct outcome_photos *photos) {
  free(photos->samples);
  free(photos->values);
  free(photos->backbones);
  free(photos->tasks);
}

int set_outcome_begin(struct set_outcome *outcome, const struct battle_set *set, size_t count, error *e) {
  *outcome = (struct set_outcome){.backbones = count};
  outcome->answers = allocate_zeroed(count, sizeof *outcome->answers, e);
  outcome->nearest = allocate_zeroed(count, sizeof *outcome->nearest, e);
  outcome->shifts = allocate_zeroed(set->shift_count, sizeof *outcome->shifts, e);
  return outcome->answers && outcome->nearest && outcome->shifts ? OK : FAILED;
}

void set_outcome_free(struct set_outcome *outcome, const struct battle_set *set) {
  for (size_t b = 0; b < outcome->backbones; b++) {
    if (outcome->answers) free((int *)outcome->answers[b].choices);
    if (outcome->answers) free((double *)outcome->answers[b].confidences);
    if (outcome->nearest) free(outcome->nearest[b]);
  }
  for (size_t s = 0; outcome->shifts && s < set->shift_count; s++) photos_free(&outcome->shifts[s]);
  photos_free(&outcome->test);
  free(outcome->answers);
  free((void *)outcome->nearest);
  free(outcome->shifts);
  *outcome = (struct set_outcome){0};
}

/* ---- the same photos ----------------------------------------------------------------------------------------------
 */

/* Rows are samples in their order, without those that were skipped. */
static int find_samples(size_t *samples, const struct dataset *dataset, const struct feature_set *set, error *e) {
  struct sample_paths paths;
  if (sample_paths_open(&paths, set, e) != OK) return FAILED;
  int status = paths.paths ? OK : fail(e, "%s: has no paths.txt", set->folder);
  for (size_t i = 0, sample = 0; status == OK && i < set->n; i++, sample++) {
    while (sample < dataset->count && strcmp(dataset->samples[sample].path, paths.paths[i]) != 0) sample++;
    samples[i] = sample;
    if (sample >= dataset->count) status = fail(e, "%s: row %zu is of no photo of %s", set->folder, i, dataset->name);
  }
  sample_paths_close(&paths);
  return status;
}

int outcome_match(struct outcome_photos *photos, const struct dataset *dataset, const struct feature_set *set,
                  bool *same, error *e) {
  size_t *samples = allocate(set->n, sizeof *samples, e);
  if (!samples || find_samples(samples, dataset, set, e) != OK) {
    free(samples);
    return FAILED;
  }
  if (!photos->samples) {
    photos->samples = samples;
    photos->n = set->n;
    *same = true;
    return OK;
  }
  *same = photos->n == set->n && !memcmp(photos->samples, samples, set->n * sizeof *samples);
  free(samples);
  return OK;
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

static int make_room(struct outcome_photos *photos, error *e) {
  if (photos->columns < photos->capacity) return OK;
  size_t capacity = photos->capacity ? 2 * photos->capacity : 8, size;
  if (!multiply_size(capacity * sizeof(double), photos->n ? photos->n : 1, &size)) return fail(e, "out of memory");
  double *values = realloc(photos->values, size);
  if (values) photos->values = values;
  size_t *whose = realloc(photos->backbones, capacity * sizeof *whose);
  if (whose) photos->backbones = whose;
  size_t *tasks = realloc(photos->tasks, capacity * sizeof *tasks);
  if (tasks) photos->tasks = tasks;
  if (!values || !whose || !tasks) return fail(e, "out of memory (%zu photos)", photos->n);
  photos->capacity = capacity;
  return OK;
}

static int add_column(struct outcome_photos *photos, size_t backbone, size_t task, double **column, error *e) {
  if (make_room(photos, e) != OK) return FAILED;
  *column = photos->values + photos->columns * photos->n;
  photos->backbones[photos->columns] = backbone;
  photos->tasks[photos->columns++] = task;
  return OK;
}

int outcome_add(struct outcome_photos *photos, size_t backbone, size_t task, const double *values, error *e) {
  double *column;
  int status = add_column(photos, backbone, task, &column, e);
  if (status == OK && photos->n) memcpy(column, values, photos->n * sizeof *column);
  return status;
}

int outcome_add_answers(struct outcome_photos *photos, size_t backbone, size_t task, const int *choices,
                        const int *labels, error *e) {
  double *column;
  int status = add_column(photos, backbone, task, &column, e);
  for (size_t i = 0; status == OK && i < photos->n; i++) column[i] = choices[i] == labels[i];
  return status;
}

int outcome_results(struct photo_results *results, const struct outcome_photos *photos, error *e) {
  size_t size;
  if (!multiply_size(photos->n, photos->columns, &size)) return fail(e, "out of memory (%zu photos)", photos->n);
  double *values = allocate(size, sizeof *values, e);
  if (!values) return FAILED;
  for (size_t i = 0; i < photos->n; i++) {
    for (size_t c = 0; c < photos->columns; c++) values[i * photos->columns + c] = photos->values[c * photos->n + i];
  }
  *results = (struct photo_results){photos->n, photos->columns, values, photos->backbones, photos->tasks};
  return OK;
}
