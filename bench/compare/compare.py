"""Throughput against ONNX Runtime: both run alternately in one process set, on the same weights, input, threads and batch.

    python3 -m venv ~/peers && ~/peers/bin/pip install -r bench/compare/requirements.txt
    ~/peers/bin/python bench/compare/compare.py --arch resnet50 --batch 16 --threads 2

Seeded weights are given to torchvision or timm by name (tests/reference/seeded.py), exported to ONNX, and the outputs of both
engines are compared before anything is timed. Each round runs one engine, then the other; the median of the rounds' ratios
is what counts on a noisy machine. Peak memory is each engine's own process's, model and one batch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "reference"))


def publisher_model(arch):
    """torchvision's ResNets, whose names are ours; timm's model of that name for everything else; features only."""
    import timm
    import torch
    import torchvision

    if "resn" in arch and hasattr(torchvision.models, arch):
        model = getattr(torchvision.models, arch)()
        classifier = "fc"
    else:
        model = timm.create_model(arch, pretrained=False, exportable=True)
        classifier = None
    return model.eval(), classifier


def export(arch, size, path):
    import torch
    from seeded import seeded

    model, classifier = publisher_model(arch)
    state = {
        k: torch.from_numpy(seeded(k, tuple(v.shape), 1)) if v.dtype.is_floating_point else v
        for k, v in model.state_dict().items()
    }
    model.load_state_dict(state)
    if classifier:
        setattr(model, classifier, torch.nn.Identity())
    else:
        model.reset_classifier(0)
    example = torch.zeros(1, 3, size, size)
    torch.onnx.export(model, example, path, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}},
                      opset_version=20, dynamo=False)


# The peer's process: a round on each line of standard input ("SECONDS"), images/s on each line of output.
PEER = r"""
import sys, time
import numpy as np, onnxruntime as ort
path, batch, threads, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
options.add_session_config_entry("session.intra_op.allow_spinning", "1")
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
state, x = 1, np.random.default_rng(0).uniform(-1, 1, (batch, 3, size, size)).astype(np.float32)
session.run(None, {"x": x})
def peak_mb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024e-6
print("ready", flush=True)
for line in sys.stdin:
    end, n, begin = float(line), 0, time.perf_counter()
    while n == 0 or time.perf_counter() - begin < end:
        session.run(None, {"x": x}); n += 1
    print(n * batch / (time.perf_counter() - begin), peak_mb(), flush=True)
"""


def ours(binary, arch, batch, threads, seconds):
    command = [binary, "bench", "--arch", arch, "--batch", str(batch), "--threads", str(threads), "--seconds", str(seconds), "--json"]
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["rows"][0]
    return row["images_per_s"], row["rss_mb"]


def check_equal(binary, arch, size, path):
    """The features of one picture through both engines: worst difference over the largest feature."""
    import numpy as np
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        photos = os.path.join(folder, "photos")
        os.mkdir(photos)
        rng = np.random.default_rng(1)
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        with open(os.path.join(photos, "a.ppm"), "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (size, size) + pixels.tobytes())
        out = os.path.join(folder, "out")
        subprocess.run([binary, "features", "-w", "seeded:" + arch, "-d", photos, "-o", out, "--crop-mode", "none",
                        "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--input-size", str(size), "-q"],
                       check=True, capture_output=True)
        got = np.load(os.path.join(out, "features.npy"))[0]
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    std = np.array([0.229, 0.224, 0.225], np.float32)
    x = ((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]
    want = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0][0]
    return float(abs(got - want).max() / abs(want).max())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "backbones"))
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, a.arch + ".onnx")
        export(a.arch, a.size, path)
        error = check_equal(a.binary, a.arch, a.size, path)
        print(f"{a.arch}: worst difference of the features {error:.1e} of the largest")
        if error > 1e-4:
            sys.exit("the engines disagree: nothing to time")
        peer = subprocess.Popen([sys.executable, "-c", PEER, path, str(a.batch), str(a.threads), str(a.size)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        peer.stdout.readline()
        rows = []
        for round_number in range(a.rounds):
            our_rate, our_memory = ours(a.binary, a.arch, a.batch, a.threads, a.seconds)
            peer.stdin.write(f"{a.seconds}\n")
            peer.stdin.flush()
            peer_rate, peer_memory = map(float, peer.stdout.readline().split())
            rows.append((our_rate, peer_rate, our_memory, peer_memory))
            print(f"round {round_number + 1}: backbones {our_rate:.1f}, onnxruntime {peer_rate:.1f} images/s, ratio {our_rate / peer_rate:.3f}")
        peer.stdin.close()
        peer.wait()
    ratios = [o / p for o, p, _, _ in rows]
    print(f"{a.arch} batch {a.batch}, {a.threads} threads: median ratio {statistics.median(ratios):.3f} "
          f"({min(ratios):.3f}..{max(ratios):.3f}), memory {max(r[2] for r in rows):.0f} MB against {max(r[3] for r in rows):.0f} MB")


if __name__ == "__main__":
    main()
