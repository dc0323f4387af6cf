#include "evaluate/battle_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "kernels/memory.h"

/* ---- names --------------------------------------------------------------------------------------------------------
 */

/* "NAME=VALUE": *value points behind the sign, *name is a copy; without a sign, or when the whole is a file, *name is
 * NULL. */
static int split_name(const char *text, char **name, const char **value, error *e) {
  const char *equals = access(text, F_OK) == 0 ? NULL : strchr(text, '=');
  *name = NULL;
  *value = equals ? equals + 1 : text;
  if (!equals) return OK;
  *name = copy_bytes_as_string(text, (size_t)(equals - text), e);
  return *name ? OK : FAILED;
}

/* Names become folders. */
static int check_name(const char *option, const char *name, error *e) {
  if (*name && *name != '.' && !strchr(name, '/') && strlen(name) <= 200) return OK;
  return usage_error(e, "%s: %.200s is no name (of a folder that will be made): write NAME=...", option, name);
}

/* "weights/resnet50.safetensors" -> "resnet50", "photos.tar:inner" -> "photos-inner", "a/b/" -> "b". */
static char *name_of_path(const char *path, error *e) {
  size_t length = strlen(path);
  while (length && path[length - 1] == '/') length--;
  char *whole = copy_bytes_as_string(path, length, e);
  if (!whole) return NULL;
  char *name = copy_string(base_name(whole), e);
  free(whole);
  if (!name) return NULL;
  static const char *const endings[] = {".safetensors", ".pth", ".pt", ".tar", ".csv", ".tsv", ".bin", ".gz"};
  char *colon = strchr(name, ':');
  size_t end = colon ? (size_t)(colon - name) : strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t size = strlen(endings[i]);
    if (end <= size || strncmp(name + end - size, endings[i], size) != 0) continue;
    memmove(name + end - size, name + end, strlen(name + end) + 1);
    break;
  }
  for (char *c = name; *c; c++) *c = *c == ':' ? '-' : *c;
  return name;
}

/* ---- backbones ----------------------------------------------------------------------------------------------------
 */

/* Seeded weights are random: the report should say so wherever the name stands. */
static char *name_of_weights(const char *weights, error *e) {
  char *name = NULL;
  if (strncmp(weights, "seeded:", 7) != 0) return name_of_path(weights, e);
  if (asprintf(&name, "%s (random)", weights + 7) >= 0) return name;
  fail(e, "out of memory");
  return NULL;
}

static int read_contenders(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  int count = option_count(arguments, "--weights");
  plan->contenders = allocate_zeroed((size_t)count, sizeof *plan->contenders, e);
  if (!plan->contenders) return FAILED;
  if (count > SCORES_MAX_BACKBONES) return usage_error(e, "%d backbones are too many", count);
  for (int i = 0; i < count; i++) {
    struct battle_contender *contender = &plan->contenders[plan->contender_count++];
    const char *weights;
    int status = split_name(option_nth(arguments, "--weights", i), &contender->name, &weights, e);
    if (status == OK && !contender->name) contender->name = name_of_weights(weights, e);
    contender->weights = copy_string(weights, e);
    if (status != OK || !contender->name || !contender->weights) return FAILED;
    if (check_name("--weights", contender->name, e) != OK) return USAGE;
    for (int j = 0; j < i; j++) {
      if (strcmp(plan->contenders[j].name, contender->name) != 0) continue;
      return usage_error(e, "two backbones are called %.200s: write NAME=WEIGHTS", contender->name);
    }
  }
  return OK;
}

/* The options of a command that prepares pictures, with values of their own for a backbone. */
static const struct option recipe_options[] = {RECIPE_OPTIONS, {0}};
static const struct command recipe_command = {.name = "features", .options = recipe_options};

