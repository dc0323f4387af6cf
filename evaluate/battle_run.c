#include "evaluate/battle_run.h"

#include <stdlib.h>

#include "evaluate/battle_cost.h"
#include "kernels/memory.h"
#include "weights-tools/json.h"

/* ---- how it was made ----------------------------------------------------------------------------------------------
 */

static int state_backbone(struct battle *battle, const char *name, const struct engine *engine, error *e) {
  struct json_writer w = {0};
  recipe_write(&w, &engine->info.recipe);
  int status = json_writer_finish(&w, e);
  if (status == OK) status = battle_fact(battle, e, name, "weights", "%s", engine->path);
  if (status == OK && *engine->sha256) status = battle_fact(battle, e, name, "SHA-256", "%s", engine->sha256);
  if (status == OK) status = battle_fact(battle, e, name, "architecture", "%s", engine->info.arch);
  if (status == OK) status = battle_fact(battle, e, name, "input", "%s", w.text);
  if (status == OK) status = battle_fact(battle, e, name, "computed by", "%s", model_isa(engine->model));
  free(w.text);
  return status;
}

static int state_set(struct battle *battle, const struct battle_set *set, const struct set_outcome *outcome, error *e) {
  int status = battle_fact(battle, e, set->name, "photos", "%zu to learn from, %zu to judge by, %zu classes",
                           set->train.count, set->test.count, set->train.class_count);
  if (status == OK) status = battle_fact(battle, e, set->name, "division", "%s", set->origin);
  if (status == OK && set->val.count) {
    status = battle_fact(battle, e, set->name, "validation", "%zu photos of %s", set->val.count, set->val.name);
  }
  if (status == OK && outcome->skipped) {
    status = battle_fact(battle, e, set->name, "unreadable", "%zu photos to judge by", outcome->skipped);
  }
  if (status == OK && outcome->duplicates) {
    status = battle_fact(battle, e, set->name, "duplicates", "%zu photos to judge by are also learnt from",
                         outcome->duplicates);
  }
  for (size_t s = 0; status == OK && s < set->shift_count; s++) {
    status = battle_fact(battle, e, set->name, "shifted", "%s: %zu photos of %s", set->shifts[s].name,
                         set->shifts[s].dataset.count, set->shifts[s].dataset.name);
  }
  return status;
}

static int state_corruptions(struct battle *battle, const struct battle_plan *plan, error *e) {
  int status = OK;
  for (size_t i = 0; status == OK && i < plan->corruption_count; i++) {
    const struct corruption_choice *c = &plan->corruptions[i];
    status = battle_fact(battle, e, "corruptions", i ? "and" : "mean accuracy over",
                         "features --corrupt %s:%d --seed %llu, by the linear probe of the clean photos",
                         corruption_name(c->kind), c->severity, (unsigned long long)c->seed);
  }
  return status;
}

