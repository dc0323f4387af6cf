"""Throughput against ONNX Runtime, OpenVINO, PyTorch (eager and compiled) and ncnn, on the same weights and input.

    bench/compare/run --arch resnet50,convnext_tiny --batch 1,16 --threads 1,2 --out table.jsonl

(which makes the environment of requirements.txt and starts this file). A cell is a model, a batch and a number of threads. In it
every peer is a process that has loaded the model with the weights that `seeded:ARCH` has here (publisher.py, peers/); its
features of a batch of pictures must agree with ours within 1e-4 of the largest, or it takes no part and the table says why.
Then come rounds: each runs every engine in turn, beginning with another one every time. A round's ratio is ours to the fastest
peer of that round; the median and the span count, as machines are noisy. Memory is the largest resident set of a process,
from loading to the end, against the leanest peer's (with its interpreter and libraries).

A turn in which other processes used more than 5 % of the cores is taken once again; `~` marks those that stayed disturbed, and
the table tells the worst (quiet.py).

--out keeps a line of JSON a cell; the cells that a file holds are not measured again, so that an interrupted run goes on, and
table.py prints it. --isa avx2 holds this program, and the peers that can be told, to AVX2; a note names what in a peer cannot.
--dtype bf16 takes the peers that multiply in bfloat16, and this program with --device cpu:bf16; features may then differ by 3e-2
of the largest.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import quiet
import table
from engines import HERE, MEAN, STD, Backbones, Failure, Peer

ROOT = os.path.dirname(os.path.dirname(HERE))
FLOAT32_ONLY = ("onnxruntime", "ncnn")
MODELS = ("resnet18,resnet34,resnet50,convnext_tiny,convnext_base,vit_small_patch16_224,vit_base_patch16_224,"
          "vit_base_patch16_clip_224,vit_base_patch32_clip_224,vit_small_patch14_dinov2,swin_tiny_patch4_window7_224,"
          "swinv2_tiny_window8_256")
TOLERANCE = {"f32": 1e-4, "bf16": 3e-2}  # of the largest feature


def machine():
    with open("/proc/cpuinfo") as file:
        name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown processor")
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def describe(arch, models):
    """What publisher.py says of the model; makes its files when they are not there."""
    path = os.path.join(models, arch + ".json")
    if not os.path.exists(path):
        result = subprocess.run([sys.executable, os.path.join(HERE, "publisher.py"), arch, models], capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{arch}: {(result.stderr.strip().splitlines() or ['?'])[-1]}")
    with open(path) as file:
        return json.load(file)


def pictures(batch, side):
    """uint8 [batch, side, side, 3], and as the networks take them: float32 [batch, 3, side, side]"""
    pixels = np.random.default_rng(1).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    x = (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return pixels, np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def start_peers(cell, names, models, reasons, want, folder):
    """The peers that agree; the others with their reasons into the cell."""
    peers = []
    for name in names:
        try:
            if name in reasons:
                raise Failure(reasons[name])
            if cell["dtype"] == "bf16" and name in FLOAT32_ONLY:
                raise Failure("it multiplies in float32 only")
            peer = Peer(name, cell["isa"], cell, models, folder)
            difference = float(abs(peer.features - want).max() / abs(want).max())
            if not difference <= TOLERANCE[cell["dtype"]]:
                peer.stop()
                raise Failure(f"its features differ by {difference:.1e} of the largest")
            peers.append(peer)
            cell["differences"][name], cell["versions"][name] = difference, peer.version
            if peer.note:
                cell["notes"][name] = peer.note
            print(f"  {peer.version}: worst difference {difference:.1e}" + f", {peer.note}" * bool(peer.note), flush=True)
        except Failure as reason:
            cell["missing"][name] = str(reason)
            print(f"  {table.TITLES[name]} takes no part: {reason}", flush=True)
    return peers


def measure(cell, a):
    facts = describe(cell["arch"], a.models)
    ours = Backbones(a.binary, cell["isa"], cell)
    pixels, x = pictures(cell["batch"], facts["side"])
    reasons = dict(facts["reasons"])
    if "onnx" in reasons:
        reasons.update({name: reasons["onnx"] for name in ("onnxruntime", "openvino")})
    peers = []
    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "x.npy"), x)
        try:
            peers = start_peers(cell, a.peers.split(","), a.models, reasons, ours.features(pixels), folder)
            engines = [ours] + peers
            for r in range(a.rounds):
                results = {}
                for i in range(len(engines)):
                    engine = engines[(i + r) % len(engines)]
                    results[engine.name] = quiet.undisturbed(engine, a.seconds)
                cell["rounds"].append({engine.name: results[engine.name] for engine in engines})
                print(f"  round {r + 1}: " + ", ".join(f"{name} {value[0]:.1f}{'~' * (value[2] > quiet.MOST_FOREIGN)}" for name, value in cell["rounds"][-1].items()), flush=True)
        finally:
            for peer in peers:
                peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arch", default=MODELS, help="names, separated by commas (default: the README's)")
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--peers", default=",".join(table.PEERS))
    parser.add_argument("--isa", default="", choices=("", "avx2"))
    parser.add_argument("--dtype", default="f32", choices=("f32", "bf16"), help="of the products' factors")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each engine in a round")
    parser.add_argument("--out", help="lines of JSON, which a later run goes on with")
    parser.add_argument("--models", default=os.path.join(sys.prefix, "models"), help="folder for the converted models")
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "backbones"))
    a = parser.parse_args()
    done, chosen = table.read(a.out) if a.out else {}, []
    version = subprocess.run([a.binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    for arch in a.arch.split(","):
        for batch in map(int, a.batch.split(",")):
            for threads in map(int, a.threads.split(",")):
                cell = {"arch": arch, "batch": batch, "threads": threads, "isa": a.isa, "dtype": a.dtype, "seconds": a.seconds, "count": a.rounds,
                        "machine": machine(), "versions": {"backbones": version}, "rounds": [], "differences": {}, "missing": {}, "notes": {}}
                chosen.append(table.key(cell))
                if table.key(cell) in done:
                    continue
                print(f"{arch}, batch {batch}, {threads} thread{'s' * (threads > 1)}", flush=True)
                measure(cell, a)
                done[table.key(cell)] = cell
                if a.out:
                    table.append(a.out, cell)
    cells = [done[key] for key in chosen]
    print("\n" + table.render(cells) + "\n\n" + table.render(cells, markdown=True))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"backbones: {failure}")
