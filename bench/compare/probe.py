"""Time of the linear probe against scikit-learn, alternately on the same float32 features, and what each reached.

    python3 -m venv ~/peers && ~/peers/bin/pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
    ~/peers/bin/python bench/compare/probe.py [--rounds 3] [--threads N] [--tolerance T] [--features DIR ...]

Without --features: drawn ones, 10,000 x 512 in 100 classes, non-negative and correlated as a network's. DIR is as
`backbones features` writes it. Both use every core (or --threads N) and their default tolerance; scikit-learn may take
1000 iterations, and ends well above the optimum: --tolerance T ends ours earlier, to compare times of equal results. Seconds are of the fit in memory (ours counts its judging of 500 rows, too); objectives are summed in float64
from the weights that each returned. GFLOP/s count 4 n d classes a float pass.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("BACKBONES", os.path.join(ROOT, "build", "backbones"))


def draw(n, d, classes, seed=0):
    """As a network's pooled features are: non-negative, small, spanned mostly by a few directions, of unequal scale, and
    with classes that overlap."""
    random = np.random.default_rng(seed)
    labels, rank = random.integers(0, classes, n), d // 8
    hidden = 0.5 * random.standard_normal((classes, rank))[labels] + random.standard_normal((n, rank))
    mixing = random.standard_normal((rank, d)) * (np.arange(1, rank + 1) ** -0.5)[:, None]
    x = np.maximum(hidden @ mixing + 0.3 * random.standard_normal((n, d)), 0)
    return (0.3 * x * np.exp(0.7 * random.standard_normal(d))).astype(np.float32), labels


def write(folder, x, labels, classes):
    os.makedirs(folder)
    np.save(os.path.join(folder, "features.npy"), x)
    np.save(os.path.join(folder, "labels.npy"), labels.astype(np.int64))
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("".join(f"class {k}\n" for k in range(classes)))


def objective(w, b, x, y):
    """C = 1; of two classes scikit-learn keeps one vector."""
    w, b, norm = w.astype(np.float64), b.astype(np.float64), 0.5 * (w.astype(np.float64) ** 2).sum()
    if len(b) == 1:
        w, b = np.vstack([0 * w, w]), np.array([0, b[0]])
    elif len(b) == 2:
        norm *= 2
    return norm - log_softmax(x.astype(np.float64) @ w.T + b, axis=1)[np.arange(len(y)), y].sum()


def ours(train, test, out, threads, tolerance):
    command = [PROGRAM, "probe", "--train", train, "--test", test, "--json", "--out", out]
    command += ["--threads", str(threads)] if threads else []
    command += ["--tolerance", str(tolerance)] if tolerance else []
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result, np.load(os.path.join(out, "weights.npy")), np.load(os.path.join(out, "bias.npy"))


def theirs(x, y, threads):
    start = time.time()
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=1000).fit(x, y)
    return time.time() - start, model


def compare(name, x, y, rounds, threads, tolerance):
    classes, times = int(y.max()) + 1, ([], [])
    with tempfile.TemporaryDirectory() as folder:
        train, test = os.path.join(folder, "train"), os.path.join(folder, "test")
        write(train, x, y, classes)
        write(test, x[:500], y[:500], classes)
        for i in range(rounds):
            result, w, b = ours(train, test, os.path.join(folder, f"out{i}"), threads, tolerance)
            seconds, model = theirs(x, y, threads)
            times[0].append(result["seconds"])
            times[1].append(seconds)
    ratios = [b / a for a, b in zip(*times)]
    gflop = 4 * x.size * classes * result["passes"] / 1e9
    spread = lambda values: f"{statistics.median(values):.2f} s ({min(values):.2f}..{max(values):.2f})"
    best, peer = objective(w, b, x, y), objective(model.coef_, model.intercept_, x, y)
    print(f"{name}: {x.shape[0]} x {x.shape[1]}, {classes} classes, {rounds} rounds")
    print(f"  backbones     {spread(times[0])}, objective {best:.10g}, {result['passes']} float passes and "
          f"{result['exact_passes']} exact, {gflop / statistics.median(times[0]):.0f} GFLOP/s over all")
    print(f"  scikit-learn  {spread(times[1])}, objective {peer:.10g}, {model.n_iter_.max()} iterations")
    print(f"  ratio {statistics.median(ratios):.1f} ({min(ratios):.1f}..{max(ratios):.1f}), "
          f"scikit-learn's objective is {peer / best - 1:+.1e} above", flush=True)
    return best <= peer * (1 + 1e-8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--features", nargs="*", default=[])
    arguments = parser.parse_args()
    good = True
    for folder in arguments.features:
        x = np.load(os.path.join(folder, "features.npy"))
        good &= compare(folder, x, np.load(os.path.join(folder, "labels.npy")), arguments.rounds, arguments.threads, arguments.tolerance)
    if not arguments.features:
        good = compare("drawn", *draw(10000, 512, 100), arguments.rounds, arguments.threads, arguments.tolerance)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
