#include "evaluate/battle_tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/calibration.h"
#include "evaluate/class_mean.h"
#include "evaluate/duplicates.h"
#include "evaluate/features_run.h"
#include "evaluate/fewshot.h"
#include "evaluate/knn.h"
#include "evaluate/retrieval.h"
#include "evaluate/shift.h"
#include "evaluate/zeroshot.h"
#include "kernels/memory.h"

/* ---- scores -------------------------------------------------------------------------------------------------------
 */

/* "linear probe", or "SET: linear probe" where there are several sets. */
static int add_score(struct round *round, const char *name, enum better better, double value, size_t *task, error *e) {
  char *column = NULL;
  bool single = round->plan->set_count == 1;
  if (asprintf(&column, "%s%s%s", single ? "" : round->set->name, single ? "" : ": ", name) < 0) {
    return fail(e, "out of memory");
  }
  int status = scores_task(&round->battle->scores, column, better, task, e);
  if (status == OK) {
    round->battle->scores.tasks[*task].scores[round->backbone] = (struct score){value, NAN, NAN};
  }
  free(column);
  return status;
}

/* Accuracy, and who was right where. */
static int add_accuracy(struct round *round, const char *name, double top1, const int *choices, error *e) {
  size_t task;
  int status = add_score(round, name, BETTER_HIGHER, top1, &task, e);
  if (status != OK || !round->same_photos) return status;
  return outcome_add_answers(&round->outcome->test, round->backbone, task, choices, round->test.labels, e);
}

/* ---- features -----------------------------------------------------------------------------------------------------
 */

char *round_folder(const struct round *round, const char *part, error *e) {
  char *folder = NULL;
  const char *backbone = round->plan->contenders[round->backbone].name;
  if (asprintf(&folder, "%s/features/%s/%s/%s", round->plan->out, backbone, round->set->name, part) < 0) {
    fail(e, "out of memory");
    return NULL;
  }
  return folder;
}

/* What an earlier battle left in the folder is continued, or taken when it is whole. */
static int make_features(struct round *round, const struct engine *engine, const char *kind,
                         const struct dataset *dataset, const char *part, const struct corruption_choice *corruption,
                         struct feature_set *features, size_t *skipped, error *e) {
  char *folder = round_folder(round, part, e);
  if (!folder) return FAILED;
  struct features_request request = {.engine = engine,
                                     .dataset = dataset,
                                     .out = folder,
                                     .kind = kind,
                                     .batch = round->plan->batch,
                                     .shard = {.index = 1, .count = 1},
                                     .decode = round->plan->decode,
                                     .resume = true,
                                     .progress = round->plan->progress};
  if (corruption) request.corruption = *corruption;
  if (request.progress) {
    fprintf(stderr, "%s: %s: %s\n", round->plan->contenders[round->backbone].name, round->set->name, part);
  }
  struct features_outcome outcome = {0};
  int status = features_run(&outcome, &request, e);
  if (status == OK) status = feature_set_open(features, folder, e);
  if (skipped) *skipped = outcome.skipped;
  free(folder);
  return status;
}

static int extract_parts(struct round *round, error *e) {
  const struct battle_set *set = round->set;
  int status = make_features(round, round->engine, "pooled", &set->train, "train", NULL, &round->train, NULL, e);
  if (status == OK) {
    status = make_features(round, round->engine, "pooled", &set->test, "test", NULL, &round->test,
                           &round->outcome->skipped, e);
  }
  if (status == OK && set->val.count) {
    status = make_features(round, round->engine, "pooled", &set->val, "val", NULL, &round->val, NULL, e);
  }
  if (status == OK) status = feature_set_check_classes(&round->train, e);
  if (status == OK && !round->outcome->searched) {
    status = duplicates_warn(&round->train, &round->test, stderr, &round->outcome->duplicates, e);
    round->outcome->searched = true;
  }
  if (status == OK) status = outcome_match(&round->outcome->test, &set->test, &round->test, &round->same_photos, e);
  if (status != OK || round->same_photos) return status;
  return battle_failure(round->battle, round->plan->contenders[round->backbone].name,
                        "has features of other photos than the first backbone: it is not compared photo by photo", e);
}

