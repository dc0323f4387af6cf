#include "evaluate/battle_photos.h"

#include <stdlib.h>
#include <string.h>

#include "images/jpeg_write.h"
#include "images/resize.h"
#include "kernels/memory.h"

enum {
  MOST_HARD = 12,
  MOST_SPLIT = 12,
  MOST_QUERIES = 3,
  MOST_SEEKERS = 3, /* backbones whose neighbours are shown, best first */
  PICTURE_SIDE = 128,
  NEIGHBOUR_SIDE = 80,
  QUALITY = 75,
};

/* ---- pictures -----------------------------------------------------------------------------------------------------
 */

static int longer_to(int side, int length, int longest) {
  int scaled = (int)((int64_t)length * side / longest);
  return scaled > 0 ? scaled : 1;
}

/* A photo in a square of `side`, as JPEG. */
static int make_picture(struct report_picture *picture, const struct dataset *dataset, size_t sample, int side,
                        const struct decode_options *decode, error *e) {
  struct image image, small;
  int status = dataset_image(dataset, sample, decode, &image, e);
  if (status != OK) return status;
  int longest = image.width > image.height ? image.width : image.height;
  int width = longer_to(side, image.width, longest), height = longer_to(side, image.height, longest);
  status = resize(&image, width, height, FILTER_BICUBIC, NULL, &small, e);
  image_free(&image);
  if (status != OK) return status;
  *picture = (struct report_picture){.type = "image/jpeg", .width = width, .height = height};
  status = jpeg_encode(&small, QUALITY, &picture->bytes, &picture->size, e);
  image_free(&small);
  return status;
}

/* ---- which are worth a look ---------------------------------------------------------------------------------------
 */

struct candidate {
  size_t row;
  double interest;
};

static int most_interesting_first(const void *a, const void *b) {
  const struct candidate *x = a, *y = b;
  if (x->interest < y->interest || x->interest > y->interest) return x->interest > y->interest ? -1 : 1;
  return x->row < y->row ? -1 : 1;
}

/* How many backbones answer, how many of them rightly, and how sure they are of what is wrong. */
struct verdict {
  size_t answers, right;
  double wrong_confidence;
};

static struct verdict judge(const struct report_set *report, size_t count, size_t row) {
  struct verdict verdict = {0};
  for (size_t b = 0; b < count; b++) {
    const struct report_answers *answers = &report->answers[b];
    if (!answers->choices) continue;
    bool right = answers->choices[row] == report->labels[row];
    verdict.answers++;
    verdict.right += right;
    if (!right) verdict.wrong_confidence += answers->confidences[row];
  }
  return verdict;
}

static int take_pictures(struct report_photo **photos, size_t *count, const struct candidate *candidates,
                         size_t candidate_count, size_t most, const struct battle_set *set,
                         const struct set_outcome *outcome, const struct decode_options *decode, error *e) {
  *photos = allocate_zeroed(most, sizeof **photos, e);
  if (!*photos) return FAILED;
  for (size_t i = 0; i < candidate_count && *count < most; i++) {
    struct report_photo *photo = &(*photos)[*count];
    error ignored;
    photo->row = candidates[i].row;
    *count += make_picture(&photo->picture, &set->test, outcome->test.samples[photo->row], PICTURE_SIDE, decode,
                           &ignored) == OK;
  }
  return OK;
}

/* hard: nobody is right, the surest mistakes first. split: nearest to half are right, the surest mistakes first. */
static int choose_photos(struct report_set *report, const struct battle_set *set, const struct set_outcome *outcome,
                         const struct decode_options *decode, struct candidate *hard, struct candidate *split,
                         error *e) {
  for (size_t i = 0; i < report->n; i++) {
    struct verdict v = judge(report, outcome->backbones, i);
    if (v.answers == 0) continue;
    double confidence = v.right < v.answers ? v.wrong_confidence / (double)(v.answers - v.right) : 0;
    if (v.right == 0) {
      hard[report->hard_total++] = (struct candidate){i, confidence};
    } else if (v.right < v.answers) {
      size_t balance = v.right < v.answers - v.right ? v.right : v.answers - v.right;
      split[report->split_total++] = (struct candidate){i, (double)balance + confidence};
    }
  }
  qsort(hard, report->hard_total, sizeof *hard, most_interesting_first);
  qsort(split, report->split_total, sizeof *split, most_interesting_first);
  int status =
      take_pictures(&report->hard, &report->hard_count, hard, report->hard_total, MOST_HARD, set, outcome, decode, e);
  if (status != OK) return status;
  return take_pictures(&report->split, &report->split_count, split, report->split_total, MOST_SPLIT, set, outcome,
                       decode, e);
}