/* "--input-size 64 --crop-mode center", whose words stay where they are. */
static int read_changes(struct recipe_changes *changes, char *text, error *e) {
  enum { MOST_WORDS = 16 };
  char *words[MOST_WORDS], *rest = NULL;
  int count = 0;
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (count == MOST_WORDS) return usage_error(e, "too many words");
    words[count++] = word;
  }
  struct arguments *arguments;
  int status = arguments_parse(&arguments, &recipe_command, count, words, e);
  if (status == OK) status = recipe_options_read(arguments, changes, e);
  if (status == OK && !recipe_changes_any(changes)) status = usage_error(e, "changes nothing");
  arguments_free(arguments);
  return status;
}

/* "BACKBONE=--input-size 64 ...". */
static int read_recipes(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  for (int i = 0; i < option_count(arguments, "--recipe"); i++) {
    const char *text = option_nth(arguments, "--recipe", i), *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0, b = 0;
    while (b < plan->contender_count &&
           (strlen(plan->contenders[b].name) != length || memcmp(plan->contenders[b].name, text, length) != 0)) {
      b++;
    }
    if (!equals || b == plan->contender_count) {
      return usage_error(e, "--recipe %.200s: does not begin with a backbone's name and =", text);
    }
    struct battle_contender *contender = &plan->contenders[b];
    if (contender->recipe) return usage_error(e, "--recipe is given twice for %s", contender->name);
    if (!(contender->recipe = copy_string(equals + 1, e))) return FAILED;
    int status = read_changes(&contender->changes, contender->recipe, e);
    if (status != OK) {
      fail_within(e, "--recipe %.200s", text);
      return status;
    }
  }
  return OK;
}

/* ---- data sets ----------------------------------------------------------------------------------------------------
 */

/* Place of a set by its name; NULL means the only one. */
static int find_set(const struct battle_plan *plan, const char *option, const char *name, size_t *index, error *e) {
  if (!name && plan->set_count == 1) {
    *index = 0;
    return OK;
  }
  if (!name) return usage_error(e, "%s: there are several data sets: say which one's", option);
  for (*index = 0; *index < plan->set_count; ++*index) {
    if (!strcmp(plan->sets[*index].name, name)) return OK;
  }
  return usage_error(e, "%s: there is no data set %.200s", option, name);
}

/* The values of --test or --val by set: [set_count], NULL where there is none. */
static int read_parts(const struct battle_plan *plan, const struct arguments *arguments, const char *option,
                      const char **parts, error *e) {
  for (int i = 0; i < option_count(arguments, option); i++) {
    char *name;
    const char *value;
    size_t index;
    int status = split_name(option_nth(arguments, option, i), &name, &value, e);
    if (status == OK) status = find_set(plan, option, name, &index, e);
    free(name);
    if (status != OK) return status;
    if (parts[index]) return usage_error(e, "%s is given twice for %s", option, plan->sets[index].name);
    parts[index] = value;
  }
  return OK;
}

static int name_sets(struct battle_plan *plan, const struct arguments *arguments, const char **data, error *e) {
  for (int i = 0; i < option_count(arguments, "--data"); i++) {
    struct battle_set *set = &plan->sets[plan->set_count++];
    int status = split_name(option_nth(arguments, "--data", i), &set->name, &data[i], e);
    if (status == OK && !set->name) set->name = name_of_path(data[i], e);
    if (status != OK || !set->name) return FAILED;
    if (check_name("--data", set->name, e) != OK) return USAGE;
    for (int j = 0; j < i; j++) {
      if (strcmp(plan->sets[j].name, set->name) != 0) continue;
      return usage_error(e, "two data sets are called %.200s: write NAME=DATA", set->name);
    }
  }
  return OK;
}

static int open_sets(struct battle_plan *plan, const struct arguments *arguments, uint64_t seed, error *e) {
  size_t count = (size_t)option_count(arguments, "--data");
  plan->sets = allocate_zeroed(count, sizeof *plan->sets, e);
  const char **texts = allocate_zeroed(count, 3 * sizeof *texts, e), **data = texts, **test = texts + count,
             **val = texts + 2 * count;
  double share = 0.2;
  int status = plan->sets && texts ? option_real(arguments, "--test-share", 0.01, 0.99, &share, e) : FAILED;
  if (status == OK) status = name_sets(plan, arguments, data, e);
  if (status == OK) status = read_parts(plan, arguments, "--test", test, e);
  if (status == OK) status = read_parts(plan, arguments, "--val", val, e);
  for (size_t i = 0; status == OK && i < count; i++) {
    struct battle_division division = {data[i], val[i], test[i], share, seed};
    char *name = plan->sets[i].name;
    status = battle_set_open(&plan->sets[i], name, &division, e);
    free(name);
  }
  free((void *)texts);
  return status;
}