/* ---- tasks --------------------------------------------------------------------------------------------------------
 */

static int run_probe(struct round *round, error *e) {
  int status = probe_run(&round->probe, &round->train, round->val.folder ? &round->val : NULL, &round->test,
                         &round->plan->probe, round->pool, e);
  if (status == OK) {
    status = add_accuracy(round, "linear probe", round->probe.test.top1, round->probe.choices, e);
  }
  if (status != OK || !round->same_photos) return status;
  size_t n = round->test.n;
  int *choices = allocate(n, sizeof *choices, e);
  double *confidences = choices ? allocate(n, sizeof *confidences, e) : NULL;
  if (!confidences) {
    free(choices);
    return FAILED;
  }
  memcpy(choices, round->probe.choices, n * sizeof *choices);
  memcpy(confidences, round->probe.confidences, n * sizeof *confidences);
  round->outcome->answers[round->backbone] = (struct report_answers){choices, confidences};
  round->outcome->probe_task = round->outcome->test.tasks[round->outcome->test.columns - 1];
  return OK;
}

/* The study's training; sets differ in length by far, so the rate is chosen for each. */
static int run_sgd(struct round *round, error *e) {
  struct probe_options options = round->plan->probe;
  static const double rates[] = {0.1, 1, 10};
  options.sgd = true;
  options.training = sgd_defaults();
  options.rates = rates;
  options.rate_count = sizeof rates / sizeof rates[0];
  struct probe_result result;
  int status =
      probe_run(&result, &round->train, round->val.folder ? &round->val : NULL, &round->test, &options, round->pool, e);
  if (status == OK) status = add_accuracy(round, "SGD probe", result.test.top1, result.choices, e);
  probe_free(&result);
  return status;
}

/* Scores of the probe on a part, [n, classes]. */
static double *probe_scores(const struct round *round, const struct feature_set *part, error *e) {
  struct logistic_data data = {
      .x = part->x, .d = part->d, .labels = part->labels, .n = part->n, .classes = round->train.classes};
  size_t size;
  if (!multiply_size(part->n, (size_t)data.classes, &size)) {
    fail(e, "out of memory (%zu photos)", part->n);
    return NULL;
  }
  double *scores = allocate(size, sizeof *scores, e);
  if (scores && logistic_scores(&round->probe.model, &data, round->pool, scores, e) == OK) return scores;
  free(scores);
  return NULL;
}

static int need_probe(const struct round *round, error *e) {
  return round->probe.model.weights ? OK : fail(e, "there is no linear probe to judge");
}

/* With photos to fit it on, the error that is left after temperature scaling, too. */
static int run_calibration(struct round *round, error *e) {
  if (need_probe(round, e) != OK) return FAILED;
  size_t task;
  int status = add_score(round, "calibration error", BETTER_LOWER, round->probe.test.ece, &task, e);
  if (status == OK) status = add_score(round, "NLL", BETTER_LOWER, round->probe.test.nll, &task, e);
  if (status != OK || !round->val.folder) return status;
  int classes = round->train.classes;
  double *val = probe_scores(round, &round->val, e), *test = val ? probe_scores(round, &round->test, e) : NULL;
  status = test ? OK : FAILED;
  struct calibration scaled;
  if (status == OK) {
    double temperature = calibration_fit_temperature(val, round->val.labels, round->val.n, classes);
    status = calibration_compute(&scaled, test, round->test.labels, round->test.n, classes, temperature, e);
  }
  if (status == OK) status = add_score(round, "calibration error, scaled", BETTER_LOWER, scaled.ece, &task, e);
  free(val);
  free(test);
  return status;
}

static int run_knn(struct round *round, error *e) {
  size_t k = round->plan->k < round->train.n ? round->plan->k : round->train.n;
  struct knn_options options = {.k = &k, .k_count = 1, .temperature = KNN_TEMPERATURE};
  struct knn_result result = {0};
  int status = knn_run(&result, &round->train, &round->test, &options, round->pool, e);
  if (status == OK) status = add_accuracy(round, "k-NN", result.trials[0].metrics.top1, result.choices, e);
  knn_free(&result);
  return status;
}