/* ---- neighbours ---------------------------------------------------------------------------------------------------
 */

static int add_retrieval(struct report_set *report, const struct battle_set *set, const struct set_outcome *outcome,
                         const struct decode_options *decode, size_t backbone, size_t query, error *e) {
  struct report_retrieval *r = &report->retrievals[report->retrieval_count];
  *r = (struct report_retrieval){.backbone = backbone, .query = query};
  const size_t *samples = outcome->test.samples;
  int status = make_picture(&r->picture, &set->test, samples[query], NEIGHBOUR_SIDE, decode, e);
  if (status == OK) report->retrieval_count++; /* the report's from here on */
  for (size_t i = 0; status == OK && i < outcome->nearest_count; i++) {
    size_t row = outcome->nearest[backbone][query * outcome->nearest_count + i].index;
    r->neighbours[i].row = row;
    status = make_picture(&r->neighbours[i].picture, &set->test, samples[row], NEIGHBOUR_SIDE, decode, e);
    r->count += status == OK;
  }
  return status;
}

/* The photos that the backbones disagree on most, of different classes, as queries to the best backbones. */
static int choose_retrievals(struct report_set *report, const struct battle *battle, const struct battle_set *set,
                             const struct set_outcome *outcome, const struct decode_options *decode,
                             const struct candidate *split, error *e) {
  report->retrievals = allocate_zeroed(MOST_QUERIES * MOST_SEEKERS, sizeof *report->retrievals, e);
  if (!report->retrievals) return FAILED;
  int used[MOST_QUERIES];
  size_t queries = 0;
  for (size_t i = 0; i < report->split_total && queries < MOST_QUERIES; i++) {
    size_t query = split[i].row, seekers = 0;
    bool seen = false;
    for (size_t q = 0; q < queries; q++) seen |= used[q] == report->labels[query];
    if (seen) continue;
    used[queries++] = report->labels[query];
    for (size_t b = 0; b < battle->comparison.backbones && seekers < MOST_SEEKERS; b++) {
      size_t backbone = battle->comparison.order[b];
      error ignored;
      if (!outcome->nearest[backbone]) continue;
      seekers++;
      (void)add_retrieval(report, set, outcome, decode, backbone, query, &ignored);
    }
  }
  return OK;
}

/* ---- a set --------------------------------------------------------------------------------------------------------
 */

static int describe(struct report_set *report, const struct battle_set *set, const struct set_outcome *outcome,
                    error *e) {
  size_t n = outcome->test.n;
  *report = (struct report_set){.name = set->name,
                                .classifier = "linear probe",
                                .n = n,
                                .classes = set->test.class_count,
                                .class_names = (const char *const *)set->test.classes,
                                .answers = outcome->answers};
  const char **paths = allocate(n, sizeof *paths, e);
  int *labels = allocate(n, sizeof *labels, e);
  report->paths = paths;
  report->labels = labels;
  if (!paths || !labels) return FAILED;
  for (size_t i = 0; i < n; i++) {
    paths[i] = set->test.samples[outcome->test.samples[i]].path;
    labels[i] = set->test.samples[outcome->test.samples[i]].label;
  }
  return OK;
}

int battle_photos_choose(struct report_set *report, const struct battle *battle, const struct battle_set *set,
                         const struct set_outcome *outcome, const struct decode_options *decode, error *e) {
  struct candidate *hard = allocate(outcome->test.n, sizeof *hard, e), *split = NULL;
  if (hard) split = allocate(outcome->test.n, sizeof *split, e);
  int status = describe(report, set, outcome, e);
  if (!split) status = FAILED;
  if (status == OK) status = choose_photos(report, set, outcome, decode, hard, split, e);
  if (status == OK) status = choose_retrievals(report, battle, set, outcome, decode, split, e);
  free(hard);
  free(split);
  if (status != OK) battle_photos_free(report);
  return status;
}

static void free_photos(struct report_photo *photos, size_t count) {
  for (size_t i = 0; i < count; i++) free(photos[i].picture.bytes);
  free(photos);
}

void battle_photos_free(struct report_set *report) {
  free_photos(report->hard, report->hard_count);
  free_photos(report->split, report->split_count);
  for (size_t i = 0; i < report->retrieval_count; i++) {
    struct report_retrieval *r = &report->retrievals[i];
    free(r->picture.bytes);
    for (size_t k = 0; k < r->count; k++) free(r->neighbours[k].picture.bytes);
  }
  free(report->retrievals);
  free((void *)report->paths);
  free((int *)report->labels);
  *report = (struct report_set){0};
}
