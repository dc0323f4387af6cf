"""Compare `backbones probe` with scikit-learn's optimum: objective, accuracy and NLL.

    compare_probe.py                        drawn sets: wide, tall, separable, ... (those of make_probe_fixtures.py)
    compare_probe.py TRAIN TEST [C ...]     two folders that `backbones features` wrote

The program is $BACKBONES or build/backbones. scikit-learn runs in float64 with tol=1e-10 and three solvers on centred
features, which have the same optimum (the bias is not penalised); its lowest objective counts. Prints a table; exits 1
when ours is above by more than 1e-8 of it, when a prediction differs whose two best classes are not tied, or NLL by more
than 1e-5 of it. numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from make_probe_fixtures import PROBLEMS, draw
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

SOLVERS = ["lbfgs", "newton-cg", "newton-cholesky"]


def load(folder):
    return np.load(os.path.join(folder, "features.npy")), np.load(os.path.join(folder, "labels.npy"))


def store(folder, x, y, classes):
    os.makedirs(folder)
    np.save(os.path.join(folder, "features.npy"), x.astype(np.float32))
    np.save(os.path.join(folder, "labels.npy"), y.astype(np.int64))
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("".join(f"class {k}\n" for k in range(classes)))


def objective(w, b, x, y, C):
    penalty = 1.0 if len(b) == 2 else 0.5
    return -C * log_softmax(x @ w.T + b, axis=1)[np.arange(len(y)), y].sum() + penalty * (w * w).sum()


def scikit(x, y, C):
    """The best solver's name, objective, weights and bias for x as it is."""
    mean, best = x.mean(0), None
    for solver in SOLVERS:
        if solver == "newton-cholesky" and x.shape[1] * (y.max() + 1) > 3000:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=C, solver=solver, tol=1e-10, max_iter=20000).fit(x - mean, y)
        w, b = model.coef_, model.intercept_
        if len(b) == 1:
            w, b = np.vstack([-w, w]) / 2, np.array([-b[0], b[0]]) / 2
        value = objective(w, b, x - mean, y, C)
        if best is None or value < best[1]:
            best = solver, value, w, b - w @ mean
    return best


def compare(name, train, test, C):
    (x, y), (xt, yt) = load(train), load(test)
    x, xt = x.astype(np.float64), xt.astype(np.float64)
    program = os.environ.get("BACKBONES", "build/backbones")
    command = [program, "probe", "--train", train, "--test", test, "--C", repr(C), "--json"]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    solver, theirs, w, b = scikit(x, y, C)
    logs = log_softmax(xt @ w.T + b, axis=1)
    first = np.sort(logs, axis=1)
    tied = int((first[:, -1] - first[:, -2] < 1e-4).sum())
    correct, nll = int((logs.argmax(1) == yt).sum()), -logs[np.arange(len(yt)), yt].mean()
    gap = ours["objective"] / theirs - 1
    good = gap < 1e-8 and abs(ours["correct"] - correct) <= tied and abs(ours["nll"] - nll) < 1e-5 * max(nll, 1)
    print(f"{name:14} {x.shape[0]:6} {x.shape[1]:5} {int(y.max()) + 1:4} {C:8g}  {theirs:16.10g} {gap:+9.1e}  "
          f"{ours['correct']:5} {correct:5}  {ours['nll']:.7f} {nll:.7f}  {ours['passes']:4} {ours['exact_passes']:3}  "
          f"{solver}{'' if good else '  DIFFERENT'}", flush=True)
    return good


def main():
    good = True
    print("set              rows width class        C  scikit-learn's f       gap   ours their     our NLL  their NLL  "
          "passes      solver")
    if len(sys.argv) > 1:
        for C in [float(c) for c in sys.argv[3:]] or [0.01, 0.1, 1.0, 10.0]:
            good &= compare(os.path.basename(os.path.normpath(sys.argv[1])), sys.argv[1], sys.argv[2], C)
        sys.exit(0 if good else 1)
    for number, problem in enumerate(PROBLEMS):
        name, classes = problem[0], problem[3]
        x, y = draw(number, *problem[1:])
        with tempfile.TemporaryDirectory() as folder:
            train, test = os.path.join(folder, "train"), os.path.join(folder, "test")
            store(train, x, y, classes)
            store(test, x + 0.1 * np.roll(x - x.mean(0), 1, axis=0), y, classes)
            for C in [0.01, 1.0, 100.0]:
                good &= compare(name, train, test, C)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
