"""Compare `backbones probe` with scikit-learn on two folders that `backbones features` wrote.

    compare_probe.py TRAIN TEST [C ...]          (program: $BACKBONES or build/backbones)

Prints both sides for every C, and the objective that each reached; exits 1 when ours is above scikit-learn's by more
than 1e-8 of it, or when as many as 3 predictions or 0.001 of NLL differ. numpy 2.4.6, scikit-learn 1.9.1.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression


def load(folder):
    x = np.load(os.path.join(folder, "features.npy")).astype(np.float64)
    return x, np.load(os.path.join(folder, "labels.npy"))


def objective(w, b, x, y, C):
    penalty = 1.0 if len(b) == 2 else 0.5
    return -C * log_softmax(x @ w.T + b, axis=1)[np.arange(len(y)), y].sum() + penalty * (w * w).sum()


def scikit(x, y, C):
    """Centred features reach the same optimum sooner: the bias is not penalised."""
    mean = x.mean(0)
    start = time.time()
    model = LogisticRegression(C=C, tol=1e-8, max_iter=10000).fit(x - mean, y)
    w, b = model.coef_, model.intercept_
    if len(b) == 1:
        w, b = np.vstack([-w, w]) / 2, np.array([-b[0], b[0]]) / 2
    return w, b - w @ mean, time.time() - start


def main():
    train, test = sys.argv[1:3]
    (x, y), (xt, yt) = load(train), load(test)
    program, good = os.environ.get("BACKBONES", "build/backbones"), True
    for C in [float(c) for c in sys.argv[3:]] or [0.01, 0.1, 1.0, 10.0]:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out")
            command = [program, "probe", "--train", train, "--test", test, "--C", repr(C), "--json", "--out", out]
            ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            stored = objective(np.load(os.path.join(out, "weights.npy")).astype(np.float64),
                               np.load(os.path.join(out, "bias.npy")).astype(np.float64), x, y, C)
        w, b, seconds = scikit(x, y, C)
        logs = log_softmax(xt @ w.T + b, axis=1)
        correct, nll = int((logs.argmax(1) == yt).sum()), -logs[np.arange(len(yt)), yt].mean()
        theirs = objective(w, b, x, y, C)
        gap = ours["objective"] / theirs - 1
        print(f"C {C:g}: ours {ours['correct']} correct, NLL {ours['nll']:.6f}, objective {ours['objective']:.10g}, "
              f"{ours['seconds']:.2f} s; scikit-learn {correct}, {nll:.6f}, {theirs:.10g}, {seconds:.2f} s; "
              f"gap {gap:+.1e}, of the stored weights {stored / theirs - 1:+.1e}")
        good &= gap < 1e-8 and abs(ours["correct"] - correct) < 3 and abs(ours["nll"] - nll) < 1e-3
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