/* "SET/NAME=DATA" or "NAME=DATA". */
static int read_shifts(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  for (int i = 0; i < option_count(arguments, "--shift"); i++) {
    const char *text = option_nth(arguments, "--shift", i), *data;
    char *name;
    size_t index = 0;
    if (split_name(text, &name, &data, e) != OK) return FAILED;
    char *slash = name ? strchr(name, '/') : NULL;
    if (slash) *slash = 0;
    int status = find_set(plan, "--shift", slash ? name : NULL, &index, e);
    char *own = name ? copy_string(slash ? slash + 1 : name, e) : name_of_path(data, e);
    if (!own) status = FAILED;
    if (status == OK) status = check_name("--shift", own, e);
    for (size_t s = 0; status == OK && s < plan->sets[index].shift_count; s++) {
      if (!strcmp(plan->sets[index].shifts[s].name, own)) status = usage_error(e, "--shift %s is given twice", own);
    }
    if (status == OK) status = battle_set_add_shift(&plan->sets[index], own, data, e);
    free(name);
    free(own);
    if (status != OK) return status;
  }
  return OK;
}

/* "BACKBONE/SET=NPY" or "BACKBONE=NPY". */
static int read_embeddings(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  size_t count = (size_t)option_count(arguments, "--embeddings");
  plan->embeddings = allocate_zeroed(count, sizeof *plan->embeddings, e);
  if (!plan->embeddings) return FAILED;
  for (size_t i = 0; i < count; i++) {
    const char *text = option_nth(arguments, "--embeddings", (int)i);
    struct battle_embeddings *embeddings = &plan->embeddings[plan->embedding_count++];
    if (split_name(text, &embeddings->backbone, &embeddings->path, e) != OK) return FAILED;
    if (!embeddings->backbone) return usage_error(e, "--embeddings %.200s: is not BACKBONE=FILE.npy", text);
    char *slash = strchr(embeddings->backbone, '/');
    if (slash) *slash = 0;
    size_t index = 0, b = 0;
    int status = find_set(plan, "--embeddings", slash ? slash + 1 : NULL, &index, e);
    if (status != OK) return status;
    if (!(embeddings->set = copy_string(plan->sets[index].name, e))) return FAILED;
    while (b < plan->contender_count && strcmp(plan->contenders[b].name, embeddings->backbone) != 0) b++;
    if (b == plan->contender_count) {
      return usage_error(e, "--embeddings: there is no backbone %.200s", embeddings->backbone);
    }
  }
  return OK;
}

/* ---- tasks --------------------------------------------------------------------------------------------------------
 */

/* The next part of a comma-separated list; false at the end. */
static bool next_part(const char **list, char *part, size_t size) {
  if (!**list) return false;
  size_t length = strcspn(*list, ","), taken = length < size ? length : size - 1;
  memcpy(part, *list, taken);
  part[taken] = 0;
  *list += length;
  *list += **list == ',';
  return true;
}

static int read_tasks(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  const char *list = option_text(arguments, "--tasks");
  for (int t = 0; t < BATTLE_TASKS; t++) plan->tasks[t] = !list;
  char name[40];
  while (list && next_part(&list, name, sizeof name)) {
    int t = 0;
    while (t < BATTLE_TASKS && strcmp(battle_task_name((enum battle_task)t), name) != 0) t++;
    if (t == BATTLE_TASKS) return usage_error(e, "--tasks: there is no task %s", name);
    plan->tasks[t] = true;
  }
  bool judged = plan->tasks[BATTLE_CALIBRATION] || plan->tasks[BATTLE_SHIFT] || plan->tasks[BATTLE_CORRUPTION];
  if (judged) plan->tasks[BATTLE_PROBE] = true; /* whose classifier they judge */
  return OK;
}

