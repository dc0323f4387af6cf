#!/usr/bin/env python3
"""Kill `backbones features --resume` and `backbones merge` again and again; what they end at must be the bytes of a run
that nobody disturbed. Needs Python 3.8 and nothing else; --calls needs strace.

    python3 tests/reference/kill_test.py                  # 200 kills at random moments
    python3 tests/reference/kill_test.py --calls          # also before every single system call that changes a file,
                                                          # and a full disk at every single write

After a third of the kills the files are torn as a lost node would leave them: cut at a random byte or with a random
range of zeros, in what was written since the last time they were forced to the disk.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WEIGHTS = "seeded:resnet8_cifar"
CHANGES = "write,pwrite64,rename,unlink,mkdir,rmdir,ftruncate,fsync,fdatasync,openat,flock"


def fail(text):
    sys.exit(f"FAILED: {text}")


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def check_same(folder, whole, what):
    found = files_of(folder)
    for name in sorted(set(found) | set(whole)):
        if found.get(name) != whole.get(name):
            fail(f"{what}: {folder}/{name} differs from the undisturbed run")
    if (folder / "partial").exists():
        fail(f"{what}: {folder}/partial is left")


def state_of(out):
    """What a killed process left behind."""
    if not out.exists():
        return "before the folder"
    if (out / "meta.json").exists():
        return "after meta.json"
    if not (out / "partial" / "identity.json").exists():
        return "before the first result"
    if (out / "labels.npy").exists() or list(out.glob("*.npy.*.partial")):
        return "while results got their names"
    return "during extraction"


def tear(out, chance):
    """Take back a part of what was written, as if it had not reached the disk."""
    files = [p for p in (out / "partial" / "features.npy", out / "partial" / "journal.tsv") if p.exists()]
    if not files or (out / "meta.json").exists():
        return False
    path = chance.choice(files)
    data = bytearray(path.read_bytes())
    if not data:
        return False
    begin = chance.randrange(len(data) // 2, len(data))
    if chance.random() < 0.5:
        del data[begin:]
    else:
        end = chance.randrange(begin, len(data)) + 1
        data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    return True


class Bench:
    def __init__(self, program, folder, pictures):
        self.program, self.folder = program, folder
        self.photos = folder / "photos"
        self.run("demo-data", self.photos, "--per-class", pictures, "--size", 32, "--quiet")
        # Unreadable pictures, so that rows and samples differ.
        for name in ("spotted-fish/0001a.png", "striped-mug/zzz.png"):
            (self.photos / "train" / name).write_bytes(b"nonsense")
        self.run(*self.command(folder / "whole"))
        self.whole = files_of(folder / "whole")

    def command(self, out, *more):
        return ["features", "-w", WEIGHTS, "-d", self.photos / "train", "-o", out, "--quiet", "--resume", *more]

    def start(self, arguments, before=()):
        return subprocess.Popen([*before, self.program, *map(str, arguments)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def run(self, *arguments, before=(), status=0):
        process = self.start(arguments, before)
        reason = process.communicate()[1].decode(errors="replace")
        if status is not None and process.returncode != status:
            fail(f"{arguments}: exit status {process.returncode}: {reason}")
        return process.returncode, reason


def random_kills(bench, kills, chance):
    """Chains of runs, each killed at a random moment, until one comes through; then the next chain."""
    begin = time.monotonic()
    bench.run(*bench.command(bench.folder / "timed", "--threads", 1, "--batch", 4))
    whole_run = time.monotonic() - begin
    states, torn, chains, killed = collections.Counter(), 0, 0, 0
    while killed < kills:
        out = bench.folder / "out"
        chains += 1
        # Some chains are killed early every time, so that no run comes far; others late.
        reach = whole_run * chance.choice((0.2, 0.5, 1.0, 1.2))
        for _ in range(chance.randrange(3, 30)):
            process = bench.start(bench.command(out, "--threads", chance.choice((1, 2, 3)), "--batch",
                                                chance.choice((1, 4, 16))))
            time.sleep(chance.random() * reach)
            process.send_signal(signal.SIGKILL)
            reason = process.communicate()[1].decode(errors="replace")
            if process.returncode == -signal.SIGKILL:
                killed += 1
                states[state_of(out)] += 1
            elif process.returncode:
                fail(f"a resumed run failed: {reason}")
            if (out / "meta.json").exists():
                break
            if chance.random() < 1 / 3:
                torn += tear(out, chance)
        bench.run(*bench.command(out))
        check_same(out, bench.whole, f"chain {chains}")
        shutil.rmtree(out)
    print(f"{killed} kills at random moments in {chains} chains, files torn after {torn} of them:")
    for state, count in states.most_common():
        print(f"  {count:5}  {state}")
    print(f"  all {chains} results are those of the undisturbed run")


def count_calls(bench, arguments, calls):
    log = bench.folder / "strace.log"
    bench.run(*arguments, before=("strace", "-f", "-o", str(log), "-e", f"trace={calls}"))
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.M)
    return collections.Counter(names)


def every_call(bench, arguments, out, finish, what):
    """Kill before the n-th call of each kind, for each n; and let the n-th write find a full disk."""
    counts = count_calls(bench, arguments, CHANGES)
    shutil.rmtree(out)
    killed, full = 0, 0
    for name, count in sorted(counts.items()):
        for n in range(1, count + 1):
            inject = ("strace", "-f", "-o", os.devnull, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={n}")
            status, reason = bench.run(*arguments, before=inject, status=None)
            if status != -signal.SIGKILL:
                fail(f"{what}: {name} {n} did not kill: {status} {reason}")
            killed += 1
            bench.run(*finish)
            check_same(out, bench.whole, f"{what}: killed before {name} {n}")
            shutil.rmtree(out)
            if name not in ("write", "pwrite64", "fsync", "fdatasync", "rename", "mkdir"):
                continue
            inject = (*inject[:-1], f"inject={name}:error=ENOSPC:when={n}")
            status, reason = bench.run(*arguments, before=inject, status=None)
            told = "No space left on device" in reason or "standard output: cannot be written" in reason
            if status not in (0, 1) or (status == 1 and not told):
                fail(f"{what}: {name} {n} without space: {status} {reason}")
            full += status == 1
            bench.run(*finish) if status else None
            check_same(out, bench.whole, f"{what}: no space at {name} {n}")
            shutil.rmtree(out)
    print(f"{what}: {killed} kills, one before each of {sum(counts.values())} calls of {len(counts)} kinds; "
          f"{full} full disks; all results are those of the undisturbed run")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/backbones")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=40, help="of each of ten classes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", action="store_true", help="also at every single system call (needs strace)")
    options = parser.parse_args()
    program = str(pathlib.Path(options.program).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        random_kills(Bench(program, folder, options.pictures), options.kills, random.Random(options.seed))
    if not options.calls:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bench = Bench(program, folder, 2)
        out = folder / "out"
        arguments = bench.command(out, "--threads", 1, "--batch", 4)
        every_call(bench, arguments, out, bench.command(out), "features")
        for i in (1, 2, 3):
            bench.run(*bench.command(folder / f"s{i}", "--shard", f"{i}/3"))
        merge = ["merge", *(folder / f"s{i}" for i in (1, 2, 3)), "--out", out, "--resume"]
        every_call(bench, merge, out, merge, "merge")


if __name__ == "__main__":
    main()
