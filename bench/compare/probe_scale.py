"""How the linear probe's time and memory grow with the rows: 10^4, 10^5, 10^6 of 64 features in 10 classes.

    python3 bench/compare/probe_scale.py [--rows 10000 100000 1000000] [--width 64] [--classes 10] [--threads N]

Seconds a pass are the difference of a run with 21 iterations and one with 1, over the passes between; peak memory is
the process's resident set, with the mapped features and without. Features are drawn to a temporary folder. numpy 2.4.6.
"""
import argparse
import json
import os
import re
import subprocess
import tempfile
import threading
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("BACKBONES", os.path.join(ROOT, "build", "backbones"))


def draw(folder, n, d, classes, seed):
    random, centres = np.random.default_rng(seed), 0.15 * np.random.default_rng(7).standard_normal((classes, d))
    os.makedirs(folder)
    labels = random.integers(0, classes, n)
    x = np.lib.format.open_memmap(os.path.join(folder, "features.npy"), "w+", np.float32, (n, d))
    for i in range(0, n, 8192):
        part = labels[i:i + 8192]
        x[i:i + 8192] = centres[part] + random.standard_normal((len(part), d))
    x.flush()
    np.save(os.path.join(folder, "labels.npy"), labels)
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("".join(f"class {k}\n" for k in range(classes)))


def run(train, test, iterations, threads):
    """The result, and the largest resident set, mapped files and all, and without them, in MB."""
    command = [PROGRAM, "probe", "--train", train, "--test", test, "--json", "--max-iterations", str(iterations),
               "--tolerance", "1e-15"] + (["--threads", str(threads)] if threads else [])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak = [0.0, 0.0]

    def watch():
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status") as file:
                    text = file.read()
            except OSError:
                return
            sizes = [re.search(name + r":\s+(\d+) kB", text) for name in ("VmHWM", "RssAnon")]
            for i, size in enumerate(sizes):
                peak[i] = max(peak[i], int(size[1]) / 1000 if size else 0)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    watcher.join()
    return json.loads(output), peak


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="*", default=[10**4, 10**5, 10**6])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    print("      rows  width classes  s/pass, float  GFLOP/s  peak MB  without the features")
    for n in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            train, test = os.path.join(folder, "train"), os.path.join(folder, "test")
            draw(train, n, arguments.width, arguments.classes, 1)
            draw(test, 1000, arguments.width, arguments.classes, 2)
            few, _ = run(train, test, 1, arguments.threads)
            many, peak = run(train, test, 21, arguments.threads)
            passes = many["passes"] - few["passes"]
            seconds = (many["seconds"] - few["seconds"]) / passes
            gflops = 4e-9 * n * arguments.width * arguments.classes / seconds
            print(f"{n:10} {arguments.width:6} {arguments.classes:7} {seconds:14.5f} {gflops:8.1f} {peak[0]:8.0f} "
                  f"{peak[1]:8.0f}", flush=True)


if __name__ == "__main__":
    main()
