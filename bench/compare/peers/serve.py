"""One peer as a process of its own: it loads a model, gives its features once, then runs rounds.

    python bench/compare/peers/serve.py NAME --arch A --folder MODELS --batch N --threads N --input X.npy --output Y.npy

NAME_peer.py beside this file has `load(job)`, which returns an object with

    version          text
    features(x)      float32 [batch, features] of x, float32 [batch, 3, side, side]
    step()           runs the network on that x again, to the end, and returns the images done

One line of JSON when it is ready: {"version", "import_mb", "load_s", "note"}; then for each line "round SECONDS" on standard
input one of {"images_per_s", "peak_mb"}, by the median time of a step as `backbones bench` does. peak_mb is the process's largest resident set so far, the interpreter and libraries
included; import_mb is what it had before the model.
"""
import argparse
import importlib
import json
import os
import statistics
import sys
import time

import numpy as np


def status_mb(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":")) * 1024e-6


def run_round(peer, seconds):
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        images = peer.step()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    for option in ("--arch", "--folder", "--isa", "--dtype", "--input", "--output"):
        parser.add_argument(option, default="")
    for option in ("--batch", "--threads"):
        parser.add_argument(option, type=int)
    job = parser.parse_args()
    job.stem = os.path.join(job.folder, job.arch)
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries chat
    module = importlib.import_module(job.name + "_peer")
    import_mb, begin = status_mb("VmHWM"), time.perf_counter()
    x = np.load(job.input)
    peer = module.load(job)
    np.save(job.output, peer.features(x))
    run_round(peer, 0.2)
    print(json.dumps({"version": peer.version, "import_mb": import_mb, "load_s": time.perf_counter() - begin,
                      "note": getattr(peer, "note", "")}), file=answers, flush=True)
    for line in sys.stdin:
        rate = run_round(peer, float(line.split()[1]))
        print(json.dumps({"images_per_s": rate, "peak_mb": status_mb("VmHWM")}), file=answers, flush=True)


if __name__ == "__main__":
    main()