static int read_corruptions(struct battle_plan *plan, const struct arguments *arguments, uint64_t seed, error *e) {
  const char *list = option_text(arguments, "--corrupt");
  if (!list) list = "gaussian_noise:3,defocus_blur:3,contrast:3,pixelate:3,jpeg_compression:3";
  plan->corruptions = allocate_zeroed(strlen(list) + 1, sizeof *plan->corruptions, e);
  if (!plan->corruptions) return FAILED;
  char part[60];
  while (next_part(&list, part, sizeof part)) {
    struct corruption_choice *choice = &plan->corruptions[plan->corruption_count++];
    choice->seed = seed;
    int status = corruption_read(choice, part, e);
    if (status != OK) fail_within(e, "--corrupt %s", part);
    if (status != OK) return status;
  }
  return OK;
}

static int read_shots(struct battle_plan *plan, const struct arguments *arguments, error *e) {
  static const size_t usual[] = {1, 5};
  int status = option_counts(arguments, "--shots", 1, 1 << 20, &plan->shots, &plan->shot_count, e);
  if (status != OK || plan->shot_count) return status;
  free(plan->shots);
  plan->shots = allocate(1, sizeof usual, e);
  if (!plan->shots) return FAILED;
  memcpy(plan->shots, usual, sizeof usual);
  plan->shot_count = sizeof usual / sizeof usual[0];
  return OK;
}

static int read_probe(struct battle_plan *plan, const struct arguments *arguments, uint64_t seed, error *e) {
  size_t count = 0;
  int status = option_reals(arguments, "--C", 1e-300, 1e300, &plan->C, &count, e);
  plan->probe = (struct probe_options){.sweep = count == 0,
                                       .C = plan->C,
                                       .C_count = count,
                                       .max_iterations = count ? LOGISTIC_MAX_ITERATIONS : PROBE_SWEEP_ITERATIONS,
                                       .tolerance = LOGISTIC_TOLERANCE,
                                       .seed = seed};
  return status;
}

int battle_plan_read(struct battle_plan *plan, const struct arguments *arguments, uint64_t seed, error *e) {
  long long batch = 16, k = 20;
  *plan = (struct battle_plan){0};
  int status = option_integer(arguments, "--batch", 1, 4096, &batch, e);
  if (status == OK) status = option_integer(arguments, "--k", 1, UINT32_MAX, &k, e);
  if (status == OK) status = decode_options_read(arguments, &plan->decode, e);
  if (status == OK) status = read_probe(plan, arguments, seed, e);
  if (status == OK) status = read_shots(plan, arguments, e);
  if (status == OK) status = read_tasks(plan, arguments, e);
  if (status == OK) status = read_corruptions(plan, arguments, seed, e);
  if (status == OK) status = read_contenders(plan, arguments, e);
  if (status == OK) status = read_recipes(plan, arguments, e);
  if (status == OK) status = open_sets(plan, arguments, seed, e);
  if (status == OK) status = read_shifts(plan, arguments, e);
  if (status == OK) status = read_embeddings(plan, arguments, e);
  plan->batch = (int)batch;
  plan->k = (size_t)k;
  return status;
}

void battle_plan_free(struct battle_plan *plan) {
  for (size_t i = 0; i < plan->contender_count; i++) {
    free(plan->contenders[i].name);
    free(plan->contenders[i].weights);
    free(plan->contenders[i].recipe);
  }
  for (size_t i = 0; i < plan->set_count; i++) battle_set_close(&plan->sets[i]);
  for (size_t i = 0; i < plan->embedding_count; i++) {
    free(plan->embeddings[i].backbone);
    free(plan->embeddings[i].set);
  }
  free(plan->contenders);
  free(plan->sets);
  free(plan->embeddings);
  free(plan->corruptions);
  free(plan->shots);
  free(plan->C);
  *plan = (struct battle_plan){0};
}
