#include "evaluate/shard.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A variable as a whole number from `low`; *value stays when it is not set (or empty). */
static int read_variable(const char *name, long long low, long long *value, bool *is_set, error *e) {
  const char *text = getenv(name);
  *is_set = text && *text;
  if (!*is_set) return OK;
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (*end || errno || number < low || number > INT32_MAX) {
    return usage_error(e, "%s=%.40s: is not a whole number from %lld on", name, text, low);
  }
  *value = number;
  return OK;
}

static int read_given(const char *text, struct shard *shard, error *e) {
  int used = 0;
  if (sscanf(text, "%7zu/%7zu%n", &shard->index, &shard->count, &used) == 2 && !text[used] && shard->count >= 1 &&
      shard->count <= SHARDS_MOST && shard->index >= 1 && shard->index <= shard->count) {
    return OK;
  }
  return usage_error(e, "--shard %.40s: is not I/N with I from 1 to N", text);
}

/* The number of parts by --shards or the environment; 0: not told. */
static int read_count(const struct arguments *arguments, long long *count, const char **name, error *e) {
  bool is_set;
  *name = "--shards";
  *count = 0;
  int status = option_integer(arguments, "--shards", 1, SHARDS_MOST, count, e);
  if (status != OK || *count) return status;
  *name = "BACKBONES_SHARDS";
  status = read_variable(*name, 1, count, &is_set, e);
  if (status == OK && *count > SHARDS_MOST) status = usage_error(e, "%s=%lld: is too large", *name, *count);
  return status;
}

/* A whole array of tasks tells how many there are. */
static int read_slurm_array(long long id, long long *first, long long *count, error *e) {
  long long min = 0, max = 0, step = 1, tasks = 0;
  bool has_min, has_max, has_step, has_tasks;
  int status = read_variable("SLURM_ARRAY_TASK_MIN", 0, &min, &has_min, e);
  if (status == OK) status = read_variable("SLURM_ARRAY_TASK_MAX", 0, &max, &has_max, e);
  if (status == OK) status = read_variable("SLURM_ARRAY_TASK_STEP", 0, &step, &has_step, e);
  if (status == OK) status = read_variable("SLURM_ARRAY_TASK_COUNT", 1, &tasks, &has_tasks, e);
  if (status != OK) return status;
  bool whole = has_min && has_max && has_tasks && min <= 1 && step <= 1 && tasks == max - min + 1;
  if (!whole || id < min || id > max || tasks > SHARDS_MOST) {
    return usage_error(e,
                       "SLURM_ARRAY_TASK_ID=%lld: an array of %lld tasks from %lld to %lld does not tell the number of "
                       "parts: give --shards N (tasks are then parts 1 to N), or --shard I/N, or 1/1 for everything",
                       id, tasks, min, max);
  }
  *first = min;
  *count = tasks;
  return OK;
}

static int read_slurm(long long id, long long count, const char *count_name, struct shard *shard, error *e) {
  long long first = 1;
  if (count) {
    if (id < 1 || id > count) {
      return usage_error(e, "SLURM_ARRAY_TASK_ID=%lld: with %s %lld the tasks must be numbered from 1 to %lld", id,
                         count_name, count, count);
    }
    snprintf(shard->source, sizeof shard->source, "SLURM_ARRAY_TASK_ID=%lld, %s %lld", id, count_name, count);
  } else {
    if (read_slurm_array(id, &first, &count, e) != OK) return USAGE;
    snprintf(shard->source, sizeof shard->source, "SLURM_ARRAY_TASK_ID=%lld of an array from %lld to %lld", id, first,
             first + count - 1);
  }
  shard->index = (size_t)(id - first + 1);
  shard->count = (size_t)count;
  return OK;
}

static int read_kubernetes(long long index, long long count, const char *count_name, struct shard *shard, error *e) {
  if (!count) {
    return usage_error(e,
                       "JOB_COMPLETION_INDEX=%lld: the number of parts is not told: give --shards N or set "
                       "BACKBONES_SHARDS, or --shard 1/1 for everything",
                       index);
  }
  if (index >= count) {
    return usage_error(e, "JOB_COMPLETION_INDEX=%lld: with %s %lld it must be from 0 to %lld", index, count_name, count,
                       count - 1);
  }
  snprintf(shard->source, sizeof shard->source, "JOB_COMPLETION_INDEX=%lld, %s %lld", index, count_name, count);
  shard->index = (size_t)index + 1;
  shard->count = (size_t)count;
  return OK;
}

int shard_read(const struct arguments *arguments, struct shard *shard, error *e) {
  *shard = (struct shard){.index = 1, .count = 1};
  const char *given = option_text(arguments, "--shard"), *count_name;
  if (given) {
    if (option_given(arguments, "--shards")) return usage_error(e, "--shards: --shard I/N tells the number already");
    return read_given(given, shard, e);
  }
  long long count, task = 0, completion = 0;
  bool in_slurm, in_kubernetes;
  int status = read_count(arguments, &count, &count_name, e);
  if (status == OK) status = read_variable("SLURM_ARRAY_TASK_ID", 0, &task, &in_slurm, e);
  if (status == OK && in_slurm) return read_slurm(task, count, count_name, shard, e);
  if (status == OK) status = read_variable("JOB_COMPLETION_INDEX", 0, &completion, &in_kubernetes, e);
  if (status == OK && in_kubernetes) return read_kubernetes(completion, count, count_name, shard, e);
  if (status == OK && count) {
    status = usage_error(e,
                         "%s %lld: which part is not told: give --shard I/N (SLURM_ARRAY_TASK_ID and "
                         "JOB_COMPLETION_INDEX are not set)",
                         count_name, count);
  }
  return status;
}