/* The commands that make each figure again, of any backbone and set. */
static int state_tasks(struct battle *battle, const struct battle_plan *plan, error *e) {
  char *folder = NULL, *C = NULL;
  size_t size = 0;
  FILE *list = open_memstream(&C, &size);
  if (list && plan->probe.sweep) fprintf(list, "auto");
  for (size_t i = 0; list && i < plan->probe.C_count; i++) fprintf(list, "%s%g", i ? "," : "", plan->probe.C[i]);
  if (!list || fclose(list) != 0 || asprintf(&folder, "%s/features/BACKBONE/SET", plan->out) < 0) {
    free(C);
    return fail(e, "out of memory");
  }
  int status = battle_fact(battle, e, "features", "kind", "pooled; kept in %s", folder);
  if (status == OK && plan->tasks[BATTLE_PROBE]) {
    status = battle_fact(battle, e, "linear probe", "command",
                         "backbones probe --train %s/train --test %s/test --C %s --seed %llu", folder, folder, C,
                         (unsigned long long)plan->probe.seed);
  }
  if (status == OK && plan->tasks[BATTLE_SGD]) {
    status = battle_fact(battle, e, "SGD probe", "command",
                         "backbones probe --train %s/train --test %s/test --protocol sgd --lr 0.1,1,10 --seed %llu",
                         folder, folder, (unsigned long long)plan->probe.seed);
  }
  if (status == OK && plan->tasks[BATTLE_KNN]) {
    status = battle_fact(battle, e, "k-NN, class mean", "command",
                         "backbones knn --train %s/train --test %s/test --k %zu", folder, folder, plan->k);
  }
  if (status == OK && plan->tasks[BATTLE_FEWSHOT]) {
    status = battle_fact(battle, e, "few-shot probes", "command",
                         "backbones fewshot --train %s/train --test %s/test --seed %llu", folder, folder,
                         (unsigned long long)plan->probe.seed);
  }
  if (status == OK && plan->tasks[BATTLE_RETRIEVAL]) {
    status = battle_fact(battle, e, "retrieval", "command", "backbones retrieve --gallery %s/test", folder);
  }
  if (status == OK && plan->tasks[BATTLE_CORRUPTION]) status = state_corruptions(battle, plan, e);
  free(folder);
  free(C);
  return status;
}

/* ---- one backbone -------------------------------------------------------------------------------------------------
 */

static int note_failure(struct battle *battle, const char *name, const error *reason, error *e) {
  fprintf(stderr, "failed: %s: %s\n", name, reason->message);
  return battle_failure(battle, name, reason->message, e);
}

static int fight(struct battle *battle, struct set_outcome *outcomes, const struct battle_plan *plan, size_t backbone,
                 const struct engine *engine, struct threads *pool, error *e) {
  const char *name = plan->contenders[backbone].name;
  error reason = {""};
  int status = state_backbone(battle, name, engine, e);
  if (status == OK && battle_cost_measure(&battle->scores, backbone, engine, pool, &reason) != OK) {
    status = note_failure(battle, name, &reason, e);
  }
  for (size_t s = 0; status == OK && s < plan->set_count; s++) {
    struct round round = {.plan = plan,
                          .battle = battle,
                          .pool = pool,
                          .engine = engine,
                          .backbone = backbone,
                          .set = &plan->sets[s],
                          .outcome = &outcomes[s]};
    status = round_run(&round, e);
    round_free(&round);
  }
  return status;
}

int battle_run(struct battle *battle, struct set_outcome *outcomes, const struct battle_plan *plan,
               struct threads *pool, error *e) {
  int status = OK;
  for (size_t s = 0; s < plan->set_count; s++) outcomes[s] = (struct set_outcome){0};
  for (size_t s = 0; status == OK && s < plan->set_count; s++) {
    status = set_outcome_begin(&outcomes[s], &plan->sets[s], plan->contender_count, e);
  }
  for (size_t b = 0, index; status == OK && b < plan->contender_count; b++) {
    status = scores_backbone(&battle->scores, plan->contenders[b].name, &index, e);
  }
  for (size_t b = 0; status == OK && b < plan->contender_count; b++) {
    const struct battle_contender *contender = &plan->contenders[b];
    struct engine_request request = {.path = contender->weights,
                                     .device = plan->device,
                                     .threads = plan->threads,
                                     .hash = true,
                                     .changes = contender->changes};
    struct engine engine;
    error reason = {""};
    if (engine_load(&engine, &request, &reason) != OK) {
      status = note_failure(battle, contender->name, &reason, e);
      continue;
    }
    status = fight(battle, outcomes, plan, b, &engine, pool, e);
    engine_free(&engine);
  }
  for (size_t s = 0; status == OK && s < plan->set_count; s++) {
    status = state_set(battle, &plan->sets[s], &outcomes[s], e);
  }
  return status == OK ? state_tasks(battle, plan, e) : status;
}