static int run_class_mean(struct round *round, error *e) {
  struct metrics metrics;
  int *choices = allocate(round->test.n, sizeof *choices, e);
  int status =
      choices ? class_mean_run(&metrics, &round->train, &round->test, KNN_TEMPERATURE, choices, NULL, round->pool, e)
              : FAILED;
  if (status == OK) status = add_accuracy(round, "class mean", metrics.top1, choices, e);
  free(choices);
  return status;
}

/* Numbers of images that a class does not have are left out; the intervals are those over the draws. */
static int run_fewshot(struct round *round, error *e) {
  size_t *counts = allocate_zeroed((size_t)round->train.classes, sizeof *counts, e), smallest = SIZE_MAX, fitting = 0;
  if (!counts) return FAILED;
  for (size_t i = 0; i < round->train.n; i++) counts[round->train.labels[i]]++;
  for (int k = 0; k < round->train.classes; k++) smallest = counts[k] < smallest ? counts[k] : smallest;
  free(counts);
  while (fitting < round->plan->shot_count && round->plan->shots[fitting] <= smallest) fitting++;
  if (fitting == 0) return OK;
  struct fewshot_options options = fewshot_defaults();
  options.shots = round->plan->shots;
  options.shot_count = fitting;
  options.seed = round->plan->probe.seed;
  struct fewshot_result result = {0};
  int status = fewshot_run(&result, &round->train, &round->test, &options, round->pool, e);
  for (size_t i = 0; status == OK && i < result.trial_count; i++) {
    const struct fewshot_trial *trial = &result.trials[i];
    char name[48];
    size_t task;
    snprintf(name, sizeof name, "%zu-shot probe", trial->shots);
    status = add_score(round, name, BETTER_HIGHER, trial->top1.mean, &task, e);
    if (status != OK) break;
    struct score *score = &round->battle->scores.tasks[task].scores[round->backbone];
    score->low = trial->top1.low;
    score->high = trial->top1.high;
  }
  fewshot_free(&result);
  return status;
}

/* Every test photo asks for those of its class among the others. */
static int run_retrieval(struct round *round, error *e) {
  static const size_t k[] = {1};
  struct retrieval_options options = {.k = k, .k_count = 1, .nearest = OUTCOME_NEAREST};
  struct retrieval_result result = {0};
  size_t n = round->test.n, task;
  double *precisions = allocate(n, sizeof *precisions, e);
  int status = precisions ? retrieval_run(&result, &round->test, NULL, &options, round->pool, e) : FAILED;
  if (status == OK) {
    status = add_score(round, "retrieval mAP", BETTER_HIGHER, result.means[RETRIEVAL_AP], &task, e);
  }
  if (status == OK && round->same_photos) {
    for (size_t i = 0; i < n; i++) precisions[i] = result.values[i * result.measures + RETRIEVAL_AP];
    status = outcome_add(&round->outcome->test, round->backbone, task, precisions, e);
    round->outcome->nearest[round->backbone] = result.nearest;
    round->outcome->nearest_count = result.nearest_count;
    result.nearest = NULL;
  }
  retrieval_free(&result);
  free(precisions);
  return status;
}

/* A shifted set's labels as numbers of train's classes. */
static int translate_labels(int *labels, const struct round *round, const struct feature_set *shifted, error *e) {
  for (size_t i = 0; i < shifted->n; i++) {
    labels[i] = 0;
    while (labels[i] < round->train.classes &&
           strcmp(round->train.names[labels[i]], shifted->names[shifted->labels[i]]) != 0) {
      labels[i]++;
    }
    if (labels[i] == round->train.classes) {
      return fail(e, "%s: the class %s is unknown", shifted->folder, shifted->names[shifted->labels[i]]);
    }
  }
  return OK;
}

