#!/bin/sh
# Features of a large data set on a Slurm cluster: an array of tasks, one a shard, and a job that joins what they made.
#
#   WEIGHTS=/shared/resnet50 DATA=/shared/photos/train OUT=/shared/features/train ./submit.sh
#
# All three lie in a folder that every node mounts under the same name. $OUT will hold features.npy and the rest, as one
# machine would have written them; $OUT.shards holds the shards (remove it afterwards) and the logs.
# Further options of sbatch come from its own variables (SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT, ...).
set -eu
: "${WEIGHTS:?a checkpoint, or seeded:ARCH}" "${DATA:?a data set}" "${OUT:?the features folder to make}"
SHARDS=${SHARDS:-4} # tasks; a few hundred are fine
CPUS=${CPUS:-8}     # of each task
here=$(cd "$(dirname "$0")" && pwd)

# The number of shards is told here and not left to the array, so that single tasks can be run again alone:
#   sbatch --array=3 features.sbatch     (with the same variables exported)
export WEIGHTS DATA OUT BACKBONES_SHARDS="$SHARDS"
mkdir -p "$OUT.shards"
array=$(sbatch --parsable --array="1-$SHARDS" --cpus-per-task="$CPUS" --output="$OUT.shards/%a.log" --open-mode=append \
  "$here/features.sbatch")
merge=$(sbatch --parsable --dependency="afterok:$array" --output="$OUT.shards/merge.log" "$here/merge.sbatch")
echo "features: job $array, $SHARDS tasks; merge: job $merge, when all of them are through"
