"""Optima of logistic regression for tests/test_probe.c, by Newton's method with the exact Hessian.

Prints the rows of the test's table; the same seeded data is drawn there. scikit-learn is fitted beside it, where it
reaches the optimum, to show that the objective is its own. numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1.
"""
import warnings

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.linear_model import LogisticRegression

MASK = (1 << 64) - 1

# name, n, d, classes, separation, scale, offset, label noise, rows of the last class (0: as many as the others)
PROBLEMS = [
    ("wide", 60, 200, 4, 0.2, 1.0, 0.0, 0.1, 0),
    ("tall", 2000, 10, 10, 1.0, 1.0, 0.0, 0.0, 0),
    ("separable", 120, 12, 3, 4.0, 1.0, 0.0, 0.0, 0),
    ("tiny class", 303, 8, 3, 1.0, 1.0, 0.0, 0.0, 3),
    ("large", 400, 12, 5, 1.0, 1e4, 0.0, 0.2, 0),
    ("far from zero", 400, 12, 5, 1.0, 1.0, 1000.0, 0.1, 0),
    ("binary", 300, 9, 2, 0.7, 1.0, 0.0, 0.1, 0),
    ("many classes", 900, 40, 37, 1.5, 1.0, 0.0, 0.0, 0),
]
STRENGTHS = {"separable": [1.0, 1e4]}


class Random:
    """splitmix64, as tests/harness.c has it."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def draw(number, n, d, classes, separation, scale, offset, noise, last):
    random = Random(1000 + number)
    centres = np.array([[separation * (2 * random.unit() - 1) for _ in range(d)] for _ in range(classes)])
    x, y = np.empty((n, d), np.float32), np.empty(n, int)
    for i in range(n):
        label = classes - 1 if i >= n - last else i % (classes - (last > 0))
        for j in range(d):
            spread = random.unit() + random.unit() + random.unit() - 1.5
            x[i, j] = np.float32(scale * (offset + centres[label, j] + 2 * spread))
        replaced, other = random.unit() < noise, int(random.unit() * classes)
        y[i] = other if replaced else label
    return x.astype(np.float64), y


def optimum(x, y, classes, C):
    """Weights of centred features in double; the bias absorbs the centring."""
    n, d = x.shape
    z = np.hstack([x - x.mean(0), np.ones((n, 1))])
    penalty = np.full(d + 1, 2.0 if classes == 2 else 1.0)
    penalty[d] = 0
    onehot = np.eye(classes)[y]

    def value(u):
        s = z @ u.T
        return C * (logsumexp(s, axis=1) - s[np.arange(n), y]).sum() + 0.5 * (penalty * u * u).sum()

    u = np.zeros((classes, d + 1))
    for _ in range(200):
        p = softmax(z @ u.T, axis=1)
        gradient = C * (p - onehot).T @ z + penalty * u
        blocks = np.einsum("ik,kl->ikl", p, np.eye(classes)) - np.einsum("ik,il->ikl", p, p)
        hessian = C * np.einsum("ikl,ia,ib->kalb", blocks, z, z, optimize=True).reshape(u.size, u.size)
        hessian += np.diag(np.tile(penalty, classes))
        # Equal biases are free: pin their sum.
        pin = np.zeros(u.shape)
        pin[:, d] = 1
        hessian += C * n / classes * np.outer(pin, pin)
        scale = 1 / np.sqrt(np.diag(hessian))
        step = scale * np.linalg.solve(hessian * np.outer(scale, scale), scale * gradient.ravel())
        decrement, length, now = gradient.ravel() @ step, 1.0, value(u)
        while value(u - length * step.reshape(u.shape)) > now - 1e-4 * length * decrement and length > 1e-10:
            length /= 2
        u = u - length * step.reshape(u.shape)
        if decrement < 1e-14 * value(u):
            break
    logs = log_softmax(z @ u.T, axis=1)
    correct, nll = int((logs.argmax(1) == y).sum()), float(-logs[np.arange(n), y].mean())
    return float(value(u)), correct, nll


def scikit(x, y, classes, C):
    model = LogisticRegression(C=C, tol=1e-10, max_iter=20000).fit(x, y)
    w, b = model.coef_, model.intercept_
    norm = 0.5 * (w * w).sum()
    if classes == 2:
        w, b = np.vstack([0 * w, w]), np.array([0, b[0]])
    s = x @ w.T + b
    return C * (logsumexp(s, axis=1) - s[np.arange(len(y)), y]).sum() + norm


def main():
    warnings.simplefilter("ignore")
    for number, problem in enumerate(PROBLEMS):
        name, _, _, classes = problem[:4]
        x, y = draw(number, *problem[1:])
        for C in STRENGTHS.get(name, [0.01, 1.0, 100.0]):
            best, correct, nll = optimum(x, y, classes, C)
            print(f"    {{{number}, {C!r}, {best!r}, {correct}, {nll!r}}},  // {name}, scikit-learn {scikit(x, y, classes, C) / best - 1:+.1e}")


if __name__ == "__main__":
    main()