static int run_one_shift(struct round *round, size_t s, error *e) {
  const struct battle_shift *shift = &round->set->shifts[s];
  struct outcome_photos *photos = &round->outcome->shifts[s];
  char *part = NULL, *name = NULL;
  struct feature_set shifted = {0};
  struct shift_result result;
  size_t task;
  bool same;
  int status = asprintf(&part, "shift-%s", shift->name) >= 0 && asprintf(&name, "shift: %s", shift->name) >= 0
                   ? make_features(round, round->engine, "pooled", &shift->dataset, part, NULL, &shifted, NULL, e)
                   : fail(e, "out of memory");
  int *choices = status == OK ? allocate(shifted.n, sizeof *choices, e) : NULL;
  int *labels = choices ? allocate(shifted.n, sizeof *labels, e) : NULL;
  if (!labels) status = FAILED;
  if (status == OK) {
    status = shift_run(&result, &round->probe.model, &round->train, &round->test, &shifted, round->pool, choices, e);
  }
  if (status == OK) status = outcome_match(photos, &shift->dataset, &shifted, &same, e);
  if (status == OK) status = translate_labels(labels, round, &shifted, e);
  if (status == OK) {
    status = add_score(round, name, BETTER_HIGHER, (double)result.correct / (double)result.n, &task, e);
  }
  if (status == OK && same) status = outcome_add_answers(photos, round->backbone, task, choices, labels, e);
  feature_set_close(&shifted);
  free(choices);
  free(labels);
  free(part);
  free(name);
  return status;
}

static int run_shift(struct round *round, error *e) {
  if (round->set->shift_count && need_probe(round, e) != OK) return FAILED;
  int status = OK;
  for (size_t s = 0; status == OK && s < round->set->shift_count; s++) status = run_one_shift(round, s, e);
  return status;
}

/* right[i] += 1 for each photo that the probe still gets right. */
static int run_one_corruption(struct round *round, const struct corruption_choice *corruption, double *right,
                              double *accuracy, error *e) {
  char part[64];
  snprintf(part, sizeof part, "test-%s-%d", corruption_name(corruption->kind), corruption->severity);
  struct feature_set spoilt = {0};
  struct shift_result result;
  int status = make_features(round, round->engine, "pooled", &round->set->test, part, corruption, &spoilt, NULL, e);
  if (status == OK && spoilt.n != round->test.n) {
    status = fail(e, "%s: has %zu rows, the clean set %zu", spoilt.folder, spoilt.n, round->test.n);
  }
  int *choices = status == OK ? allocate(spoilt.n, sizeof *choices, e) : NULL;
  if (!choices) status = FAILED;
  if (status == OK) {
    status = shift_run(&result, &round->probe.model, &round->train, &round->test, &spoilt, round->pool, choices, e);
  }
  if (status == OK) {
    *accuracy += (double)result.correct / (double)result.n;
    for (size_t i = 0; i < spoilt.n; i++) right[i] += choices[i] == spoilt.labels[i];
  }
  feature_set_close(&spoilt);
  free(choices);
  return status;
}

static int run_corruption(struct round *round, error *e) {
  size_t n = round->test.n, count = round->plan->corruption_count, task;
  if (count == 0) return OK;
  double *right = need_probe(round, e) == OK ? allocate_zeroed(n, sizeof *right, e) : NULL;
  if (!right) return FAILED;
  double accuracy = 0;
  int status = OK;
  for (size_t c = 0; status == OK && c < count; c++) {
    status = run_one_corruption(round, &round->plan->corruptions[c], right, &accuracy, e);
  }
  if (status == OK) status = add_score(round, "corruptions", BETTER_HIGHER, accuracy / (double)count, &task, e);
  if (status == OK && round->same_photos) {
    for (size_t i = 0; i < n; i++) right[i] /= (double)count;
    status = outcome_add(&round->outcome->test, round->backbone, task, right, e);
  }
  free(right);
  return status;
}

/* ---- zero-shot ----------------------------------------------------------------------------------------------------
 */

