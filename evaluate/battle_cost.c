#include "evaluate/battle_cost.h"

#include <stdlib.h>
#include <string.h>

#include "evaluate/results.h"
#include "kernels/memory.h"
#include "models/plan.h"

enum { MOST_BATCH = 16, LEAST_RUNS = 3, MOST_RUNS = 25 };
static const double enough_seconds = 0.4;

static int set_cost(struct score_table *table, size_t backbone, const char *name, struct score score, error *e) {
  size_t index;
  int status = scores_cost(table, name, &index, e);
  if (status == OK) table->costs[index].scores[backbone] = score;
  return status;
}

static struct score exactly(double x) { return (struct score){x, x, x}; }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Milliseconds an image and their span; the first run only warms up. A run can only be held up, by whatever else the
 * machine does: a quarter of the runs being faster than what is given keeps that out, and one lucky run too. */
static struct score time_session(struct session *session, const float *input, float *features, int batch) {
  double times[MOST_RUNS], total = 0;
  size_t n = 0;
  session_run(session, input, batch, features, NULL, NULL);
  while (n < MOST_RUNS && (n < LEAST_RUNS || total < enough_seconds)) {
    double begin = results_now();
    session_run(session, input, batch, features, NULL, NULL);
    double seconds = results_now() - begin;
    total += seconds;
    times[n++] = 1e3 * seconds / batch;
  }
  qsort(times, n, sizeof *times, by_value);
  return (struct score){times[n / 4], times[0], times[n - 1]};
}

static int time_batch(struct score *score, size_t *bytes, const struct engine *engine, struct threads *pool, int batch,
                      error *e) {
  const struct model_info *info = &engine->info;
  size_t images = (size_t)batch, picture = (size_t)info->recipe.height * (size_t)info->recipe.width * 3;
  struct session *session = NULL;
  float *input = allocate_aligned(images * picture, sizeof *input, e);
  float *features = input ? allocate_aligned(images * (size_t)info->features, sizeof *features, e) : NULL;
  int status = features ? session_start(&session, engine->model, pool, batch, e) : FAILED;
  if (status == OK) {
    /* Values of a photo's size: zeros, and numbers too small for the processor's fast way, would time otherwise. */
    for (size_t i = 0; i < images * picture; i++) input[i] = (float)(i % 251) / 125 - 1;
    *score = time_session(session, input, features, batch);
    *bytes = session_bytes(session);
    status = session_check(session, e);
  }
  session_end(session);
  release_aligned(input);
  release_aligned(features);
  return status;
}

int battle_cost_measure(struct score_table *table, size_t backbone, const struct engine *engine, struct threads *pool,
                        error *e) {
  struct score one, many;
  size_t bytes;
  int status = time_batch(&one, &bytes, engine, pool, 1, e);
  if (status == OK) status = time_batch(&many, &bytes, engine, pool, MOST_BATCH, e);
  if (status == OK) status = set_cost(table, backbone, "ms", one, e);
  if (status == OK) status = set_cost(table, backbone, "ms16", many, e);
  if (status == OK) status = set_cost(table, backbone, "gflops", exactly(engine->info.gflops), e);
  if (status == OK) status = set_cost(table, backbone, "parameters", exactly((double)engine->info.parameters), e);
  double memory = (double)(plan_weight_bytes(model_plan(engine->model)) + bytes) / 1e6;
  if (status == OK) status = set_cost(table, backbone, "memory_mb", exactly(memory), e);
  return status;
}
