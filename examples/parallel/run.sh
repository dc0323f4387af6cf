#!/bin/sh
# Features of a large data set by GNU parallel: shards as jobs on this host, or on the hosts of a list, then one merge.
#
#   WEIGHTS=resnet50 DATA=photos/train OUT=features/train ./run.sh
#   WEIGHTS=/shared/resnet50 DATA=/shared/photos/train OUT=/shared/features/train HOSTS=hosts.txt ./run.sh
#
# Run it again after whatever happened: finished shards are passed over, the others go on where they stopped.
set -eu
: "${WEIGHTS:?a checkpoint, or seeded:ARCH}" "${DATA:?a data set}" "${OUT:?the features folder to make}"
SHARDS=${SHARDS:-4}
JOBS=${JOBS:-1}       # at a time on each host; one uses all cores already
HOSTS=${HOSTS:-}      # a file with a host a line, as `parallel --sshloginfile` takes it
BACKBONES=${BACKBONES:-backbones}
mkdir -p "$OUT.shards"

# On hosts of different kinds: export BACKBONES_ISA=avx2 makes them compute the same bits.
# {} is the shard's number. --retries: a host that is lost costs its shards only an attempt.
parallel --quote ${HOSTS:+--sshloginfile "$HOSTS" --workdir .} --env BACKBONES_ISA --jobs "$JOBS" --retries 3 --tag --line-buffer \
  "$BACKBONES" features --weights "$WEIGHTS" --data "$DATA" --out "$OUT.shards/{}" --shard "{}/$SHARDS" --resume --quiet \
  ::: $(seq "$SHARDS")

# parallel has ended well: all shards are whole.
set --
for shard in $(seq "$SHARDS"); do set -- "$@" "$OUT.shards/$shard"; done
"$BACKBONES" merge "$@" --out "$OUT" --resume
