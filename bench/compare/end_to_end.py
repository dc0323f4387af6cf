"""A folder of photos to features: `backbones features` against timm with a DataLoader, and ONNX Runtime with Pillow.

    bench/compare/run end_to_end.py PHOTOS [--arch resnet50,convnext_tiny] [--count N] [--rounds 3]
    bench/compare/run end_to_end.py PHOTOS --scale 100,1000,10000 [--arch resnet18]

PHOTOS is a folder or a tar. Each round runs every side once, on the same photos and seeded weights (resize 256 bicubic, centre
crop 224), on N threads (--threads) in batches of 16; the features' cosines are checked in the first one. Our time is the whole process's,
its start and the loading of the weights included; the peers have imported and loaded before their clock starts. --scale
takes this program's time an image instead, as the number of images grows (the photos again and again, as links).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np

from compare import ROOT, describe, machine
from engines import HERE, MEAN, STD

PEERS = ("timm", "onnxruntime")


def join(values):
    return ",".join(map(str, values))


def arrange(photos, folder, count):
    """`count` photos (0: all) evenly over `photos`, the first ones again when there are too few, as links in `folder`."""
    if os.path.isfile(photos):
        with tarfile.open(photos) as tar:
            tar.extractall(os.path.join(os.path.dirname(folder), "tar"), filter="data")
        photos = os.path.join(os.path.dirname(folder), "tar")
    paths = sorted(os.path.join(f, n) for f, _, ns in os.walk(photos) for n in ns if n.lower().endswith((".jpg", ".jpeg", ".png")))
    n = count or len(paths)
    os.makedirs(folder)
    for i in range(n):
        source = paths[i * len(paths) // n] if n <= len(paths) else paths[i % len(paths)]
        os.symlink(os.path.abspath(source), os.path.join(folder, f"{i:07}{os.path.splitext(source)[1]}"))
    return n


def ours(a, arch, folder, out):
    """(seconds of the whole process, MB)"""
    command = [a.binary, "features", "-w", os.path.join(a.models, arch + ".pt"), "--arch", arch, "-d", folder, "-o", out, "-q", "-t", str(a.threads),
               "--input-size", "224", "--crop", "0.875", "--crop-mode", "center", "--interpolation", "bicubic", "--mean", join(MEAN), "--std", join(STD)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - begin, usage.ru_maxrss * 1024e-6


class Peer:
    def __init__(self, name, arch, a):
        command = [sys.executable, os.path.join(HERE, "end_to_end_peer.py"), name, "--arch", arch, "--models", a.models,
                   "--threads", str(a.threads), "--batch", "16"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, OMP_NUM_THREADS=str(a.threads)))
        self.version = self.answer()["version"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a peer ended")
        return json.loads(line)

    def run(self, folder, out):
        self.process.stdin.write(f"{folder} {out}\n")
        self.process.stdin.flush()
        result = self.answer()
        return result["seconds"], result["peak_mb"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def cosine(a, b):
    """The smallest of all rows."""
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def compare(arch, a, temporary):
    describe(arch, a.models)
    folder = os.path.join(temporary, "photos-" + arch)
    n = arrange(a.photos, folder, a.count)
    peers = {name: Peer(name, arch, a) for name in PEERS}
    rounds = []
    for r in range(a.rounds):
        row, results = {}, {}
        for name in (("backbones", *PEERS) * 2)[r % 3:r % 3 + 3]:
            out = os.path.join(temporary, f"{arch}-{name}-{r}")
            if name == "backbones":
                row[name], results[name] = ours(a, arch, folder, out), os.path.join(out, "features.npy")
            else:
                row[name], results[name] = peers[name].run(folder, out + ".npy"), out + ".npy"
        if r == 0:
            own = np.load(results["backbones"])
            cosines = {name: cosine(own, np.load(results[name])) for name in PEERS}
            if not min(cosines.values()) >= 0.9999:
                sys.exit(f"{arch}: the features disagree: {cosines}")
        rounds.append(row)
    for peer in peers.values():
        peer.stop()
    middle = lambda name: statistics.median(row[name][0] for row in rounds)
    memory = lambda name: max(row[name][1] for row in rounds)
    print(f"\n{arch}: {n} photos, {a.threads} threads, {a.rounds} rounds")
    print(f"  backbones                                {n / middle('backbones'):6.1f} images/s, {memory('backbones'):5.0f} MB")
    for name, peer in peers.items():
        ratios = [row[name][0] / row["backbones"][0] for row in rounds]
        how = "DataLoader" if name == "timm" else "Pillow"
        print(f"  {peer.version + ', ' + how:40} {n / middle(name):6.1f} images/s, {memory(name):5.0f} MB; ratio {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f}..{max(ratios):.2f}), smallest cosine {cosines[name]:.7f}", flush=True)


def scale(arch, a, temporary):
    describe(arch, a.models)
    print(f"\n{arch}: this program alone, {a.threads} threads\n{'images':>10} {'seconds':>9} {'ms an image':>12} {'peak MB':>8}")
    for n in map(int, a.scale.split(",")):
        part = os.path.join(temporary, f"{arch}-{n}")
        os.mkdir(part)
        arrange(a.photos, os.path.join(part, "photos"), n)
        seconds, memory = ours(a, arch, os.path.join(part, "photos"), os.path.join(part, "out"))
        print(f"{n:10} {seconds:9.2f} {seconds / n * 1e3:12.3f} {memory:8.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos")
    parser.add_argument("--arch", default="resnet50,convnext_tiny")
    parser.add_argument("--count", type=int, default=0, help="photos, evenly over all (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--scale", help="numbers of images, separated by commas")
    parser.add_argument("--models", default=os.path.join(sys.prefix, "models"), help="folder for the converted models")
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "backbones"))
    a = parser.parse_args()
    print(machine())
    for arch in a.arch.split(","):
        with tempfile.TemporaryDirectory() as temporary:
            (scale if a.scale else compare)(arch, a, temporary)


if __name__ == "__main__":
    main()
