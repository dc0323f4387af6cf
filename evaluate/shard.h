/* Which part of a data set this process takes: by options, else as the cluster's scheduler numbers its tasks. */
#ifndef EVALUATE_SHARD_H
#define EVALUATE_SHARD_H

#include "evaluate/options.h"

struct shard {
  size_t index, count; /* the index-th of count parts, counted from 1; 1 of 1: everything */
  char source[160];    /* what of the environment was read, for the log; empty: nothing */
};

enum { SHARDS_MOST = 1000000 };

/* Entries of a command's table of options. */
#define SHARD_OPTIONS                                                                                  \
  {"--shard", 0, "I/N",                                                                                \
   "only the I-th of N equal parts of the data (default: by SLURM_ARRAY_TASK_ID or\n"                  \
   "JOB_COMPLETION_INDEX where a scheduler sets them; 1/1 takes everything)"},                         \
  {                                                                                                    \
    "--shards", 0, "N", "the number of parts, when the scheduler tells I (default: $BACKBONES_SHARDS)" \
  }

/* --shard I/N is taken as it is. Without it:
 *
 *   SLURM_ARRAY_TASK_ID   a task of a Slurm array. With a number of parts N (--shards, BACKBONES_SHARDS) the task's
 *                         number is the part's, so that some tasks of 1..N can be run again alone. Without N the array
 *                         tells it, when it is a whole one: 1-N or 0-(N-1), as its MIN, MAX, STEP and COUNT say.
 *   JOB_COMPLETION_INDEX  a pod of a Kubernetes Indexed Job, which counts from 0; N must be given.
 *   neither               everything; a number of parts is an error then
 *
 * Whatever does not tell a part for sure is a USAGE error, never a guess. */
int shard_read(const struct arguments *arguments, struct shard *shard, error *e);

#endif
