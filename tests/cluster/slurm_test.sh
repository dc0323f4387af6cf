#!/usr/bin/env bash
# examples/slurm on a real Slurm: a controller and two nodes on this host, an array of four shards, one task killed and
# one node lost in the middle, the dependent merge; the result is compared with that of a single run, byte for byte.
# Needs slurmctld, slurmd and munged (Debian: slurm-wlm, munge); without them it says so and is skipped.
#   tests/cluster/slurm_test.sh [DATA [WEIGHTS]]      (program: $BACKBONES or build/backbones)
# BATCHES=N: kill after so many batches of 16 images (default 2).
set -euo pipefail
cd "$(dirname "$0")/../.."
for command in munged slurmctld slurmd sbatch; do
  if ! PATH=$PATH:/usr/sbin command -v $command >/dev/null; then
    echo "skip slurm_test: no $command (Debian: apt-get install slurm-wlm munge)"
    exit 0
  fi
done
PATH=$PATH:/usr/sbin
BACKBONES=$(realpath "${BACKBONES:-build/backbones}")
WEIGHTS=${2:-seeded:resnet18}
export BACKBONES WEIGHTS

root=$(mktemp -d /tmp/backbones-slurm-XXXXXX)
chmod 755 "$root"
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
stop() {
  scancel --user "$(id -un)" >/dev/null 2>&1 || true
  for file in "$root"/*.pid; do
    if [ -e "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
  done
  for _ in $(seq 100); do # they tidy up themselves
    compgen -G "$root/*.pid" >/dev/null || break
    sleep 0.1
  done
  rm -rf "$root"
}
trap stop EXIT
fail() {
  say "FAILED: $*"
  tail -n 15 "$root"/*.log "$root"/features.shards/*.log 2>/dev/null || true
  exit 1
}
# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what: not within $seconds seconds"
    sleep 0.05
  done
}

# ---- a cluster of two nodes -------------------------------------------------------------------------------------------
export SLURM_CONF=$root/slurm.conf
port=$((20000 + $$ % 10000))
cat >"$SLURM_CONF" <<CONF
ClusterName=backbones
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$port
AuthType=auth/munge
# A task that is run again waits for its old credential to expire.
AuthInfo=socket=$root/munge.socket,cred_expire=5
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool-%n
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd-%n.pid
SlurmctldLogFile=$root/slurmctld.log
SlurmdLogFile=$root/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
KillWait=1
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$root/state" "$root/spool-n1" "$root/spool-n2"
dd if=/dev/urandom of="$root/munge.key" bs=128 count=1 status=none
chmod 400 "$root/munge.key"
munged --force --key-file "$root/munge.key" --socket "$root/munge.socket" --pid-file "$root/munged.pid" \
  --log-file "$root/munged.log" --seed-file "$root/munge.seed" 2>"$root/munged-start.log" || fail "munged does not start"
slurmctld 2>"$root/slurmctld-start.log" || fail "slurmctld does not start"
for node in n1 n2; do
  slurmd -N $node 2>>"$root/slurmd-start.log" || fail "slurmd does not start"
done
both_idle() { [ "$(sinfo -h -N -o '%N %t' | sort -u | tr '\n' ' ')" = "n1 idle n2 idle " ]; }
wait_for 30 "two idle nodes" both_idle
say "$(sinfo -V): controller and nodes: $(sinfo -h -N -o '%N %t' | tr '\n' ' ')"

# ---- the data, and what a single run makes of it ------------------------------------------------------------------------
DATA=${1:-$root/photos/train}
export DATA
if [ $# -eq 0 ]; then
  "$BACKBONES" demo-data "$root/photos" --per-class 30 --size 64 --quiet >/dev/null
  printf 'no picture' >"$root/photos/train/spotted-fish/0007a.png" # skipped by everybody
fi
say "single run: $("$BACKBONES" features --weights "$WEIGHTS" --data "$DATA" --out "$root/single" --quiet 2>/dev/null)"

# ---- the array, a killed task, a lost node, the merge -------------------------------------------------------------------
export OUT=$root/features SHARDS=4 CPUS=1
say "$(sh examples/slurm/submit.sh)"
shards=$OUT.shards
# Shard $1 has some batches on disk and is not through.
under_way() {
  [ -e "$shards/$1/partial/lock" ] && [ "$(grep -c '^=' "$shards/$1/partial/journal.tsv")" -ge "${BATCHES:-2}" ]
}
process_of() { sed -n 's/^process \([0-9]*\) on .*/\1/p' "$shards/$1/partial/lock"; }
through() { grep -c '^[01]' "$shards/$1/partial/journal.tsv"; }
parent_of() { sed -n 's/^PPid:\t//p' "/proc/$1/status"; }

wait_for 60 "shard 1 under way" under_way 1
kill -KILL "$(process_of 1)"
say "shard 1: process killed after $(through 1) images"

# A node that goes: its daemon and all below it at once, and it does not come back. Slurm runs its task on the other one.
lost=
find_on_n2() {
  for i in 2 3 4; do
    if under_way $i && squeue -h -r -w n2 -o %K | grep -qx "$i"; then
      lost=$i
      return 0
    fi
  done
  return 1
}
wait_for 60 "a shard under way on node n2" find_on_n2
process=$(process_of "$lost")
shell=$(parent_of "$process")
step=$(parent_of "$shell")
grep -q slurmstepd "/proc/$step/comm" || fail "process $process is no task of Slurm"
kill -KILL "$(cat "$root/slurmd-n2.pid")" "$step" "$shell" "$process"
rm "$root/slurmd-n2.pid"
say "shard $lost: node n2 lost after $(through "$lost") images"
wait_for 120 "the merge" test -e "$OUT/meta.json"
no_jobs() { [ -z "$(squeue -h)" ]; }
wait_for 30 "the end of all jobs" no_jobs
say "nodes now: $(sinfo -h -N -o '%N %t' | tr '\n' ' ')"
for i in 1 2 3 4; do sed "s/^/  shard $i | /" "$shards/$i.log"; done
sed 's/^/  merge   | /' "$shards/merge.log"
for i in 1 "$lost"; do
  grep -q "continuing after [1-9]" "$shards/$i.log" || fail "shard $i did not go on where it was killed"
done
diff -r "$root/single" "$OUT" || fail "the merged folder differs from the single run's"
say "merged: $(cat "$OUT"/* | wc -c) bytes in $(find "$OUT" -type f | wc -l) files, the same as the single run's"