static int classify_by_embeddings(struct round *round, const struct engine *engine, const char *path, error *e) {
  struct feature_set projected = {0};
  struct class_embeddings embeddings = {0};
  struct metrics metrics;
  int status =
      make_features(round, engine, "projected", &round->set->test, "test-projected", NULL, &projected, NULL, e);
  if (status == OK) status = class_embeddings_open(&embeddings, path, &projected, e);
  int *choices = status == OK ? allocate(projected.n, sizeof *choices, e) : NULL;
  if (!choices) status = FAILED;
  if (status == OK) {
    status = zeroshot_run(&metrics, &projected, embeddings.values, embeddings.classes, ZEROSHOT_SCALE, round->pool,
                          choices, NULL, e);
  }
  size_t task;
  bool same = false;
  if (status == OK) status = add_score(round, "zero-shot", BETTER_HIGHER, metrics.top1, &task, e);
  if (status == OK) status = outcome_match(&round->outcome->test, &round->set->test, &projected, &same, e);
  if (status == OK && same) {
    status = outcome_add_answers(&round->outcome->test, round->backbone, task, choices, projected.labels, e);
  }
  class_embeddings_close(&embeddings);
  feature_set_close(&projected);
  free(choices);
  return status;
}

static int run_zeroshot(struct round *round, error *e) {
  const struct battle_plan *plan = round->plan;
  const struct battle_contender *contender = &plan->contenders[round->backbone];
  for (size_t i = 0; i < plan->embedding_count; i++) {
    const struct battle_embeddings *embeddings = &plan->embeddings[i];
    if (strcmp(embeddings->backbone, contender->name) != 0 || strcmp(embeddings->set, round->set->name) != 0) continue;
    struct engine_request request = {.path = contender->weights,
                                     .features = "projected",
                                     .threads = plan->threads,
                                     .device = plan->device,
                                     .hash = true,
                                     .changes = contender->changes};
    struct engine engine;
    if (engine_load(&engine, &request, e) != OK) return FAILED;
    int status = classify_by_embeddings(round, &engine, embeddings->path, e);
    engine_free(&engine);
    return status;
  }
  return OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------------
 */

static const struct {
  const char *name;
  int (*run)(struct round *round, error *e);
} tasks[BATTLE_TASKS] = {
    [BATTLE_PROBE] = {"probe", run_probe},
    [BATTLE_SGD] = {"sgd", run_sgd},
    [BATTLE_CALIBRATION] = {"calibrate", run_calibration},
    [BATTLE_KNN] = {"knn", run_knn},
    [BATTLE_CLASS_MEAN] = {"class_mean", run_class_mean},
    [BATTLE_FEWSHOT] = {"fewshot", run_fewshot},
    [BATTLE_RETRIEVAL] = {"retrieve", run_retrieval},
    [BATTLE_SHIFT] = {"shift", run_shift},
    [BATTLE_CORRUPTION] = {"corrupt", run_corruption},
    [BATTLE_ZEROSHOT] = {"zeroshot", run_zeroshot},
};

const char *battle_task_name(enum battle_task task) { return tasks[task].name; }

/* Note what failed; the battle goes on. */
static int note_failure(struct round *round, const char *what, const error *reason, error *e) {
  char *message = NULL;
  const char *name = round->plan->contenders[round->backbone].name;
  if (asprintf(&message, "%s: %s: %s", round->set->name, what, reason->message) < 0) return fail(e, "out of memory");
  fprintf(stderr, "failed: %s: %s\n", name, message);
  int status = battle_failure(round->battle, name, message, e);
  free(message);
  return status;
}

int round_run(struct round *round, error *e) {
  error reason = {""};
  if (extract_parts(round, &reason) != OK) return note_failure(round, "features", &reason, e);
  int status = OK;
  for (int t = 0; status == OK && t < BATTLE_TASKS; t++) {
    if (!round->plan->tasks[t]) continue;
    reason = (error){""};
    if (tasks[t].run(round, &reason) != OK) status = note_failure(round, tasks[t].name, &reason, e);
  }
  return status;
}

void round_free(struct round *round) {
  probe_free(&round->probe);
  feature_set_close(&round->train);
  feature_set_close(&round->val);
  feature_set_close(&round->test);
}
