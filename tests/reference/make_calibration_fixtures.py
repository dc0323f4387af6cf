"""Calibration figures of scikit-learn, scipy and numpy on random logits: tests/fixtures/calibration/.

Needs numpy 2.4.6, scikit-learn 1.9.1, scipy 1.17.1.
Usage: python tests/reference/make_calibration_fixtures.py
NAME.npy: float32 [n, classes] logits; NAME-labels.npy: int64; expected.tsv: name, temperature (1, or the best), ECE and
class-wise ECE by the definitions in evaluate/calibration.h, NLL and Brier score by scikit-learn.
"""
import os

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "calibration")


def binned_error(p, hit):
    bins = np.where(p < 1, (p * 15).astype(int), 15)
    return sum(abs(hit[bins == b].sum() - p[bins == b].sum()) for b in range(16)) / len(p)


def figures(logits, labels, temperature):
    p = softmax(logits.astype(np.float64) / temperature, axis=1)
    classes = np.arange(p.shape[1])
    truth = labels[:, None] == classes
    ece = binned_error(p.max(1), p.argmax(1) == labels)
    classwise = np.mean([binned_error(p[:, k], truth[:, k]) for k in classes])
    brier = brier_score_loss(labels, p, labels=classes, scale_by_half=False)
    return ece, classwise, log_loss(labels, p, labels=classes), brier


def best_temperature(logits, labels):
    def nll(inverse):
        z = logits.astype(np.float64) * inverse
        return np.mean(np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), labels])

    return 1 / minimize_scalar(nll, bounds=(1e-3, 1e3), method="bounded", options={"xatol": 1e-12}).x


def main():
    os.makedirs(OUT, exist_ok=True)
    rng = np.random.default_rng(0)
    with open(os.path.join(OUT, "expected.tsv"), "w") as table:
        for name, n, classes, spread in (("overconfident", 150, 5, 6.0), ("timid", 120, 4, 0.4), ("two", 90, 2, 2.0)):
            truth = rng.normal(size=(n, classes)) * 1.5
            labels = np.array([rng.choice(classes, p=softmax(row)) for row in truth])
            logits = (truth * spread).astype(np.float32)
            np.save(os.path.join(OUT, f"{name}.npy"), logits)
            np.save(os.path.join(OUT, f"{name}-labels.npy"), labels.astype(np.int64))
            for temperature in (1.0, best_temperature(logits, labels)):
                row = [temperature, *figures(logits, labels, temperature)]
                table.write(name + "".join(f"\t{value:.12g}" for value in row) + "\n")


if __name__ == "__main__":
    main()
