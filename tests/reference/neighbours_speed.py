"""Speed of `backbones knn` and `retrieve` on 100,000 gallery rows and 10,000 queries, against the peak of the same machine.

    neighbours_speed.py [FEATURES [TURNS]]          (default 512 3; program: $BACKBONES or build/backbones)

Draws the features into a temporary folder, then lets `bench` (its measured multiply-add peak of one core), `knn` and
`retrieve` take turns, and prints the best of each. GFLOP/s is 2 * rows * queries * features over the CPU time of the whole
command, reading, voting and ranking included, as other work on the machine leaves that alone. numpy 2.4.6.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

ROWS, QUERIES, CLASSES = 100_000, 10_000, 100
PROGRAM = os.environ.get("BACKBONES", "build/backbones")


def run(*arguments):
    """What it prints, its seconds and those of the processors."""
    begin, before = time.time(), os.times()
    done = subprocess.run([PROGRAM, *arguments, "--json"], check=True, capture_output=True, text=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(done.stdout), time.time() - begin, cpu


def draw(folder, n, d, centres, rng):
    os.mkdir(folder)
    labels = np.arange(n) % CLASSES
    x = rng.standard_normal((n, d), dtype=np.float32) * 4 + centres[labels]
    np.save(os.path.join(folder, "features.npy"), x)
    np.save(os.path.join(folder, "labels.npy"), labels)
    return folder


def main():
    d, turns = [int(text) for text in sys.argv[1:]] + [512, 3][len(sys.argv) - 1:]
    rng, peak, best = np.random.default_rng(0), 0, {}
    with tempfile.TemporaryDirectory() as folder:
        centres = rng.standard_normal((CLASSES, d), dtype=np.float32)
        gallery = draw(os.path.join(folder, "gallery"), ROWS, d, centres, rng)
        queries = draw(os.path.join(folder, "queries"), QUERIES, d, centres, rng)
        commands = {"knn": ("--train", gallery, "--test", queries, "--k", "20"),
                    "retrieve": ("--gallery", gallery, "--query", queries)}
        for _ in range(turns):
            for _ in range(5):
                bench = run("bench", "--arch", "resnet8_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.2")
                peak = max(peak, bench[0]["peak_gflops"])
            for threads in ("1", "all"):
                for name, arguments in commands.items():
                    limit = () if threads == "all" else ("--threads", threads)
                    _, seconds, cpu = run(name, *arguments, *limit)
                    key = name, threads
                    best[key] = min(best.get(key, (cpu, seconds)), (cpu, seconds))
    print(f"{ROWS} x {QUERIES} rows of {d} features; a core's peak: {peak:.1f} GFLOP/s")
    print(f"{'command':<9} {'threads':>7}  {'seconds':>7}  {'CPU s':>6}  {'GFLOP/s a core':>14}  of the peak")
    for (name, threads), (cpu, seconds) in best.items():
        rate = 2e-9 * ROWS * QUERIES * d / cpu
        print(f"{name:<9} {threads:>7}  {seconds:>7.1f}  {cpu:>6.1f}  {rate:>14.1f}  {rate / peak:>11.0%}")


if __name__ == "__main__":
    main()
